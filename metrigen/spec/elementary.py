"""What the functions of the spec language that SymPy has not are made of."""

from __future__ import annotations

from typing import Any

import mpmath
import sympy as sp


class Elementary(sp.Function):
    """A real function with a value in mpmath; ``plain`` is how a reader would write it."""

    is_real = True

    @staticmethod
    def value(*args: Any) -> Any:
        """The value at numbers of mpmath."""
        raise NotImplementedError

    def _eval_evalf(self, prec: int) -> sp.Expr | None:
        with mpmath.workprec(prec):
            values = [a._eval_evalf(prec) for a in self.args]
            if not all(v is not None and (v.is_Float or v.is_Rational) for v in values):
                return None
            return sp.Float(self.value(*(mpmath.mpf(v._to_mpmath(prec)) for v in values)), precision=prec)
