"""The language models: causal, of equal size, and a state that is all that was read."""

from __future__ import annotations

import cmath
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from generated.lm import Lm, LmState
from trainers.lm import Options
from trainers.lm_memory import TAPS
from trainers.lm_model import ComplexLinear, Layer, OscillatorLM, even_gain, normalised
from trainers.lm_score import generate
from trainers.lm_variants import VARIANTS, Sizes, build
from trainers.sizes import matched, parameters

SMALL = Sizes(width=16, layers=2, oscillators=12, modes=8, rank=4, memories=2, key=6, heads=2)


def model_of(name: str, dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(0)
    return build(VARIANTS[name], SMALL).to(dtype).eval()


def text_of(batch: int, length: int) -> Tensor:
    return torch.randint(256, (batch, length), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", VARIANTS)
def test_no_byte_sees_a_later_one(name: str) -> None:
    model, text = model_of(name), text_of(2, 20)
    seen: list[Tensor] = []

    def embed(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        seen.append(output.detach().requires_grad_())
        return seen[-1]

    model.embedding.register_forward_hook(embed)
    logits, _ = model(text)
    for t in (0, 7, 19):
        (grad,) = torch.autograd.grad(logits[:, t].square().sum(), seen[0], retain_graph=True)
        reached = grad.abs().amax(dim=(0, 2)) > 0
        assert reached[: t + 1].all()
        assert not reached[t + 1 :].any()


@pytest.mark.parametrize("name", [name for name, variant in VARIANTS.items() if not variant.gpt])
def test_byte_by_byte_is_all_at_once(name: str) -> None:
    model, text = model_of(name), text_of(3, 40)
    assert isinstance(model, OscillatorLM)
    with torch.no_grad():
        whole, end = model(text)
        state = model.start(3)
        for t in range(40):
            logits, state = model.step(text[:, t], state)
            # float64: rounding grows with the depth of the sum, not with the contraction of the state
            assert torch.allclose(logits, whole[:, t], rtol=1e-10, atol=1e-10)
        assert torch.allclose(state, end, rtol=1e-10, atol=1e-12)
        first, middle = model(text[:, :17])
        second, last = model(text[:, 17:], middle)
    assert torch.allclose(torch.cat((first, second), dim=1), whole, rtol=1e-10, atol=1e-10)
    assert torch.allclose(last, end, rtol=1e-10, atol=1e-12)


def test_what_is_generated_is_what_teacher_forcing_finds_likeliest() -> None:
    model = model_of("physics")
    text = torch.tensor([list(generate(model, b"metric", 30, context=8, temperature=1e-6, seed=0))])
    with torch.no_grad():
        logits, _ = model(text[:, :-1])
    assert torch.equal(logits.argmax(-1)[:, 5:], text[:, 6:])


@pytest.mark.parametrize("sizes", [SMALL, Options().sizes, replace(Options().sizes, width=64, oscillators=200)])
def test_all_models_have_equal_parameters_within_two_percent(sizes: Sizes) -> None:
    target = parameters(build(VARIANTS["physics"], sizes))
    for variant in VARIANTS.values():
        assert parameters(build(variant, sizes)) == pytest.approx(target, rel=0.02)


def test_the_published_size() -> None:
    assert 4e5 < parameters(build(VARIANTS["physics"], Options().sizes)) < 1e6


def test_matched_is_the_nearest_size() -> None:
    make = lambda size: nn.Linear(10, size, bias=False)
    assert [matched(make, target) for target in (10, 94, 96, 1000)] == [1, 9, 10, 100]


@pytest.mark.parametrize(("name", "kept"), [("no-rotation", "theta"), ("no-damping", "lam")])
def test_an_ablation_takes_its_part_away(name: str, kept: str) -> None:
    def reacts(model: nn.Module) -> bool:
        logits, _ = model(text_of(2, 10))
        model.zero_grad()
        logits.square().sum().backward()
        grad = getattr(model.layers[0], kept).grad
        return grad is not None and bool(grad.abs().max() > 0)

    assert reacts(model_of("physics"))
    assert not reacts(model_of(name))


def test_the_ablation_without_memory_has_oscillators_alone() -> None:
    full, without = model_of("physics"), model_of("no-memory")
    assert isinstance(full, OscillatorLM)
    assert isinstance(without, OscillatorLM)
    assert len(full.memories) == SMALL.layers
    assert not without.memories
    assert full.start(3).shape == (2, 3, 2 * 12 + 2 * 6**2 + 3 * 12 * (TAPS - 1))
    assert without.start(3).shape == (2, 3, 2 * 12)


def test_the_ablation_without_readout_reads_the_state_alone() -> None:
    full, without = model_of("physics"), model_of("no-readout")
    assert full.layers[0].read.in_features == 2 * full.oscillators + 2 * SMALL.modes
    assert without.layers[0].read.in_features == 2 * without.oscillators


def states(*shape: int, seed: int = 2) -> LmState:
    generator = torch.Generator().manual_seed(seed)
    return LmState(*(torch.randn(*shape, dtype=torch.float64, generator=generator) for _ in range(2)))


def turned(state: LmState, phase: float) -> LmState:
    z = torch.complex(*state) * cmath.exp(1j * phase)
    return LmState(z.real, z.imag)


def first_layer() -> Layer:
    return model_of("physics").layers[0]


def test_what_is_seen_are_the_state_and_the_currents_of_the_modes() -> None:
    layer, state, start = first_layer(), states(2, 12, 5), states(2, 12, seed=3)
    z, first = (torch.complex(*pair) for pair in (state, start))
    z = torch.cat((first[..., None], z), dim=-1)
    z = z / (z.abs().square().mean(dim=1, keepdim=True) + 1e-6).sqrt()
    now, before = (torch.complex(*matrix.weight) for matrix in (layer.now, layer.before))
    w, v = now @ z[..., 1:], before @ z[..., :-1]
    product = w * v.conj()
    expected = torch.cat((z.real[..., 1:], z.imag[..., 1:], product.imag, product.real), dim=1)
    assert torch.allclose(layer.see(state, start).mT, expected, rtol=1e-12, atol=1e-12)


def test_one_phase_for_all_oscillators_is_not_seen_by_the_readout() -> None:
    layer, state, start = first_layer(), states(2, 12, 5), states(2, 12, seed=3)
    seen, seen_turned = layer.see(state, start), layer.see(turned(state, 0.7), turned(start, 0.7))
    assert torch.allclose(seen[..., 24:], seen_turned[..., 24:], rtol=1e-12, atol=1e-12)
    assert not torch.allclose(seen[..., :24], seen_turned[..., :24], atol=0.1)


def test_complex_linear_is_a_complex_matrix() -> None:
    torch.manual_seed(0)
    layer, z = ComplexLinear(5, 3).double(), states(4, 5)
    expected = torch.complex(*z) @ torch.complex(*layer.weight).T
    found = layer(torch.cat(z, dim=-1))
    assert torch.allclose(torch.complex(*found.chunk(2, dim=-1)), expected, rtol=1e-12, atol=1e-12)


def test_normalised() -> None:
    z = normalised(*states(6, 50))
    assert torch.allclose(2 * z.square().mean(-1), torch.ones(6, dtype=torch.float64), rtol=1e-5)
    assert torch.equal(normalised(torch.zeros(1, 4), torch.zeros(1, 4)), torch.zeros(1, 8))


def test_even_gain_gives_every_oscillator_the_same_amplitude() -> None:
    lam = torch.tensor([2.0, 0.5, 0.1, 0.1, 0.1], dtype=torch.float64)
    theta = torch.tensor([1.0, 0.0, 0.0, 1.5, 3.0], dtype=torch.float64)
    gain, (f_q, f_p) = even_gain(lam, theta), states(64, 5, 600)
    state = Lm(5)(theta=theta[:, None], lam=lam[:, None], f_q=gain[:, None] * f_q, f_p=gain[:, None] * f_p)
    variance = torch.complex(*state)[..., 100:].abs().square().mean(dim=(0, 2)) / 2
    # 64 * 500 tokens, neighbours alike over 1 / lam <= 10 of them: a standard deviation of about 2 %
    assert variance == pytest.approx(torch.ones(5).numpy(), abs=0.08)
