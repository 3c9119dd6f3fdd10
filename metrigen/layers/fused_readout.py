"""Steps and readout as one operator: the readout of a tile right after its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from metrigen.ir.nodes import Array
from metrigen.layers.layer import Layer
from metrigen.programs import TimeStep


@dataclass(frozen=True)
class FusedReadout:
    """Arrays of the operator: the state, what is fixed over the steps, what else the readout reads.

    read   what the readout takes, in its order; ``components`` of it
    steps  what of it has a value for every step -> its place in ``fixed``: a state is read with that of the last step
    """

    state: tuple[Array, ...]
    fixed: tuple[Array, ...]
    others: tuple[Array, ...]
    read: tuple[str, ...]
    components: int
    steps: Mapping[str, int]

    def context(self) -> dict[str, object]:
        """What ``reference.py`` says of it."""
        state, others = [a.name for a in self.state], [a.name for a in self.others]
        fixed = [a.name for a in self.fixed]
        places = {n: f"end[{i}]" for i, n in enumerate(state)} | {n: f"others[{i}]" for i, n in enumerate(others)}
        places |= {n: f"fixed[{i}][-1]" for n, i in self.steps.items()}
        at_end = [places[n] for n in self.read]
        before = len(state) + len(fixed)
        flowed = [*state, *fixed]
        pairs = [(i, before + others.index(n) if n in others else -1) for i, n in enumerate(flowed)]
        pairs += [(before + i, -1) for i, n in enumerate(others) if n not in flowed]
        return {
            "others": repr(tuple(others)), "read_at_end": ", ".join(at_end), "components": self.components,
            "state_reads": [self.read.index(n) if n in self.read else -1 for n in state],
            "other_reads": [self.read.index(n) for n in others], "cotangent_pairs": pairs,
            "step_reads": [(before - len(fixed) + i, self.read.index(n)) for n, i in self.steps.items()],
        }  # fmt: skip


def fused_readout(layer: Layer) -> FusedReadout | None:
    """Steps and readout as one operator of a package that steps; None for a solve, without kernels, and where the
    readout reads the time, or a value of every step that the steps do not."""
    evolution = layer.lowered.evolution
    if not isinstance(evolution, TimeStep) or layer.obstacle:
        return None
    body, program = evolution.body, layer.programs["readout"]
    fields, steps = set(layer.lowered.fields), layer.lowered.read_by_step
    if steps is None:
        return None
    return FusedReadout(
        tuple(a for a in body.inputs if a.name in fields),
        tuple(a for a in body.inputs if a.name not in fields),
        tuple(a for a in program.inputs if a.name not in fields and a.name not in steps),
        tuple(a.name for a in program.inputs),
        len(program.outputs),
        steps,
    )
