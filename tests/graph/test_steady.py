"""Steady states on graphs: against dense elimination in float64, by both solvers, with their gradients."""

from __future__ import annotations

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call

from generated.sudoku import Sudoku
from generated.sudoku.module import NotConverged
from metrigen import Dissipation, Field, SteadyState, System, energy_density, grad
from metrigen.errors import SpecError
from metrigen.physics.derive import derive
from tests.graph.systems import EDGE_INDEX, NODES, a, as_matrix, class_of, graph, poisson, q, s, w
from tests.lowered import lower

pytestmark = pytest.mark.covering


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def layer(channels: int = 2, **options: object):
    """(B^T w B + m2) phi = m2 s, in float64."""
    made = Sudoku(channels, **options).double()
    made.m2 = torch.linspace(0.5, 1.5, channels, dtype=torch.float64)
    return made


def eliminated(s: torch.Tensor, w: torch.Tensor, m2: torch.Tensor) -> torch.Tensor:
    """By elimination of the dense matrix, of every sample and channel by itself."""
    w = 0.5 * (w + w.mT)
    w = w - torch.diag_embed(w.diagonal(dim1=-2, dim2=-1))
    matrix = torch.diag_embed(w.sum(-1) + m2[:, None]) - w
    return torch.linalg.solve(matrix.expand(*s.shape[:2], *matrix.shape[-2:]), (m2[:, None] * s).unsqueeze(-1))[..., 0]


def symmetric(*shape: int, seed: int = 0) -> torch.Tensor:
    x = rand(*shape, seed=seed)
    return 0.5 * (x + x.mT)


WEIGHTS = {"shared": (5, 5), "a channel": (2, 5, 5), "one sample": (1, 2, 5, 5), "a sample": (3, 2, 5, 5),
           "a sample, all channels": (3, 1, 5, 5)}  # fmt: skip


@pytest.mark.parametrize("solver", ["cholesky", "cg"])
@pytest.mark.parametrize("shape", WEIGHTS.values(), ids=WEIGHTS)
def test_dense_against_elimination(shape: tuple[int, ...], solver: str) -> None:
    """The field, and its derivatives by source, weights and screening."""
    made = layer(solver=solver, rtol=1e-13)
    source, pairs = rand(3, 2, 5, seed=1).requires_grad_(), symmetric(*shape).requires_grad_()
    state = made(source, pairs)
    expected = eliminated(source, pairs, made.m2)
    assert torch.allclose(state.phi, expected, rtol=0, atol=1e-13)
    assert (state.status == 0).all()
    assert (state.residual < 1e-12).all()
    cotangent = rand(3, 2, 5, seed=2)
    wanted = torch.autograd.grad(expected, (source, pairs, made.raw_m2), cotangent)
    found = torch.autograd.grad(state.phi, (source, pairs, made.raw_m2), cotangent)
    for x, y in zip(found, wanted, strict=True):
        assert torch.allclose(x, y, rtol=0, atol=1e-12)


@pytest.mark.parametrize("solver", ["cholesky", "cg"])
@pytest.mark.parametrize("shape", [(2, 3, 3), (2, 2, 3, 3)], ids=["a channel", "a sample"])
def test_derivatives_of_first_and_second_order(shape: tuple[int, ...], solver: str) -> None:
    made = layer(solver=solver, rtol=1e-14)
    raw = made.raw_m2.detach().clone().requires_grad_()

    def solve(source: torch.Tensor, pairs: torch.Tensor, raw: torch.Tensor) -> torch.Tensor:
        return functional_call(made, {"raw_m2": raw}, (source, pairs)).phi

    given = rand(2, 2, 3, seed=1).requires_grad_(), symmetric(*shape).requires_grad_(), raw
    assert gradcheck(solve, given)
    assert gradgradcheck(solve, given)


