"""A layer of implicit steps with CPU kernels: its operators, and the call that takes them or the reference."""

from __future__ import annotations

from metrigen.emit.render import render
from metrigen.frame.arguments import tuple_text
from metrigen.frame.emission import Emission
from metrigen.frame.ops import Call, returns, step_adjoint_op, tuple_of
from metrigen.ir.nodes import Program


def implicit_ops(body: Program, fields: tuple[str, ...]) -> list[str]:
    """``evolve``, which says of every sample how its equations were solved and keeps what the way back needs, and
    ``evolve_adjoint``."""
    call = Call(body.inputs)
    everything, state = tuple_of(call.names), tuple_of(fields)
    rest = tuple_of([name for name in call.names if name not in fields])
    n, m = len(fields), len(call.names)
    like = fields[0]
    evolve = render(
        "op.py.j2", name="evolve", signature=call.signature("steps: int, keep: bool"), returns=returns(n + 4),
        doc="``steps`` steps of the integrator, iterations, residual and status per sample, and what is kept.",
        check=call.check(), kernel="",
        reference=f"unshared(cpu.by_reference({state}, {rest}, steps, keep), {everything})",
        cpu=f"cpu.evolve({state}, {rest}, steps, keep)",
        fake=f"*_empty_like{state}, *_reports_like({like}), {like}.new_empty(cpu.kept_shape({like}, steps, keep))",
        setup=["*tensors, ctx.steps, _ = inputs", "ctx.save_for_backward(*tensors, output[-1])"],
        backward=[
            "*saved, kept = ctx.saved_tensors",
            f"flowed = _evolve_adjoint(*_zeros_for(grads[:{n}], saved[:{n}]), *saved, kept, ctx.steps)",
            f"return *{'(flowed,)' if m == 1 else 'flowed'}, None, None",
        ],
    )  # fmt: skip
    return [step_adjoint_op(body, fields, cpu=True, kept=True), evolve]


def implicit_steps(emission: Emission, otherwise: str) -> list[str]:
    """The lines that take the steps: the fields at the end, then iterations, residual and status of every sample.
    ``otherwise``: the condition on which the reference takes them."""
    fields, like = tuple_text(list(emission.fields)), emission.fields[0]
    n = len(emission.fields)
    by_reference = [
        "report__ = reference.Report()",
        "step__ = partial(reference.step, report=report__)",
        f"results__ = reference.evolve({fields}, fixed__, self.steps, step__)",
        f"return *results__, *report__.finish({like})",
    ]
    if emission.cpu is None:
        return [*(f"    {line}" for line in by_reference), ""]
    return [
        f"    _available(self.backend, {like})",
        f'    if {otherwise} or {like}.device.type not in ("cpu", "meta") or not _has_kernels():',
        *(f"        {line}" for line in by_reference),
        f"    arrays__ = ({', '.join(emission.fields)}, *fixed__)",
        "    keep__ = torch.is_grad_enabled() and any(x.requires_grad for x in arrays__)",
        f"    return _evolve(*arrays__, self.steps, keep__)[:{n + 3}]",
        "",
    ]
