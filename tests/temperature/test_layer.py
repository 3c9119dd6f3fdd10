"""The noise of a layer: handed in or drawn, the same for every way to take the steps, differentiable along a path."""

from __future__ import annotations

import math
import re
from pathlib import Path
from types import ModuleType

import pytest
import torch

from metrigen import Dissipation, ExplicitEuler, Field, Input, Lattice, Param, Strang, System, energy_density
from tests.lattice.emitted import layer_class, package
from tests.temperature.systems import per_site, turned, wave

C, STEPS, N = 2, 8, 6
WORD = 1 << 64


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return package(wave(), tmp_path_factory.mktemp("noisy"), "noisy_wave_1_periodic")


@pytest.fixture
def layer(module: ModuleType) -> torch.nn.Module:
    return layer_class(module)(C, backend="torch").double()


def state(samples: int = 3, sites: int = N, seed: int = 1) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(samples, C, sites, dtype=torch.float64, generator=generator) for _ in range(2)]


def seeded(seed: int = 5) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(module: ModuleType, seed: int, field: int, shape: tuple[int, ...], like: torch.Tensor) -> torch.Tensor:
    """The numbers (B, C, K, *S) of a seed, from the hashes of samples, channels and steps."""
    of_steps = module.noise.words(torch.tensor(seed), field, shape, like)
    assert of_steps.dtype == torch.int64
    assert of_steps.shape == shape[:3]
    return module.noise.numbers(of_steps, like.new_empty(1, 1, *shape[3:]))


def mixed(x: int) -> int:
    """The finaliser of SplitMix64 on whole numbers."""
    for bits, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> bits)) * factor % WORD
    return x ^ (x >> 31)


def by_integers(seed: int, field: int, *places: int) -> float:
    """The number at a place (sample, channel, step, site), in integers of Python."""
    golden, other = 0x9E3779B97F4A7C15, 0x6A09E667F3BCC909
    word = mixed((seed + (field + 1) * other) % WORD)
    for place in places:
        word = mixed((word + (place + 1) * golden) % WORD)
    first, second = (((x >> 11) + 0.5) / 2**53 for x in (word, mixed(word ^ other)))
    return math.sqrt(-2 * math.log(first)) * math.cos(2 * math.pi * second)


def test_numbers_are_standard_normal_and_apart(module: ModuleType) -> None:
    shape = (16, 4, 32, 8, 16)
    x = normal(module, 2026, 0, shape, torch.zeros((), dtype=torch.float64))
    count = x.numel()
    moments = [x.mean(), (x**2).mean() - 1, (x**3).mean(), (x**4).mean() - 3]
    for moment, variance in zip(moments, (1, 2, 15, 96), strict=True):
        assert abs(moment) < 4 * (variance / count) ** 0.5
    ordered, places = x.flatten().sort().values, torch.arange(1, count + 1) / count
    assert (torch.special.ndtr(ordered) - places).abs().max() < 1.95 / count**0.5  # Kolmogorov, one in a thousand
    for axis, size in enumerate(shape):
        a, b = x.narrow(axis, 0, size - 1), x.narrow(axis, 1, size - 1)
        assert abs((a * b).mean()) < 4 / a.numel() ** 0.5
        assert abs((a**2 * b**2).mean() - 1) < 4 * (8 / a.numel()) ** 0.5
    others = [normal(module, s, f, shape, x) for s, f in ((2027, 0), (2026, 1))]
    assert all(abs((x * y).mean()) < 4 / count**0.5 for y in others)


def test_numbers_depend_on_their_place_alone(module: ModuleType) -> None:
    like = torch.zeros((), dtype=torch.float64)
    whole = normal(module, 3, 0, (4, 3, 10, 6), like)
    assert torch.equal(normal(module, 3, 0, (2, 2, 7, 6), like), whole[:2, :2, :7])
    assert torch.equal(normal(module, 3, 0, (4, 3, 10, 6), like.float()), whole.float())
    for place in ((0, 0, 0, 0), (1, 2, 3, 4), (3, 2, 9, 5)):
        assert whole[place].item() == pytest.approx(by_integers(3, 0, *place), rel=1e-12)


