"""A package on its way to text: a layer, and the backends at work on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from metrigen.backends.base import Backend
from metrigen.layers.layer import Layer
from metrigen.layers.operator import Operator


@dataclass(frozen=True)
class Package:
    """What asks no backend by name.

    reference  the backend that has every operator; backends: those that may have kernels
    """

    layer: Layer
    reference: Backend
    backends: tuple[Backend, ...]

    @cached_property
    def reasons(self) -> Mapping[tuple[str, str], str]:
        """(backend, operator) -> why the one does not implement the other."""
        return {(b.name, o.name): b.why_not(o) for b in self.backends for o in self.layer.operators}

    @cached_property
    def used(self) -> tuple[Backend, ...]:
        """The backends that implement an operator."""
        return tuple(b for b in self.backends if any(not self.reasons[b.name, o.name] for o in self.layer.operators))

    @cached_property
    def registered(self) -> tuple[Operator, ...]:
        """The operators that a backend implements: torch takes them as one call each."""
        return tuple(o for o in self.layer.operators if any(not self.reasons[b.name, o.name] for b in self.backends))

    def registers(self, name: str) -> bool:
        return any(o.name == name for o in self.registered)

    @property
    def without(self) -> Mapping[str, str]:
        """Backend that cannot be insisted on -> why: the first reason of those it gives."""
        found = {
            b.name: next((why for o in self.layer.operators if (why := self.reasons[b.name, o.name])), "")
            for b in self.backends
        }
        return {name: why for name, why in found.items() if why} | (
            {"compile": self.layer.uncompiled} if self.layer.uncompiled else {}
        )

    @property
    def insisted(self) -> tuple[str, ...]:
        """The backends that implement every operator, which a user may insist on."""
        return tuple(b.name for b in self.backends if b.name not in self.without)

    @property
    def options(self) -> tuple[str, ...]:
        """What ``backend=`` may be."""
        return ("auto", *self.insisted, self.reference.name, *([] if self.layer.uncompiled else ["compile"]))

    @property
    def option_doc(self) -> str:
        """What the docstring of the layer says of ``backend=``."""
        insisted = [f'"{name}"' for name in self.insisted]
        compiled = "" if self.layer.uncompiled else ', one step of which "compile" has compiled by torch'
        if not self.used:
            return f'backend   "auto" and "torch" are the reference{compiled}: there are no kernels'
        verb = "insists" if len(insisted) == 1 else "insist"
        return (
            'backend   "auto": kernels where the device has them; '
            + (f"{' and '.join(insisted)} {verb}; " if insisted else "")
            + '"torch" is the reference'
            + compiled
        )

    @property
    def remarks(self) -> str:
        """What the backends say of how the operators run."""
        return " ".join(filter(None, (b.about(o) for o in self.registered for b in self.used)))


def assemble(layer: Layer, backends: tuple[type[Backend], ...]) -> Package:
    """The layer with the backends at work on it."""
    made = tuple(backend(layer) for backend in backends)
    (reference,) = (b for b in made if b.reference)
    return Package(layer, reference, tuple(b for b in made if not b.reference))


def backend_constants(package: Package) -> list[tuple[str, str]]:
    """What the class of a layer says of its backends."""
    found = [("BACKENDS", repr(package.options))]
    found += [("WITHOUT", repr(dict(package.without)))] if package.without else []
    return [*found, ("OPERATORS", "operators.OPERATORS")] if package.registered else found
