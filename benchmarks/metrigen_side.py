"""metrigen's own contenders: packages built from ``benchmarks/specs`` into a folder, on every backend they accept."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.contender import Contender
from benchmarks.races import Race
from benchmarks.torch_driver import Tensors, contender, tensors
from trainers.mixing import mixed

SPECS = Path(__file__).parent / "specs"
PACKAGE = {
    "evolve": "layer",
    "readout": "layer",
    "block": "block",
    "whole": "block",
    "poisson": "poisson",
    "scan": "cell",
}
NAME = "metrigen"


def build(folder: Path) -> None:
    """Compile the specs into packages under ``folder`` and make them importable."""
    from metrigen.build import compile_file, packages_of, write_packages
    from metrigen.spec.files import spec_files

    compiled = [compile_file(path, lambda stage: None) for path in spec_files([SPECS])]
    write_packages(packages_of(compiled, folder))
    sys.path.insert(0, str(folder))


def layer(race: Race, backend: str) -> nn.Module:
    """The layer of a race; ValueError where the package has no such backend."""
    name = PACKAGE[race.kind]
    cls: Callable[..., nn.Module] = getattr(importlib.import_module(name), name.capitalize())
    if race.kind == "scan":
        return cls(race.inputs["theta"].shape[2], backend=backend)
    if race.kind == "poisson":
        return cls(1, backend=backend, rtol=race.options["rtol"], max_iter=race.options["max_iter"])
    return cls(race.inputs["raw_c2"].shape[0], backend=backend, steps=race.steps)


def backends(device: str) -> tuple[str, ...]:
    """The reference, and the kernels that packages of this version have for the device."""
    return ("torch", "triton" if device == "cuda" else "cpu")


def contenders(race: Race, device: str) -> tuple[Contender, ...]:
    """One a backend; a backend that this version does not emit is left out."""
    found = []
    for backend in backends(device):
        try:
            found.append(_contender(race, layer(race, backend).to(device), backend, device))
        except ValueError as error:
            if "backend" not in str(error):
                raise
    return tuple(found)


def _contender(race: Race, module: nn.Module, backend: str, device: str) -> Contender:
    given = tensors(race, device)
    with torch.no_grad():
        for name, value in given.items():
            if name.startswith("raw_"):
                getattr(module, name).copy_(value)
    leaves = tuple(getattr(module, name) if name.startswith("raw_") else given[name] for name in race.wanted)
    forward = _forward(race, module, given)
    return contender(race, f"{NAME} ({backend})", NAME, forward, leaves, device)


def _forward(race: Race, module: Any, given: dict[str, Tensor]) -> Callable[[], Tensors]:
    def evolve() -> Tensors:
        return tuple(module(given["phi"], given["pi"]))

    def readout() -> Tensors:
        state_type = type(module).forward.__annotations__["return"]
        state = getattr(sys.modules[type(module).__module__], state_type)(given["phi"], given["pi"])
        return (module.readout(state),)

    def block() -> Tensors:
        return (module.forward_readout(given["phi"], given["pi"])[1],)

    def whole() -> Tensors:
        phi, pi = (mixed(weight, given["x"]) for weight in given["mix_in"].chunk(2))
        return (mixed(given["mix_out"], module.forward_readout(phi, pi)[1]),)

    def poisson() -> Tensors:
        return (module(given["kappa"], given["m2"], given["s"]).u,)

    def scan() -> Tensors:
        return tuple(x.mT for x in module(**{name: x.mT for name, x in given.items()}))

    return {"scan": scan, "evolve": evolve, "readout": readout, "block": block, "whole": whole, "poisson": poisson}[
        race.kind
    ]
