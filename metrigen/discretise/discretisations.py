"""All discretisations, one a domain. A new one is a file beside this one and a line here: the tests follow."""

from __future__ import annotations

from metrigen.discretise.base import Discretisation
from metrigen.discretise.graph import GraphLowering
from metrigen.discretise.lower import Lowering
from metrigen.discretise.tokens import SequenceLowering
from metrigen.spec.domain import Domain

DISCRETISATIONS: tuple[type[Discretisation], ...] = (Lowering, GraphLowering, SequenceLowering)


def discretisation_of(domain: Domain) -> type[Discretisation]:
    """The discretisation of a domain."""
    return next(kind for kind in DISCRETISATIONS if isinstance(domain, kind.domain))
