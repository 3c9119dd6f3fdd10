"""The name that the operators of a package have in torch: the name of its spec and a hash of its code.

Two versions of a spec in one process are two sets of operators. The hash is of the text of the files of code, without
the comments at their heads: what generates the same code, by whatever names of its own, gives the same operators.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import dropwhile

_PLACE = "-" * 8  # as long as the hash, so that lines break where they will


def unsigned(name: str) -> str:
    """The tag of a package whose texts are still to be hashed."""
    return f"{name}_{_PLACE}"


def signed(name: str, texts: Mapping[str, str]) -> dict[str, str]:
    """The texts of a package, with the hash of its code where they have the place of one."""
    code = {file: _code(text) for file, text in sorted(texts.items()) if not file.endswith(".md")}
    digest = hashlib.sha256(repr(code).encode()).hexdigest()[: len(_PLACE)]
    return {file: text.replace(f'"{unsigned(name)}"', f'"{name}_{digest}"') for file, text in texts.items()}


def _code(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(dropwhile(lambda line: line.startswith(("#", "//")), lines))
