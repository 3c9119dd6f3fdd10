"""A layer: what every part of a package is made from, said once and without a target."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp

from metrigen.layers.operator import Operator
from metrigen.physics.derivation import Derivation, Law
from metrigen.spec.load import Spec
from metrigen.spec.names import class_name


@dataclass(frozen=True)
class Layer(ABC):
    """A compiled spec on its way to text.

    spec, derivation, laws  what was given, derived and proved
    axes       axes of a field: batch, channels, and those of the sites
    operators  what torch takes as one call each, where a backend has kernels for it
    """

    spec: Spec
    derivation: Derivation
    laws: tuple[Law, ...]

    @property
    def name(self) -> str:
        return self.spec.system.name

    @property
    def class_name(self) -> str:
        return class_name(self.name)

    @property
    @abstractmethod
    def axes(self) -> int: ...

    @property
    @abstractmethod
    def fields(self) -> tuple[str, ...]: ...

    @property
    @abstractmethod
    def operators(self) -> tuple[Operator, ...]: ...

    @property
    @abstractmethod
    def parameters(self) -> Mapping[str, sp.Symbol]:
        """The learned parameters by name."""

    @property
    @abstractmethod
    def kinds(self) -> Mapping[str, str]:
        """Name of an array that an operator is handed -> what the runtime calls its kind."""

    @property
    @abstractmethod
    def obstacle(self) -> str:
        """What no operator of torch can do that the layer does, to follow the name of a backend; empty for none."""

    @abstractmethod
    def statistics(self) -> dict[str, Any]:
        """Operations and bytes of its programs, in float32."""
