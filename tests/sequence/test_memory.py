"""Matrix memories: the step of a token is the exponential of its generator, and what a layer promises of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from metrigen import Exponential, Field, Input, Lattice, Param, Sequence, contract, derive, mix, stress_energy, total
from metrigen.errors import SpecError, StructureError
from metrigen.integrators.memory import memory_of
from metrigen.programs import discretised
from tests.sequence.memories import (
    BOTH,
    SURPRISE,
    SYSTEMS,
    P,
    Q,
    S,
    beta,
    fade,
    given,
    j,
    k,
    lam,
    made,
    one,
    package_of,
    pair,
    q,
    started,
    theta,
    tokens,
    v,
)

NAMES = tuple(SYSTEMS)


def flow(layer: Any, inputs: dict[str, Tensor], start: Any, parts: int = 1) -> Tensor:
    """One token by the exponential of its whole generator, write included, in ``parts`` equal parts."""
    x = {name: y[:, :, 0].detach() for name, y in inputs.items()}
    twice = len(layer.FIELDS) == 2
    stacked = lambda *names: torch.cat([x[n] for n in names if n in x], -1)
    keys = stacked("k", "j") if twice else x["k"]
    rows = keys.shape[-1]
    decay = torch.zeros_like(keys)
    if "fade" in x:
        decay = decay + torch.cat([x["fade"]] * (2 if twice else 1), -1)
    if "lam" in x:
        decay = decay + x["lam"][..., None]
    if hasattr(layer, "g"):
        decay = decay + layer.g.detach()[:, None]
    A = -torch.diag_embed(decay)
    if "theta" in x:
        turn = torch.diag_embed(x["theta"])
        A[..., : rows // 2, rows // 2 :] += turn
        A[..., rows // 2 :, : rows // 2] -= turn
    strength = x["beta"][..., None] if "beta" in x else None
    if strength is not None:
        A -= strength[..., None] * keys[..., None] * keys[..., None, :]
    write = keys if strength is None else strength * keys
    whole = torch.zeros(*A.shape[:-2], rows + 1, rows + 1, dtype=A.dtype)
    whole[..., :rows, :rows], whole[..., :rows, rows] = A, write
    h = x["delta"][..., None, None] if "delta" in x else 1.0
    above = torch.cat((*start, x["v"][..., None, :]), -2)
    E = torch.linalg.matrix_exp(whole * h / parts)
    for _ in range(parts):
        above = E @ above
    return above[..., :rows, :]


@pytest.mark.parametrize("name", ["exact", "diagonal"])
@pytest.mark.parametrize("size", [1e-9, 1e-3, 1.0, 5.0])
def test_a_token_is_the_exponential_where_it_is_one(name: str, size: float) -> None:
    layer = made(name)
    inputs, start = given(layer, length=1, size=size), started(layer)
    _, last = layer(**inputs, state=start)
    wanted = flow(layer, inputs, start)
    assert (torch.cat(last, 2) - wanted).abs().max() < 1e-12 * (1 + wanted.abs().max())


@pytest.mark.parametrize("name", ["split", "rotating", "turned"])
def test_a_splitting_is_of_second_order(name: str) -> None:
    """Rates halved over twice the tokens: the error goes down by four."""
    layer = made(name)
    whole, start = given(layer, length=1, size=0.4), started(layer)
    rates = ("delta",) if "delta" in whole else ("fade", "theta", "k", "j")
    wanted, errors = flow(layer, whole, start), []
    for parts in (4, 8, 16):
        inputs = {
            n: (x / parts if n in rates else x).expand(*x.shape[:2], parts, *x.shape[3:]) for n, x in whole.items()
        }
        _, last = layer(**inputs, state=start)
        errors.append(float((torch.cat(last, 2) - wanted).detach().abs().max()))
    assert 3.5 < errors[0] / errors[1] < 4.5, errors
    assert 3.7 < errors[1] / errors[2] < 4.3, errors


@pytest.mark.parametrize("name", NAMES)
def test_laws_name_what_is_exact(name: str) -> None:
    found = derive(SYSTEMS[name])
    assert {law.name: law.verdict for law in found.laws if law.verdict != "proved"} == {}
    exact = name in ("exact", "diagonal", "fading")
    assert found.law("token").how.startswith("exact" if exact else "Strang splitting of second order")
    assert memory_of(found).token.split == {
        "split": ("decay along the key axis",), "rotating": ("rotation",), "turned": ("rotation",)
    }.get(name, ())  # fmt: skip


def test_the_equations_are_those_of_the_energy() -> None:
    (rate,) = derive(SYSTEMS["exact"]).equations.values()
    assert (rate + beta * k * (contract(k, S) - v) + lam * S).expand() == 0


@pytest.mark.parametrize("name", NAMES)
def test_tokens_one_by_one_and_in_pieces(name: str) -> None:
    layer = made(name)
    inputs, start = given(layer, length=40), started(layer)
    read, last = layer(**inputs, state=start)
    state, reads = start, []
    for t in range(40):
        o, state = layer.step(state, **{n: x[:, :, t] for n, x in inputs.items()})
        reads.append(o)
    torch.testing.assert_close(torch.stack(reads, 2), read, rtol=1e-12, atol=1e-12)
    first, middle = layer(**{n: x[:, :, :17] for n, x in inputs.items()}, state=start)
    rest, end = layer(middle, **{n: x[:, :, 17:] for n, x in inputs.items()})
    torch.testing.assert_close(torch.cat((first, rest), 2), read, rtol=1e-12, atol=1e-12)
    for x, y, z in zip(end, last, state, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(z, y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_packed_documents_are_separate_runs(name: str) -> None:
    layer = made(name)
    inputs, start = given(layer, length=40), started(layer)
    reset = torch.zeros(1, 1, 40)
    reset[..., [13, 33]] = 1
    read, last = layer(**inputs, state=start, reset=reset)
    cuts = (0, 13, 33, 40)
    for i in range(3):
        some = {n: x[:, :, cuts[i] : cuts[i + 1]] for n, x in inputs.items()}
        alone, end = layer(**some, state=start if i == 0 else None)
        assert torch.equal(read[:, :, cuts[i] : cuts[i + 1]], alone)
    assert all(map(torch.equal, last, end))
    (read[:, :, 20].sum()).backward()
    grads = {n: x.grad for n, x in inputs.items()}
    assert all((x[:, :, :13] == 0).all() for x in grads.values())
    assert (grads["v"][:, :, 13:21] != 0).any()


@pytest.mark.parametrize("name", NAMES)
def test_causality(name: str) -> None:
    layer = made(name)
    inputs = given(layer, length=12)
    read, _ = layer(**inputs)
    later = {n: torch.cat((x[:, :, :7], 1 + x[:, :, 7:].abs()), 2) for n, x in inputs.items()}
    assert torch.equal(read[:, :, :7], layer(**later)[0][:, :, :7])


@pytest.mark.parametrize("name", NAMES)
def test_no_token_makes_the_state_grow(name: str) -> None:
    layer = made(name)
    state = started(layer)
    for seed in range(8):
        inputs = {n: x * (n != "v") for n, x in given(layer, length=1, seed=seed, size=3.0).items()}
        _, after = layer(**inputs, state=state)
        assert sum((x**2).sum() for x in after) <= (1 + 1e-14) * sum((x**2).sum() for x in state)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_against_differences_in_every_regime(name: str) -> None:
    layer = made(name, channels=1, key=2, value=2)
    for zero in ((), ("k", "j"), ("lam", "fade"), ("beta",), ("k", "j", "lam", "fade", "beta", "theta")):
        inputs = {n: (x * (n not in zero)).detach().requires_grad_() for n, x in given(layer, 1, 3, size=0.7).items()}
        names = list(inputs)
        run = lambda *x, names=names: (lambda o, s: (o, *s))(*layer(**dict(zip(names, x, strict=True))))
        assert torch.autograd.gradcheck(run, tuple(inputs.values()), atol=1e-7)


@pytest.mark.parametrize("name", ["exact", "rotating"])
def test_second_derivatives(name: str) -> None:
    """By the operator, whose adjoint is written out, and by the composite reference."""
    for backend in ("auto", "torch"):
        layer = made(name, channels=1, key=2, value=1, backend=backend)
        inputs = given(layer, 1, 2, size=0.7)
        names = list(inputs)
        run = lambda *x, names=names, layer=layer: layer(**dict(zip(names, x, strict=True)))[0]
        assert torch.autograd.gradgradcheck(run, tuple(inputs.values()), atol=1e-6)


def test_few_states_are_kept() -> None:
    """Of T = 8 EVERY tokens the operator saves 8 states, not T."""
    layer = made("exact", key=8, value=8)
    every = package_of("exact").module.reference.EVERY
    saved: list[int] = []

    def keep(x: Tensor) -> Tensor:
        saved.append(x.untyped_storage().nbytes() // x.element_size())
        return x

    coefficients = layer._coefficients(layer._taken(False, **given(layer, length=8 * every))[0], None)
    start = torch.cat(started(layer), 2)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        package_of("exact").module.operators.scan(start, *coefficients)
    assert max(saved) < 8 * every * 2 * 2 * 8 * 8 // 4


def test_precision_shapes_and_settings() -> None:
    layer = made("exact", dtype=torch.float32)
    inputs = {n: x.detach().bfloat16() for n, x in given(layer).items()}
    read, last = layer(**inputs)
    assert read.dtype == torch.bfloat16
    assert last.S.dtype == torch.float32
    assert read.shape == (2, 2, 9, 3)
    assert last.S.shape == (2, 2, 4, 3)
    assert layer.readout_channels == 6
    assert layer.config == {"channels": 2, "key": 4, "value": 3, "backend": "auto"}
    assert type(layer).from_config(layer.config).config == layer.config
    state, again = layer.forward_readout(**inputs)
    assert torch.equal(again, read)
    assert torch.equal(state.S, last.S)
    k = inputs.pop("k")
    assert torch.equal(layer.sequential("S", **inputs)(k), last.S)
    inputs["k"] = k
    none, start = layer(**{n: x[:, :, :0] for n, x in inputs.items()}, state=last)
    assert none.shape == (2, 2, 0, 3)
    assert torch.equal(start.S, last.S)
    with pytest.raises(ValueError, match=r"k has shape \(2, 2, 9, 5\); needed: \(B, 2, T, 4\)"):
        layer(**(inputs | {"k": torch.zeros(2, 2, 9, 5)}))
    with pytest.raises(ValueError, match="do not broadcast"):
        layer(**(inputs | {"v": torch.zeros(2, 2, 8, 3)}))
    with pytest.raises(ValueError, match="reset has shape"):
        layer(**inputs, reset=torch.zeros(2, 3, 9))
    with pytest.raises(ValueError, match=r"the state before the first token has shape \(2, 2, 4, 3\)"):
        layer(**inputs, state=layer.STATE(torch.zeros(2, 2, 4, 4)))
    with pytest.raises(ValueError, match="no kernel for a matrix memory yet"):
        made("exact", backend="triton")


def test_vmap_and_compile_go_through() -> None:
    layer = made("exact")
    inputs = {n: x.detach() for n, x in given(layer, length=5).items()}
    alone = torch.func.vmap(lambda x: layer(**{n: y[None] for n, y in x.items()})[0][0])(inputs)
    torch.testing.assert_close(alone, layer(**inputs)[0], rtol=1e-12, atol=1e-12)


metric = lambda F, G: F[S] * G[S]
rotation = lambda F, G: theta * (F[Q] * G[P] - F[P] * G[Q])
M = Field("M", tokens, axes=("value", "key"))
w = Input("w", tokens, axes=("value",))
u = Input("u", tokens, axes=("value",))
along = lambda F, G: contract(k, F[S]) * contract(k, G[S])
taken = Input("key", tokens, axes=("value",))
REFUSED = [
    ("linear in its state", lambda: one("x", SURPRISE + S**4)),
    ("no axis to sum over", lambda: contract(Input("n", tokens), S)),
    ("does not say over what it is summed", lambda: one("x", S * contract(k, S))),
    ("does not say over what it is summed", lambda: one("x", fade * contract(k, S) ** 2)),
    ("differs along the axis of the values", lambda: one("x", w * S**2 / 2)),
    ("it sums over value", lambda: one("x", contract(w, S) ** 2)),
    ("diagonal plus rank one", lambda: one("x", SURPRISE + contract(j, S) ** 2)),
    ("writes along", lambda: one("x", SURPRISE - contract(j, S) * v)),
    ("writes once", lambda: one("x", -contract(k, S) * v - contract(j, S) * w)),
    ("without a vector along the values", lambda: one("x", S**2 / 2 - contract(k, S))),
    ("without a vector along the keys", lambda: one("x", S**2 / 2 - S * v)),
    ("is a matrix", lambda: one("x", S * mix(Param("B", shape=("C", "C"), symmetric=True), S))),
    ("mixes its heads", lambda: one("x", S * total(S))),
    ("not symmetric", lambda: pair("x", 0, hamiltonian=BOTH + (Q**2 + P**2) / 2, entropy=None, bracket=rotation)),
    ("not symmetric", lambda: one("x", SURPRISE, metric=lambda F, G: fade * F[S] * G[S])),
    ("decay differently", lambda: pair("x", BOTH + Q**2 / 2)),
    ("coupled by no rotation", lambda: pair("x", BOTH + lam * Q * P)),
    ("contract\\(\\) in metric= has no", lambda: one("x", S**2 / 2, metric=along)),
    ("a contraction of inputs", lambda: one("x", contract(k, k) * S**2)),
    ("no matrix memory", lambda: one("x", S**2 / 2, fields=(S, M))),
    ("one number for each site", lambda: one("x", Param("c", per="site") * S**2)),
    ("readout=.* of a matrix memory", lambda: one("x", SURPRISE, readout=stress_energy())),
    ("readout=.* of a matrix memory", lambda: one("x", SURPRISE, readout=contract(q, S) ** 2)),
    ("readout=.* of a matrix memory", lambda: one("x", SURPRISE, readout=contract(w, S))),
    ("steps=2", lambda: one("x", SURPRISE, integrator=Exponential(steps=2))),
    ("two different symbols are called 'key'", lambda: one("x", S**2 / 2 - contract(k, S) * taken)),
    ("on a Lattice", lambda: Field("S", Lattice(), axes=("key", "value"))),
    ("no tuple of names", lambda: Field("S", tokens, axes="key")),
]  # fmt: skip


@pytest.mark.parametrize(("what", "make"), REFUSED, ids=[f"{i}: {what[:30]}" for i, (what, _) in enumerate(REFUSED)])
def test_refused_by_name(what: str, make: Any) -> None:
    with pytest.raises(SpecError, match=what) as caught:
        discretised(derive(make()))
    assert caught.value.fix


def test_growth_is_refused_with_a_witness() -> None:
    with pytest.raises(StructureError, match="grows without a write") as caught:
        derive(one("x", -lam * S**2 / 2 - contract(k, S) * v))
    assert caught.value.law == "contraction"
    assert caught.value.witness


def test_a_sign_that_is_not_declared_is_a_condition() -> None:
    free = Input("free", Sequence())
    law = derive(one("x", free * S**2 / 2 - contract(k, S) * v)).law("contraction")
    assert law.verdict == "conditional"
    assert "free" in law.detail
