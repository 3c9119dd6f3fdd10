"""What moves a state: z -> z_t of the equations on the lattice or the graph, as one program."""

from __future__ import annotations

from metrigen.discretise.dynamics import Builder, Dynamics, RightHandSide
from metrigen.ir.nodes import Map, Program
from metrigen.spec.symbols import t


def rates_program(layer: Dynamics) -> Program:
    """u -> u_t, one output ``rate(u)`` per field; of a steady state u -> dF/du."""
    if layer.derivation.system.solves:
        return layer.gradient(layer.derivation.hamiltonian)
    builder = Builder(layer)
    rates = RightHandSide.of(layer).at(builder, {a.name: layer.load(a.name) for a in layer.state}, t)
    builder.body.extend(Map(stores=((f"{name}__rate", rate),)) for name, rate in rates.items())
    inputs = (*layer.state, *layer.inputs, *layer.params)
    return Program("rates", inputs, tuple(builder.body), tuple(f"{n}__rate" for n in rates), layer.lowering.periodic)
