"""The functions of the table in C++: a number or a vector at a time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import ClassVar

from metrigen.ir.functions.forms import Form
from metrigen.ir.functions.target import CALL, Target

_SAME = """
    exp log sin cos tan tanh sinh cosh asin acos atan atan2 asinh acosh atanh erf erfc loggamma sign
    choose expm1 guard
""".split()
_LANES = """inline R {name}_(R x) {{ return R(__builtin_{of}(double(x))); }}
inline V {name}_(V x) {{ for (long l = 0; l < LANES; ++l) x[l] = {name}_(R(x[l])); return x; }}"""
_TEXTS: Mapping[str, str] = {
    **{f"{name}_": _LANES.format(name=name, of=of) for name, of in (
        ("erf", "erf"), ("erfc", "erfc"), ("loggamma", "lgamma"), ("floor", "floor"), ("acosh", "acosh"),
        ("atanh", "atanh"), ("expm1", "expm1"),
    )},
    "choose_": """template <class C, class X, class Y> inline V choose_(C c, X x, Y y) {
    V at = broadcast(c), one = broadcast(x), other = broadcast(y);
    return at > R(0) ? one : other;
}""",
    "guard_": """template <class P, class X> inline V guard_(P p, X x) {
    V at = broadcast(p), value = broadcast(x);
    return at == R(0) ? broadcast(R(1)) : value;
}""",
}  # fmt: skip


_OWN_WORDS = """namespace own {
inline double where(bool c, double a, double b) { return c ? a : b; }
inline double like(double, double c) { return c; }
}
"""
_ALONG_WORDS = """namespace along {
template <class C> inline V where(C c, V a, V b) { return c ? a : b; }
inline V like(V, R c) { return broadcast(c); }
inline V quotient(V x, V y) { return x / y; }
inline V largest(V x, V y) { return x > y ? x : y; }
inline V smallest(V x, V y) { return x > y ? y : x; }
}
"""


class _Cpp(Target):
    SUFFIX: ClassVar[str] = "_"
    CALLED: ClassVar[str] = r"\b(?:own::)?([a-z][a-z0-9]*_?)\("
    BETWEEN: ClassVar[str] = "\n"
    MARK: ClassVar[str] = "// FUNCTIONS\n"

    def printed(self, stem: str, found: Form) -> str:
        return _along_vectors(stem, found) if _is_arithmetic(found) else _cpp(self, stem, found)

    def called(self, name: str) -> str:
        return name if name.endswith("_") else f"{name}_"

    def called_in_form(self, name: str) -> str:
        return f"__builtin_{name}" if self.is_native(name) else f"own::{name}"

    def prelude(self, definitions: Iterable[str]) -> str:
        texts = tuple(definitions)
        own = any("own::" in text or "namespace own" in text for text in texts)
        along = any("along::" in text for text in texts)
        return (_OWN_WORDS if own else "") + (_ALONG_WORDS if along else "")

    def placed(self, before: str, made: str, after: str) -> str:
        return f"{before}{made}\n{after}"


def _cpp(target: Target, stem: str, found: Form) -> str:
    """In double precision, a lane after the other."""
    arguments = ", ".join(f"double {a}" for a in found.arguments)
    lines = [f"inline double {stem}({arguments}) {{"]
    for line in found.lines:
        text = target.spelled(line)
        lines.append(f"    {text};" if text.startswith("return ") else f"    const auto {text};")
    lines.append("}")
    own = "\n".join(["namespace own {", *lines, "}"])
    names = "xyz"[: len(found.arguments)]
    plain = ", ".join(f"R {n}" for n in names)
    call = f"inline R {stem}_({plain}) {{ return R(own::{stem}({', '.join(names)})); }}"
    types = ", ".join(f"class {n.upper()}" for n in names)
    given = ", ".join(f"{n.upper()} {n}" for n in names)
    spread = ", ".join(f"{n}__ = broadcast({n})" for n in names)
    lane = ", ".join(f"R({n}__[l])" for n in names)
    one = names[0]
    vector = (
        f"template <{types}> inline V {stem}_({given}) {{\n    V {spread};\n"
        f"    for (long l = 0; l < LANES; ++l) {one}__[l] = {stem}_({lane});\n    return {one}__;\n}}"
    )
    return "\n".join([own, call, vector])


_ARITHMETIC = {"where", "like", "quotient", "largest", "smallest"}


def _is_arithmetic(found: Form) -> bool:
    """Whether a form calls no function, so that vectors of the compiler take it as it stands."""
    return {name for line in found.lines for name in CALL.findall(line)} <= _ARITHMETIC


def _along_vectors(stem: str, found: Form) -> str:
    """In the precision of the kernel, all lanes at once."""
    names = "xyz"[: len(found.arguments)]
    lines = [f"    const V {a} = broadcast({n}__);" for a, n in zip(found.arguments, names, strict=True)]
    for line in found.lines:
        text = re.sub(r"(?<![\w.])\d[\d.]*(?:e[-+]?\d+)?", r"R(\g<0>)", CALL.sub(r"along::\1(", line))
        lines.append(f"    {text};" if text.startswith("return ") else f"    const auto {text};")
    types = ", ".join(f"class {n.upper()}" for n in names)
    given = ", ".join(f"{n.upper()} {n}__" for n in names)
    vector = "\n".join([f"template <{types}> inline V {stem}_({given}) {{", *lines, "}"])
    plain, spread = ", ".join(f"R {n}" for n in names), ", ".join(f"broadcast({n})" for n in names)
    return f"{vector}\ninline R {stem}_({plain}) {{ return {stem}_({spread})[0]; }}"


FUNCTIONS = _Cpp(
    native={
        **{name: f"{name}_" for name in _SAME},
        "csch": "(R(1.0) / sinh_({0}))",
        "coth": "(R(1.0) / tanh_({0}))",
        "sec": "(R(1.0) / cos_({0}))",
        "csc": "(R(1.0) / sin_({0}))",
        "cot": "(R(1.0) / tan_({0}))",
        "Abs": "abs_",
        "Max": "max_",
        "Min": "min_",
        "whole": "floor_",
    },
    words={
        "where": "where",
        "abs": "__builtin_fabs",
        "sqrt": "__builtin_sqrt",
        "log1p": "__builtin_log1p",
        "like": "like",
        "pow": "__builtin_pow",
        "floor": "__builtin_floor",
    },
    texts=_TEXTS,
)
