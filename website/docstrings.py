"""Docstrings of the project as Markdown: sentences stay sentences, rows of ``name  meaning`` become a list."""

from __future__ import annotations

import re

_ROW = re.compile(r"^(?P<names>[\w*]+(?:, [\w*]+)*)\s{2,}(?P<text>\S.*)$")


def markdown(doc: str) -> str:
    """The Markdown of a docstring whose first line is not indented."""
    return "\n\n".join(_block(block.splitlines()) for block in re.split(r"\n\s*\n", doc.strip()))


def _block(lines: list[str]) -> str:
    """One paragraph: rows after a line of their own form, and what is indented below them goes on."""
    shown: list[str] = []
    for line in lines:
        row = _ROW.match(line)
        if row:
            names = ", ".join(f"`{name}`" for name in row["names"].split(", "))
            shown += [] if _listed(shown) else [""]
            shown.append(f"- {names}: {_text(row['text'])}")
        elif line[:1] == " " and _listed(shown):
            shown[-1] += f" {_text(line.strip())}"
        elif line[:1] == " ":
            shown.append(_text(line.strip()))
        else:
            shown += ["", _text(line)] if _listed(shown) else [_text(line)]
    return "\n".join(shown).strip()


def _listed(shown: list[str]) -> bool:
    return bool(shown) and shown[-1].startswith("- ")


def _text(line: str) -> str:
    """Code in two backquotes in one; outside of it nothing is markup."""
    parts = re.split(r"``(.+?)``", line)
    return "".join(f"`{part}`" if k % 2 else re.sub(r"([*_<\[])", r"\\\1", part) for k, part in enumerate(parts))
