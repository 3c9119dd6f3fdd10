"""The functions of the table in PyTorch."""

from __future__ import annotations

from metrigen.ir.functions.forms import Form
from metrigen.ir.functions.target import Target

_SAME = """
    exp log sin cos tan tanh asin acos atan atan2 asinh acosh atanh erf erfc sign expm1
""".split()
_TENSORS = """def same__(*args: Tensor | float) -> tuple[Tensor, ...]:
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


class _Torch(Target):
    def printed(self, stem: str, found: Form) -> str:
        several = len(found.arguments) > 1
        kind = "Tensor | float" if several else "Tensor"
        arguments = ", ".join(found.arguments)
        head = f"def {stem}__({', '.join(f'{a}: {kind}' for a in found.arguments)}) -> Tensor:"
        return "\n".join([head, *([f"    {arguments} = same__({arguments})"] if several else []), *self.body(found)])


FUNCTIONS = _Torch(
    native={
        **{name: f"torch.{name}" for name in _SAME},
        "csch": "(1.0 / torch.sinh({0}))",
        "coth": "(1.0 / torch.tanh({0}))",
        "sec": "(1.0 / torch.cos({0}))",
        "csc": "(1.0 / torch.sin({0}))",
        "cot": "(1.0 / torch.tan({0}))",
        "loggamma": "torch.lgamma",
        "Abs": "torch.abs",
        "Max": "torch.maximum",
        "Min": "torch.minimum",
        "whole": "torch.floor",
    },
    words={
        "where": "torch.where",
        "abs": "torch.abs",
        "sqrt": "torch.sqrt",
        "log1p": "torch.log1p",
        "like": "torch.full_like",
        "pow": "torch.pow",
        "floor": "torch.floor",
        "quotient": "quotient__",
        "largest": "largest__",
        "smallest": "smallest__",
    },
    texts={"same__": _TENSORS, "quotient__": _QUOTIENT, "largest__": _LARGEST, "smallest__": _SMALLEST},
)
