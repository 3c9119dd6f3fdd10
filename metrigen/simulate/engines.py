"""What takes the steps: the interpreter of programs in numpy, or the emitted package in torch."""

from __future__ import annotations

import importlib.util
import math
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import sympy as sp

from metrigen.compiler import compile_spec
from metrigen.emit.package import package_files
from metrigen.emit.tree import write_package
from metrigen.errors import SpecError
from metrigen.ir.interpreter import run
from metrigen.package.arguments import inputs_of
from metrigen.simulate.model import Model
from metrigen.spec.symbols import Param

Fields = Mapping[str, np.ndarray]
SMALL = 2_000_000  # numbers of the state, times steps


class Engine(ABC):
    """The steps of a model, in double precision."""

    name: ClassVar[str]

    @abstractmethod
    def advance(self, state: Fields, first: int, count: int, noise: Mapping[str, np.ndarray]) -> Fields:
        """The state after the steps ``first``, ..., of which there are ``count``; ``noise``: (1, C, count, *S)."""


class Interpreter(Engine):
    """Runs the program of a step with numpy, statement by statement: slow, plain, and it needs no torch."""

    name = "numpy"

    def __init__(self, model: Model) -> None:
        self._model = model
        lowered = model.layer.lowered
        self._step = model.layer.programs["step"]
        self._fixed = {**model.fixed, "dt": np.asarray(model.dt)}
        self._fixed |= run(lowered.prologue, self._fixed)
        self._fields = {array.name: field for field, array in lowered.dynamics.noise.items()}

    def advance(self, state: Fields, first: int, count: int, noise: Mapping[str, np.ndarray]) -> Fields:
        model = self._model
        for k in range(count):
            drawn = {array: noise[field][:, :, k] for array, field in self._fields.items()}
            given = {**self._fixed, **model.over_step(first + k), **drawn, **state}
            found = run(self._step, given, incidence=model.place.incidence)
            state = dict(zip(state, (found[name] for name in self._step.outputs), strict=True))
        return state


class Package(Engine):
    """Calls the layer of the emitted package, which is written into a folder of its own and imported from there."""

    name = "torch"

    def __init__(self, model: Model, folder: Path) -> None:
        import torch

        layer = model.layer
        name = layer.source.name
        write_package(folder / name, package_files(compile_spec(layer.source.spec)))
        module = _imported(name, folder / name)
        self._model, self._torch = model, torch
        self._layer = getattr(module, layer.source.class_name)(model.channels, dtype=torch.float64)
        for parameter, symbol in layer.given.parameters.items():
            value = model.fixed[parameter]
            setattr(self._layer, parameter, torch.as_tensor(value[0] if _per_site(symbol) else value))
        self._own_step = not layer.source.spec.system.stepper.dt.is_number

    def advance(self, state: Fields, first: int, count: int, noise: Mapping[str, np.ndarray]) -> Fields:
        torch, model, layer = self._torch, self._model, self._layer
        fields = {name: torch.as_tensor(x) for name, x in state.items()}
        over = [model.over_step(first + k) for k in range(count)]
        given: dict[str, Any] = {n: torch.as_tensor(np.stack([o[n] for o in over], 2)) for n in model.driven}
        given |= {n: torch.as_tensor(model.fixed[n]) for n in inputs_of(model.layer) if n in model.fixed}
        given |= {
            n: torch.as_tensor(model.fixed[n].reshape(*model.shape[:2], -1)[..., 0])
            for n in model.layer.given.of_samples
        }
        given |= {"noise": {n: torch.as_tensor(x) for n, x in noise.items()}} if noise else {}
        given |= {"t0": first * model.dt} if model.layer.lowered.dynamics.timed else {}
        with torch.no_grad():
            found = layer(**fields, **given, steps=count, dt=None if self._own_step else model.dt)
        return {name: getattr(found, name).numpy() for name in state}


def _per_site(symbol: sp.Symbol) -> bool:
    return isinstance(symbol, Param) and symbol.per == "site" and not symbol.is_matrix


def _imported(name: str, folder: Path) -> Any:
    """The package in a folder under a name that no other module has."""
    alias = f"metrigen_simulated_{name}"
    spec = importlib.util.spec_from_file_location(
        alias, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[alias] = module
    spec.loader.exec_module(module)
    return module


def is_small(model: Model, steps: int) -> bool:
    """Whether numpy is done before torch is imported: few numbers to move, and no equation to solve in a step."""
    layer = model.layer
    return math.prod(model.shape) * steps <= SMALL and not (layer.programs.equations or layer.programs.constraints)


def why_not_torch(model: Model) -> str:
    """Why the package does not take the steps; empty where it does."""
    if importlib.util.find_spec("torch") is None:
        return "torch is not installed"
    return "graphs are simulated with numpy" if model.layer.shape.on_edges else ""


@contextmanager
def engine_of(model: Model, name: str, steps: int) -> Iterator[Engine]:
    """The engine of that name: numpy, torch, or auto, which takes numpy for what is small. Raises SpecError where it
    does not run."""
    reason = why_not_torch(model)
    if name == "numpy" or (name == "auto" and (reason or is_small(model, steps))):
        yield Interpreter(model)
        return
    if reason:
        raise SpecError(f"--engine torch does not run: {reason}", fix="--engine numpy", see="not-simulated")
    with tempfile.TemporaryDirectory(prefix="metrigen-") as folder:
        yield Package(model, Path(folder))
