"""What a layer is given beside its state and its inputs: parameters that it learns, and numbers of every sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import sympy as sp

from metrigen.discretise.dynamics import Dynamics
from metrigen.physics.derivation import Derivation
from metrigen.spec.network import OFFSET, Offset, Weights
from metrigen.spec.neural import Head, learned_functions
from metrigen.spec.symbols import Param, t


@dataclass(frozen=True)
class Given:
    """The parameters of a derivation, as far as its dynamics read them."""

    derivation: Derivation
    dynamics: Dynamics

    @cached_property
    def expressions(self) -> tuple[sp.Expr, ...]:
        """What the spec says, as far as parameters and inputs may stand in it."""
        dt = self.derivation.system.dt
        return (*self.derivation.expressions, *(() if dt is None else (dt,)))

    @cached_property
    def parameters(self) -> Mapping[str, sp.Symbol]:
        """Every parameter of the dynamics but a numeric time step and the time."""
        named = {s.name: s for e in self.expressions for s in e.free_symbols}
        wanted = [a.name for a in self.dynamics.params if a.name != t.name]
        wanted += [a.name for a in self.dynamics.inputs if isinstance(named.get(a.name), Param)]
        found = {name: named[name] for name in sorted(wanted) if name in named}
        for head in self.networks:
            assert head.network is not None
            found[head.name] = Weights(head.name, head.network, len(head.orders))
            found[head.name + OFFSET] = Offset(head.name + OFFSET, head.network)
        return {name: s for name, s in found.items() if not (isinstance(s, Param) and s.per == "sample")}

    @cached_property
    def of_samples(self) -> Mapping[str, Param]:
        """The parameters that are handed in, one number a sample."""
        found = {s.name: s for e in self.expressions for s in e.free_symbols if isinstance(s, Param)}
        return {name: found[name] for name in sorted(found) if found[name].per == "sample"}

    @cached_property
    def networks(self) -> tuple[Head, ...]:
        """The learned functions that the spec declares: their weights are parameters."""
        return tuple(head for head in learned_functions(*self.expressions) if head.network is not None)