def test_one_stream_for_every_way_to_take_the_steps(layer: torch.nn.Module) -> None:
    q, p = state()
    end = layer(q, p, generator=seeded())
    for every in (1, 2, 8):
        rolled = layer.rollout(q, p, every=every, generator=seeded())
        assert torch.equal(rolled.q[:, :, -1], end.q)
    last, read = layer.rollout_readout(q, p, every=4, generator=seeded())
    torch.testing.assert_close(read[:, :, -1], layer.readout(end))
    assert torch.equal(last.p, end.p)
    own = layer(q, p, generator=seeded(), dt=torch.tensor([0.2, 0.2, 0.1], dtype=torch.float64))
    torch.testing.assert_close(own.q[:2], end.q[:2])
    assert not torch.allclose(own.q[2], end.q[2])
    torch.manual_seed(9)
    first, second = layer(q, p), layer(q, p)
    assert not torch.allclose(first.q, second.q)
    torch.manual_seed(9)
    assert torch.equal(layer(q, p).q, first.q)


def test_noise_that_is_handed_in_is_that_of_the_steps(layer: torch.nn.Module) -> None:
    q, p = state()
    noise = torch.randn(3, C, STEPS, N, dtype=torch.float64, generator=seeded())
    end = layer(q, p, noise=noise)
    assert torch.equal(layer(q, p, noise={"p": noise}).q, end.q)
    step = (q, p)
    for k in range(STEPS):
        step = layer(*step, noise=noise[:, :, k : k + 1], steps=1)
    torch.testing.assert_close(step.q, end.q)
    a, g, T = (getattr(layer, n).reshape(-1, 1) for n in ("a", "gamma", "T"))
    once = layer(q, p, noise=noise[:, :, :1], steps=1).p - layer(q, p, noise=0 * noise[:, :, :1], steps=1).p
    spread = (T / a * (1 - torch.exp(-2 * g * a * layer.dt))).sqrt()
    torch.testing.assert_close(once, spread * noise[:, :, 0])


def test_gradients_flow_along_the_path(layer: torch.nn.Module) -> None:
    q, p = state(1, 3)
    noise = torch.randn(1, C, 3, 3, dtype=torch.float64, generator=seeded()).requires_grad_()
    names = [n for n, _ in layer.named_parameters()]
    values = [v.detach().clone().requires_grad_() for _, v in layer.named_parameters()]

    def run(q: torch.Tensor, p: torch.Tensor, noise: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        found = torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (q, p), {"noise": noise})
        return torch.cat([found.q, found.p])

    assert torch.autograd.gradcheck(run, (q.requires_grad_(), p.requires_grad_(), noise, *values))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"noise": torch.zeros(3, C, STEPS, N - 1)}, ValueError, ["noise of p", "(3, 2, 8, 6)", "every sample"]),
        ({"noise": torch.zeros(3, C, 1, N)}, ValueError, ["noise of p", "(3, 2, 8, 6)"]),
        ({"noise": torch.zeros(3, C, 4, N), "steps": 5}, ValueError, ["noise has values for 4 steps", "steps=5"]),
        ({"noise": {"q": torch.zeros(3, C, 8, N)}}, TypeError, ["mapping of tensors by field: p", "['q']"]),
        ({"noise": 0.5}, TypeError, ["mapping of tensors", "float"]),
        ({"noise": torch.zeros(3, C, STEPS, N, dtype=torch.int64)}, TypeError, ["floating point", "int64"]),
        ({"noise": torch.zeros(3, C, N)}, TypeError, ["(B, C, K, *S)", "(3, 2, 6)"]),
        ({"generator": 3}, TypeError, ["torch.Generator", "int"]),
        ({"generator": seeded(), "noise": torch.zeros(3, C, STEPS, N)}, ValueError, ["give one of the two"]),
    ],
)
def test_what_does_not_fit_is_told(layer: torch.nn.Module, options: dict, error: type, words: list[str]) -> None:
    for call in (layer, layer.rollout):
        with pytest.raises(error, match=re.escape(words[0])) as told:
            call(*state(), **options)
        assert all(word in str(told.value) for word in words), told.value


