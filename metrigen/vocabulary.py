"""The vocabulary of a spec file: what ``from metrigen import ...`` finds."""

import metrigen.caches  # noqa: F401  # before anything imports SymPy
from metrigen.errors import BuildError, MetrigenError, SpecError, StructureError
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
from metrigen.memory.layer import layer
from metrigen.physics.builders import (
    canonical,
    diffusion,
    friction,
    friction_to_heat,
    kulkarni_nomizu,
    projected,
)
from metrigen.physics.derivation import Derivation, Law
from metrigen.physics.derive import derive
from metrigen.plotting import animate, plot
from metrigen.spec.contract import contract
from metrigen.spec.distance import hypot
from metrigen.spec.domain import Graph, Lattice, Sequence
from metrigen.spec.functional import Dissipation
from metrigen.spec.gradient import grad
from metrigen.spec.means import logmean
from metrigen.spec.neural import NeuralFunction
from metrigen.spec.readout import energy_density, stress_energy
from metrigen.spec.symbols import Field, Input, Param, mix, momentum, t, total
from metrigen.spec.system import System

__all__ = [
    "RK4",
    "AverageVectorField",
    "BuildError",
    "Composed",
    "Derivation",
    "DiscreteGradient",
    "Dissipation",
    "ExplicitEuler",
    "Exponential",
    "Field",
    "Graph",
    "ImplicitMidpoint",
    "Input",
    "Lattice",
    "Law",
    "Leapfrog",
    "MetrigenError",
    "NeuralFunction",
    "Param",
    "Sequence",
    "SpecError",
    "SteadyState",
    "Strang",
    "StructureError",
    "SymplecticEuler",
    "System",
    "animate",
    "canonical",
    "contract",
    "derive",
    "diffusion",
    "energy_density",
    "friction",
    "friction_to_heat",
    "grad",
    "hypot",
    "kulkarni_nomizu",
    "layer",
    "logmean",
    "mix",
    "momentum",
    "plot",
    "projected",
    "stress_energy",
    "t",
    "total",
]  # fmt: skip
