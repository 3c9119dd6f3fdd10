"""Expressions as Python text. A backend differs only in how it spells functions.

Literals are Python floats or exact quotients, small integer powers are products, and a sum or product is written in
SymPy's canonical order, so that equal expressions give equal text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sympy as sp

from metrigen.errors import REPORT, SpecError
from metrigen.spec.neural import learned

_ADD, _MUL, _POW, _ATOM = 1, 2, 3, 4


@dataclass(frozen=True)
class Dialect:
    """Spelling of one target: ``functions`` maps a SymPy function name to a writer of its printed arguments;
    ``modules``: learned functions can be called."""

    name: str
    functions: Mapping[str, Callable[..., str]]
    sqrt: str
    power: str
    literal: str = "{}"
    modules: bool = False

    def print(self, expr: sp.Expr) -> str:
        return self._print(expr)[0]

    def _print(self, expr: sp.Expr) -> tuple[str, int]:
        if expr.is_Symbol:
            return expr.name, _ATOM
        number = _constant(expr)
        if number is not None:
            return self._number(number)
        if expr.is_Add:
            return self._add(expr), _ADD
        if expr.is_Mul:
            return self._mul(expr)
        if expr.is_Pow:
            return self._pow(expr.base, expr.exp)
        if isinstance(expr, learned):
            return self._learned(expr), _ATOM
        writer = self.functions.get(expr.func.__name__)
        if writer is None:
            raise SpecError(
                f"{self.name} has no {expr.func.__name__}: cannot print {expr}",
                why="a function needs a form in every language of the package",
                fix="write it with " + ", ".join(sorted(self.functions)),
            )
        return writer(*(self.print(arg) for arg in expr.args)), _ATOM

    def _learned(self, expr: learned) -> str:
        """A call of the object that holds the module: V(phi), or V.d((2,), phi) for its second derivative."""
        if not self.modules:
            raise SpecError(f"{self.name} has no learned functions: cannot print {expr}", fix=REPORT)
        arguments = ", ".join(self.print(a) for a in expr.arguments)
        head = expr.head
        return f"{head.name}.d({head.orders}, {arguments})" if head.order else f"{head.name}({arguments})"

    def _wrap(self, expr: sp.Expr, level: int) -> str:
        text, own = self._print(expr)
        return text if own >= level and not text.startswith("-") else f"({text})"

    def _add(self, expr: sp.Expr) -> str:
        parts: list[str] = []
        for term in sorted(expr.as_ordered_terms(), key=_negative):
            text = self._print(-term)[0] if _negative(term) else self._print(term)[0]
            if _negative(term):
                text = f"({text})" if (-term).is_Add else text
                parts.append(f" - {text}" if parts else f"-{text}")
            else:
                parts.append(f" + {text}" if parts else text)
        return "".join(parts)

    def _mul(self, expr: sp.Expr) -> tuple[str, int]:
        coefficient, rest = expr.as_coeff_Mul()
        over: list[sp.Expr] = []
        under: list[sp.Expr] = []
        for factor in sp.Mul.make_args(rest):
            base, exponent = factor.as_base_exp()
            if exponent.is_Rational and exponent.is_negative and not base.is_number:
                under.append(base**-exponent)
            else:
                over.append(factor)
        sign = "-" if coefficient.is_negative else ""
        head = [] if abs(coefficient) == 1 else [self._number(abs(coefficient))[0]]
        text = " * ".join([*head, *(self._wrap(f, _MUL) for f in over)]) or self._one
        for factor in under:
            text += f" / {self._wrap(factor, _POW)}"
        return sign + text, _MUL

    def _pow(self, base: sp.Expr, exponent: sp.Expr) -> tuple[str, int]:
        if exponent.is_Integer and 2 <= exponent <= 4:
            return " * ".join([self._wrap(base, _POW)] * int(exponent)), _MUL
        if exponent == sp.Rational(1, 2):
            return f"{self.sqrt}({self.print(base)})", _ATOM
        if exponent.is_Rational and exponent.is_negative:
            return f"{self._one} / {self._wrap(base**-exponent, _POW)}", _MUL
        if exponent.is_Rational and exponent.q == 2:
            # A product with a root: a vector instruction each, where a power is a call for every lane.
            return self._mul(sp.Mul(base ** (exponent - sp.Rational(1, 2)), sp.sqrt(base), evaluate=False))
        if exponent.is_Integer:
            half = base ** (exponent // 2)
            return self._mul(sp.Mul(half, half, base ** (exponent % 2), evaluate=False))
        return self.power.format(base=self.print(base), exponent=self.print(exponent)), _ATOM

    @property
    def _one(self) -> str:
        return self.literal.format("1.0")

    def _number(self, value: sp.Expr) -> tuple[str, int]:
        if self.literal == "{}":
            return _number(value)
        exact = value.is_Rational and bool(value.q & (value.q - 1))
        return self.literal.format(f"{value.p}.0 / {value.q}.0" if exact else repr(float(value))), _ATOM


def _constant(expr: sp.Expr) -> sp.Expr | None:
    """The number that an expression is, exact if rational: sqrt(2) is no call, which would want an array."""
    if expr.is_Rational:
        return expr
    if not expr.is_number:
        return None
    value = expr.evalf(20)
    return value if value.is_Float else None


def _negative(term: sp.Expr) -> bool:
    return bool(term.as_coeff_Mul()[0].is_negative)


def _number(value: sp.Expr) -> tuple[str, int]:
    if value.is_Rational and not value.is_Integer and (value.q & (value.q - 1)):
        return f"({value.p} / {value.q})", _ATOM
    text = repr(float(value))
    return text, _ATOM


def _ordered(name: str) -> Callable[..., str]:
    """A function whose order is part of the call."""
    return lambda order, *args: name.format(int(float(order))) + f"{', '.join(args)})"


def _call(name: str) -> Callable[..., str]:
    return lambda *args: f"{name}({', '.join(args)})"


def _chain(name: str) -> Callable[..., str]:
    """A function of two arguments, nested for more of them."""

    def write(*args: str) -> str:
        return args[0] if len(args) == 1 else f"{name}({args[0]}, {write(*args[1:])})"

    return write


_PLAIN = r"[-0-9.e() /]+"  # a number, as it is printed


def _torch_chain(name: str) -> Callable[..., str]:
    """``_chain`` where a plain number has to be a tensor; in float64, as it takes the dtype of its partner."""
    chain = _chain(name)

    def write(*args: str) -> str:
        return chain(*map(_as_tensor, args))

    return write


def _as_tensor(argument: str) -> str:
    return _tensor(argument) if re.fullmatch(_PLAIN, argument) else argument


def _beside(argument: str, other: str) -> str:
    """The argument; a plain number in the shape of its partner."""
    return f"torch.full_like({other}, {argument})" if re.fullmatch(_PLAIN, argument) else argument


def _tensor(number: str) -> str:
    return f"torch.tensor({number}, dtype=torch.float64)"


_COMMON = ("exp", "log", "sin", "cos")

TORCH = Dialect(
    name="torch",
    functions={
        **{f: _call(f"torch.{f}") for f in (*_COMMON, "tan", "tanh", "sinh", "cosh", "atan2", "sign", "asinh")},
        **{f: _call(f"torch.{f}") for f in ("atan", "asin", "acos")},
        "Abs": _call("torch.abs"),
        "Max": _torch_chain("torch.maximum"),
        "Min": _torch_chain("torch.minimum"),
        "damped_stumpff": _ordered("damped_stumpff({}, "),
        "stumpff": lambda k, x, d: f"stumpff({int(float(k))}, {_beside(x, d)}, {_beside(d, x)})",
        "ratio": _call("_ratio"),
        "artanhc": _ordered("_artanhc({}, "),
    },
    sqrt="torch.sqrt",
    power="torch.pow({base}, {exponent})",
    modules=True,
)

# The interpreter has no libdevice: everything is spelled with exp, log, sin, cos and sqrt.
TRITON = Dialect(
    name="Triton",
    functions={
        **{f: _call(f"tl.{f}") for f in _COMMON},
        "Abs": _call("tl.abs"),
        "Max": _chain("tl.maximum"),
        "Min": _chain("tl.minimum"),
        "sign": lambda x: f"_sign({x})",
        "tanh": lambda x: f"_tanh({x})",
        "sinh": lambda x: f"(0.5 * (tl.exp({x}) - tl.exp(-({x}))))",
        "cosh": lambda x: f"(0.5 * (tl.exp({x}) + tl.exp(-({x}))))",
        "tan": lambda x: f"(tl.sin({x}) / tl.cos({x}))",
        "asinh": lambda x: f"tl.log({x} + tl.sqrt(({x}) * ({x}) + 1.0))",
        "damped_stumpff": _ordered("_damped_stumpff({}, "),
    },
    sqrt="tl.sqrt",
    power="tl.exp({exponent} * tl.log({base}))",
)

# Vectors of the compiler take arithmetic; functions go lane by lane (templates/kernels.cpp.j2).
CPP = Dialect(
    name="C++",
    functions={
        **{
            f: _call(f"{f}_")
            for f in (*_COMMON, "tan", "tanh", "sinh", "cosh", "asinh", "atan", "asin", "acos", "atan2", "sign")
        },
        "Abs": _call("abs_"),
        "Max": _chain("max_"),
        "Min": _chain("min_"),
        **{f: _call(f"{f}_") for f in ("stumpff", "ratio", "artanhc")},
    },
    sqrt="sqrt_",
    power="pow_({base}, {exponent})",
    literal="R({})",
)
