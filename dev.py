"""Commands on a machine that has nothing but Python 3.10 to 3.13:

    python3 dev.py demo    set up, build specs/maze.py, train a maze solver for a minute or two
    python3 dev.py quick   set up, run what takes a minute: lint, types, arrows, passes, a spec a domain; time of each
    python3 dev.py test    set up, run ruff, mypy and all tests; print the time of each
    python3 dev.py long    set up, run what takes hours (tests/long.py), from where it stopped; docs/long-run.md

The set-up lives in .venv and is done again only when a pinned version changes. Standard library only.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
PINS = ROOT / "requirements.txt"
CHECKS = (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"])
QUICK = ["specs/coupled_wave.py", "specs/gallery/graph_heat.py", "specs/lm.py"]  # one of each domain
SLOWEST = 10  # files of tests that are told of
SUPPORTED = [(3, 10), (3, 11), (3, 12), (3, 13)]


def run(*command: object, **environment: str) -> int:
    """Run a command in the repository; its exit code."""
    print(line_of(command), flush=True)
    return subprocess.call([str(part) for part in command], cwd=ROOT, env={**os.environ, **environment})


def run_aside(*command: object, **environment: str) -> int:
    """The same beside another command: what it prints comes when it has ended, in one piece."""
    words = [str(part) for part in command]
    done = subprocess.run(
        words, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    print(line_of(command) + "\n" + done.stdout.decode(errors="replace"), end="", flush=True)
    return done.returncode


def line_of(command: "tuple[object, ...]") -> str:
    return "$ " + " ".join(str(part).replace(str(ROOT) + os.sep, "") for part in command)


def interpreter() -> str:
    """A supported Python: this one, else one on the path."""
    if sys.version_info[:2] in SUPPORTED:
        return sys.executable
    for major, minor in reversed(SUPPORTED):
        found = shutil.which("python{}.{}".format(major, minor))  # noqa: UP032  (must parse on any Python 3)
        # A version manager may put a name on the path that runs nothing.
        if found and subprocess.call([found, "-c", ""], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0:
            return found
    sys.exit("metrigen needs Python 3.10 to 3.13, this is " + sys.version.split()[0])


def set_up() -> None:
    """Make .venv and install into it, unless it is there with these very pins."""
    python = interpreter()
    wanted = hashlib.sha256(PINS.read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()
    stamp = VENV / "pins.sha256"
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    print("setting up .venv (once; torch is large)", flush=True)
    pip = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "-c", PINS]
    pip += [] if sys.stdout.isatty() else ["--quiet"]
    torch = next(line for line in PINS.read_text().splitlines() if line.startswith("torch=="))
    # torch comes first: were it left to a package that depends on it, pip could settle on another version.
    for command in ([python, "-m", "venv", "--clear", VENV], [*pip, torch], [*pip, "-r", PINS, "-e", ".[test]"]):
        if run(*command):
            sys.exit("the set-up failed; it starts afresh next time")
    stamp.write_text(wanted)


def demo() -> int:
    """From the spec to a trained solver: the exit code of the first step that fails, else 0."""
    return run(PYTHON, "-m", "metrigen", "build", "specs/maze.py") or run(
        PYTHON, "-m", "trainers.maze", "--steps", "120", "--mazes", "50"
    )


def timed(runs: "Callable[..., int]", command: "list[object]", **environment: str) -> "tuple[int, float]":
    """Run a module of Python by ``run`` or ``run_aside``: 1 if it failed, else 0, and the seconds that it took."""
    began = time.monotonic()
    return int(runs(PYTHON, "-m", *command, **environment) != 0), time.monotonic() - began


def quick() -> int:
    """What is worth a look before a commit, in a minute where nothing else runs: 1 if a part failed, else 0."""
    with tempfile.TemporaryDirectory() as folder:
        pytest = ["pytest", "-q", "-p", "no:cacheprovider"]
        parts = {
            "lint": CHECKS[0],
            "format": CHECKS[1],
            "types": CHECKS[2],
            "arrows": [*pytest, "tests/test_layers.py"],
            "passes": [*pytest, "tests/passes", "tests/ir"],
            "a spec a domain": ["metrigen", "build", *QUICK, "--out", folder],
        }
        found = {name: timed(run, command, OMP_NUM_THREADS="1") for name, command in parts.items()}
    print("\nseconds")
    for name, (bad, seconds) in found.items():
        print("{:7.1f}  {}{}".format(seconds, name, "  FAILED" if bad else ""))
    print("{:7.1f}  in all".format(sum(seconds for _, seconds in found.values())), flush=True)  # noqa: UP032
    return int(any(bad for bad, _ in found.values()))


def test() -> int:
    """Static checks, the suite, and the kernels in Triton's interpreter, which fixes its mode at import.

    All three begin at once: what has one process, or ends with one, leaves no core idle. The seconds of a group are
    those from its beginning to its end.
    """
    began = time.monotonic()
    with ThreadPoolExecutor(3) as at_once:
        static = at_once.submit(checked)
        interpreted = at_once.submit(
            pytest, run_aside, "pytest, Triton's interpreter", ["-n", "1", "tests/kernels"], {"TRITON_INTERPRET": "1"}
        )
        # Neighbours stay in one process while they can: they share what they build.
        rows = pytest(run, "pytest", ["-n", "2", "--dist", "worksteal"], {})
        rows = static.result() + rows + interpreted.result()
    print("\n{:.0f} seconds in all; of them the groups, which run at once:".format(time.monotonic() - began))  # noqa: UP032
    print("\nseconds  passed  failed")
    for name, seconds, good, bad in rows:
        print("{:7.0f}  {:6d}  {:6d}  {}".format(seconds, good, bad, name))  # noqa: UP032
    groups = [row for row in rows if not row[0].startswith(" ")]
    passed, failed = (sum(row[k] for row in groups) for k in (2, 3))
    print("{} passed, {} failed".format(passed, failed), flush=True)  # noqa: UP032
    return int(failed > 0)


def checked() -> "list[tuple[str, float, int, int]]":
    """Run the static checks, one after the other; name, seconds, passed and failed of each."""
    rows = []
    for check in CHECKS:
        bad, seconds = timed(run_aside, check)
        rows.append((" ".join(check), seconds, 1 - bad, bad))
    return rows


def pytest(
    runs: "Callable[..., int]", name: str, arguments: "list[str]", environment: "dict[str, str]"
) -> "list[tuple[str, float, int, int]]":
    """Run pytest in processes of one thread, by ``run`` or ``run_aside``.

    Name, seconds, passed and failed of all, by folder, and of the slowest files.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        bytecode = {"PYTHONDONTWRITEBYTECODE": ""}  # tests start many processes, which are to compile no module again
        command = [PYTHON, "-m", "pytest", "--junitxml", report, *arguments]
        code = runs(*command, **{**threads, **bytecode, **environment})
        seconds = time.monotonic() - began
        if not report.exists():
            return [(name, seconds, 0, 1)]
        suite = next(ElementTree.parse(report).iter("testsuite"))
    bad = int(suite.attrib["failures"]) + int(suite.attrib["errors"])
    good = int(suite.attrib["tests"]) - bad - int(suite.attrib["skipped"])
    folders, files = {}, {}  # type: dict[str, list[float]], dict[str, list[float]]
    for case in suite.iter("testcase"):
        words = [part for part in case.attrib.get("classname", "").split(".") if not part[:1].isupper()]
        fell = case.find("failure") is not None or case.find("error") is not None
        for found in (
            folders.setdefault("/".join(words[:-1]), [0, 0, 0]),
            files.setdefault("/".join(words), [0, 0, 0]),
        ):
            found[0] += float(case.attrib["time"])
            found[2 if fell else 1] += int(fell or case.find("skipped") is None)
    slowest = sorted(files.items(), key=lambda item: -item[1][0])[:SLOWEST]
    parts = [("  " + place, took, int(g), int(b)) for place, (took, g, b) in sorted(folders.items())]
    parts += [("    " + place + ".py", took, int(g), int(b)) for place, (took, g, b) in slowest]
    return [(name, seconds, good, max(bad, int(code != 0))), *parts]


def long() -> int:
    """What takes hours: the exit code of tests/long.py."""
    return run(PYTHON, "tests/long.py", *sys.argv[2:])


if __name__ == "__main__":
    commands = {"demo": demo, "quick": quick, "test": test, "long": long}
    if (sys.argv[1:2] != ["long"] and len(sys.argv) != 2) or sys.argv[1] not in commands:
        sys.exit(__doc__)
    set_up()
    sys.exit(commands[sys.argv[1]]())