def test_values_are_looked_at_and_no_step_is_blamed(layer: torch.nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRIGEN_CHECK", "1")
    q, p = state()
    noise = torch.zeros(3, C, STEPS, N, dtype=torch.float64)
    assert layer(q, p, noise=noise).q.isfinite().all()
    with pytest.raises(ValueError, match="noise must be finite"):
        layer(q, p, noise=noise / 0)
    with pytest.raises(FloatingPointError, match="q is nan at") as told:
        layer(1e308 * torch.ones_like(q), 1e308 * torch.ones_like(p), noise=noise)
    assert "first after step" not in str(told.value)  # it would be found with other noise


TEMPERATURES = {
    "channel": Param("T", per="channel", positive=True, init=0.5),
    "nonnegative": Param("T", nonnegative=True, init=0.5),
    "sample": Param("T", per="sample", positive=True),
    "site": per_site,
    "driven": lambda grid: Input("T", grid, positive=True, time_dependent=True),
    "number": 0.5,
}


@pytest.mark.parametrize("kind", TEMPERATURES)
def test_temperatures_of_every_kind(kind: str, tmp_path: Path) -> None:
    made = package(wave(temperature=TEMPERATURES[kind], name="noisy_kind"), tmp_path, f"noisy_{kind}")
    layer = layer_class(made)(C).double()
    q, p = state()
    given = {"sample": torch.full((3,), 0.5), "site": torch.full((3, C, N), 0.5),
             "driven": torch.full((3, C, STEPS, N), 0.5)}  # fmt: skip
    handed = {"T": given[kind].double()} if kind in given else {}
    one = torch.ones(3, C, STEPS, N, dtype=torch.float64)
    cold = layer(q, p, noise=0 * one, **handed).q
    moved = [layer(q, p, noise=one, **{n: f * x for n, x in handed.items()}).q - cold for f in (1, 4)]
    torch.testing.assert_close(moved[1], moved[0] * (2 if handed else 1))
    first = {n: x if x.dim() < 4 else x[:, :, :1] for n, x in handed.items()}
    warm, still = (layer(q, p, noise=f * one[:, :, :1], steps=1, **first).p for f in (1, 0))
    spread = (0.5 / 0.8 * (1 - math.exp(-2 * 0.9 * 0.8 * 0.2))) ** 0.5
    torch.testing.assert_close(warm - still, torch.full_like(q, spread))


def test_several_fields_have_noise_of_their_own(tmp_path: Path) -> None:
    grid = Lattice()
    u, v = Field("u", grid), Field("v", grid)
    metric = Dissipation((1, lambda F: F[u]), (2 + u**2, lambda F: F[v]))
    system = System("noisy_pair", grid, (u, v), hamiltonian=(u**2 + v**2 + u * v) / 2, metric=metric,
                    integrator=ExplicitEuler(4, 0.01), readout=energy_density(), temperature=0.5)  # fmt: skip
    layer = layer_class(package(system, tmp_path, "noisy_pair"))(1).double()
    assert dict(layer.NOISE) == {"noise_u": "u", "noise_v": "v"}
    start = [torch.ones(1, 1, dtype=torch.float64)] * 2
    noise = {n: torch.zeros(1, 1, 1, dtype=torch.float64) for n in "uv"}
    cold = layer(*start, noise=noise, steps=1)
    warm = layer(*start, noise={**noise, "v": noise["v"] + 1}, steps=1)
    assert torch.equal(cold.u, warm.u)
    torch.testing.assert_close(warm.v - cold.v, torch.full((1, 1), (2 * 0.5 * 3 * 0.01) ** 0.5, dtype=torch.float64))
    assert not torch.equal(layer(*start, generator=seeded()).u - 1, layer(*start, generator=seeded()).v - 1)
    with pytest.raises(TypeError, match="a mapping of tensors by field: u, v"):
        layer(*start, noise=noise["u"])


def test_rotation_keeps_the_temperature(tmp_path: Path) -> None:
    """Channels that turn: momenta of variance T m go over into such, at any angle."""
    layer = layer_class(package(turned(), tmp_path, "noisy_turned"))(C, dt=0.2).double()
    torch.nn.init.constant_(layer.raw_B, 0.0)
    layer.raw_B.data[0, 1] = 3.0
    assert layer.B[0, 1].abs() > 1
    start = torch.zeros(4000, C, 4, dtype=torch.float64)
    with torch.no_grad():
        end = layer(start, start, steps=60, generator=seeded())
    kinetic = (0.8 * end.p**2).mean()
    assert abs(kinetic - 0.6) < 4 * 0.6 * (2 / end.p.numel()) ** 0.5 + 0.02 * 0.6


def test_a_lattice_in_two_axes_runs_in_half_precision(tmp_path: Path) -> None:
    layer = layer_class(package(wave(2, "neumann", Strang(4, 0.1)), tmp_path, "noisy_wave_2_neumann"))(C)
    q = torch.zeros(1, C, 5, 4, dtype=torch.bfloat16)
    end = layer(q, q, generator=seeded())
    assert end.p.dtype == torch.bfloat16
    wide = layer(q.float(), q.float(), generator=seeded())
    torch.testing.assert_close(end.p, wide.p.bfloat16())
