"""The functions of the table in Triton."""

from __future__ import annotations

from collections.abc import Mapping

from metrigen.ir.functions.target import Target

_SAME = """
    exp log erf
""".split()
_SINE = """def {name}__(x):
    if x.dtype == tl.float64:
        return tl.{device}(x)
    else:
        r, quarter = reduced__(x)
        odd = (quarter == 1.0) | (quarter == 3.0)
        value = tl.where(odd, {other}near__(r), {name}near__(r))
        return tl.where({negated}, -value, value)"""
# What Triton has no function for, or one with a slow path for large angles, with a stack and in double precision.
_TEXTS: Mapping[str, str] = {
    "quotient__": "def quotient__(x, y):\n    return x / y",
    "like__": "def like__(x, c):\n    return tl.zeros_like(x) + c",
    "powered__": "def powered__(b, e):\n    return power__(b, tl.zeros_like(b) + e)",
    "sign__": "def sign__(x):\n    return (x > 0).to(x.dtype) - (x < 0).to(x.dtype)",
    "reduced__": """def reduced__(x):
    \"\"\"x = j pi/2 + r: r and the quarter j mod 4. An angle whose quarter is beyond doubles gives one still.\"\"\"
    j = tl.floor(x * 0.636619772367581343 + 0.5)
    r = ((x - j * 1.5703125) - j * 4.837512969970703125e-4) - j * 7.549789948768648e-8
    return tl.minimum(tl.maximum(r, -0.8), 0.8), j - 4.0 * tl.floor(0.25 * j)""",
    "sinenear__": """def sinenear__(r):
    s = r * r
    return ((-1.9515295891e-4 * s + 8.3321608736e-3) * s - 1.6666654611e-1) * s * r + r""",
    "cosinenear__": """def cosinenear__(r):
    s = r * r
    return ((2.443315711809948e-5 * s - 1.388731625493765e-3) * s + 4.166664568298827e-2) * s * s - 0.5 * s + 1.0""",
    "sine__": _SINE.format(name="sine", device="sin", other="cosine", negated="quarter >= 2.0"),
    "cosine__": _SINE.format(name="cosine", device="cos", other="sine", negated="(quarter == 1.0) | (quarter == 2.0)"),
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
_JIT = "@triton.jit"
FUNCTIONS = Target(
    native={
        **{name: f"tl.{name}" for name in _SAME},
        "sin": "sine__",
        "cos": "cosine__",
        "tan": "(sine__({0}) / cosine__({0}))",
        "csch": "(1.0 / sinh__({0}))",
        "coth": "(1.0 / tanh__({0}))",
        "sec": "(1.0 / cosine__({0}))",
        "csc": "(1.0 / sine__({0}))",
        "cot": "(cosine__({0}) / sine__({0}))",
        "Abs": "tl.abs",
        "sign": "sign__",
        "Max": "tl.maximum",
        "Min": "tl.minimum",
        "whole": "tl.floor",
    },
    words={
        "where": "tl.where",
        "abs": "tl.abs",
        "sqrt": "tl.sqrt",
        "log1p": "log1p__",
        "like": "like__",
        "pow": "powered__",
        "floor": "tl.floor",
        "quotient": "quotient__",
        "largest": "tl.maximum({0}, propagate_nan=tl.PropagateNan.ALL)",
        "smallest": "tl.minimum({0}, propagate_nan=tl.PropagateNan.ALL)",
    },
    texts={name: f"{_JIT}\n{text}" for name, text in _TEXTS.items()},
    above=_JIT,
)
