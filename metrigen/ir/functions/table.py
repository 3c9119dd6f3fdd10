"""One row for every function that a package can evaluate: how each target spells it, where it is defined, how exact.

A spelling is the name of a function of the target, or OWN: the form of ``forms``, printed into the package. So every
target has every function.
"""

from __future__ import annotations

from dataclasses import dataclass

from metrigen.spec.functions import QUOTIENTS, ROOTS

OWN = "own"


@dataclass(frozen=True)
class Row:
    """``numpy``, ``torch``, ``cpp``, ``triton``: spellings; ``domain``: where the function is real, in words;
    ``ordered``: the first argument is a whole number and part of the name; ``ulp``: the largest error of torch and C++,
    of the value and of two derivatives, in units of the last place of max(|f|, |x f'|); ``meaning`` for a reader."""

    name: str
    numpy: str = OWN
    torch: str = OWN
    cpp: str = OWN
    triton: str = OWN
    domain: str = "all x"
    ordered: bool = False
    ulp: float = 4
    meaning: str = ""
    word: bool = True  # whether a spec may say it; others come from rewriting


def _native(name: str, numpy: str, torch: str = "", triton: str = OWN, **more: object) -> Row:
    return Row(name, f"np.{numpy}", f"torch.{torch or name}", f"{name}_", triton, **more)  # type: ignore[arg-type]


def _quotients() -> tuple[Row, ...]:
    rows = []
    for table, argument in ((QUOTIENTS, "x"), (ROOTS, "sqrt(x)")):
        for of, made in table.items():
            name = of.__name__
            domain = {"asin": "|x| <= 1", "atanh": "|x| < 1"}.get(name, "all x")
            domain = (
                f"0 <= {domain.removeprefix('|x|').strip() if '|' in domain else 'x'}" if argument != "x" else domain
            )
            meaning = f"{name}({argument})/{argument}, its limit at 0"
            rows.append(Row(made.__name__, domain=domain, ordered=True, ulp=40, meaning=meaning, word=False))
    return tuple(rows)


