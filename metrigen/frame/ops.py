"""The custom operators of a package: signatures and the few lines that tie forward, kernel, fake and backward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from metrigen.emit.render import render
from metrigen.ir.nodes import Array, Kind, Program


@dataclass(frozen=True)
class Call:
    """Typed names of the tensors an operator takes, by kind."""

    arrays: tuple[Array, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(a.name for a in self.arrays)

    def signature(self, extra: str = "") -> str:
        return ", ".join([f"{n}: Tensor" for n in self.names] + ([extra] if extra else []))

    def check(self) -> str:
        kinds = (Kind.SITE, Kind.CHANNEL, Kind.MATRIX, Kind.SCALAR)
        return f"_check({', '.join(tuple_of([a.name for a in self.arrays if a.kind is k]) for k in kinds)})"


def tuple_of(names: Sequence[str]) -> str:
    """The names as the text of a tuple."""
    return f"({', '.join(names)}{',' if len(names) == 1 else ''})"


def returns(count: int) -> str:
    """The annotation of so many tensors."""
    return "Tensor" if count == 1 else f"tuple[{', '.join(['Tensor'] * count)}]"


def first(text: str, count: int) -> str:
    """The one tensor where there is one, else all of them."""
    return f"{text}[0]" if count == 1 else text


def step_ops(body: Program, fields: tuple[str, ...], cpu: bool) -> list[str]:
    """``evolve`` and ``evolve_adjoint``."""
    call = Call(body.inputs)
    everything, state = tuple_of(call.names), tuple_of(fields)
    rest = tuple_of([name for name in call.names if name not in fields])
    n, m = len(fields), len(call.names)
    kernel = f"kernels.evolve({state}, {rest}, steps)"
    evolve = render(
        "op.py.j2", name="evolve", signature=call.signature("steps: int"), returns=returns(n),
        doc="``steps`` steps of the integrator.", check=call.check(),
        reference=first(f"unshared(reference.evolve({state}, {rest}, steps), {everything})", n),
        kernel=first(f"unshared({kernel}, {everything})", n),
        cpu=first(f"cpu.evolve({state}, {rest}, steps)", n) if cpu else "",
        fake=first(f"_empty_like{state}", n),
        setup=["*tensors, ctx.steps = inputs", "ctx.save_for_backward(*tensors)"],
        backward=[
            "saved = ctx.saved_tensors",
            f"flowed = _evolve_adjoint(*_zeros_for(grads, saved[:{n}]), *saved, ctx.steps)",
            f"return *{'(flowed,)' if m == 1 else 'flowed'}, None",
        ],
    )  # fmt: skip
    return [step_adjoint_op(body, fields, cpu), evolve]


def step_adjoint_op(body: Program, fields: tuple[str, ...], cpu: bool, kept: bool = False) -> str:
    """``evolve_adjoint``; with ``kept`` that of steps that solve equations, of which the CPU is handed what it kept."""
    call, n, m = Call(body.inputs), len(fields), len(body.inputs)
    cotangents = tuple(Array(f"{f}__out", Kind.SITE) for f in fields)
    adjoint = Call((*cotangents, *body.inputs))
    fixed = tuple_of([name for name in call.names if name not in fields])
    groups = f"{tuple_of([a.name for a in cotangents])}, {tuple_of(fields)}, {fixed}"
    own = tuple_of(adjoint.names)
    return render(
        "op.py.j2", name="evolve_adjoint", returns=returns(m),
        signature=adjoint.signature("kept__: Tensor, steps: int" if kept else "steps: int"),
        doc="Cotangents of everything that ``evolve`` reads, by the varied step.", check=adjoint.check(),
        reference=first(f"unshared(reference.evolve_adjoint({groups}, steps), {own})", m),
        kernel="" if kept else first(f"unshared(kernels.evolve_adjoint({groups}, steps), {own})", m),
        cpu=first(f"cpu.evolve_adjoint({groups}, {'kept__, ' if kept else ''}steps)", m) if cpu else "",
        fake=first(f"_empty_like{tuple_of(call.names)}", m),
        setup=[f"*tensors, {'_, ' if kept else ''}ctx.steps = inputs", "ctx.save_for_backward(*tensors)"],
        backward=[
            f"def adjoint({', '.join(adjoint.names)}):",
            f"    return {first(f'reference.evolve_adjoint({groups}, ctx.steps)', m)}",
            "",
            *double_backward(m, f"saved[{n}:]", 2 if kept else 1),
        ],
    )  # fmt: skip


def readout_ops(readout: Program, cpu: bool, triton: bool = True) -> list[str]:
    """``readout`` and ``readout_adjoint``."""
    call = Call(readout.inputs)
    r, m = len(readout.outputs), len(call.names)
    everything = tuple_of(call.names)
    size = f"{call.names[0]}.shape[0], {r} * {call.names[0]}.shape[1], *{call.names[0]}.shape[2:]"
    adjoint_signature = f"grad__: Tensor, {call.signature()}"
    split = f"*grad__.chunk({r}, 1)"
    order = f"{', '.join(call.names)}, {split}"
    forward = render(
        "op.py.j2", name="readout", signature=call.signature(), returns="Tensor",
        doc="The readout, its components one after the other along the channel axis.", check=call.check(),
        reference=f"torch.cat(reference.readout{everything}, 1)",
        kernel=f"torch.cat(kernels.readout{everything}, 1)" if triton else "",
        cpu=f"cpu.readout{everything}" if cpu else "", fake=f"{call.names[0]}.new_empty(({size}))",
        setup=["ctx.save_for_backward(*inputs)"],
        backward=["return _readout_adjoint(*grads, *ctx.saved_tensors)"],
    )  # fmt: skip
    reverse = render(
        "op.py.j2", name="readout_adjoint", signature=adjoint_signature, returns=returns(m),
        doc="Cotangents of everything that ``readout`` reads.", check=call.check(),
        reference=first(f"unshared(reference.readout_adjoint({order}), (grad__, {', '.join(call.names)}))", m),
        kernel=first(f"unshared(kernels.readout_adjoint({order}), (grad__, {', '.join(call.names)}))", m)
        if triton else "",
        cpu=first(f"cpu.readout_adjoint(grad__, {', '.join(call.names)})", m) if cpu else "",
        fake=first(f"_empty_like{everything}", m),
        setup=["ctx.save_for_backward(*inputs)"],
        backward=[
            f"def adjoint(grad__, {', '.join(call.names)}):",
            f"    return {first(f'reference.readout_adjoint({order})', m)}",
            "",
            *double_backward(m, "saved[1:]", 0),
        ],
    )  # fmt: skip
    return [reverse, forward]


def solve_ops(unknown: str, operator: Program, cpu: bool) -> list[str]:
    """``solve_linear`` and ``operator_adjoint``: A x = b with implicit differentiation."""
    fixed = tuple(a for a in operator.inputs if a.name != unknown)
    call = Call((Array("b__", Kind.SITE), Array("start__", Kind.SITE), *fixed))
    rest, taken = tuple_of([a.name for a in fixed]), tuple_of(call.names)
    options = "solver: str, rtol: float, bwd_rtol: float, atol: float, max_iter: int, use_kernels: bool"
    solve = f"solve_linear(b__, start__, {rest}, solver, rtol, atol, max_iter)"
    backward = [
        "x, *fixed = ctx.saved_tensors",
        "grad = torch.zeros_like(x) if grads[0] is None else grads[0]",
        "solver, bwd_rtol, max_iter, use_kernels = ctx.options",
        "adjoint, _, _, status = _solve_linear(",
        "    grad, torch.zeros_like(grad), *fixed, solver, bwd_rtol, bwd_rtol, 0.0, max_iter, use_kernels",
        ")",
    ]
    flowed = "()"
    if fixed:
        backward.append("flowed = _operator_adjoint(-adjoint, x, *fixed)")
        flowed = "flowed" if len(fixed) > 1 else "(flowed,)"
    backward.append(f"return adjoint, None, *{flowed}, None, None, None, None, None, None")
    forward = render(
        "op.py.j2", name="solve_linear", signature=call.signature(options),
        returns="tuple[Tensor, Tensor, Tensor, Tensor]",
        doc="x, iterations, residual and status of A x = b; differentiated by one more solve with the same operator.",
        check=call.check(),
        reference=f"unshared(_reported(reference.{solve}, max_iter), {taken})",
        kernel=f"unshared(_reported((kernels if use_kernels else reference).{solve}, max_iter), {taken})",
        cpu=f"unshared(_reported((cpu if use_kernels else reference).{solve}, max_iter), {taken})" if cpu else "",
        fake="b__.new_empty(b__.shape), b__.new_empty(b__.shape[:1], dtype=torch.int64), b__.new_empty(b__.shape[:1]), "
             "b__.new_empty(b__.shape[:1], dtype=torch.int64)",
        setup=[
            f"_, _, *fixed = inputs[:{2 + len(fixed)}]",
            f"solver, _, bwd_rtol, _, max_iter, use_kernels = inputs[{2 + len(fixed)}:]",
            "ctx.options = solver, bwd_rtol, max_iter, use_kernels",
            "ctx.save_for_backward(output[0], *fixed)",
        ],
        backward=backward,
    )  # fmt: skip
    if not fixed:
        return [forward]
    adjoint = Call((Array("cotangent__", Kind.SITE), *operator.inputs))
    names = tuple_of([a.name for a in fixed])
    m = len(fixed)
    order = f"{', '.join(a.name for a in operator.inputs)}, cotangent__"
    reverse = render(
        "op.py.j2", name="operator_adjoint", signature=adjoint.signature(), returns=returns(m),
        doc="The variation of cotangent . A(fixed) u with respect to ``fixed``.", check=adjoint.check(),
        reference=first(f"unshared(reference.operator_adjoint({order}), {tuple_of(adjoint.names)})", m),
        kernel=first(f"unshared(kernels.operator_adjoint({order}), {tuple_of(adjoint.names)})", m),
        cpu=first(f"cpu.operator_adjoint({order})", m) if cpu else "",
        fake=first(f"_empty_like{names}", m),
        setup=["ctx.save_for_backward(*inputs)"],
        backward=[
            f"def adjoint({', '.join(adjoint.names)}):",
            f"    return {first(f'reference.operator_adjoint({order})', m)}",
            "",
            *double_backward(m, "saved[2:]", 0),
        ],
    )  # fmt: skip
    return [reverse, forward]


def double_backward(count: int, like: str, plain: int) -> list[str]:
    """Lines of the backward of an adjoint: the exact vector-Jacobian product of its reference."""
    lines = [
        "saved = ctx.saved_tensors",
        f"grads = _zeros_for(grads, {like})",
    ]
    gathered = f"pullback(adjoint, saved, {'grads[0]' if count == 1 else 'grads'})"
    return [*lines, f"return {gathered}" if not plain else f"return *{gathered}, {', '.join(['None'] * plain)}"]
