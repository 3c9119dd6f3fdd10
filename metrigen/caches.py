"""SymPy's caches, long enough for long expressions.

SymPy keeps the last 1000 results of each of its functions. A sum of more terms goes round in that: every result is
dropped just before it is asked for again, and the work of a build doubles or triples. The length is read once, where
SymPy is imported. A length that is set in the environment stays, and so does a SymPy that was imported before: the
bytes of a package are the same with any.
"""

from __future__ import annotations

import os
import sys

LENGTH = 50_000
_VARIABLE = "SYMPY_CACHE_SIZE"

if "sympy" not in sys.modules and _VARIABLE not in os.environ:
    os.environ[_VARIABLE] = str(LENGTH)
    try:
        import sympy.core.cache  # noqa: F401
    finally:
        del os.environ[_VARIABLE]
