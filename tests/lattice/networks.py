"""Systems with declared learned functions, and what tests of them share."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import sympy as sp
import torch
from torch import Tensor, nn

from metrigen import (
    RK4,
    ExplicitEuler,
    Field,
    ImplicitMidpoint,
    Input,
    Lattice,
    Leapfrog,
    NeuralFunction,
    Param,
    Strang,
    SymplecticEuler,
    System,
    derive,
    diffusion,
    energy_density,
    grad,
    mix,
    momentum,
    stress_energy,
    t,
)
from metrigen.spec.neural import learned_functions
from tests.lattice.emitted import layer_class, package

x, y = sp.symbols("x y", real=True)
DT = Param("dt", positive=True, init=0.1)
C, H = 3, 5


def wave(boundary: str, integrator: object, declared: bool = True, **network: object) -> System:
    """A learned potential beside a coupling, an input and friction."""
    grid = Lattice(x, y, boundary=boundary)
    phi, sigma = Field("phi", grid), Input("sigma", grid)
    c2, gamma = Param("c2", per="channel", positive=True), Param("gamma", per="channel", nonnegative=True)
    K = Param("K", shape=("C", "C"), symmetric=True)
    coupling = phi * mix(K, phi) / 2 if isinstance(integrator, Strang) else 0
    V = NeuralFunction("V", phi, **({"hidden": (H,)} | network if declared else {}))
    damped = isinstance(integrator, (Strang, RK4))
    return System(
        "wave", grid, integrator=integrator, readout=stress_energy(),
        lagrangian=phi.diff(t) ** 2 / 2 - c2 * grad(phi).square / 2 - V - coupling - sigma * phi,
        metric=(lambda F, G: gamma * F[momentum(phi)] * G[momentum(phi)]) if damped else None,
    )  # fmt: skip


def mobility(boundary: str, declared: bool = True) -> System:
    """A mobility of the field and a prescribed one, the same for all channels."""
    line = Lattice(x, boundary=boundary)
    u, w = Field("u", line), Input("w", line)
    eps = Param("eps", per="channel", positive=True)
    M = NeuralFunction("M", u, w, positive=True, **({"hidden": (H,), "per": "shared"} if declared else {}))
    return System(
        "mobility", line, fields=(u,), hamiltonian=eps * u.diff(x) ** 2 / 2 + u**4 / 4 - u**2 / 2,
        metric=diffusion(M, u), integrator=ExplicitEuler(steps=3, dt=Param("dt", positive=True, init=0.02)),
        readout=energy_density(),
    )  # fmt: skip


def membrane(boundary: str, declared: bool = True) -> System:
    """A learned function of |grad phi|^2, of two axes at once."""
    grid = Lattice(x, y, boundary=boundary)
    phi = Field("phi", grid)
    W = NeuralFunction("W", grad(phi).square, **({"hidden": (H,), "activation": "softplus"} if declared else {}))
    return System("membrane", grid, lagrangian=phi.diff(t) ** 2 / 2 - W, integrator=Leapfrog(steps=3, dt=DT),
                  readout=energy_density())  # fmt: skip


def point(coupled: bool, integrator: object, declared: bool = True) -> System:
    """A system of ODEs, its channels coupled or not."""
    at = Lattice()
    q, K = Field("q", at), Param("K", shape=("C", "C"), symmetric=True)
    V = NeuralFunction("V", q, **({"hidden": (H,)} if declared else {}))
    return System("point", at, lagrangian=q.diff(t) ** 2 / 2 - V - (q * mix(K, q) / 2 if coupled else 0),
                  integrator=integrator, readout=energy_density())  # fmt: skip


SYSTEMS = {
    "Strang": partial(wave, "periodic", Strang(steps=3, dt=DT)),
    "Leapfrog": partial(wave, "zero", Leapfrog(steps=3, dt=0.1)),
    "SymplecticEuler": partial(wave, "neumann", SymplecticEuler(steps=3, dt=DT)),
    "RK4": partial(wave, "periodic", RK4(steps=2, dt=DT)),
    "mobility-periodic": partial(mobility, "periodic"),
    "mobility-neumann": partial(mobility, "neumann"),
    "mobility-zero": partial(mobility, "zero"),
    "membrane": partial(membrane, "neumann"),
    "point": partial(point, False, Leapfrog(steps=3, dt=DT)),
    "point-coupled": partial(point, True, Leapfrog(steps=3, dt=DT)),
}
IMPLICIT = {
    "midpoint": partial(wave, "neumann", ImplicitMidpoint(steps=2, dt=0.1)),
    "midpoint-point": partial(point, False, ImplicitMidpoint(steps=2, dt=0.1)),
}
NAMES = tuple(SYSTEMS)


class Module(nn.Module):
    """The network of a declared function as a module: the same numbers, evaluated here."""

    def __init__(self, weights: Tensor, offset: Tensor, function: object) -> None:
        super().__init__()
        self.weights, self.offset, self.function = nn.Parameter(weights.clone()), nn.Parameter(offset.clone()), function

    def forward(self, *arguments: Tensor) -> Tensor:
        sites = [None] * (arguments[0].dim() - 2)
        row = [self.weights[(slice(None), *sites, slice(None), i)] for i in range(self.weights.shape[-1])]
        inside = row[-2] + sum(w * a.unsqueeze(-1) for w, a in zip(row, arguments, strict=False))
        return (row[-1] * self.function(inside)).sum(-1) + self.offset[(slice(None), *sites)]


class Packages:
    """Packages of the systems in a folder, each made once."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.made = folder, dict[tuple[str, bool], SimpleNamespace]()

    def __call__(self, name: str, declared: bool = True) -> SimpleNamespace:
        """``layer``, its class, and ``name``, that of the learned function; as a module where it is not declared."""
        if (name, declared) not in self.made:
            system = {**SYSTEMS, **IMPLICIT}[name](**({} if declared else {"declared": False}))
            module = package(
                system, self.folder, f"{'network' if declared else 'module'}_{name.lower().replace('-', '_')}"
            )
            self.made[name, declared] = SimpleNamespace(
                module=module, layer=layer_class(module), name=heads_of(system)[0]
            )
        return self.made[name, declared]


