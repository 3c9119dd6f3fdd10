"""One row for every function that a package can evaluate: where it is defined, how exact.

A language has a function under a name of its own, or by its form (``forms``), printed into the package (``target``). So
every language has every function.
"""

from __future__ import annotations

from dataclasses import dataclass

from metrigen.spec.functions import QUOTIENTS, ROOTS


@dataclass(frozen=True)
class Row:
    """``domain``: where the function is real, in words; ``ordered``: the first argument is a whole number and part of
    the name; ``ulp``: the largest error of torch and C++, of the value and of two derivatives, in units of the last
    place of max(|f|, |x f'|); ``meaning`` for a reader."""

    name: str
    domain: str = "all x"
    ordered: bool = False
    ulp: float = 4
    meaning: str = ""
    word: bool = True  # whether a spec may say it; others come from rewriting


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
    Row("exp"),
    Row("log", domain="x > 0"),
    Row("sin"),
    Row("cos"),
    Row("tan"),
    Row("tanh"),
    Row("sinh"),
    Row("cosh"),
    Row("sech", ulp=5, meaning="1/cosh(x)"),
    Row("csch", domain="x != 0", meaning="1/sinh(x)"),
    Row("coth", domain="x != 0", meaning="1/tanh(x)"),
    Row("sec", meaning="1/cos(x)"),
    Row("csc", meaning="1/sin(x)"),
    Row("cot", meaning="1/tan(x)"),
    Row("asin", domain="-1 <= x <= 1"),
    Row("acos", domain="-1 <= x <= 1"),
    Row("atan"),
    Row("atan2", domain="atan2(y, x), not both 0"),
    Row("asinh"),
    Row("acosh", domain="x >= 1"),
    Row("atanh", domain="-1 < x < 1"),
    Row("erf"),
    Row("erfc", meaning="1 - erf(x)"),
    Row("loggamma", domain="x > 0"),
    Row("polygamma", domain="x > 0", ordered=True, meaning="the derivatives of loggamma: digamma(x) = polygamma(0, x)"),
    Row("Abs"),
    Row("sign"),
    Row("Max", domain="two arguments or more"),
    Row("Min", domain="two arguments or more"),
    Row("whole", meaning="floor(x)", word=False),
    Row("choose", meaning="choose(c, a, b): a where c > 0, else b", word=False),
    Row("hypot", meaning="sqrt(a**2 + b**2), also where the squares overflow or vanish"),
    Row("bearing", meaning="a/sqrt(a**2 + b**2), 0 at 0", word=False),
    Row("overhypot", meaning="a/(a**2 + b**2), 0 at 0", word=False),
    Row("logmean", domain="a, b >= 0", ulp=7, meaning="(a - b)/(log(a) - log(b)), a where a = b"),
    Row("logratio", domain="a, b > 0", ordered=True, meaning="atanh(s)/s, s = (a - b)/(a + b)", word=False),
    Row("harmonicmean", domain="a, b >= 0", ulp=5, meaning="2 a b/(a + b), 0 where one is 0", word=False),
    Row("share", domain="a, b >= 0", ordered=True, ulp=5, meaning="a/(a + b)/(a + b)**m", word=False),
    Row("shareproduct", domain="a, b >= 0", ordered=True, ulp=5, meaning="a b/(a + b)**2/(a + b)**m", word=False),
    Row("sharesquare", domain="a, b >= 0", ordered=True, ulp=5, meaning="a**2/(a + b)**2/(a + b)**m", word=False),
    Row("expm1", meaning="exp(x) - 1", word=False),
    Row("logcosh", meaning="log(cosh(x))", word=False),
    Row("softplus", meaning="log(1 + exp(x))", word=False),
    Row("sigmoid", meaning="1/(1 + exp(-x))", word=False),
    Row("powlog", domain="b >= 0", ordered=True, meaning="b**e log(b)**n", word=False),
    Row("guard", meaning="guard(p, x): x where p is not 0, else 1", word=False),
    Row("polar", domain="not both 0", meaning="a/(a**2 + b**2)", word=False),
    Row("cosatan", meaning="1/sqrt(1 + x**2)", word=False),
    Row("sinatan", meaning="x/sqrt(1 + x**2)", word=False),
    *_quotients(),
)  # fmt: skip

ROWS = {row.name: row for row in TABLE}
# What SymPy calls otherwise and ``normal`` writes in the words above.
REWRITTEN = ("Heaviside", "Piecewise", "Mod", "ceiling", "digamma", "floor", "frac", "sinc")
WORDS = tuple(sorted({*(row.name for row in TABLE if row.word), *REWRITTEN}, key=lambda w: (w.lower(), w)))