def test_sparse_is_dense() -> None:
    """A list of edges, some of them double and a node alone, against the matrix of the same graph."""
    made = layer(rtol=1e-14)
    weights, source = rand(2, EDGE_INDEX.shape[1]).requires_grad_(), rand(3, 2, NODES, seed=1)
    pairs = torch.zeros(2, NODES, NODES, dtype=torch.float64)
    for e, (i, j) in enumerate(EDGE_INDEX.T.tolist()):
        pairs = pairs + as_matrix(weights[:, e : e + 1], torch.tensor([[i], [j]]), NODES)
    along, dense = made(source, weights, edge_index=EDGE_INDEX), made(source, pairs)
    assert torch.allclose(along.phi, dense.phi, rtol=0, atol=1e-13)
    assert torch.allclose(dense.phi[..., 5], source[..., 5], rtol=1e-15)  # alone: m2 phi = m2 s
    cotangent = rand(3, 2, NODES, seed=2)
    first, second = (torch.autograd.grad(x.phi, weights, cotangent)[0] for x in (along, dense))
    assert torch.allclose(first, second, rtol=0, atol=1e-13)

    def solve(source: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return made(source, weights, edge_index=EDGE_INDEX[:, :4]).phi

    few = source[:1, :, :4].clone().requires_grad_(), rand(2, 4, seed=3).requires_grad_()
    assert gradcheck(solve, few)
    assert gradgradcheck(solve, few)


def test_the_gradient_by_a_weight_is_a_product_of_drops() -> None:
    """dL/dw_e = -(lam_i - lam_j)(phi_i - phi_j), lam the solution with the cotangent as its source."""
    made = layer(1, rtol=1e-14)
    weights, source, cotangent = rand(7).requires_grad_(), rand(1, 1, NODES, seed=1), rand(1, 1, NODES, seed=2)
    phi = made(source, weights, edge_index=EDGE_INDEX).phi
    (found,) = torch.autograd.grad(phi, weights, cotangent)
    lam = made(cotangent / made.m2[:, None], weights, edge_index=EDGE_INDEX).phi
    tail, head = EDGE_INDEX
    expected = -(lam[..., head] - lam[..., tail]) * (phi[..., head] - phi[..., tail])
    assert torch.allclose(found, expected[0, 0], rtol=0, atol=1e-13)


def test_one_factor_serves_all_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights without a batch, or expanded along it, are factorised once a channel, and not again in the reverse."""
    sizes = []
    factorise = torch.linalg.cholesky_ex
    monkeypatch.setattr(torch.linalg, "cholesky_ex", lambda x: sizes.append(tuple(x.shape)) or factorise(x))
    made, source = layer(), rand(7, 2, 5, seed=1).requires_grad_()
    pairs = symmetric(2, 5, 5)
    for weights in (pairs, pairs.expand(7, 2, 5, 5)):
        made(source, weights).phi.sum().backward()
    made(source, symmetric(7, 2, 5, 5)).phi.sum().backward()
    assert sizes == [(1, 2, 5, 5), (1, 2, 5, 5), (7, 2, 5, 5)]


def test_channels_with_one_matrix_share_its_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    factorise = torch.linalg.cholesky_ex
    monkeypatch.setattr(torch.linalg, "cholesky_ex", lambda x: sizes.append(tuple(x.shape)) or factorise(x))
    made = class_of(poisson("poisson_scalar", hamiltonian=w * grad(q).square / 2 + q**2 / 2 - s * q))(3)
    source, pairs = rand(4, 3, 5, seed=1), symmetric(5, 5)
    found = made(s=source, w=pairs).q
    assert sizes == [(1, 1, 5, 5)]
    assert torch.allclose(found, eliminated(source, pairs, torch.ones(3, dtype=torch.float64)), rtol=0, atol=1e-13)


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(5)), st.integers(0, 100))
def test_a_permutation_of_the_nodes_permutes_the_field(order: list[int], seed: int) -> None:
    made = layer(rtol=1e-14)
    source, pairs = rand(2, 2, 5, seed=seed), symmetric(2, 5, 5, seed=seed)
    phi = made(source, pairs).phi
    moved = made(source[..., order], pairs[:, order][:, :, order]).phi
    assert torch.allclose(moved, phi[..., order], rtol=0, atol=1e-13)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 50))
def test_the_field_stays_between_its_sources(seed: int, strength: float) -> None:
    """The maximum principle of (B^T w B + m2) phi = m2 s with w >= 0."""
    made, source = layer(), rand(2, 2, 5, seed=seed)
    phi = made(source, strength * symmetric(2, 5, 5, seed=seed)).phi
    slack = 1e-13
    assert (phi <= source.amax(-1, keepdim=True) + slack).all()
    assert (phi >= source.amin(-1, keepdim=True) - slack).all()


def test_readings_of_the_state() -> None:
    """Node energies sum to the energy; half of every edge at each end; the flux is what leaves a node."""
    made = layer(rtol=1e-14)
    source, pairs = rand(3, 2, 5, seed=1), symmetric(2, 5, 5)
    state = made(source, pairs)
    phi = state.phi
    drops = phi.unsqueeze(-1) - phi.unsqueeze(-2)
    expected = (pairs * drops**2).sum(-1) / 4 + made.m2[:, None] * (phi - source) ** 2 / 2
    assert torch.allclose(made.readout(state, s=source, w=pairs), expected, rtol=0, atol=1e-13)
    assert torch.allclose(made.energy(state, s=source, w=pairs), expected.sum((1, 2)), rtol=0, atol=1e-12)
    # At a steady state nothing moves, and no energy flows.
    assert made.flux(state, s=source, w=pairs).abs().max() < 1e-12


def test_a_stop_per_sample() -> None:
    """Samples that are done wait for none; a sample that cannot be done is reported alone."""
    made = layer(1, solver="cg", rtol=1e-10)
    source = rand(3, 1, 40, seed=1)
    strength = torch.tensor([0.0, 0.01, 100.0], dtype=torch.float64).reshape(3, 1, 1, 1)
    ring = torch.roll(torch.eye(40, dtype=torch.float64), 1, 0)
    state = made(source, strength * (ring + ring.T))
    assert state.iterations.tolist() == sorted(state.iterations.tolist())
    assert state.iterations[0] <= 1 < state.iterations[2]
    made.max_iter = 3
    with pytest.warns(RuntimeWarning, match="did not converge"):
        state = made(source, strength * (ring + ring.T))
    assert state.status.tolist() == [0, 1, 1] or state.status.tolist() == [0, 0, 1]


@pytest.mark.parametrize("solver", ["cholesky", "cg"])
def test_what_is_not_positive_is_reported(solver: str) -> None:
    made, source = layer(1, solver=solver), rand(2, 1, 5, seed=1)
    pairs = torch.stack((symmetric(1, 5, 5), -3 * symmetric(1, 5, 5)))
    with pytest.warns(RuntimeWarning):
        state = made(source, pairs)
    assert state.status.tolist() == [0, -1]


def test_a_good_start_is_used() -> None:
    made, source = layer(solver="cg", rtol=1e-9), rand(2, 2, NODES, seed=1)
    first = made(source, rand(7), edge_index=EDGE_INDEX)
    again = made(source, rand(7), edge_index=EDGE_INDEX, warm_start=first.phi)
    assert (again.iterations == 0).all()
    assert torch.equal(again.phi, first.phi)


def test_parameters_of_nodes_enter_the_screening() -> None:
    made = class_of(poisson())(2, nodes=5).double()
    made.a, made.c = rand(2, 5, seed=3), torch.tensor([0.3, 0.6], dtype=torch.float64)
    source, pairs = rand(3, 2, 5, seed=1), symmetric(2, 5, 5)
    matrix = torch.diag_embed(pairs.sum(-1) - pairs.diagonal(dim1=1, dim2=2) + made.a + made.c[:, None])
    matrix = matrix - pairs + torch.diag_embed(pairs.diagonal(dim1=1, dim2=2))
    expected = torch.linalg.solve(matrix, source.unsqueeze(-1))[..., 0]
    assert torch.allclose(made(s=source, w=pairs).q, expected, rtol=0, atol=1e-13)


def test_a_prescribed_drop_and_several_differences() -> None:
    """U = w (B(q - s))^2/2 + 2 w (B q)^2: the conductance is the sum of both, the source has B^T w B s."""
    energy = w * grad(q - s).square / 2 + 2 * w * grad(q).square + q**2 / 2
    made = class_of(poisson("poisson_drop", hamiltonian=energy))(2)
    source, pairs = rand(3, 2, 5, seed=1), symmetric(2, 5, 5)
    laplacian = torch.diag_embed(pairs.sum(-1)) - pairs
    matrix = 5 * laplacian + torch.eye(5, dtype=torch.float64)
    expected = torch.linalg.solve(matrix, laplacian @ source.unsqueeze(-1))[..., 0]
    assert torch.allclose(made(s=source, w=pairs).q, expected, rtol=0, atol=1e-13)


def test_a_difference_of_something_else_is_refused() -> None:
    system = System("scaled", graph, fields=(q,), hamiltonian=w * grad(a * q).square / 2 + q**2 / 2 - s * q,
                    metric=Dissipation((1, lambda F: F[q])), integrator=SteadyState(),
                    readout=energy_density())  # fmt: skip
    with pytest.raises(SpecError, match=r"difference of a\*q") as refused:
        lower(derive(system))
    assert refused.value.part == "hamiltonian"


def test_the_monotone_solver_is_refused() -> None:
    with pytest.raises(SpecError, match="monotone"):
        lower(derive(poisson(integrator=SteadyState(solver="monotone"))))


def test_two_fields_are_refused() -> None:
    p = Field("p", graph)
    energy = w * grad(q).square / 2 + q**2 / 2 + p**2 / 2 - s * q
    system = System("two", graph, fields=(q, p), hamiltonian=energy, integrator=SteadyState(),
                    metric=Dissipation((1, lambda F: F[q]), (1, lambda F: F[p])), readout=energy_density())  # fmt: skip
    with pytest.raises(SpecError, match="one field"):
        lower(derive(system))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dtypes(dtype: torch.dtype) -> None:
    """Half precision computes in float32; the field comes back in what was given."""
    made = layer().float()
    source, pairs = rand(3, 2, 5, seed=1).to(dtype), symmetric(2, 5, 5).to(dtype)
    state = made(source, pairs)
    assert state.phi.dtype == dtype
    expected = eliminated(source.double(), pairs.double(), made.m2.double())
    tolerance = {torch.float32: 1e-6, torch.float64: 1e-6, torch.bfloat16: 2**-8}[dtype]  # m2 itself is float32
    assert torch.allclose(state.phi.double(), expected, rtol=tolerance, atol=tolerance)


def test_autocast_takes_no_digits() -> None:
    """Matrix products stay in float32 under autocast, forward and back."""
    made = layer().float()
    source, pairs = rand(3, 2, 5, seed=1).float(), symmetric(2, 5, 5).float().requires_grad_()

    def run() -> tuple[torch.Tensor, ...]:
        state = made(source, pairs)
        read = made.readout(state, s=source, w=pairs)
        return state.phi, read, torch.autograd.grad(read.sum(), pairs)[0]

    plain = run()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = run()
    assert all(torch.equal(x, y) for x, y in zip(plain[:2], cast[:2], strict=True))
    assert torch.allclose(plain[2], cast[2], rtol=2**-7, atol=2**-7)


def test_the_order_in_memory_does_not_matter() -> None:
    made = layer()
    source, pairs = rand(3, 5, 2, seed=1).mT, symmetric(2, 5, 5).permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert torch.equal(made(source, pairs).phi, made(source.contiguous(), pairs.contiguous()).phi)


def test_small_cases() -> None:
    made = layer()
    assert made(rand(0, 2, 5), symmetric(2, 5, 5)).phi.shape == (0, 2, 5)
    assert made(rand(0, 2, NODES), rand(7), edge_index=EDGE_INDEX).phi.shape == (0, 2, NODES)
    one = rand(3, 2, 1, seed=1)
    assert torch.allclose(made(one, rand(1, 1)).phi, one)
    none = torch.zeros(2, 0, dtype=torch.int64)
    assert torch.allclose(made(one, rand(0), edge_index=none).phi, one)
    alone = rand(3, 2, 4, seed=1)
    assert torch.allclose(made(alone, rand(0), edge_index=none).phi, alone)
    assert torch.allclose(made(alone, torch.zeros(4, 4)).phi, alone)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(torch.zeros(2, 2, 5, dtype=torch.float64), symmetric(5, 5))


@pytest.mark.parametrize(("solver", "wrong"), [("cg", "gave up"), ("cg", "not positive"), ("cg", "no number"),
                                               ("cholesky", "not positive"), ("cholesky", "no number")])  # fmt: skip
def test_a_solve_of_a_gradient_that_fails_is_told(solver: str, wrong: str) -> None:
    """The reverse looks at its status, and so does the reverse of that."""
    made = layer(1, solver=solver, rtol=1e-10, max_iter=2 if wrong == "gave up" else 1000)
    source, pairs = rand(2, 1, 40, seed=1).requires_grad_(), symmetric(1, 40, 40)
    pairs = -3 * pairs if wrong == "not positive" else pairs
    cotangent = torch.full_like(source, torch.nan if wrong == "no number" else 1) * rand(2, 1, 40, seed=2)
    cotangent.requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConverged)
        phi = made(source, pairs).phi
    with pytest.warns(NotConverged, match="of a gradient"):
        (first,) = torch.autograd.grad(phi, source, cotangent, create_graph=True)
    with pytest.warns(NotConverged, match="of a gradient"):
        torch.autograd.grad(first, cotangent, cotangent.detach())
