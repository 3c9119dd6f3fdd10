"""A layer on a sequence as it is used: whole, token by token, in pieces; causal; read out; refused with a reason."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import sympy as sp
import torch

from metrigen import (
    Dissipation,
    Exponential,
    Field,
    Input,
    NeuralFunction,
    Param,
    SpecError,
    Strang,
    System,
    canonical,
    mix,
    t,
)
from tests.lattice.emitted import compiled, package
from tests.sequence.checks import walked
from tests.sequence.systems import (
    SYSTEMS,
    a,
    cell,
    f,
    inputs,
    lam,
    layer,
    module,
    omega,
    p,
    part,
    q,
    state_class,
    states,
    tokens,
    turn,
    unit,
)

pytestmark = pytest.mark.covering

B, C, T = 2, 3, 21


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sequence")


def near(x: torch.Tensor, y: torch.Tensor, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(x, y, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", SYSTEMS)
def test_token_by_token_is_the_scan(name: str, folder: Path) -> None:
    """States, readout and energy, and every gradient."""
    made = module(name, folder)
    built, given, start = layer(made, C), inputs(made, B, C, T), states(made, B, C)
    leaves = [x.requires_grad_() for x in (*given.values(), *start)]
    whole = built(**given, state=start)
    read = built.readout(whole, before=start)
    kept, seen = walked(built, given, start, T)
    for x, y in zip(whole, (torch.stack(x, -1) for x in zip(*kept, strict=True)), strict=True):
        near(x, y)
    near(read, torch.stack(seen, -1))
    near(built.energy(whole), torch.stack([built.energy(x) for x in kept], -1))
    for x, y in zip(whole.last, kept[-1], strict=True):
        near(x, y)
    weight = torch.randn(read.shape, dtype=read.dtype)
    one = torch.autograd.grad((read * weight).sum(), [*leaves, *built.parameters()], allow_unused=True)
    two = torch.autograd.grad((torch.stack(seen, -1) * weight).sum(), [*leaves, *built.parameters()], allow_unused=True)
    for x, y in zip(one, two, strict=True):
        if x is not None or y is not None:
            near(torch.zeros_like(y) if x is None else x, torch.zeros_like(x) if y is None else y, 1e-10)


@pytest.mark.parametrize("what", ["friction", "turn"])
def test_a_number_is_a_parameter_with_its_value(what: str, folder: Path) -> None:
    def system(name: str, number: sp.Expr) -> System:
        if what == "friction":
            return cell(name, metric=Dissipation((number, lambda F: F[p])))
        decay = lambda F, G: lam * (F[q] * G[q] + F[p] * G[p])
        return cell(name, bracket=lambda F, G: number * (F[q] * G[p] - F[p] * G[q]), metric=decay)

    fixed = package(system(f"fixed_{what}", sp.Rational(1, 2)), folder, f"fixed_{what}")
    learned = package(system(f"learned_{what}", Param("k", positive=True)), folder, f"learned_{what}")
    one, other = layer(fixed, C), layer(learned, C)
    other.k = 0.5
    given = inputs(fixed, B, C, T)
    for x, y in zip(one(**given), other(**given), strict=True):
        near(x, y)


def test_an_input_may_have_the_name_of_an_argument(folder: Path) -> None:
    drive = Input("axes", tokens)
    made = package(cell("named", unit - drive * q), folder, "named")
    given = inputs(made, B, C, T)
    assert set(given) == {"axes", "lam", "omega"}
    assert layer(made, C)(**given).q.shape == (B, C, T)


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_comes_later_has_no_effect(name: str, folder: Path) -> None:
    """The gradient of token s with respect to inputs after s is zero exactly, and a change there changes no bit."""
    made = module(name, folder)
    built, given = layer(made, C), inputs(made, B, C, T)
    at = 8
    leaves = [x.requires_grad_() for x in given.values()]
    out = built(**given)
    read = built.readout(out)
    grads = torch.autograd.grad((*(x[..., : at + 1].sum() for x in out), (read[..., : at + 1] ** 2).sum()), leaves)
    for x in grads:
        assert (x[..., at + 1 :] == 0).all()
        assert (x[..., : at + 1] != 0).any()
    moved = {n: torch.cat((x[..., : at + 1], x[..., at + 1 :].abs() + 1), -1).detach() for n, x in given.items()}
    other = built(**moved)
    for x, y in zip(out, other, strict=True):
        assert torch.equal(x[..., : at + 1], y[..., : at + 1])
    assert torch.equal(read[..., : at + 1], built.readout(other)[..., : at + 1])


@pytest.mark.parametrize("length", [1, 2, 3, 64, 65])
def test_a_sequence_in_pieces_is_the_whole(length: int, folder: Path) -> None:
    made = module("selective", folder)
    built, given = layer(made, C), inputs(made, B, C, 130)
    whole = built(**given)
    state, parts, read = None, [], []
    for i in range(0, 130, length):
        piece = built(**{n: x[..., i : i + length] for n, x in given.items()}, state=state)
        read.append(built.readout(piece, before=state))
        parts.append(piece)
        state = piece.last
    near(torch.cat([x.q for x in parts], -1), whole.q)
    near(torch.cat(read, -1), built.readout(whole))


@pytest.mark.parametrize("name", ["isotropic", "constant", "skewed", "gated"])
@pytest.mark.parametrize("order", [1, 2])
def test_gradients(name: str, order: int, folder: Path) -> None:
    """Of inputs, start and parameters, through the operators."""
    made = module(name, folder)
    built, given, start = layer(made, 2), inputs(made, 1, 2, 4, size=0.5), states(made, 1, 2)
    names = [n for n, _ in built.named_parameters()]
    leaves = [x.requires_grad_() for x in (*given.values(), *start)]
    weights = [x.detach().clone().requires_grad_() for x in built.parameters()]

    def run(*x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        tensors = dict(zip(given, x, strict=False))
        state = state_class(made)(*x[len(given) : len(leaves)])
        values = dict(zip(names, x[len(leaves) :], strict=True))
        out = torch.func.functional_call(built, values, (), {**tensors, "state": state})
        return (*out, built.readout(out, before=state)) if not names else tuple(out)

    check = torch.autograd.gradcheck if order == 1 else torch.autograd.gradgradcheck
    assert check(run, (*leaves, *weights), fast_mode=True)


def test_channels_last_memory_is_read_where_it_lies(folder: Path) -> None:
    made = module("isotropic", folder)
    given = {n: x.mT.contiguous().mT for n, x in inputs(made, B, C, T).items()}
    found, _ = part(made, "scan").as_tokens(C, 3, **given)
    assert [x.data_ptr() for x in found] == [x.data_ptr() for x in given.values()]
    out = layer(made, C)(**given)
    assert out.q.shape == (B, C, T)
    assert out.q.mT.is_contiguous()


def test_inputs_broadcast(folder: Path) -> None:
    made = module("isotropic", folder)
    built, given = layer(made, C), inputs(made, B, C, T)
    given["omega"], given["lam"] = given["omega"][:1, :1], given["lam"][:, :, :1]
    out = built(**given)
    full = {n: x.expand(B, C, T) for n, x in given.items()}
    assert torch.equal(out.q, built(**full).q)


def test_the_two_token_components(folder: Path) -> None:
    """M + i J = conj(a_(t-1)) a_t with a = q + i p: invariant when all tokens turn by one angle, and for a free
    oscillator 2 E e^(-lam) (cos omega, -sin omega)."""
    made = module("isotropic", folder)
    built, given, start = layer(made, C), inputs(made, B, C, T), states(made, B, C)
    out = built(**given, state=start)
    energy, J, M = built.readout(out, before=start).chunk(3, 1)
    z = torch.complex(torch.cat((start.q[..., None], out.q), -1), torch.cat((start.p[..., None], out.p), -1))
    near(torch.complex(M, J), z[..., :-1].conj() * z[..., 1:])
    near(energy, z[..., 1:].abs() ** 2 / 2)
    near(built.energy(out), energy.sum(1))
    c, s = math.cos(0.7), math.sin(0.7)
    turned = [state_class(made)(c * x.q + s * x.p, c * x.p - s * x.q) for x in (out, start)]
    near(built.readout(turned[0], before=turned[1]), built.readout(out, before=start))
    free = given | {"f": torch.zeros(1, 1, 1).double(), "f_p": torch.zeros(1, 1, 1).double()}
    out = built(**free, state=start)
    energy, J, M = built.readout(out, before=start).chunk(3, 1)
    past = torch.cat((start.q[..., None] ** 2 + start.p[..., None] ** 2, 2 * energy[..., :-1]), -1) * torch.exp(
        -given["lam"]
    )
    near(M, past * torch.cos(given["omega"]))
    near(J, -past * torch.sin(given["omega"]))


@pytest.mark.parametrize("name", ["selective", "gated"])
def test_the_normalised_readout_is_of_degree_one(name: str, folder: Path) -> None:
    """Far above the floor of the amplitude, twice the state is twice the readout, and no component leaves its bound."""
    made = module(name, folder)
    built, start = layer(made, C), states(made, B, C)
    drawn = states(made, B * T, C, seed=5)
    state = state_class(made)(*(1e7 * x.reshape(B, T, C).mT for x in drawn))
    before = state_class(made)(*(1e7 * x for x in start))
    once = built.readout(state, before=before)
    twice = built.readout(
        state_class(made)(*(2 * x for x in state)), before=state_class(made)(*(2 * x for x in before))
    )
    near(twice / once, torch.full_like(once, 2.0), 1e-6)
    assert torch.isfinite(built.readout(state_class(made)(*(0 * x for x in state)))).all()


def test_a_constant_cell_keeps_one_matrix(folder: Path) -> None:
    """E is made once from the parameters, and no function is evaluated at a token."""
    reference = part(module("constant", folder), "reference")
    assert {n for n in reference.COEFFICIENTS if "_from_" in n} == {
        "q_from_q", "q_from_p", "p_from_q", "p_from_p"
    }  # fmt: skip
    assert "stumpff" in Path(reference.__file__).read_text().split("def step")[0]
    assert "stumpff" not in Path(reference.__file__).read_text().split("def step")[1]


def test_half_precision_and_errors_of_use(folder: Path) -> None:
    made = module("isotropic", folder)
    built, given = layer(made, C).float(), inputs(made, B, C, T)
    half = built(**{n: x.bfloat16() for n, x in given.items()})
    assert half.q.dtype == torch.bfloat16
    same = built(**{n: x.bfloat16().float() for n, x in given.items()})
    torch.testing.assert_close(half.q.float(), same.q, rtol=2**-8, atol=1e-6)
    with pytest.raises(ValueError, match="channels"):
        built(**{n: x[:, :2] for n, x in given.items()})
    with pytest.raises(ValueError, match="floating point"):
        built(**{n: torch.ones(B, C, T, dtype=torch.int64) for n in given})
    with pytest.raises(ValueError, match="before the first token"):
        built(**given, state=built(**given))
    with pytest.raises(ValueError, match="backend"):
        layer(made, C, backend="fortran")
    empty = built(**{n: x[..., :0] for n, x in given.items()})
    assert empty.q.shape == (B, C, 0)
    assert built.readout(empty).shape == (B, 3 * C, 0)
    wanted = {n: x[..., :0].clone().requires_grad_() for n, x in given.items()}
    for backend in ("torch", "auto"):  # a sum over no tokens has a gradient, which is empty
        layer(made, C, backend=backend)(**wanted).q.sum().backward()
    none = built(**{n: x[:0] for n, x in given.items()})
    assert built.readout(none).shape == (0, 3 * C, T)


W = Param("W", shape=("C", "C"))
Bmat = Param("Bmat", shape=("C", "C"), antisymmetric=True)
third = Field("third", tokens)
REFUSED = {
    "integrator": (lambda: cell("s", integrator=Strang(steps=1, dt=0.1)), "integrator", "Exponential"),
    "no integrator": (lambda: cell("s", integrator=None), "name", "Exponential"),
    "steps": (lambda: cell("s", integrator=Exponential(steps=2)), "integrator", "larger dt"),
    "coupled channels": (
        lambda: cell("s", bracket=lambda F, G: turn(F, G) + F[p] * mix(Bmat, G[p])), "Bmat", "block"),
    "mixed input": (lambda: cell("s", unit - mix(W, f) * q), "domain", "channel"),
    "learned function": (lambda: cell("s", unit - NeuralFunction("V", f) * q), "domain", "module"),
    "time": (lambda: cell("s", unit - f * q * sp.sin(t)), "domain", "time"),
    "no tokens": (
        lambda: cell("s", (a * q**2 + p**2) / 2, canonical((q, p)), Dissipation((a, lambda F: F[p]))),
        "domain", "inputs"),
    "three fields": (
        lambda: System("s", tokens, fields=(q, p, third), hamiltonian=unit + third**2 / 2 - f * q, bracket=turn,
                       metric=Dissipation((1, lambda F: F[third])), integrator=Exponential()), "domain", "fields"),
    "a map of sites": (
        lambda: cell("s", unit - f * q - Param("s", per="site") * p), "s", "length"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_scan_carries_is_refused_with_a_way_out(case: str) -> None:
    make, blamed, word = REFUSED[case]
    with pytest.raises(SpecError) as refused:
        compiled(make())
    assert refused.value.part == blamed
    assert refused.value.fix
    assert word in f"{refused.value.what} {refused.value.why} {refused.value.fix}"


def test_a_step_that_the_tokens_choose() -> None:
    """dt= takes an Input that is positive, and no other."""
    with pytest.raises(SpecError):
        Exponential(dt=omega)
    assert Exponential(dt=Input("delta", tokens, positive=True)).dt.is_positive
