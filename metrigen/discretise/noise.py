"""The noise of a metric at a temperature on the lattice: its arrays, and its strength at a site.

The layer sums energies over cells of volume V, E = V sum_n h, and a step takes the density of the gradient,
dH/dz_n = (1/V) dE/dz_n. With exp(-E/T) at rest the metric M at a site makes the noise sqrt(2 T M / V) dW, and where it
depends on the state the drift (T/V) dM/dz_n: V comes with T alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.discretise.dynamics import Builder, Dynamics
from metrigen.errors import SpecError
from metrigen.ir.nodes import Array, Kind, Load
from metrigen.physics.derivation import Derivation
from metrigen.physics.fluctuation import weights


def noise_arrays(
    derivation: Derivation, arrays: Mapping[sp.Basic, Array], others: Collection[str]
) -> Mapping[str, Array]:
    """Field -> the array of its standard normal numbers, one a site and a step: ``noise``, or with several fields
    ``noise_FIELD``. Raises SpecError where something else has the name."""
    if derivation.system.temperature is None:
        return {}
    fields = [arrays[u].name for u in weights(derivation)]
    names = {field: "noise" if len(fields) == 1 else f"noise_{field}" for field in fields}
    taken = {*(a.name for a in arrays.values()), *others}
    for field, name in names.items():
        if name in taken:
            raise SpecError(
                f"the name {name!r} is that of the noise of {field}",
                part=name,
                fix=f"rename it, to {name + '1'!r} say",
                see="reserved-name",
            )
    return {field: Array(name, Kind.SITE, driven=True, noise=True) for field, name in names.items()}


def bath(dynamics: Dynamics) -> sp.Expr:
    """T/V, T the temperature of the system and V the volume of a cell."""
    system = dynamics.derivation.system
    assert system.temperature is not None
    return system.temperature / system.lattice.spacing ** len(system.domain.axes)


def xi(dynamics: Dynamics, name: str) -> Load:
    """The standard normal numbers of a step for a field."""
    return dynamics.load(dynamics.noise[name].name)


def friction_noise(rate: sp.Expr, mass: sp.Expr, temperature: sp.Expr, h: sp.Expr) -> sp.Expr:
    """The strength of the noise of p <- exp(-rate h) p + strength xi, with the variance T m (1 - exp(-2 rate h)); the
    difference is 2 tanh(rate h)/(1 + tanh(rate h)), which keeps its digits where rate h is small."""
    damped = sp.tanh(rate * h)
    return sp.sqrt(2 * temperature * mass * damped / (1 + damped))


def ito(
    dynamics: Dynamics, builder: Builder, state: Mapping[str, Load], h: sp.Expr
) -> Mapping[str, tuple[sp.Expr, sp.Expr]]:
    """Field -> the drift T dM/dz and the noise sqrt(2 T M h) xi of a step of length h, the metric diagonal."""
    found: dict[str, tuple[sp.Expr, sp.Expr]] = {}
    for u, weight in weights(dynamics.derivation).items():
        name, temperature = dynamics.array(u), bath(dynamics)
        drift = _slope(weight, u) * temperature
        strength = builder.coefficient("spread", sp.sqrt(2 * temperature * weight * h), state, dynamics.time)
        if drift != 0:
            drift = builder.coefficient("ito", drift, state, dynamics.time)
        found[name] = drift, strength * xi(dynamics, name)
    return found


def _slope(weight: sp.Expr, u: AppliedUndef) -> sp.Expr:
    at = sp.Dummy(u.func.__name__, real=True)
    return weight.xreplace({u: at}).diff(at).xreplace({at: u})
