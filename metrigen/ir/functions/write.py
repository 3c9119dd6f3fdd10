"""Forms as text of a target: numpy, PyTorch, Triton, C++."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache

from metrigen.ir.functions.forms import Form, form
from metrigen.ir.functions.table import OWN, ROWS

_CALL = re.compile(r"(?<![\w.])([a-z]\w*)\(")
# The words of forms that are no functions of the table.
_PRIMITIVE: Mapping[str, Mapping[str, str]] = {
    "numpy": {"where": "np.where", "abs": "np.abs", "sqrt": "np.sqrt", "log1p": "np.log1p", "like": "like",
              "pow": "np.power", "floor": "np.floor", "quotient": "np.divide",
              "largest": "np.maximum", "smallest": "np.minimum"},
    "torch": {"where": "torch.where", "abs": "torch.abs", "sqrt": "torch.sqrt", "log1p": "torch.log1p",
              "like": "torch.full_like", "pow": "torch.pow", "floor": "torch.floor", "quotient": "quotient__",
              "largest": "largest__", "smallest": "smallest__"},
    "triton": {"where": "tl.where", "abs": "tl.abs", "sqrt": "tl.sqrt", "log1p": "log1p__", "like": "like__",
               "pow": "powered__", "floor": "tl.floor", "quotient": "quotient__",
               "largest": "tl.maximum({0}, propagate_nan=tl.PropagateNan.ALL)",
               "smallest": "tl.minimum({0}, propagate_nan=tl.PropagateNan.ALL)"},
    "cpp": {"where": "where", "abs": "__builtin_fabs", "sqrt": "__builtin_sqrt", "log1p": "__builtin_log1p",
            "like": "like", "pow": "__builtin_pow", "floor": "__builtin_floor"},
}  # fmt: skip
_SINE = """def {name}__(x):
    if x.dtype == tl.float64:
        return tl.{device}(x)
    else:
        r, quarter = reduced__(x)
        odd = (quarter == 1.0) | (quarter == 3.0)
        value = tl.where(odd, {other}near__(r), {name}near__(r))
        return tl.where({turned}, -value, value)"""
# What Triton has no function for, or one with a slow path for large angles, with a stack and in double precision.
_TRITON: Mapping[str, str] = {
    "quotient__": "def quotient__(x, y):\n    return x / y",
    "like__": "def like__(x, c):\n    return tl.zeros_like(x) + c",
    "powered__": "def powered__(b, e):\n    return power__(b, tl.zeros_like(b) + e)",
    "sign__": "def sign__(x):\n    return (x > 0).to(x.dtype) - (x < 0).to(x.dtype)",
    "reduced__": """def reduced__(x):
    \"\"\"x = j pi/2 + r: r and the quarter j mod 4. An angle too large for its quarter to be known still turns.\"\"\"
    j = tl.floor(x * 0.636619772367581343 + 0.5)
    r = ((x - j * 1.5703125) - j * 4.837512969970703125e-4) - j * 7.549789948768648e-8
    return tl.minimum(tl.maximum(r, -0.8), 0.8), j - 4.0 * tl.floor(0.25 * j)""",
    "sinenear__": """def sinenear__(r):
    s = r * r
    return ((-1.9515295891e-4 * s + 8.3321608736e-3) * s - 1.6666654611e-1) * s * r + r""",
    "cosinenear__": """def cosinenear__(r):
    s = r * r
    return ((2.443315711809948e-5 * s - 1.388731625493765e-3) * s + 4.166664568298827e-2) * s * s - 0.5 * s + 1.0""",
    "sine__": _SINE.format(name="sine", device="sin", other="cosine", turned="quarter >= 2.0"),
    "cosine__": _SINE.format(name="cosine", device="cos", other="sine", turned="(quarter == 1.0) | (quarter == 2.0)"),
    "power__": """def power__(b, e):
    \"\"\"b^e = e^(n h) e^rest: log b = L + d, n h an exact part of e L, so that the error does not grow with it.\"\"\"
    a = tl.abs(b)
    usual = (a > 0.0) & (a * 0.0 == 0.0)
    c = tl.where(usual, a, tl.zeros_like(a) + 1.0)
    L = tl.log(c)
    n = tl.floor(8.0 * L + 0.5) * 0.125
    half = tl.exp(-0.5 * L)
    d = c * half * half - 1.0
    top = e * 4097.0
    head = top - (top - e)
    near = tl.exp(n * head) * tl.exp(n * (e - head) + (L - n) * e + e * d)
    size = tl.where(usual, near, tl.exp(e * tl.log(a)))
    nan = tl.log(tl.zeros_like(a) - 1.0)
    signed = tl.where(0.5 * e == tl.floor(0.5 * e), size, tl.where(e == tl.floor(e), -size, nan))
    return tl.where(e == 0.0, tl.zeros_like(a) + 1.0, tl.where(b < 0.0, signed, size))""",
}
_SAME = """def same__(*args: Tensor | float) -> tuple[Tensor, ...]:
    like = next(x for x in args if isinstance(x, Tensor))
    return tuple(x if isinstance(x, Tensor) else like.new_tensor(x) for x in args)"""
# x/y by a constant c = y, whose own derivative is none: autograd forms 1/c, not the 1/y^2 that overflows before it.
_QUOTIENT = """def quotient__(x: Tensor, y: Tensor) -> Tensor:
    c = y.detach()
    return (x / c) / (y / c)"""
# The slope of one argument, where torch.maximum of equal ones has half of both, which spoils a second derivative.
_LARGEST = """def largest__(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(a > b, a, b)"""
_SMALLEST = """def smallest__(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(a > b, b, a)"""
_TORCH: Mapping[str, str] = {
    "same__": _SAME, "quotient__": _QUOTIENT, "largest__": _LARGEST, "smallest__": _SMALLEST,
}  # fmt: skip
_LANES = """inline R {name}_(R x) {{ return R(__builtin_{of}(double(x))); }}
inline V {name}_(V x) {{ for (long l = 0; l < LANES; ++l) x[l] = {name}_(R(x[l])); return x; }}"""
_CPP: Mapping[str, str] = {
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


def helper(stem: str, target: str) -> str:
    """How the form of a function is called in the text of a target."""
    return f"{stem}_" if target == "cpp" else f"{stem}__"


def spelling(name: str, target: str) -> str:
    """The name of a function in a target, the order behind its name included."""
    if name == "raised":
        return helper(name, target)
    row = ROWS[name.rstrip("0123456789") if name not in ROWS else name]
    own: str = getattr(row, target)
    return helper(name, target) if own == OWN else own


@cache
def definition(name: str, target: str) -> str:
    """The text that defines the helper ``name`` (as it is called) of a target; "" if it is none."""
    if target == "triton" and name in _TRITON:
        return f"@triton.jit\n{_TRITON[name]}"
    if target == "torch" and name in _TORCH:
        return _TORCH[name]
    if target == "cpp" and name in _CPP:
        return _CPP[name]
    stem = name.rstrip("_")
    found = form(stem) if stem else None
    row = ROWS.get(stem) or ROWS.get(stem.rstrip("0123456789"))
    needed = stem in ("log1p", "raised") or (row is not None and getattr(row, target) == OWN)
    if found is None or not needed:
        return ""
    if target != "cpp":
        return _python(stem, found, target)
    return _along_vectors(stem, found) if _is_arithmetic(found) else _cpp(stem, found)


def _spelled(text: str, target: str) -> str:
    """A line of a form with the calls of the target."""
    out, at = "", 0
    for match in _CALL.finditer(text):
        if match.start() < at:
            continue
        inside, end = _argument(text, match.end())
        call = _PRIMITIVE[target].get(match[1]) or (
            f"own::{match[1]}" if target == "cpp" and _own(match[1]) else _native(match[1], target)
        )
        inside = _spelled(inside, target)
        made = call.format(inside) if "{0}" in call else f"{call}({inside})"
        out, at = out + text[at : match.start()] + made, end
    return out + text[at:]


def _own(name: str) -> bool:
    row = ROWS.get(name) or ROWS[name.rstrip("0123456789")]
    return row.cpp == OWN


def _native(name: str, target: str) -> str:
    if target == "cpp":
        return f"__builtin_{name}"
    return spelling(name, target)


def _argument(text: str, start: int) -> tuple[str, int]:
    """What stands between the bracket before ``start`` and its partner, and where that ends."""
    depth = 1
    for i in range(start, len(text)):
        depth += (text[i] == "(") - (text[i] == ")")
        if not depth:
            return text[start:i], i + 1
    raise ValueError(text)


def _python(stem: str, found: Form, target: str) -> str:
    body = [f"    {_spelled(line, target)}" for line in found.lines]
    arguments = ", ".join(found.arguments)
    head = f"def {stem}__({arguments}):"
    if target == "torch":
        several = len(found.arguments) > 1
        kind = "Tensor | float" if several else "Tensor"
        head = f"def {stem}__({', '.join(f'{a}: {kind}' for a in found.arguments)}) -> Tensor:"
        body = [*([f"    {arguments} = same__({arguments})"] if several else []), *body]
    return "\n".join([*(["@triton.jit"] if target == "triton" else []), head, *body])


def _cpp(stem: str, found: Form) -> str:
    """In double precision, a lane after the other."""
    arguments = ", ".join(f"double {a}" for a in found.arguments)
    lines = [f"inline double {stem}({arguments}) {{"]
    for line in found.lines:
        text = _spelled(line, "cpp")
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
    return {name for line in found.lines for name in _CALL.findall(line)} <= _ARITHMETIC


def _along_vectors(stem: str, found: Form) -> str:
    """In the precision of the kernel, all lanes at once."""
    names = "xyz"[: len(found.arguments)]
    lines = [f"    const V {a} = broadcast({n}__);" for a, n in zip(found.arguments, names, strict=True)]
    for line in found.lines:
        text = re.sub(r"(?<![\w.])\d[\d.]*(?:e[-+]?\d+)?", r"R(\g<0>)", _CALL.sub(r"along::\1(", line))
        lines.append(f"    {text};" if text.startswith("return ") else f"    const auto {text};")
    types = ", ".join(f"class {n.upper()}" for n in names)
    given = ", ".join(f"{n.upper()} {n}__" for n in names)
    vector = "\n".join([f"template <{types}> inline V {stem}_({given}) {{", *lines, "}"])
    plain, spread = ", ".join(f"R {n}" for n in names), ", ".join(f"broadcast({n})" for n in names)
    return f"{vector}\ninline R {stem}_({plain}) {{ return {stem}_({spread})[0]; }}"


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


def helpers(text: str, target: str) -> str:
    """The definitions of every helper that a text calls, and of those that these call, each before its first use."""
    found: dict[str, str] = {}
    _collect(_names(text, target), target, found)
    prelude = ""
    if target == "cpp" and any("own::" in d or "namespace own" in d for d in found.values()):
        prelude = _OWN_WORDS
    if target == "cpp" and any("along::" in d for d in found.values()):
        prelude += _ALONG_WORDS
    between = "\n" if target == "cpp" else "\n\n\n"
    return prelude + between.join(found.values())


def _names(text: str, target: str) -> list[str]:
    pattern = r"\b(?:own::)?([a-z][a-z0-9]*_?)\(" if target == "cpp" else r"(?<![\w.])([a-z][a-z0-9]*__)\("
    return sorted(set(re.findall(pattern, text)))


def _collect(names: Iterable[str], target: str, found: dict[str, str]) -> None:
    for name in names:
        called = name if target != "cpp" or name.endswith("_") else f"{name}_"
        text = definition(called, target)
        if not text or called in found:
            continue
        inner = [n for n in _names(text, target) if n.rstrip("_") != called.rstrip("_")]
        _collect(inner, target, found)
        found[called] = text


_MARK = {"torch": "# FUNCTIONS", "triton": "# FUNCTIONS", "cpp": "// FUNCTIONS"}


def with_functions(text: str, target: str) -> str:
    """A file with the helpers that it calls in place of the line that marks where they belong."""
    before, mark, after = text.partition(_MARK[target] + "\n")
    assert mark, "the template does not say where its functions belong"
    made = helpers(before + after, target)
    if not made:
        return before + after
    return f"{before}{made}\n{after}" if target == "cpp" else f"{before.rstrip()}\n\n\n{made}\n\n\n{after.lstrip()}"
