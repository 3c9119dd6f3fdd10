"""Steps and readout as one operator: the readout of a unit right after its steps."""

from __future__ import annotations

from dataclasses import dataclass

from metrigen.emit.render import render
from metrigen.frame.emission import Emission
from metrigen.frame.ops import Call, double_backward, first, returns, tuple_of
from metrigen.ir.nodes import Array, Kind


@dataclass(frozen=True)
class Joint:
    """Arrays of the operator: the state, what is fixed over the steps, what else the readout reads.

    read   what the readout takes, in its order; ``components`` of it
    """

    state: tuple[Array, ...]
    fixed: tuple[Array, ...]
    others: tuple[Array, ...]
    read: tuple[str, ...]
    components: int

    @property
    def arrays(self) -> tuple[Array, ...]:
        """Every argument once."""
        taken = {a.name for a in (*self.state, *self.fixed)}
        return (*self.state, *self.fixed, *(a for a in self.others if a.name not in taken))

    def context(self) -> dict[str, object]:
        """What ``reference.py`` says of it."""
        state, others = [a.name for a in self.state], [a.name for a in self.others]
        fixed = [a.name for a in self.fixed]
        at_end = [f"end[{state.index(n)}]" if n in state else f"others[{others.index(n)}]" for n in self.read]
        before = len(state) + len(fixed)
        flowed = [*state, *fixed]
        pairs = [(i, before + others.index(n) if n in others else -1) for i, n in enumerate(flowed)]
        pairs += [(before + i, -1) for i, n in enumerate(others) if n not in flowed]
        return {
            "others": repr(tuple(others)), "read_at_end": ", ".join(at_end), "components": self.components,
            "state_reads": [self.read.index(n) if n in self.read else -1 for n in state],
            "other_reads": [self.read.index(n) for n in others], "joint_pairs": pairs,
        }  # fmt: skip


def joint(emission: Emission) -> Joint | None:
    """The joint operator of a package that steps; None for a solve and without Triton."""
    body = emission.lowered.body
    if body is None or emission.without_triton:
        return None
    program = emission.optimised["readout"][0]
    fields = set(emission.fields)
    return Joint(
        tuple(a for a in body.inputs if a.name in fields),
        tuple(a for a in body.inputs if a.name not in fields),
        tuple(a for a in program.inputs if a.name not in fields),
        tuple(a.name for a in program.inputs),
        len(program.outputs),
    )


def joint_ops(found: Joint, cpu: bool) -> list[str]:
    """``evolve_readout`` and ``evolve_readout_adjoint``."""
    call = Call(found.arrays)
    n, m = len(found.state), len(found.arrays)
    state, rest, others = (tuple_of([a.name for a in part]) for part in (found.state, found.fixed, found.others))
    like = found.state[0].name
    size = f"({like}.shape[0], {found.components} * {like}.shape[1], *{like}.shape[2:])"
    cotangents = tuple(Array(f"{a.name}__out", Kind.SITE) for a in found.state)
    adjoint = Call((*cotangents, *found.arrays))
    everything, flowed = tuple_of(call.names), tuple_of([a.name for a in cotangents])
    ahead, back = f"{state}, {rest}, {others}, steps", f"grad__, {flowed}, {state}, {rest}, {others}, steps"
    taken = tuple_of(["grad__", *adjoint.names])
    evolve = render(
        "op.py.j2", name="evolve_readout", signature=call.signature("steps: int"), returns=returns(n + 1),
        doc="The readout after ``steps`` steps, then the state.", check=call.check(),
        reference=f"unshared(reference.evolve_readout({ahead}), {everything})",
        kernel=f"unshared(reference.evolve_readout({ahead}, kernels.evolve, kernels.readout), {everything})",
        cpu=f"cpu.evolve_readout({ahead})" if cpu else "",
        fake=f"{like}.new_empty({size}), *_empty_like{state}",
        setup=["*tensors, ctx.steps = inputs", "ctx.save_for_backward(*tensors)"],
        backward=[
            "saved = ctx.saved_tensors",
            f"{like} = saved[0]",
            f"grad = {like}.new_zeros({size}) if grads[0] is None else grads[0]",
            f"flowed = _evolve_readout_adjoint(grad, *_nothing_for(grads[1:], saved[:{n}]), *saved, ctx.steps)",
            f"return *{'(flowed,)' if m == 1 else 'flowed'}, None",
        ],
    )  # fmt: skip
    kernels = "kernels.evolve, kernels.evolve_adjoint, kernels.readout_adjoint"
    reverse = render(
        "op.py.j2", name="evolve_readout_adjoint",
        signature=f"grad__: Tensor, {adjoint.signature('steps: int')}", returns=returns(m),
        doc="Cotangents of everything that ``evolve_readout`` reads.", check=adjoint.check(),
        reference=first(f"unshared(reference.evolve_readout_adjoint({back}), {taken})", m),
        kernel=first(f"unshared(reference.evolve_readout_adjoint({back}, {kernels}), {taken})", m),
        cpu=first(f"cpu.evolve_readout_adjoint({back})", m) if cpu else "",
        fake=first(f"_empty_like{everything}", m),
        setup=["*tensors, ctx.steps = inputs", "ctx.save_for_backward(*tensors)"],
        backward=[
            f"def adjoint(grad__, {', '.join(adjoint.names)}):",
            f"    return {first(f'reference.evolve_readout_adjoint({back})'.replace('steps)', 'ctx.steps)'), m)}",
            "",
            *double_backward(m, f"saved[{1 + n}:]", 1),
        ],
    )  # fmt: skip
    return [reverse, evolve]
