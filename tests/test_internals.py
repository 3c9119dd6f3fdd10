"""The page of the pipeline prints what it says; ``python -m tests.test_internals`` writes what it prints today."""

from __future__ import annotations

import contextlib
import io
import re
from typing import Any

from tests.conftest import ROOT

PAGE = ROOT / "docs/internals/pipeline.md"
BLOCKS = re.compile(r"^```python\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.M | re.S)


def pairs(text: str) -> list[tuple[str, str | None]]:
    """(Python, what it prints) of every block of a page, in order; None where no print stands below it."""
    return [(found[1], found[2]) for found in BLOCKS.finditer(text)]


def printed(text: str) -> list[str]:
    """What the blocks print, run one after the other in one module."""
    known: dict[str, Any] = {"__name__": "page"}
    found = []
    for code, _ in pairs(text):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(code, str(PAGE), "exec"), known)
        found.append(out.getvalue())
    return found


def rewritten(text: str) -> str:
    outputs = iter(printed(text))

    def block(found: re.Match[str]) -> str:
        out = next(outputs)
        return f"```python\n{found[1]}```" + (f"\n\n```text\n{out}```" if found[2] is not None else "")

    return BLOCKS.sub(block, text)


def test_every_stage_prints_what_the_page_says() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(pairs(text)) >= 8
    for (code, expected), found in zip(pairs(text), printed(text), strict=True):
        assert found == (expected or ""), f"{code}\nto write it anew: python -m tests.test_internals"


def test_a_page_that_says_something_else_is_found() -> None:
    text = "```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n"
    assert printed(text) == ["2\n"]
    assert rewritten(text) == text.replace("3", "2")


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