def heads_of(system: System) -> tuple[str, ...]:
    found = derive(replace(system, integrator=RK4(1, 0.1)))
    return tuple(
        h.name for h in learned_functions(found.hamiltonian, *(b.form for b in (found.bracket, found.metric) if b))
    )


def drawn(layer: nn.Module, seed: int = 3) -> nn.Module:
    """Parameters of their own in float64, the same for layers that have them by the same names."""
    layer = layer.double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, weight in sorted(layer.named_parameters()):
            if key != "raw_dt":
                weight.copy_(0.4 * torch.randn(weight.shape, generator=generator, dtype=torch.float64))
    return layer


def state_of(layer: nn.Module, channels: int = C, seed: int = 0) -> tuple[list[Tensor], dict[str, Tensor]]:
    shape = (2, channels, *(4, 5)[: layer.RANK])
    generator = torch.Generator().manual_seed(seed)
    names = [*layer.FIELDS, *layer.INPUTS]
    values = [0.6 * torch.randn(shape, generator=generator, dtype=torch.float64) for _ in names]
    n = len(layer.FIELDS)
    return values[:n], dict(zip(layer.INPUTS, values[n:], strict=True))


def outcome(layer: nn.Module, channels: int = C) -> list[Tensor]:
    """States, readout, energy and the gradients of all of it in fields, inputs and parameters."""
    fields, inputs = state_of(layer, channels)
    leaves = [f.clone().requires_grad_() for f in fields]
    given = {k: v.clone().requires_grad_() for k, v in inputs.items()}
    end = layer(*leaves, **given)
    values = [*[getattr(end, n) for n in layer.FIELDS], layer.readout(end, **given), layer.energy(end, **given)]
    loss = sum((v * torch.linspace(0, 1, v.numel(), dtype=v.dtype).reshape(v.shape)).sum() for v in values)
    own = [p for _, p in sorted(layer.named_parameters())]
    return [*values, *torch.autograd.grad(loss, [*leaves, *given.values(), *own])]


def same(found: list[Tensor], truth: list[Tensor], bound: float = 1e-12) -> None:
    for a, b in zip(found, truth, strict=True):
        torch.testing.assert_close(a, b, rtol=bound, atol=bound * float(b.detach().abs().max().clamp(min=1)))
