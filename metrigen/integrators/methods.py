"""All methods that a spec may name. A new one is a file beside this one and a line here: the tests follow."""

from __future__ import annotations

from metrigen.integrators.average_vector_field import AverageVectorField
from metrigen.integrators.composed import Composed
from metrigen.integrators.discrete_gradient import DiscreteGradient
from metrigen.integrators.explicit_euler import ExplicitEuler
from metrigen.integrators.exponential import Exponential
from metrigen.integrators.implicit_midpoint import ImplicitMidpoint
from metrigen.integrators.leapfrog import Leapfrog
from metrigen.integrators.rk4 import RK4
from metrigen.integrators.steady_state import SteadyState
from metrigen.integrators.strang import Strang
from metrigen.integrators.symplectic_euler import SymplecticEuler
from metrigen.spec.contracts import Method

METHODS: tuple[type[Method], ...] = (
    ExplicitEuler,
    SymplecticEuler,
    Leapfrog,
    Strang,
    Composed,
    Exponential,
    ImplicitMidpoint,
    AverageVectorField,
    DiscreteGradient,
    RK4,
    SteadyState,
)
