"""The memory ladder: every integrator, wall and number of axes at every small size, CPU kernels against the reference.

``python -m tests.kernels.ladder FOLDER [CELL ...]`` runs cells, all where none is named, each as "integrator-wall-rank"
or "integrator-wall-rank-size" for one length of the last axis. The environment says what it stands for: MALLOC_PERTURB_
fills what an allocation hands out, METRIGEN_CHECK=1 fills workspaces and results with NaN, and CXX="g++ -fsanitize=..."
with the library of the sanitizer preloaded looks at every address.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import sympy as sp
import torch

from metrigen import (
    RK4,
    AverageVectorField,
    Composed,
    DiscreteGradient,
    Dissipation,
    ExplicitEuler,
    Field,
    ImplicitMidpoint,
    Input,
    Lattice,
    Leapfrog,
    Param,
    SteadyState,
    Strang,
    SymplecticEuler,
    System,
    energy_density,
    grad,
    mix,
    total,
)
from tests.lattice.emitted import arrays_of, layer_class, package

Tensors = tuple[torch.Tensor, ...]
AXES = sp.symbols("x y z", real=True)
SIZES = (1, 2, 3, 4, 5, 17)
WALLS = ("periodic", "zero", "neumann")
DT = 0.05
METHODS = {
    "explicit": ExplicitEuler(2, DT), "rk4": RK4(2, DT), "symplectic": SymplecticEuler(2, DT),
    "leapfrog": Leapfrog(2, DT), "strang": Strang(3, DT), "midpoint": ImplicitMidpoint(2, DT),
    "gonzalez": DiscreteGradient(2, DT), "average": AverageVectorField(2, DT), "steady": SteadyState("cg", 1e-12),
    "monotone": SteadyState("monotone", 1e-12), "composed": Composed(Strang(2, DT)), "coupled": Leapfrog(2, DT),
}  # fmt: skip
POINTS = ("coupled",)  # channels that are coupled by a matrix and by their sum, where samples lie along the vectors
STILL = ("steady", "monotone")
FLOWS = ("explicit", "rk4")
IMPLICIT = ("midpoint", "gonzalez", "average")
# Those whose readouts are looked at: they are the same for all integrators.
READ = ("explicit", "strang", "midpoint", *POINTS, *STILL)


def system(method: str, wall: str, rank: int) -> System:
    """A conductivity that is read at neighbours, a number a channel, a potential that is no quadratic."""
    grid = Lattice(*AXES[:rank], boundary=wall)
    kappa, k = Input("kappa", grid, positive=True), Param("k", per="channel", positive=True, init=0.5)
    integrator = METHODS[method]
    if method in STILL:
        u, s = Field("u", grid), Input("s", grid)
        energy = k * u**2 / 2 - s * u + (kappa * grad(u).square / 2 if rank else 0)
        rule = Dissipation((1, lambda F: F[u]))
        return System(method, grid, (u,), hamiltonian=energy, metric=rule, integrator=integrator,
                      readout=energy_density())  # fmt: skip
    if method in FLOWS:
        u = Field("u", grid)
        energy = k * u**4 / 4 + (kappa * (1 + u**2) * grad(u).square / 2 if rank else kappa * u**2 / 2)
        energy += sum(u.diff(axis, 2) ** 2 for axis in AXES[:rank]) / 32
        return System(method, grid, (u,), hamiltonian=energy, metric=Dissipation((1, lambda F: F[u])),
                      integrator=integrator, readout=energy_density())  # fmt: skip
    q, p = Field("q", grid), Field("p", grid)
    energy = p**2 / 2 + k * q**4 / 4 + (kappa * grad(q).square / 2 if rank else kappa * q**2 / 2)
    if method in IMPLICIT:
        energy += sp.cos(q) / 3
    if method in POINTS:
        K = Param("K", shape=("C", "C"), symmetric=True)
        energy += q * mix(K, q) / 2 + total(sp.sin(q)) ** 2 / 2
    metric = (lambda F, G: k * F[p] * G[p]) if method == "strang" else None
    return System(method, grid, (q, p), hamiltonian=energy, bracket=lambda F, G: F[q] * G[p] - F[p] * G[q],
                  metric=metric, integrator=integrator, readout=energy_density())  # fmt: skip


def cells() -> tuple[str, ...]:
    """All cells; a point has no walls."""
    found = [f"{m}-{w}-{r}" for m in METHODS for w in WALLS for r in (1, 2, 3)
             if m not in POINTS and (m != "monotone" or r == 2)]  # fmt: skip
    return (*(f"{m}-periodic-0" for m in METHODS if m not in STILL), *found)


def shapes(rank: int, sizes: tuple[int, ...] = SIZES) -> tuple[tuple[int, ...], ...]:
    """For every length of the last axis one shape, in which the other axes take the other sizes in turn, and for the
    largest a plane of it."""
    if not rank:
        return ((),)
    turned = [tuple(SIZES[(SIZES.index(n) + 2 * k + 3) % len(SIZES)] for k in range(rank - 1)) for n in sizes]
    found = tuple((*lead, n) for lead, n in zip(turned, sizes, strict=True))
    return (*found, (17, 17)) if rank == 2 and 17 in sizes else found


def results(layer: torch.nn.Module, given: dict[str, torch.Tensor], reads: bool) -> dict[str, torch.Tensor]:
    """Fields, readouts, status and every gradient."""
    state = layer(**given)
    named = {n: x for n, x in state._asdict().items() if n not in ("iterations", "residual")}
    inputs = {n: given[n] for n in inspect.signature(layer.readout).parameters if n in given}
    if reads:
        named["readout"] = layer.readout(state, **inputs)
    loss = sum(x.sin().sum() for n, x in named.items() if n != "status")
    if reads and hasattr(layer, "forward_readout"):
        again, named["fused readout"] = layer.forward_readout(**given)
        loss = loss + named["fused readout"].cos().sum() + again[0].square().sum()
    leaves = {**given, **dict(layer.named_parameters())}
    flowed = torch.autograd.grad(loss, tuple(leaves.values()))
    named = {n: x.detach() for n, x in named.items()}
    return named | {f"d {n}": g for n, g in zip(leaves, flowed, strict=True)}


def worst(
    kind: type, shape: tuple[int, ...], reads: bool = True, backends: tuple[str, str] = ("cpu", "torch")
) -> dict[str, float]:
    """How far the kernels are from the reference, in units of the largest number, by name."""
    torch.manual_seed(sum(shape) + 1)
    layers = [kind(3, backend=backend).double() for backend in backends]
    for parameter, same in zip(*(x.parameters() for x in layers), strict=True):
        parameter.data += 0.2 * torch.rand_like(parameter)
        same.data.copy_(parameter.data)
    given = {n: 0.4 * torch.randn(3, 3, *shape, dtype=torch.float64) for n in arrays_of(layers[0])}
    given = {n: (x.abs() + 0.5 if n == "kappa" else x).requires_grad_() for n, x in given.items()}
    got, expected = (results(layer, given, reads) for layer in layers)
    found = {}
    for name, right in expected.items():
        if right.numel():
            error = (got[name].double() - right.double()).abs().max() / right.double().abs().max().clamp_min(1)
            found[name] = float(error)
    return found


def failures(cell: str, folder: Path) -> list[str]:
    """What is wrong in a cell: a line for every shape and tensor that is not the reference's."""
    method, wall, rank, *size = cell.split("-")
    name = f"ladder_{method}_{wall}_{rank}"
    kind = layer_class(sys.modules.get(name) or package(system(method, wall, int(rank)), folder, name))
    limit = 1e-9 if method in STILL else 1e-10  # a solve stops at a tolerance
    wrong = []
    for shape in shapes(int(rank), tuple(map(int, size)) or SIZES):
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found = worst(kind, shape, method in READ)
            wrong += [f"{cell} {shape} {threads} threads: {n} differs by {e:.1e}" for n, e in found.items()
                      if not e <= limit]  # fmt: skip
    return wrong


def main(folder: str, *chosen: str) -> int:
    count = 0
    for cell in chosen or cells():
        wrong = failures(cell, Path(folder))
        print(f"{cell}: {'right' if not wrong else 'WRONG'}", *wrong, sep="\n  ", flush=True)
        count += bool(wrong)
    return min(count, 100)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
