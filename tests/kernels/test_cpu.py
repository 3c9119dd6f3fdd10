"""The CPU kernels against the torch reference: every kind of system, boundary, odd size and precision."""

from __future__ import annotations

import importlib
import os
import warnings
from pathlib import Path
from types import ModuleType

import pytest
import sympy as sp
import torch

from generated.cifar import Cifar
from metrigen import (
    Field,
    Input,
    Lattice,
    Leapfrog,
    Param,
    Strang,
    System,
    grad,
    mix,
    momentum,
    stress_energy,
    t,
    total,
)
from tests.kernels.systems import composed
from tests.lattice.emitted import package
from tests.lattice.systems import BOUNDARIES, screened, stepping_systems
from tests.lengths import LONG, picked

pytestmark = [
    pytest.mark.covering,
    pytest.mark.skipif(
        os.environ.get("TRITON_INTERPRET") == "1", reason="operators on the CPU run the Triton kernels here"
    ),
]

Tensors = tuple[torch.Tensor, ...]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5}
SIZES = {0: ((),), 1: ((1,), (19,)), 2: ((1, 1), (33, 17)), 3: ((3, 2, 5),)}


def coupled(block: int | None, boundary: str = "periodic") -> System:
    """A wave in 3 or fewer dimensions with a matrix of the channels, and their sum, in its energy."""
    x = sp.Symbol("x", real=True)
    line = Lattice(x, boundary=boundary)
    u = Field("u", line)
    K = Param("K", shape=("C", "C"), symmetric=True, block=block)
    energy = u.diff(t) ** 2 / 2 - grad(u).square / 2 - u * mix(K, u) / 2
    if block is None:
        energy -= total(u) ** 2 / 8
    p = momentum(u)
    return System(
        name="coupled", domain=line, lagrangian=energy, metric=lambda F, G: F[p] * G[p] / 5,
        integrator=Strang(steps=3, dt=0.1),
    )  # fmt: skip


def solid() -> System:
    x, y, z = sp.symbols("x y z", real=True)
    block = Lattice(x, y, z, boundary="neumann")
    u = Field("u", block)
    return System(
        name="solid", domain=block, lagrangian=u.diff(t) ** 2 / 2 - grad(u).square / 2 - u**4 / 4,
        integrator=Leapfrog(steps=2, dt=0.1),
    )  # fmt: skip


CHOSEN = ("Strang-neumann", "SymplecticEuler-zero", "ExplicitEuler-periodic", "RK4-zero", "transport-neumann",
          "membrane-periodic", "oscillator")  # fmt: skip
SYSTEMS = (
    {name: stepping_systems()[name] for name in CHOSEN}
    | {f"screened-{b}": screened(b) for b in BOUNDARIES}
    | {"coupled-blocks": coupled(2), "coupled-all": coupled(None, "neumann"), "solid": solid()}
    | {"composed-4": composed("periodic"), "composed-6": composed("neumann", order=6)}
)


# One of every kind: a splitting, a transport, a point, coupled channels, a steady state, three axes.
SHORT = ("Strang-neumann", "ExplicitEuler-periodic", "transport-neumann", "oscillator", "coupled-blocks", "coupled-all",
         "screened-zero", "solid")  # fmt: skip


@pytest.fixture(scope="module", params=picked(SYSTEMS, *SHORT))
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    name = "cpu_" + request.param.lower().replace("-", "_")
    module = package(SYSTEMS[request.param], tmp_path_factory.mktemp("cpu"), name)
    found = importlib.import_module(f"{module.__name__}.cpu")
    if not found.available():
        pytest.skip("no C++ compiler")
    return found


def arrays(kinds: tuple[tuple[str, str], ...], like: torch.Tensor, cpu: ModuleType) -> Tensors:
    """Random values by kind: positive, so that every coefficient is admissible; matrices in the blocks of a tile."""
    channels = like.shape[1]
    shapes = {"site": like.shape, "channel": (channels,), "scalar": (), "matrix": (channels, channels)}
    found = []
    for _, kind in kinds:
        value = torch.rand(shapes[kind], dtype=like.dtype) + 0.1
        if kind == "matrix" and cpu.BLOCK:
            index = torch.arange(channels) // cpu.BLOCK
            value = value * (index[:, None] == index[None, :])
        found.append(value)
    return tuple(found)


def in_blocks(found: Tensors, cpu: ModuleType) -> Tensors:
    """Cotangents of channel matrices within the blocks of a tile: the mask of the parameter drops the others."""
    if not cpu.BLOCK or cpu.BLOCK == 1:
        return found
    index = torch.arange(4) // cpu.BLOCK
    return tuple(x * (index[:, None] == index[None, :]) if x.shape == (4, 4) else x for x in found)


