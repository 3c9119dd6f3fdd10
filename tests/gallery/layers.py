"""The specs of the gallery, each loaded and compiled once, and their layers in float64."""

from __future__ import annotations

import hashlib
import importlib
import re
import sys
import tempfile
from functools import cache
from pathlib import Path

import torch

import metrigen
from metrigen.catalogue import gallery
from metrigen.catalogue.outline import outline
from metrigen.compiler import Compiled, compile_spec
from metrigen.physics.derivation import Derivation
from metrigen.spec import neural
from metrigen.spec.load import Spec, load_spec
from metrigen.spec.neural import Head
from tests.lattice.emitted import layer_class
from tests.lengths import covering
from tests.modules import Network

FOLDER = Path(__file__).parents[2] / "specs" / "gallery"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.py")))


def outlined(name: str) -> dict[str, str]:
    """Domain and wall, method, and the words of the language that a spec of the gallery is written in."""
    text = gallery.text(name)
    found = outline(text)
    assert found is not None, name
    words = {*re.findall(r"\w+", text.split('"""')[2])} & {*metrigen.__all__, "bracket", "metric", "entropy",
            "constraints", "casimirs", "symmetries", "lagrangian", "hamiltonian", "temperature"}  # fmt: skip
    return {"place": f"{found.integrator} {found.domain}", **dict.fromkeys(sorted(words), "")}


# Those of a short run: every method on every domain and wall that it has here, and every word.
COVERED = tuple(covering(NAMES, outlined))
SCRATCH = tempfile.TemporaryDirectory()


@cache
def spec(name: str) -> Spec:
    return load_spec(FOLDER / f"{name}.py")


@cache
def compiled(name: str) -> Compiled:
    return compile_spec(spec(name))


@cache
def derivation(name: str) -> Derivation:
    return compiled(name).derivation


def learned_functions(name: str) -> tuple[Head, ...]:
    derivation = compiled(name).derivation
    forms = [form.form for form in (derivation.bracket, derivation.metric) if form is not None]
    return tuple(head for head in neural.learned_functions(derivation.hamiltonian, *forms) if head.network is None)


def digest(name: str) -> str:
    """Hash of every file of the package."""
    return hashlib.sha256(repr(sorted(compiled(name).files.items())).encode()).hexdigest()


@cache
def emitted(name: str) -> type:
    """The class of the layer, imported from the package written to a scratch folder."""
    package = f"gallery_{name}"
    target = Path(SCRATCH.name) / package
    target.mkdir()
    for file, text in compiled(name).files.items():
        (target / file).write_text(text)
    sys.path.insert(0, SCRATCH.name)
    try:
        return layer_class(importlib.import_module(package))
    finally:
        sys.path.remove(SCRATCH.name)


def layer(
    name: str,
    channels: int = 1,
    steps: int | None = None,
    dt: float | None = None,
    sizes: dict[str, int] | None = None,
    **values: object,
):
    """A layer in float64 with the declared starting values, or ``values``, of its parameters; a learned function that
    is not among the values is a small network. ``sizes``: numbers of nodes and edges that parameters need."""
    times = {key: value for key, value in (("steps", steps), ("dt", dt)) if value is not None}
    modules = {h.name: values.pop(h.name, Network(len(h.orders))) for h in learned_functions(name)}
    torch.manual_seed(0)  # of what is drawn
    made = emitted(name)(channels, **times, **modules, **(sizes or {})).double()
    start = {key.removeprefix("raw_"): None for key, _ in made.named_parameters() if key.startswith("raw_")}
    for key in start:
        value = values.get(key, dt if key == "dt" and dt is not None else None)
        if value is None:
            # The declared number, free of the rounding to float32.
            value = torch.tensor([float(f"{v:.6g}") for v in getattr(made, key).flatten().tolist()])
            value = value.double().reshape(getattr(made, key).shape)
        setattr(made, key, torch.as_tensor(value, dtype=torch.float64))
    assert not values.keys() - start.keys(), values.keys() - start.keys()
    return made


def point(*values: float) -> tuple[torch.Tensor, ...]:
    """The state of a system without axes: one tensor (1, 1) per field."""
    return tuple(torch.full((1, 1), float(v), dtype=torch.float64) for v in values)


def line(n: int, spacing: float = 1.0) -> torch.Tensor:
    """Coordinates of n sites, centred."""
    return (torch.arange(n, dtype=torch.float64) - (n - 1) / 2) * spacing


def rough(*shape: int, seed: int = 0, size: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return size * torch.randn(*shape, dtype=torch.float64, generator=generator)


def near(a: torch.Tensor, b: object, tolerance: float) -> None:
    """|a - b| <= tolerance everywhere."""
    gap = (a - torch.as_tensor(b, dtype=torch.float64)).abs().max().item()
    assert gap <= tolerance, f"off by {gap:.3g}, allowed {tolerance:.3g}"


def energies(made, *states, **inputs) -> torch.Tensor:
    return torch.stack([made.energy(state, **inputs) for state in states])


def wave_angle(frequency_squared: torch.Tensor | float, dt: float) -> torch.Tensor:
    """Phase per step of the leapfrog method on q'' = -w^2 q, exactly: cos = 1 - w^2 dt^2 / 2."""
    return torch.arccos(1 - torch.as_tensor(frequency_squared, dtype=torch.float64) * dt**2 / 2)


def jacobian(made, *state: torch.Tensor, **inputs) -> torch.Tensor:
    """d(state after)/d(state before), flattened."""
    shape, sizes = state[0].shape, [s.numel() for s in state]

    def step(flat: torch.Tensor) -> torch.Tensor:
        return torch.cat([x.flatten() for x in made(*(part.reshape(shape) for part in flat.split(sizes)), **inputs)])

    return torch.autograd.functional.jacobian(step, torch.cat([s.flatten() for s in state]))