TABLE: tuple[Row, ...] = (
    _native("exp", "exp", triton="tl.exp"),
    _native("log", "log", triton="tl.log", domain="x > 0"),
    _native("sin", "sin", triton="sine__"),
    _native("cos", "cos", triton="cosine__"),
    Row("tan", "np.tan", "torch.tan", "tan_", "(sine__({0}) / cosine__({0}))"),
    _native("tanh", "tanh"),
    Row("sinh", "np.sinh", OWN, "sinh_"),
    Row("cosh", "np.cosh", OWN, "cosh_"),
    Row("sech", ulp=5, meaning="1/cosh(x)"),
    Row("csch", "(1.0 / np.sinh({0}))", "(1.0 / torch.sinh({0}))", "(R(1.0) / sinh_({0}))", "(1.0 / sinh__({0}))",
        domain="x != 0", meaning="1/sinh(x)"),
    Row("coth", "(1.0 / np.tanh({0}))", "(1.0 / torch.tanh({0}))", "(R(1.0) / tanh_({0}))", "(1.0 / tanh__({0}))",
        domain="x != 0", meaning="1/tanh(x)"),
    Row("sec", "(1.0 / np.cos({0}))", "(1.0 / torch.cos({0}))", "(R(1.0) / cos_({0}))", "(1.0 / cosine__({0}))",
        meaning="1/cos(x)"),
    Row("csc", "(1.0 / np.sin({0}))", "(1.0 / torch.sin({0}))", "(R(1.0) / sin_({0}))", "(1.0 / sine__({0}))",
        meaning="1/sin(x)"),
    Row("cot", "(1.0 / np.tan({0}))", "(1.0 / torch.tan({0}))", "(R(1.0) / tan_({0}))",
        "(cosine__({0}) / sine__({0}))", meaning="1/tan(x)"),
    _native("asin", "arcsin", domain="-1 <= x <= 1"),
    _native("acos", "arccos", domain="-1 <= x <= 1"),
    _native("atan", "arctan"),
    _native("atan2", "arctan2", domain="atan2(y, x), not both 0"),
    _native("asinh", "arcsinh"),
    _native("acosh", "arccosh", domain="x >= 1"),
    _native("atanh", "arctanh", domain="-1 < x < 1"),
    Row("erf", "vector(math.erf)", "torch.erf", "erf_", "tl.erf"),
    Row("erfc", "vector(math.erfc)", "torch.erfc", "erfc_", meaning="1 - erf(x)"),
    Row("loggamma", OWN, "torch.lgamma", "loggamma_", domain="x > 0"),
    Row("polygamma", ordered=True, domain="x > 0", meaning="the derivatives of loggamma: digamma(x) = polygamma(0, x)"),
    Row("Abs", "np.abs", "torch.abs", "abs_", "tl.abs"),
    Row("sign", "np.sign", "torch.sign", "sign_", "sign__"),
    Row("Max", "np.maximum", "torch.maximum", "max_", "tl.maximum", domain="two arguments or more"),
    Row("Min", "np.minimum", "torch.minimum", "min_", "tl.minimum", domain="two arguments or more"),
    Row("whole", "np.floor", "torch.floor", "floor_", "tl.floor", meaning="floor(x)", word=False),
    Row("choose", cpp="choose_", meaning="choose(c, a, b): a where c > 0, else b", word=False),
    Row("hypot", "np.hypot", meaning="sqrt(a**2 + b**2), also where the squares overflow or vanish"),
    Row("bearing", word=False, meaning="a/sqrt(a**2 + b**2), 0 at 0"),
    Row("overhypot", word=False, meaning="a/(a**2 + b**2), 0 at 0"),
    Row("logmean", ulp=7, domain="a, b >= 0", meaning="(a - b)/(log(a) - log(b)), a where a = b"),
    Row("logratio", ordered=True, domain="a, b > 0", word=False, meaning="atanh(s)/s, s = (a - b)/(a + b)"),
    Row("harmonicmean", ulp=5, domain="a, b >= 0", word=False, meaning="2 a b/(a + b), 0 where one is 0"),
    Row("share", ordered=True, ulp=5, domain="a, b >= 0", word=False, meaning="a/(a + b)/(a + b)**m"),
    Row("shareproduct", ordered=True, ulp=5, domain="a, b >= 0", word=False, meaning="a b/(a + b)**2/(a + b)**m"),
    Row("sharesquare", ordered=True, ulp=5, domain="a, b >= 0", word=False, meaning="a**2/(a + b)**2/(a + b)**m"),
    _native("expm1", "expm1", word=False, meaning="exp(x) - 1"),
    Row("logcosh", word=False, meaning="log(cosh(x))"),
    Row("softplus", word=False, meaning="log(1 + exp(x))"),
    Row("sigmoid", word=False, meaning="1/(1 + exp(-x))"),
    Row("powlog", ordered=True, domain="b >= 0", word=False, meaning="b**e log(b)**n"),
    Row("guard", cpp="guard_", word=False, meaning="guard(p, x): x where p is not 0, else 1"),
    Row("polar", word=False, domain="not both 0", meaning="a/(a**2 + b**2)"),
    Row("cosatan", word=False, meaning="1/sqrt(1 + x**2)"),
    Row("sinatan", word=False, meaning="x/sqrt(1 + x**2)"),
    *_quotients(),
)  # fmt: skip

ROWS = {row.name: row for row in TABLE}
# What SymPy calls otherwise and ``normal`` writes in the words above.
REWRITTEN = ("Heaviside", "Piecewise", "Mod", "ceiling", "digamma", "floor", "frac", "sinc")
WORDS = tuple(sorted({*(row.name for row in TABLE if row.word), *REWRITTEN}, key=lambda w: (w.lower(), w)))
