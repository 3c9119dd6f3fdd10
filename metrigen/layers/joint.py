"""Steps and readout as one operator: the readout of a unit right after its steps."""

from __future__ import annotations

from dataclasses import dataclass

from metrigen.ir.nodes import Array
from metrigen.layers.layer import Layer


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


def joint(layer: Layer) -> Joint | None:
    """The joint operator of a package that steps; None for a solve, without kernels, and where every step reads values
    of its own, of which the readout reads those of the last."""
    if not layer.stepping or layer.obstacle or layer.lowered.driven:
        return None
    body, program = layer.lowered.step.body, layer.programs["readout"]
    fields = set(layer.fields)
    return Joint(
        tuple(a for a in body.inputs if a.name in fields),
        tuple(a for a in body.inputs if a.name not in fields),
        tuple(a for a in program.inputs if a.name not in fields),
        tuple(a.name for a in program.inputs),
        len(program.outputs),
    )
