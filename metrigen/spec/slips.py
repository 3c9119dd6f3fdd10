"""What to write instead where Python or SymPy gave up on a line of a spec: slips of the pen whose cure is known."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable, Mapping

import sympy as sp

_NUMERIC = re.compile(r"\b(np|numpy|math|torch|cmath|jnp|scipy)\.((?:\w+\.)*)(\w+)")
_OF_NUMBERS = re.compile(
    r"loop of ufunc|Cannot convert expression to float|must be Tensor|must be real number|only (length-1|size-1|0-dim)"
    r"|can't convert expression|Cannot determine truth value|can't convert complex"
)
_TRUTH = re.compile(r"truth value")
_XOR = re.compile(r"unsupported operand type\(s\) for \^|bad operand type for \^")
_KEYWORD = re.compile(r"^(?:(\w+)\.)?(\w+)\(\) got an unexpected keyword argument '(\w+)'")
_MISSING = re.compile(r"^(?:(\w+)\.)?(\w+)\(\) missing \d+ required (?:positional|keyword-only) arguments?: (.*)$")
_POWER = "write powers with **: u**2, not u^2"
_SYMPY = {"arctan": "atan", "arcsin": "asin", "arccos": "acos", "arctan2": "atan2", "abs": "Abs", "fabs": "Abs",
          "maximum": "Max", "minimum": "Min", "absolute": "Abs", "power": "Pow", "pow": "Pow"}  # fmt: skip


def cure(error: BaseException, line: str = "", known: Mapping[str, object] | None = None) -> str | None:
    """The fix of an exception that a line of a spec raised; None where none is known.

    line   the source text of the line, or "" where it is not known
    known  the names of the spec and what they stand for
    """
    text, names = str(error), known or {}
    if isinstance(error, ImportError):
        return "a spec imports installed packages, and the files beside it by their names: from common import lattice"
    if isinstance(error, NameError):
        return _name(getattr(error, "name", None) or "", names)
    if isinstance(error, AttributeError):
        return _attribute(error)
    if isinstance(error, TypeError) and _XOR.search(text):
        return _POWER
    numeric = _numeric(line)
    if numeric and isinstance(error, (TypeError, AttributeError, ValueError, RuntimeError)):
        return numeric
    if _TRUTH.search(text):
        return "a field has no value yet: write a case with sp.Max, sp.Min, sp.Abs or sp.Piecewise, not with if"
    if _OF_NUMBERS.search(text):
        return "functions of fields are SymPy's: sp.cos(u), sp.exp(u), sp.sqrt(u)"
    return _call(text, names) if isinstance(error, TypeError) else None


def numeric_function(expr: object) -> bool:
    """Whether a value is an array of numpy or a tensor of torch, told by its type without importing either."""
    return (type(expr).__module__ or "").split(".")[0] in ("numpy", "torch", "jax", "jaxlib")


def closest(name: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The one of ``names`` that ``name`` is likely a slip of."""
    found = difflib.get_close_matches(name, sorted(set(names)), n=1, cutoff=cutoff)
    return found[0] if found else None


def vocabulary() -> tuple[str, ...]:
    """The words that ``from metrigen import *`` gives."""
    import metrigen

    return tuple(metrigen.__all__)


def _numeric(line: str) -> str | None:
    """sp.cos for np.cos, math.cos, torch.cos."""
    found = _NUMERIC.search(line)
    if found is None:
        return None
    module, _, function = found.groups()
    name = _SYMPY.get(function, function)
    if not hasattr(sp, name):
        return f"write it with functions of SymPy: {module}.{function} works on numbers, a field is an expression"
    return f"sp.{name}(...), not {module}.{function}(...): a field is an expression of SymPy, not a number"


def _name(name: str, names: Mapping[str, object]) -> str:
    if name in vocabulary():
        return f"from metrigen import {name}"
    if name and hasattr(sp, name):
        return f"import sympy as sp, and write sp.{name}"
    near = closest(name, [*(n for n in names if not n.startswith("__")), *vocabulary()])
    if near is not None:
        return f"did you mean {near}?"
    return "define it before this line, or import it"


def _attribute(error: AttributeError) -> str | None:
    owner, name = getattr(error, "obj", None), getattr(error, "name", None) or ""
    if inspect.ismodule(owner) or owner is not None:
        near = closest(name, [n for n in dir(owner) if not n.startswith("_")])
        if near is not None:
            return f"did you mean .{near}?"
    return None


def _call(text: str, names: Mapping[str, object]) -> str | None:
    """A keyword that a function does not have, or one that it needs."""
    keyword, missing = _KEYWORD.match(text), _MISSING.match(text)
    if keyword is not None:
        owner, function, given = keyword.groups()
        known = _keywords(owner or function, names)
        near = closest(given, known)
        rest = f"it takes {', '.join(known)}" if known else "leave it out"
        return f"did you mean {near}=?" if near is not None else rest
    if missing is not None:
        return f"give {missing[3].replace(chr(39), '')} of {missing[1] or missing[2]}"
    return None


def _keywords(callee: str, names: Mapping[str, object]) -> list[str]:
    import metrigen

    target = names.get(callee) or getattr(metrigen, callee, None)
    try:
        return [name for name in inspect.signature(target).parameters if name != "self"]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return []
