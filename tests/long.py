"""The long run: python dev.py long [GROUP ...]

Every group is a process with a log of its own under runs/long/. A group that was done at this commit is not run again,
unless it is named. The table is written to docs/long-run.md after each. METRIGEN_LONG=1 makes tests long that have two
lengths. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "runs" / "long"
PAGE = ROOT / "docs" / "long-run.md"
SPECS, RANGE = 10_000, 500  # fuzzed specs, in so many at a time
VERSIONS = ("3.10", "3.11", "3.12", "3.13")
HEAD = """# The long run

What `python3 dev.py test` has no time for: `python3 dev.py long`. Every group runs by itself and leaves its log in
`runs/long/`; one that was done at a commit is not run again there. This page is written by the run.

"""


@dataclass(frozen=True)
class Group:
    """A command whose exit code says whether all is well; one of pytest's says how many."""

    name: str
    command: tuple[str, ...]

    @property
    def shown(self) -> str:
        return " ".join(self.command).replace(sys.executable, "python").replace(str(ROOT) + os.sep, "")


@dataclass(frozen=True)
class Result:
    """What became of a group at a commit."""

    commit: str
    name: str
    command: str
    seconds: float
    passed: int
    failed: int


def groups(commit: str) -> tuple[Group, ...]:
    """All that is there: every file of tests, the fuzzer in ranges of seeds, Pythons on the path, and the soak."""
    python = sys.executable
    files = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py"))
    found = [Group(file.removesuffix(".py"), (python, "-m", "pytest", file)) for file in files]
    found += [Group(f"python{v}", (python, "tests/long.py", "--python", v)) for v in VERSIONS if interpreter(v)]
    for seed in range(0, SPECS, RANGE):
        log = f"runs/long/{commit}-fuzz-{seed}.jsonl"
        found.append(Group(f"fuzz-{seed}", (python, "tests/fuzz.py", str(RANGE), str(seed), "--log", log)))
    return (*found, Group("soak", (python, "-m", "tests.soak", "3600")))


def commit_of() -> str:
    """The commit; with a hash of what differs from it, where something does."""
    paths = ("--", ".", ":!docs/long-run.md")
    commit = git("rev-parse", "--short=12", "HEAD").strip()
    changed = git("diff", "HEAD", *paths) + git("ls-files", "--others", "--exclude-standard", *paths)
    return commit + (f"+{hashlib.sha256(changed.encode()).hexdigest()[:8]}" if changed else "")


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def interpreter(version: str) -> str | None:
    """A Python of that version on the path, one that runs."""
    found = shutil.which(f"python{version}")
    code = f"import sys; sys.exit('%d.%d' % sys.version_info[:2] != '{version}')"
    return found if found and subprocess.run([found, "-c", code], capture_output=True).returncode == 0 else None


def run(group: Group, commit: str) -> Result:
    """Run a group to its end, its output in a file."""
    file = group.name.replace("/", "-")
    report = RUNS / f"{file}.xml"
    report.unlink(missing_ok=True)
    more = ("-o", "addopts=", "-o", "faulthandler_timeout=7200", "-v", "--junitxml", str(report))
    command = (*group.command, *more) if "pytest" in group.command else group.command
    environment = {**os.environ, "METRIGEN_LONG": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    began = time.monotonic()
    with (RUNS / f"{file}.log").open("w") as log:
        code = subprocess.call(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    passed, failed = counts(report) if report.exists() else (int(code == 0), int(code != 0))
    return Result(
        commit, group.name, group.shown, round(time.monotonic() - began, 1), passed, max(failed, int(code != 0))
    )


def counts(report: Path) -> tuple[int, int]:
    suite = next(ElementTree.parse(report).iter("testsuite")).attrib
    failed = int(suite["failures"]) + int(suite["errors"])
    return int(suite["tests"]) - failed - int(suite["skipped"]), failed


def kept(commit: str) -> dict[str, Result]:
    """The results at this commit, by name; a line that was cut off is none."""
    path = RUNS / "results.jsonl"
    found = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            result = Result(**json.loads(line))
        except (ValueError, TypeError):
            continue
        if result.commit == commit:
            found[result.name] = result
    return found


def page(commit: str, wanted: tuple[Group, ...], done: dict[str, Result]) -> str:
    """The results as a table, groups that have not run included."""
    lines = ["| group | command | seconds | passed | failed |", "| --- | --- | ---: | ---: | ---: |"]
    for group in wanted:
        result = done.get(group.name)
        end = f"{result.seconds:.0f} | {result.passed} | {result.failed}" if result else "not run | |"
        lines.append(f"| {group.name} | `{group.shown}` | {end} |")
    missing = [f"python{v}" for v in VERSIONS if not interpreter(v)]
    where = f"Commit {commit}, Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores."
    absent = f"\n\nNot there to be run: {', '.join(missing)}." if missing else ""
    return HEAD + where + absent + "\n\n" + "\n".join(lines) + "\n"


def main(named: list[str]) -> int:
    RUNS.mkdir(parents=True, exist_ok=True)
    commit = commit_of()
    wanted, done = groups(commit), kept(commit)
    unknown = [name for name in named if name not in {group.name for group in wanted}]
    if unknown:
        sys.exit(f"no group {', '.join(unknown)}; known are {', '.join(group.name for group in wanted)}")
    PAGE.write_text(page(commit, wanted, done))
    for group in wanted:
        if group.name not in (named or [g.name for g in wanted if g.name not in done]):
            continue
        print(f"{group.name}: {group.shown}", flush=True)
        done[group.name] = result = run(group, commit)
        with (RUNS / "results.jsonl").open("a") as file:
            file.write(json.dumps(asdict(result)) + "\n")
        print(f"  {result.seconds:.0f} s, {result.passed} passed, {result.failed} failed", flush=True)
        PAGE.write_text(page(commit, wanted, done))
    print(f"wrote {PAGE}")
    return int(any(result.failed for result in done.values()))


def on_python(version: str) -> int:
    """Build the shipped specs and the gallery with another Python and the pinned versions: the same bytes, and it reads
    every emitted file.
    """
    folder, place = RUNS / f"venv{version}", RUNS / f"packages{version}"
    python = str(folder / "bin" / "python")
    shutil.rmtree(place, ignore_errors=True)
    steps = [
        [str(interpreter(version)), "-m", "venv", "--clear", str(folder)],
        [python, "-m", "pip", "install", "-q", "-c", "requirements.txt", "."],
        [python, "-m", "metrigen", "build", "specs", "specs/gallery", "--out", str(place)],
        [python, "-m", "compileall", "-q", str(place)],
        [sys.executable, "-m", "metrigen", "build", "specs", "specs/gallery", "--out", str(place), "--check"],
    ]
    for step in steps:
        print("$", *step, flush=True)
        code = subprocess.call(step, cwd=ROOT)
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(on_python(sys.argv[2]) if sys.argv[1:2] == ["--python"] else main(sys.argv[1:]))
