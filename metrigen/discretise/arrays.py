"""The arrays of a derivation on its domain, by name."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.discretise.discretisations import discretisation_of
from metrigen.discretise.dynamics import Dynamics
from metrigen.discretise.lower import param_array
from metrigen.discretise.noise import noise_arrays
from metrigen.discretise.readout import explicit_symbols
from metrigen.ir.nodes import Array, Kind
from metrigen.physics.clock import is_timed
from metrigen.physics.derivation import Derivation
from metrigen.spec.domain import EDGE
from metrigen.spec.neural import learned_functions
from metrigen.spec.symbols import t


def dynamics(derivation: Derivation) -> Dynamics:
    """Name the arrays: fields by their function, momenta ``pi`` when there is one, inputs and axes by their name; the
    time ``t`` where something depends on it."""
    structure = derivation.structure
    system, kind = derivation.system, discretisation_of(derivation.system.domain)
    expressions, dt = derivation.expressions, system.dt
    fields = _field_arrays(derivation, [*expressions, *(() if dt is None else (dt,))])
    covectors = {c for b in structure.forms.values() for c in (*b.left, *b.right)}
    inputs: dict[sp.Basic, Array] = {}
    symbols: dict[str, sp.Symbol] = {}
    for e in expressions:
        for f in e.atoms(AppliedUndef):
            if f not in fields and f not in covectors and f not in structure.constraints:
                place = Kind.EDGE if EDGE in f.args else Kind.SITE
                inputs[f] = Array(f.func.__name__, place, bool(f.is_positive), driven=t in f.args)
        symbols.update({s.name: s for s in explicit_symbols(e)})
    if dt is not None:
        symbols.update({s.name: s for s in dt.free_symbols})
    for f in inputs:
        kind.check_input(f, system)
    axes = {s: Array(s.name, Kind.SITE) for s in system.domain.axes if s.name in symbols and symbols[s.name] == s}
    timed = any(is_timed(e) for e in expressions)
    params = [param_array(symbols[n]) for n in sorted(symbols) if symbols[n] not in axes and symbols[n] != t]
    params += [Array(t.name, Kind.SCALAR, driven=True)] if timed else []
    params.sort(key=lambda a: a.name)
    ordered = {f: inputs[f] for f in sorted(inputs, key=lambda f: inputs[f].name)}
    sites = [p for p in params if p.kind in (Kind.SITE, Kind.EDGE)]
    arrays: dict[sp.Basic, Array] = {**fields, **ordered, **axes, **{symbols[p.name]: p for p in sites}}
    coefficients, outside = tuple(p for p in params if p not in sites), (*ordered.values(), *axes.values(), *sites)
    lowering = kind.of(derivation, arrays, outside, coefficients)
    noise = noise_arrays(derivation, arrays, {a.name for a in params})
    return Dynamics(derivation, lowering, tuple(fields.values()), outside, coefficients, noise=noise)


def _field_arrays(derivation: Derivation, expressions: Sequence[sp.Expr]) -> dict[sp.Basic, Array]:
    """The arrays of the fields; a single momentum is ``pi`` where nothing else in ``expressions`` has that name."""
    momenta = set(derivation.momenta.values())
    taken = {u.func.__name__ for u in derivation.structure.fields if u not in momenta}
    taken |= {f.func.__name__ for e in expressions for f in e.atoms(AppliedUndef) if f not in momenta}
    taken |= {s.name for e in expressions for s in e.free_symbols} | {
        head.name for head in learned_functions(*expressions)
    }
    arrays: dict[sp.Basic, Array] = {}
    for u in derivation.structure.fields:
        name = u.func.__name__
        if u in momenta and len(momenta) == 1 and "pi" not in taken:
            name = "pi"
        arrays[u] = Array(name, Kind.SITE)
    return arrays