def agree(got: Tensors, expected: Tensors, dtype: torch.dtype) -> None:
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        scale = max(1.0, float(b.abs().max()) if b.numel() else 1.0)
        torch.testing.assert_close(a, b, rtol=0, atol=TOLERANCE[dtype] * scale)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_same_numbers_as_the_reference(built: ModuleType, dtype: torch.dtype) -> None:
    """Values and all cotangents, in tiles of one plane, of a block and of all channels."""
    cpu, reference = built, built.reference
    # Every size is a library of its own; a short run has one site alone in a solve and where all channels are coupled.
    every = dtype is torch.float64 and (LONG or cpu.BLOCK is None or hasattr(cpu, "OPERATOR"))
    sizes = SIZES[cpu.RANK] if every else SIZES[cpu.RANK][-1:]
    for size in sizes:
        like = torch.rand(2, 4, *size, dtype=dtype)
        given = arrays(cpu.GIVEN, like, cpu)
        out = cpu.readout(*given)
        agree((out,), (torch.cat(reference.readout(*given), 1),), dtype)
        grad = torch.randn_like(out)
        flowed = cpu.readout_adjoint(grad, *given)
        agree(flowed, in_blocks(reference.readout_adjoint(*given, *grad.chunk(cpu.COMPONENTS, 1)), cpu), dtype)
        if hasattr(cpu, "OPERATOR"):
            read = {n: a for (n, _), a in zip(cpu.FIXED, arrays(cpu.FIXED, like, cpu), strict=True)}
            read[cpu.UNKNOWN] = torch.randn_like(like)
            order = (*(read[n] for n in cpu.OPERATOR), torch.randn_like(like))
            agree(cpu.operator_adjoint(*order), reference.operator_adjoint(*order), dtype)
            fixed = tuple(read[n] for n, _ in cpu.FIXED)
            rtol = 1e-11 if dtype is torch.float64 else 1e-6
            options = (torch.randn_like(like), torch.zeros_like(like), fixed, "cg", rtol, 0.0, 500)
            (x, _, _, status), (y, *_) = cpu.solve_linear(*options), reference.solve_linear(*options)
            assert not status.any()
            torch.testing.assert_close(x, y, rtol=0, atol=float(y.abs().max()) * 1e3 * rtol)
            continue
        fixed = tuple(0.05 * a for a in arrays(cpu.FIXED, like, cpu))
        count = _fields(cpu)
        state = tuple(0.3 * torch.randn_like(like) for _ in range(count))
        bars = tuple(torch.randn_like(like) for _ in range(count))
        for steps in (0, 1, 3):
            agree(cpu.evolve(state, fixed, steps), reference.evolve(state, fixed, steps), dtype)
            given = (bars, state, fixed, steps)
            agree(cpu.evolve_adjoint(*given), in_blocks(reference.evolve_adjoint(*given), cpu), dtype)


def _fields(cpu: ModuleType) -> int:
    """Fields of the state: what the step takes beside what is fixed."""
    return cpu.reference.step.__code__.co_argcount - len(cpu.FIXED)


@pytest.mark.parametrize("size", [(32, 32), (5, 3)])
def test_bits_do_not_change(size: tuple[int, int]) -> None:
    """The same bits at every run and for every number of threads; strides and empty batches make no difference."""
    from generated.coupled_wave import CoupledWave

    if not importlib.import_module("generated.coupled_wave.cpu").available():
        pytest.skip("no C++ compiler")
    layer = CoupledWave(4, backend="cpu", steps=3)
    phi = torch.randn(3, 4, *size, requires_grad=True)
    found = []
    before = torch.get_num_threads()
    for threads in (1, 2, 2):
        torch.set_num_threads(threads)
        state = layer(phi)
        loss = layer.readout(state).square().sum()
        found.append((state.phi, *torch.autograd.grad(loss, (phi, layer.raw_K, layer.raw_c2))))
    torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))
    turned = phi.detach().transpose(2, 3).contiguous().transpose(2, 3)
    assert torch.equal(layer(turned).phi, found[0][0])
    assert layer(phi[:0]).phi.shape == (0, 4, *size)


