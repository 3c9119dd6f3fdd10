"""Pages whose code runs, and prints what they say; ``python -m tests.test_pages`` writes what it prints today.

A Python block that begins with ``# NAME.py`` is saved under that name; lines of bash that call metrigen are run, and
print what stands below them; all other Python of a page is one program. Words must be equal, numbers nearly: they are
of another machine.
"""

from __future__ import annotations

import re
import shlex
import sys
import tempfile
from pathlib import Path

import pytest

from tests import processes
from tests.conftest import ROOT
from tests.lengths import spread

PAGES = (
    "in-memory", "command-line", "driving", "trajectories", "learning", "accuracy", "tutorial-network",
    "howto/spec", "howto/domains", "howto/extend", "howto/code", "howto/distributed", "howto/deploy", "howto/cannot",
    "concepts/spec", "concepts/learned", "concepts/sequences", "concepts/torch", "concepts/reports", "reference/words",
)  # fmt: skip
BLOCKS = re.compile(r"^```(python|bash)\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.M | re.S)
NUMBER = re.compile(r"(?<![\w.])[+-]?\d+\.?\d*(?:e[+-]?\d+)?")
# Pages of another form, with the test that runs them.
ELSEWHERE = {
    "tutorial": "tests/test_docs.py",
    "layer-surface": "tests/surface/test_page.py",
    "temperature": "tests/temperature/test_docs.py",
    "concepts/graphs": "tests/graph/test_docs.py",
    "internals/pipeline": "tests/test_internals.py",
    "reference/refusals": "tests/refusals.py",
}
RUNS = {"torchrun": ["torch.distributed.run"]}  # commands that are modules of another name
FIRST = re.compile(r"^<!-- run first\n(.*?)^-->$", re.M | re.S)  # what a page takes for granted, and does not show
KERNELS = ("in-memory", "command-line", "driving", "trajectories", "learning", "accuracy", "howto/deploy")
MARK = "-- the next block --"


def source(page: str) -> Path:
    return ROOT / f"docs/{page}.md"


def printed(text: str, folder: Path, kernels: bool = False) -> list[str]:
    """What the blocks of a page print, run in a folder; nothing for those that are saved, and for bash that has nothing
    below it."""
    environment = {"PYTHONPATH": str(ROOT), "METRIGEN_CPU_KERNELS": str(int(kernels))}
    program, places = [], []
    if text.count("\nmetrigen show specs/") > 2:
        (folder / "specs").symlink_to(ROOT / "specs")
    first = "".join(FIRST.findall(text))
    found: dict[int, str] = {}
    for i, (language, code, expected) in enumerate(BLOCKS.findall(text)):
        name = re.match(r"# (\w+\.py)\n", code)
        if language == "bash":
            lines = [shlex.split(line, comments=True) for line in code.splitlines()]
            out = "".join(_run(["-m", *RUNS.get(line[0], line[:1]), *line[1:]], folder, environment)
                          for line in lines if line)  # fmt: skip
            found[i] = "".join(f"{row.rstrip()}\n" for row in out.splitlines()) if expected else ""
        elif name:
            (folder / name[1]).write_text(code[name.end() :], encoding="utf-8")
        else:
            program.append(code)
            places.append(i)
    (folder / "page.py").write_text(first + f"\nprint({MARK!r})\n".join(program), encoding="utf-8")
    parts = _run(["page.py"], folder, environment).split(f"{MARK}\n")
    found |= zip(places, parts if places else [], strict=True)
    return [found.get(i, "") for i in range(len(BLOCKS.findall(text)))]


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    done = processes.python(*command, cwd=folder, **environment)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def differ(found: str, expected: str) -> bool:
    """Whether words differ, or a number by more than a twentieth and one of its last place."""
    if NUMBER.sub("#", found) != NUMBER.sub("#", expected):
        return True
    return any(abs(float(a) - float(b)) > max(0.05 * abs(float(b)), _place(b))
               for a, b in zip(NUMBER.findall(found), NUMBER.findall(expected), strict=True))  # fmt: skip


def _place(number: str) -> float:
    """One unit of the last place of a number with a point; a whole number has none to spare."""
    digits, _, exponent = number.partition("e")
    return 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2])) if "." in digits else 0.0


def rewritten(text: str, folder: Path, kernels: bool = False) -> str:
    outputs = iter(printed(text, folder, kernels))

    def block(found: re.Match[str]) -> str:
        out = next(outputs)
        return f"```{found[1]}\n{found[2]}```" + (f"\n\n```text\n{out}```" if found[3] is not None else "")

    return BLOCKS.sub(block, text)


@pytest.mark.parametrize("page", spread(PAGES, 3))
def test_the_page_prints_what_it_says(page: str, tmp_path: Path) -> None:
    text = source(page).read_text(encoding="utf-8")
    blocks, found = BLOCKS.findall(text), printed(text, tmp_path, page in KERNELS)
    for (_, code, expected), out in zip(blocks, found, strict=True):
        assert not differ(out, expected), f"{code}\n{out}\nto write it anew: python -m tests.test_pages {page}"


def test_every_page_with_code_is_run() -> None:
    with_code = {
        page.relative_to(ROOT / "docs").with_suffix("").as_posix()
        for page in sorted((ROOT / "docs").rglob("*.md"))
        if re.search(r"^```(python|bash)$", page.read_text(encoding="utf-8"), re.M) and page.parent.name != "gallery"
    }
    assert with_code == {*PAGES, *ELSEWHERE}
    for page, test in ELSEWHERE.items():
        text = (ROOT / test).read_text(encoding="utf-8")
        assert Path(page).name in text, f"{test} does not run {page}"


def test_a_page_that_says_something_else_is_found(tmp_path: Path) -> None:
    text = "```python\nprint('a', 1.25, 7)\n```\n\n```text\na 1.25 7\n```\n"
    (out,) = printed(text, tmp_path)
    assert not differ(out, "a 1.26 7\n")
    assert differ(out, "b 1.25 7\n")
    assert differ(out, "a 1.40 7\n")
    assert differ(out, "a 1.25 8\n")
    assert rewritten(text.replace("1.25 7\n```\n", "0\n```\n"), tmp_path) == text


if __name__ == "__main__":
    for name in sys.argv[1:] or PAGES:
        with tempfile.TemporaryDirectory() as scratch:
            source(name).write_text(
                rewritten(source(name).read_text(encoding="utf-8"), Path(scratch), name in KERNELS), "utf-8"
            )
