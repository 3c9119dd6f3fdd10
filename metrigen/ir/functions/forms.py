"""Forms of functions that a target lacks, from exp, log, sin, cos, sqrt and arithmetic.

A form is a few assignments and a return, read alike by numpy, PyTorch, Triton and C++ (``write``); where(c, a, b)
selects, like(x, c) is the number c as x is stored, quotient(x, y) is x/y, by autograd too at every magnitude of y;
largest(a, b) and smallest(a, b) hand on NaN. A number in where() is one that float32 holds exactly, as Triton rounds
it. A branch that is not selected gets an argument at which it is finite: so are its derivatives by autograd.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from math import factorial

from metrigen.ir.functions.constants import ONE_MINUS_GAMMA, SCALED_ERFC, ZETA
from metrigen.ir.functions.series import derivative, horner, odd
from metrigen.spec.means import SHARES


@dataclass(frozen=True)
class Form:
    """``arguments`` and ``lines``, the last one a return."""

    arguments: tuple[str, ...]
    lines: tuple[str, ...]


def _form(arguments: str, text: str) -> Form:
    lines = tuple(line.strip() for line in text.splitlines() if line.strip())
    return Form(tuple(arguments.split()), lines)


LN2, PI = "0.6931471805599453", "3.141592653589793"
_STIRLING = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400, 43867 / 244188]
_EXP = [1 / factorial(n) for n in range(1, 16)]  # (exp(x) - 1)/x in x
_COSH = [1 / factorial(2 * n) for n in range(1, 11)]  # (cosh(x) - 1)/x^2 in x^2
_T0 = [1 / (2 * n + 1) for n in range(40)]

# u, v = a, b over the larger of |a|, |b|, which is m, and c where it is not 0; w = u^2 + v^2.
_OVER_LARGER = """
        x = abs(a)
        y = abs(b)
        m = where(x > y, x, y)
        c = where(m == 0.0, like(m, 1.0), m)
        u = where(m == 0.0, like(a, 0.0), a / c)
        v = b / c
        w = u * u + v * v"""

_FIXED: dict[str, Form] = {
    "choose": _form("c a b", "return where(c > 0.0, a + like(c, 0.0), b + like(c, 0.0))"),
    "guard": _form("p x", "return where(p == 0.0, like(x, 1.0), x)"),
    # b^(e + d), e a number of few digits and d the rest of the exponent, not negative: exact where b^d is near 1.
    "raised": _form("b e d", """
        none = b == 0.0
        c = where(none, like(b, 1.0), b)
        return where(none, like(b, 0.0), pow(c, e) * exp(d * log(c)))
    """),
    # atanh(s) = s T(s^2) with s = y/(2 + y): no cancellation in 1 + y near y = 0.
    "log1p": _form("y", f"""
        s = y / (2.0 + y)
        near = abs(s) < 0.34
        z = where(near, s * s, s * 0.0)
        return where(near, 2.0 * s * {horner("z", _T0[:18])}, log(1.0 + y))
    """),
    "expm1": _form("x", f"""
        near = abs(x) < 0.5
        z = where(near, x, like(x, 0.0))
        return where(near, z * {horner("z", _EXP)}, exp(x) - 1.0)
    """),
    "tanh": _form("x", f"""
        a = abs(x)
        near = a < 0.35
        z = where(near, x * x, like(x, 0.0))
        e = exp(-2.0 * a)
        far = (1.0 - e) / (1.0 + e)
        return where(near, x * {horner("z", odd("tanh", 15))}, where(x < 0.0, -far, far))
    """),
    "sech": _form("x", f"""
        a = abs(x)
        near = a < 1.0
        z = where(near, x * x, like(x, 0.0))
        e = exp(-a)
        return where(near, 1.0 / (1.0 + z * {horner("z", _COSH)}), 2.0 * e / (1.0 + e * e))
    """),
    "sinh": _form("x", f"""
        a = abs(x)
        near = a < 1.0
        z = where(near, x * x, like(x, 0.0))
        h = exp(0.5 * a)
        far = (0.5 * h) * h - 0.5 / h / h
        return where(near, x * {horner("z", odd("sinh", 10))}, where(x < 0.0, -far, far))
    """),
    "cosh": _form("x", """
        h = exp(0.5 * abs(x))
        return (0.5 * h) * h + 0.5 / h / h
    """),
    "asinh": _form("x", f"""
        a = abs(x)
        huge = a > 1e9
        b = where(huge, like(x, 1.0), a)
        value = where(huge, log(where(huge, a, like(x, 1.0))) + {LN2}, log1p(b + b * b / (1.0 + sqrt(b * b + 1.0))))
        return where(x < 0.0, -value, value)
    """),
    "acosh": _form("x", f"""
        huge = x > 1e9
        y = where(huge, like(x, 1.0), x - 1.0)
        return where(huge, log(where(huge, x, like(x, 1.0))) + {LN2}, log1p(y + sqrt(y * (y + 2.0))))
    """),
    "atanh": _form("x", f"""
        near = abs(x) < 0.34
        z = where(near, x * x, like(x, 0.0))
        return where(near, x * {horner("z", _T0[:18])}, 0.5 * log((1.0 + x) / (1.0 - x)))
    """),
    "atan": _form("x", f"""
        a = abs(x)
        steep = a > 1.0
        t = where(steep, 1.0 / a, a)
        half = t > 0.41421357
        u = where(half, (t - 1.0) / (t + 1.0), t)
        z = u * u
        p = u * {horner("z", odd("atan", 24))}
        q = where(half, 0.7853981633974483 + p, p)
        value = where(steep, 1.5707963267948966 - q, q)
        return where(x < 0.0, -value, value)
    """),
    "asin": _form("x", "return atan(x / sqrt((1.0 - x) * (1.0 + x)))"),
    "acos": _form("x", "return 2.0 * atan(sqrt((1.0 - x) / (1.0 + x)))"),
    "atan2": _form("y x", f"""
        r = atan(abs(y) / abs(x))
        reflected = where(x < 0.0, {PI} - r, r)
        flat = where(x < 0.0, like(x, {PI}), like(x, 0.0))
        value = where(y == 0.0, flat, reflected)
        return where(y < 0.0, -value, value)
    """),
    "erfc": _form("x", f"""
        high = x > 0.5
        y = where(high, x, like(x, 1.0))
        u = 4.0 / (y + 4.0)
        v = u - 0.4444444444444444
        return where(high, exp(-y * y) * u * {horner("v", SCALED_ERFC)}, 1.0 - erf(x))
    """),
    "loggamma": _form("x", f"""
        n = where(x < 4.5, floor(x + 0.5), like(x, 20.0))
        t = where(x < 4.5, x - n, like(x, 0.0))
        near = t * ({ONE_MINUS_GAMMA!r} + t * {horner("t", ZETA)})
        p = where(n > 3.5, (x - 1.0) * (x - 2.0), where(n > 2.5, x - 1.0, like(x, 1.0)))
        below = where(n < 1.5, -log1p(t), log(p))
        low = near + where(n < 0.5, below - log(x), below)
        y = where(x < 20.0, x + 3.0, x)
        v = 1.0 / y
        w = v * v
        q = where(x < 20.0, x * (x + 1.0) * (x + 2.0), like(x, 1.0))
        high = (y - 0.5) * (log(y) - 1.0) + 0.4189385332046727 + v * {horner("w", _STIRLING)} - log(q)
        return where(x < 4.5, low, high)
    """),
    # Folded at 0 without abs(x), whose slope there is 0 to torch's autograd.
    "softplus": _form("x", "return where(x > 0.0, x, like(x, 0.0)) + log1p(exp(where(x > 0.0, -x, x)))"),
    "sigmoid": _form("x", """
        e = exp(where(x < 0.0, x, -x))
        return where(x < 0.0, e, like(x, 1.0)) / (1.0 + e)
    """),
    "logcosh": _form("x", f"""
        a = abs(x)
        near = a < 1.0
        s = sinh(where(near, a, like(x, 0.0)))
        return where(near, 0.5 * log1p(s * s), a + log1p(exp(-2.0 * a)) - {LN2})
    """),
    "polar": _form("a b", """
        m = where(abs(a) > abs(b), abs(a), abs(b))
        p = a / m
        q = b / m
        return p / (p * p + q * q) / m
    """),
    "hypot": _form("a b", """
        x = abs(a)
        y = abs(b)
        m = where(x > y, x, y)
        n = where(x > y, y, x)
        r = n / where(m == 0.0, like(m, 1.0), m)
        return m * sqrt(1.0 + r * r)
    """),
    "bearing": _form("a b", f"""{_OVER_LARGER}
        return u / sqrt(where(m == 0.0, like(m, 1.0), w))
    """),
    "overhypot": _form("a b", f"""{_OVER_LARGER}
        return u / where(m == 0.0, like(m, 1.0), w) / c
    """),
    "cosatan": _form("x", """
        a = abs(x)
        m = where(a > 1.0, a, like(x, 1.0))
        r = where(a > 1.0, like(x, 1.0), a) / m
        return 1.0 / (m * sqrt(1.0 + r * r))
    """),
    "sinatan": _form("x", """
        a = abs(x)
        m = where(a > 1.0, a, like(x, 1.0))
        r = where(a > 1.0, like(x, 1.0), a) / m
        return x / (m * sqrt(1.0 + r * r))
    """),
    "logmean": _form("a b", """
        none = abs(a) + abs(b) == 0.0
        p = where(none, like(a, 1.0), a)
        q = where(none, like(b, 1.0), b)
        return where(none, like(a, 0.0), 0.5 * (p + q) / logratio0(p, q))
    """),
    # By the ratio of both, which neither overflows nor vanishes before the mean does.
    "harmonicmean": _form("a b", """
        none = (a == 0.0) & (b == 0.0)
        r = quotient(smallest(a, b), where(none, like(a, 1.0), largest(a, b)))
        return where(none, 0.5 * a + 0.5 * b, smallest(a, b) * (2.0 / (1.0 + r)))
    """),
}  # fmt: skip


def _share(powers: tuple[int, int], m: int) -> Form:
    """p^j q^k/(a + b)^m, ``powers`` = (j, k). The smaller share comes first and quotients stand between, a sum that is
    small lifted by 2^60: what is formed on the way is in range where the result is, and 0 stays 0."""
    factors = ["least", "most"] if powers == (1, 1) else ["p"] * powers[0]
    lines = """
        none = (a == 0.0) & (b == 0.0)
        large = where(none, like(a, 1.0), largest(a, b))
        r = where(none, like(a, 1.0), quotient(smallest(a, b), large))
        most = 1.0 / (1.0 + r)
        least = r * most
    """
    if "p" in factors:
        lines += "p = where(a > b, most, least)\n"
    if m:
        lines += f"""
            c = where(large < {2.0**-60!r}, like(a, {2.0**60!r}), like(a, 1.0))
            w = where(none, like(a, 0.0), most / (large * c))
        """
    made = [f for pair in zip_longest(factors, ["w * c"] * m) for f in pair if f is not None]
    return _form("a b", f"{lines}return {' * '.join(made)}")


def _logratio(k: int) -> Form:
    far = "0.5 * (p + q) / (p - q) * x"
    for n in range(k):
        far = f"({far} - {1 / (2 * n + 1)!r}) / z"
    return _form("a b", f"""
        s = (a - b) / (a + b)
        near = abs(s) < 0.6
        p = where(near, like(a, 2.0), a)
        q = where(near, like(b, 1.0), b)
        r = p / q
        plain = (r > 1e-30) & (r < 1e30)
        x = where(plain, log(where(plain, r, like(a, 1.0))), log(p) - log(q))
        y = where(near, s * s, s * 0.0)
        z = where(near, like(a, 1.0), s * s)
        return where(near, {horner("y", [1 / (2 * n + 2 * k + 1) for n in range(40)])}, {far})
    """)  # fmt: skip


def _powlog(n: int) -> Form:
    power = " * ".join(["log(base)"] * n)
    return _form("b e", f"""
        none = where(b == 0.0, e + like(b, 0.0), like(b, 0.0)) > 0.0
        base = where(none, like(b, 1.0), b)
        return where(none, like(b, 0.0), pow(base, e) * {power})
    """)  # fmt: skip


def _polygamma(n: int) -> Form:
    """By the recurrence up to y = x + 12, and the asymptotic series there; for x > 0."""
    sign, shifts = (-1) ** (n + 1), 12
    factor = [1]
    for k in range(1, 24 + n):
        factor.append(factor[-1] * k)
    numbers = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798]
    if n == 0:
        series = [-b / (2 * j) for j, b in enumerate(numbers, 1)]
        start = "log(y) - 0.5 * v"
        steps = [f"1.0 / (x + {k}.0)" for k in range(shifts)]
        tail = f"v * v * {horner('w', series)}"
        total = f"{start} + {tail} - ({' + '.join(reversed(steps))})"
    else:
        series = [b * factor[2 * j + n - 1] / factor[2 * j] for j, b in enumerate(numbers, 1)]
        top = " * ".join(["v"] * n)
        steps = [f"1.0 / ({' * '.join([f'(x + {k}.0)'] * (n + 1))})" for k in range(shifts)]
        inner = f"{float(factor[n - 1])!r} + {float(factor[n]) / 2!r} * v + w * {horner('w', series)}"
        total = f"{top} * ({inner}) + {float(factor[n])!r} * ({' + '.join(reversed(steps))})"
        total = f"{float(sign)!r} * ({total})"
    edge = "log(x)" if n % 2 == 0 else "-log(x)"
    return _form("x", f"""
        y = x + {shifts}.0
        v = 1.0 / y
        w = v * v
        value = {total}
        return where(x > 0.0, value, {edge})
    """)  # fmt: skip


# By function: below which |x| the series is taken, its terms, and f and its derivatives in closed form.
_NEAR = {"sin": (2.0, 16), "sinh": (2.0, 16), "tan": (0.7, 26), "tanh": (0.7, 26), "erf": (1.2, 26)}
_ARC = (0.6, 40)


def _over(name: str, root: bool, k: int) -> Form:
    cut, terms = _NEAR.get(name, _ARC)
    series = derivative(_even(odd(name, terms), root), k)
    variable = "n"
    lines = [
        f"near = abs(x) < {cut * cut if root else cut!r}",
        "n = where(near, x, like(x, 0.0))",
        f"v = where(near, like(x, {cut * cut if root else cut!r}), x)",
        *(["r = sqrt(v)"] if root else ["r = v"]),
        *_closed(name, root, k),
    ]
    if not root:
        text = _even_horner(series)
        lines.insert(2, "m = n * n")
    else:
        text = horner(variable, series)
    return Form(("x",), (*lines, f"return where(near, {text}, q{k})"))


def _even(coefficients: tuple[float, ...], root: bool) -> tuple[float, ...]:
    """f(x)/x as a polynomial in x, or in z = x^2."""
    if root:
        return coefficients
    return tuple(c for pair in ((c, 0.0) for c in coefficients) for c in pair)[:-1]


def _even_horner(series: tuple[float, ...]) -> str:
    """A polynomial with every second coefficient zero, in m = n^2."""
    if any(series[::2]):
        return horner("m", series[::2])
    return f"n * {horner('m', series[1::2])}" if any(series) else "n * 0.0"


def _closed(name: str, root: bool, k: int) -> list[str]:
    """q_0 = f/r and q_j = (f^(j) - j q_(j-1))/r; for a root with D = (1/2r) d/dr, and f_j = D^j f.

    f(sqrt z) = r q: D^j(r q) = r q_j + sum of products of D^i r, written out by Leibniz's rule.
    """
    lines = [f"f0 = {_SLOPES[name][0].format(x='r')}", "q0 = f0 / r"]
    if not root:
        for j in range(1, k + 1):
            lines += [f"f{j} = {_SLOPES[name][j].format(x='r')}", f"q{j} = (f{j} - {j}.0 * q{j - 1}) / r"]
        return lines
    for j in range(1, k + 1):
        lines.append(f"f{j} = {_SLOPES[name][j].format(x='r')}")
    # with q(r) = f/r and its derivatives p_j by r: dq/dz = p1/(2r), then again.
    for j in range(1, k + 1):
        lines.append(f"p{j} = (f{j} - {j}.0 * {'q0' if j == 1 else f'p{j - 1}'}) / r")
    by_z = {1: "p1 / (2.0 * r)", 2: "(p2 - p1 / r) / (4.0 * v)",
            3: "(p3 - 3.0 * p2 / r + 3.0 * p1 / v) / (8.0 * v * r)"}  # fmt: skip
    return [*lines, *(f"q{j} = {by_z[j]}" for j in range(1, k + 1))]


_SLOPES: dict[str, tuple[str, ...]] = {
    "sin": ("sin({x})", "cos({x})", "-sin({x})", "-cos({x})"),
    "sinh": ("sinh({x})", "cosh({x})", "sinh({x})", "cosh({x})"),
    "tan": ("tan({x})", "1.0 + f0 * f0", "2.0 * f0 * f1", "2.0 * f1 * f1 + 2.0 * f0 * f2"),
    "tanh": ("tanh({x})", "sech({x}) * sech({x})", "-2.0 * f0 * f1", "-2.0 * f1 * f1 - 2.0 * f0 * f2"),
    "asin": ("asin({x})", "1.0 / sqrt((1.0 - {x}) * (1.0 + {x}))", "{x} * f1 * f1 * f1",
             "f1 * f1 * f1 + 3.0 * {x} * {x} * f1 * f1 * f1 * f1 * f1"),
    "asinh": ("asinh({x})", "cosatan({x})", "-sinatan({x}) * f1 * f1",
              "(3.0 * sinatan({x}) * sinatan({x}) - 1.0) * f1 * f1 * f1"),
    "atan": ("atan({x})", "cosatan({x}) * cosatan({x})", "-2.0 * sinatan({x}) * cosatan({x}) * f1",
             "(8.0 * sinatan({x}) * sinatan({x}) - 2.0) * f1 * f1"),
    "atanh": ("atanh({x})", "1.0 / ((1.0 - {x}) * (1.0 + {x}))", "2.0 * {x} * f1 * f1",
              "2.0 * f1 * f1 + 8.0 * {x} * {x} * f1 * f1 * f1"),
    "erf": ("erf({x})", "1.1283791670955126 * exp(-{x} * {x})", "-2.0 * {x} * f1", "(4.0 * {x} * {x} - 2.0) * f1"),
}  # fmt: skip
MOST = 3  # derivatives of a quotient

_ORDERED: dict[str, Callable[[int], Form]] = {"logratio": _logratio, "powlog": _powlog, "polygamma": _polygamma}
_ORDERED |= {made.__name__: partial(_share, powers) for powers, made in SHARES.items()}
_ORDERED |= {
    name + ("root" if root else "over"): (lambda k, name=name, root=root: _over(name, root, k))  # type: ignore[misc]
    for name in _SLOPES
    for root in (False, True)
}


def form(name: str) -> Form | None:
    """The form of a function; that of an order k has k behind its name. None if there is none."""
    if name in _FIXED:
        return _FIXED[name]
    stem = name.rstrip("0123456789")
    if stem not in _ORDERED or stem == name:
        return None
    order = int(name[len(stem) :])
    return None if stem.endswith(("over", "root")) and order > MOST else _ORDERED[stem](order)
