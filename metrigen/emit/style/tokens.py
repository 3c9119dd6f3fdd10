"""The tokens of one statement of Python, strings in double quotes."""

from __future__ import annotations

import re

# A string stops at its own quote; what it holds is never looked at.
STRING = r'[rbfuRBFU]{0,2}(?:"""(?:[^\\]|\\.)*?"""|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\')'
_NUMBER = r"(?:0[xXoObB][\da-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)[jJ]?"
_OPERATOR = r"\*\*=|//=|>>=|<<=|\.\.\.|\*\*|//|>>|<<|->|:=|[-+*/%&|^@=!<>]=|[-+*/%@&|^~<>()\[\]{},:.;=]"
_TOKEN = re.compile(rf"\s+|({STRING}|{_NUMBER}|[^\W\d]\w*|{_OPERATOR}|#.*)|(.)", re.DOTALL)


def tokens(text: str) -> list[str] | None:
    """The tokens of ``text`` without its white space; None where something in it is no token."""
    found: list[str] = []
    for match in _TOKEN.finditer(text):
        if match[1] is not None:
            found.append(match[1])
        elif match[2] is not None:
            return None
    return [_plain(token) for token in found]


def _plain(token: str) -> str:
    """A token as it is written: strings in double quotes, exponents without a plus."""
    if "'" in token and token[0] not in '#"':
        return in_double_quotes(token)
    return token.replace("e+", "e") if token[0].isdigit() and "e+" in token else token


def in_double_quotes(string: str) -> str:
    """A string in single quotes in double ones, unless that would ask for a backslash in it."""
    start = string.index("'") if "'" in string else 0
    inner = string[start + 1 : -1]
    if string[start] != "'" or string[-1] != "'" or '"' in inner or "\\" in inner or '"' in string[:start]:
        return string
    return f'{string[:start]}"{inner}"'
