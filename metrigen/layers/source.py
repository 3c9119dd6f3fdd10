"""What a layer was made from: the spec, what was derived of it, and what was proved."""

from __future__ import annotations

from dataclasses import dataclass

from metrigen.physics.derivation import Derivation, Law
from metrigen.spec.load import Spec
from metrigen.spec.names import class_name


@dataclass(frozen=True)
class Source:
    """What was given, derived and proved."""

    spec: Spec
    derivation: Derivation
    laws: tuple[Law, ...]

    @property
    def name(self) -> str:
        return self.spec.system.name

    @property
    def class_name(self) -> str:
        return class_name(self.name)
