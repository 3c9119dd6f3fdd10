"""``learned_function``: what a derivation takes for granted of the functions that are learned.

Every law with the verdict "proved" holds for every such function, and a law that needs a sign of one says so; this law
names what neither the derivation nor the emitted code can know of a module that is given later.
"""

from __future__ import annotations

from metrigen.physics.derivation import Law
from metrigen.physics.state import State
from metrigen.spec.neural import Head, learned, learned_functions

NAME = "learned_function"
_HOW = "taken for granted of the module that is given; what a law needs beyond it, it states"


def learned_law(state: State) -> tuple[Law, ...]:
    """One law for all learned functions; none where the system has none."""
    found = learned_in(state)
    if not found:
        return ()
    square = ", ".join(f"{head.name} = " + " + ".join(f"x{i}**2" for i in range(len(head.orders))) for head in found)
    assumed = "; ".join(_assumed(state, head) for head in found)
    return (Law(NAME, "conditional", _HOW, assumed, holds_at=square),)


def learned_in(state: State) -> tuple[Head, ...]:
    """The learned functions of energy, entropy and brackets."""
    return learned_functions(*state.densities)


def _assumed(state: State, head: Head) -> str:
    name = head.name
    parts = [f"{name} is elementwise and of class C^{_smooth(state, head)}"]
    if head.convex:
        how = "by construction" if head.network is not None else "(declared convex, kept by nothing)"
        parts.append(f"{name}'' >= 0 {how}")
    if head.sign:
        parts.append(f"{name} = softplus({'module' if head.network is None else 'network'}) > 0 by construction")
    return ", ".join(parts)


def _smooth(state: State, head: Head) -> int:
    """Derivatives that the gradient of a step takes: one more than the equations hold."""
    rates = state.rates or (state.hamiltonian,)
    orders = [f.head.order for rate in rates for f in rate.atoms(learned) if f.head.name == head.name]
    return max(orders, default=0) + 1
