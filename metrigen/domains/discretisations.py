"""All discretisations, one a domain. A new one is a file beside this one and a line here: the tests follow."""

from __future__ import annotations

from metrigen.domains.base import Discretisation
from metrigen.domains.graph import GraphLowering
from metrigen.domains.lower import Lowering
from metrigen.domains.tokens import SequenceLowering
from metrigen.spec.domain import Domain

DISCRETISATIONS: tuple[type[Discretisation], ...] = (Lowering, GraphLowering, SequenceLowering)


def discretisation_of(domain: Domain) -> type[Discretisation]:
    """The discretisation of a domain."""
    return next(kind for kind in DISCRETISATIONS if isinstance(domain, kind.domain))
