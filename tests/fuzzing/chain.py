"""One spec through the chain: what came out of it, ready to be checked."""

from __future__ import annotations

import inspect
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from metrigen import Sequence, System
from metrigen.compiler import layer_of, printed
from metrigen.ir.nodes import Kind
from metrigen.physics.derivation import Derivation, Law
from metrigen.programs import Lowered
from metrigen.spec.domain import EDGE, Graph
from metrigen.spec.neural import learned_functions
from metrigen.spec.symbols import InputFunction
from tests.fuzzing.cells import Cell
from tests.lattice.emitted import imported, layer_class, spec_of
from tests.modules import Network

CHANNELS, NODES, TOKENS = 2, 5, 7
SIZES = (5, 4, 3)


@dataclass
class Chain:
    """A system with its package imported, a state and inputs in float64."""

    cell: Cell
    system: System
    derivation: Derivation
    laws: tuple[Law, ...]
    lowered: Lowered | None
    layer_class: type
    state: tuple[torch.Tensor, ...]
    inputs: dict[str, torch.Tensor]
    seed: int

    @property
    def space(self) -> tuple[int, ...]:
        domain = self.system.domain
        if isinstance(domain, Sequence):
            return (TOKENS,)
        return (NODES,) if isinstance(domain, Graph) else SIZES[: len(domain.axes)]

    def layer(self, backend: str | None = None, **options: Any) -> torch.nn.Module:
        """A layer with the same random parameters at every call."""
        known = inspect.signature(self.layer_class).parameters
        if "nodes" in known:
            options["nodes"] = NODES
        if "sites" in known:
            options["sites"] = self.space
        if backend is not None and "backend" in known:
            options["backend"] = backend
        modules = {h.name: Network(len(h.orders)) for h in learned(self.derivation)}
        made = self.layer_class(CHANNELS, **modules, **options).double()
        generator = torch.Generator().manual_seed(self.seed)
        with torch.no_grad():
            for name, raw in made.named_parameters():
                if name.startswith("raw_") and name != "raw_dt":
                    raw += 0.3 * torch.randn(raw.shape, dtype=raw.dtype, generator=generator)
        return made

    def call(self, layer: torch.nn.Module, state: tuple[torch.Tensor, ...], inputs: dict[str, torch.Tensor]) -> Any:
        """The state that ``forward`` returns."""
        if isinstance(self.system.domain, Sequence) or self.steady:
            return layer(**inputs)
        return layer(*state, **inputs)

    @property
    def steady(self) -> bool:
        return not hasattr(self.system.integrator, "steps")

    @property
    def fields(self) -> tuple[str, ...]:
        assert self.lowered is not None
        return tuple(a.name for a in self.lowered.dynamics.state)

    def values(self, layer: torch.nn.Module) -> dict[str, np.ndarray]:
        """Every array that a program may read, by name."""
        assert self.lowered is not None
        named = dict(zip(self.fields, self.state, strict=True)) | self.inputs
        for a in (*self.lowered.dynamics.params, *self.lowered.dynamics.inputs):
            if a.name not in named:
                value = getattr(layer, a.name)
                value = value if torch.is_tensor(value) else torch.tensor(float(value), dtype=torch.float64)
                per_site = a.kind in (Kind.SITE, Kind.EDGE) and value.ndim == len(self.space) + 1
                named[a.name] = value.expand(2, *value.shape) if per_site else value
        return {name: np.asarray(value.detach()) for name, value in named.items()}


def learned(derivation: Derivation) -> tuple[Any, ...]:
    forms = [form.form for form in (derivation.bracket, derivation.metric) if form is not None]
    return learned_functions(derivation.hamiltonian, *forms)


def chain_of(cell: Cell, system: System, seed: int, folder: Path) -> Chain:
    """Derive, emit and import. Raises what the compiler raises."""
    name = f"fuzz_{seed}"
    layer = layer_of(spec_of(replace(system, name=name)))
    compiled = printed(layer)
    target = folder / name
    shutil.rmtree(target, ignore_errors=True)
    found = layer_class(imported(compiled.files, folder, name))
    lowered = None if isinstance(system.domain, Sequence) else layer.lowered
    made = Chain(cell, system, layer.source.derivation, compiled.laws, lowered, found, (), {}, seed)
    _draw(made)
    return made


def _draw(chain: Chain) -> None:
    """State and inputs of size one; a conductance of a graph is a symmetric matrix."""
    generator = torch.Generator().manual_seed(chain.seed + 1)

    def values(positive: bool, shape: tuple[int, ...]) -> torch.Tensor:
        x = 0.7 * torch.randn(shape, dtype=torch.float64, generator=generator)
        return 0.3 + x.abs() if positive else x

    shape = (2, CHANNELS, *chain.space)
    if chain.lowered is None:
        named = sorted(set(inspect.signature(chain.layer_class.forward).parameters) & _inputs(chain).keys())
        chain.inputs = {n: values(_inputs(chain)[n], shape) for n in named}
        return
    chain.state = tuple(values(bool(u.is_nonnegative), shape) for u in chain.derivation.fields)
    for u in sorted(chain.derivation.hamiltonian.atoms(InputFunction), key=lambda u: u.func.__name__):
        positive = bool(u.is_nonnegative)
        value = values(positive, (2, CHANNELS, NODES, NODES) if EDGE in u.args else shape)
        chain.inputs[u.func.__name__] = value + value.mT if EDGE in u.args else value


def _inputs(chain: Chain) -> dict[str, bool]:
    derivation = chain.derivation
    forms = [derivation.hamiltonian, *(f.form for f in (derivation.bracket, derivation.metric) if f is not None)]
    return {u.func.__name__: bool(u.is_nonnegative) for e in forms for u in e.atoms(InputFunction)}