def test_without_a_compiler(built: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """One clear warning, and the numbers of the reference."""
    monkeypatch.setenv("CXX", "no-such-compiler")
    built._opened.cache_clear()
    built._warn.cache_clear()
    like = torch.rand(2, 4, *SIZES[built.RANK][-1])
    given = arrays(built.GIVEN, like, built)
    with pytest.warns(built.NoCompiler, match="the torch reference runs instead"):
        out = built.readout(*given)
    assert torch.equal(out, torch.cat(built.reference.readout(*given), 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        built.readout(*given)
    built._opened.cache_clear()
    built._warn.cache_clear()


@pytest.mark.parametrize("name", ["Strang-neumann", "ExplicitEuler-periodic", "SymplecticEuler-zero"])
def test_overlapped_tiles_of_a_large_plane(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A plane that goes through the cache in overlapped tiles has the values of a plane that does not."""
    module = package(SYSTEMS[name], tmp_path, "cpu_" + name.lower().replace("-", "_"))
    cpu = importlib.import_module(f"{module.__name__}.cpu")
    if not cpu.available():
        pytest.skip("no C++ compiler")
    monkeypatch.setattr(cpu, "ROW_BYTES", 32 * 8)
    monkeypatch.setattr(cpu, "TILE_BYTES", 2 * cpu.CARRIED * 32 * 8 * 24)
    monkeypatch.setattr(cpu, "STEPS_AT_ONCE", 2)
    like = torch.rand(2, 1, 75, 61, dtype=torch.float64)
    assert cpu._overlapped(like) == (24, 32)
    fixed = tuple(0.05 * a for a in arrays(cpu.FIXED, like, cpu))
    state = tuple(0.3 * torch.randn_like(like) for _ in range(_fields(cpu)))
    given = tuple(x.clone() for x in state)
    agree(cpu.evolve(state, fixed, 5), cpu.reference.evolve(state, fixed, 5), torch.float64)
    assert all(torch.equal(a, b) for a, b in zip(state, given, strict=True))


def test_names_that_the_kernels_use_themselves(tmp_path: Path) -> None:
    """A spec may call its fields and parameters as the C++ calls its own things."""
    x = sp.Symbol("x", real=True)
    line = Lattice(x)
    R, row = Field("R", line), Input("row", line, positive=True)
    c, G = Param("c", per="channel", positive=True), Param("G", shape=("C", "C"), symmetric=True)
    energy = R.diff(t) ** 2 / 2 - c * row * grad(R).square / 2 - R * mix(G, R) / 2
    step = Leapfrog(steps=2, dt=0.1)
    made = System(name="taken", domain=line, lagrangian=energy, integrator=step, readout=stress_energy())
    module = package(made, tmp_path, "taken_names")
    if not importlib.import_module("taken_names.cpu").available():
        pytest.skip("no C++ compiler")
    found = []
    for backend in ("torch", "cpu"):
        layer = module.TakenNames(2, backend=backend).double()
        field, given = (torch.linspace(0.1, 1.0, 36, dtype=torch.float64).reshape(2, 2, 9) + k for k in (0, 1))
        state, read = layer.forward_readout(field.requires_grad_(), row=given.requires_grad_())
        again = layer.readout(layer(field, row=given), row=given)
        loss = read.square().sum() + again.sum()
        found.append((state.R, read, again, *torch.autograd.grad(loss, (field, given, *layer.parameters()))))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("size", [(97, 111), (33, 17)])
def test_multigrid(boundary: str, size: tuple[int, int], tmp_path: Path) -> None:
    """Odd sizes, coefficients over two orders of magnitude: the solution of the reference, in few iterations."""
    module = package(screened(boundary), tmp_path, f"cpu_screened_{boundary}")
    cpu = importlib.import_module(f"{module.__name__}.cpu")
    if not cpu.available():
        pytest.skip("no C++ compiler")
    like = torch.randn(1 if size[0] > 90 else 3, 1, *size, dtype=torch.float64)
    fixed = tuple(10 ** (2 * torch.rand_like(like) - 1) * (0.01 if n == "m2" else 1.0) for n, _ in cpu.FIXED)
    options = (like, torch.zeros_like(like), fixed, "cg", 1e-10, 0.0, 4000)
    (x, few, _, status), (y, many, *_) = cpu.solve_linear(*options), cpu.reference.solve_linear(*options)
    assert not status.any()
    assert int(few.max()) * (4 if size[0] > 90 else 2) < int(many.min())
    torch.testing.assert_close(x, y, rtol=0, atol=1e-7 * float(y.abs().max()))


def test_what_a_call_leaves_in_memory_says_nothing_to_the_next() -> None:
    """Planes of one call lie where another call has something else: other numbers of steps, other lattices."""

    def gradients(backend: str, steps: int, rows: int) -> Tensors:
        torch.manual_seed(steps)
        layer = Cifar(8, steps=steps, backend=backend).double()
        fields = [torch.randn(2, 8, rows, 16, dtype=torch.float64, requires_grad=True) for _ in range(2)]
        state, read = layer.forward_readout(*fields)
        (read.square().sum() + state.phi.pow(3).sum()).backward()
        return (read.detach(), *(x.grad for x in (*fields, *layer.parameters()) if x.grad is not None))

    for steps, rows in ((8, 16), (1, 16), (4, 16), (3, 9), (6, 16), (2, 5), (8, 9)):
        agree(gradients("cpu", steps, rows), gradients("torch", steps, rows), torch.float64)
