"""Hooks of mkdocs: the reference is written out, and formulas become MathML, which a browser sets without a script."""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from latex2mathml.converter import convert

from website.reference import filled

_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.S)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The text of a page with its references."""
    return filled(markdown)


def on_page_content(content: str, **_: Any) -> str:
    """The page with MathML for every formula; a wide one scrolls in a box of its own."""
    return _FORMULA.sub(_typeset, content)


def _typeset(found: re.Match[str]) -> str:
    block = found[2] == "["
    made = convert(html.unescape(found[3]).strip(), display="block" if block else "inline")
    return f'<div class="formula">{made}</div>' if block else made
