"""What torch takes as one call of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from metrigen.emit.render import tuple_text
from metrigen.ir.nodes import Array, Program

# map: values at the sites; steps: steps of a method; solve: the unknown of an equation; scan: a state after every token
Kind = Literal["map", "steps", "solve", "scan"]
# What the longest call that a maker registers, most often an adjoint, is handed beside one of each array: the state so
# often again, and so much more; for steps with ``varied``, which few of them leave out.
_BESIDE = {
    "readout": (0, 1), "evolve": (1, 2), "rollout": (2, 3), "evolve_readout": (1, 3), "implicit": (1, 3),
    "rollout_readout": (1, 4), "solve": (0, 8), "equilibrium": (0, 12), "scan": (2, 0), "readout_scan": (1, 1),
    "remember": (0, 4),
}  # fmt: skip


@dataclass(frozen=True)
class Operator:
    """One operator, without a target.

    name      in the package
    kind      what it does
    maker     method of the runtime (``registry.py``, ``evolving.py``, ``scan.py``) that registers it
    groups    names of the arrays that it is handed, group by group as ``maker`` takes them, and counts behind them
    forward, adjoint  its programs: one step of ``steps``, the operator A of a linear ``solve``
    """

    name: str
    kind: Kind
    maker: str
    groups: tuple[tuple[str, ...] | str | int, ...]
    forward: Program
    adjoint: Program

    @property
    def call(self) -> str:
        """The call that registers it: ``readout(("phi",), 1)``."""
        return f"{self.maker}({', '.join(map(_text, self.groups))})"

    @property
    def arguments(self) -> int:
        """Of the longest call that ``maker`` registers."""
        again, more = _BESIDE[self.maker]
        listed = [group for group in self.groups if isinstance(group, tuple)]
        return len({name for group in listed for name in group}) + again * len(listed[0] if listed else ()) + more


def _text(group: tuple[str, ...] | str | int) -> str:
    if isinstance(group, tuple):
        return tuple_text([f'"{name}"' for name in group])
    return f'"{group}"' if isinstance(group, str) else str(group)


def names_of(arrays: Sequence[Array], but: Sequence[str] = ()) -> tuple[str, ...]:
    return tuple(a.name for a in arrays if a.name not in but)
