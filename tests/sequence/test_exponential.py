"""The exact exponential of a token: its entire functions, every regime, contraction for every token."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from metrigen import Dissipation, Exponential, Input, StructureError, derive
from metrigen.discretise import sequence_laws as laws
from metrigen.integrators.scan import scan_of
from metrigen.ir.damped_stumpff import damped_stumpff, damped_stumpff_values
from metrigen.ir.nodes import Map
from tests.sequence.systems import SYSTEMS, cell, inputs, isotropic, layer, module, p, part, state_class, tokens

r, z = sp.symbols("r z", real=True)
SIGNS = (-30.0, -1.5, -1.0, -0.999, -1e-3, -1e-9, 0.0, 1e-9, 1e-3, 0.999, 1.0, 1.5, 30.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sequence")


def exact(k: int, rate: float, square: float) -> float:
    """e^r c_k(z) as its series at 60 digits."""
    with mpmath.workdps(60):
        terms = ((-mpmath.mpf(square)) ** n / mpmath.factorial(2 * n + k) for n in range(120))
        return float(mpmath.exp(rate) * mpmath.fsum(terms))


@pytest.mark.parametrize("k", range(6))
@pytest.mark.parametrize("square", SIGNS)
def test_stumpff_functions(k: int, square: float, folder: Path) -> None:
    """Series and closed forms against the defining series, in numpy and in torch."""
    reference = part(module("selective", folder), "reference")
    for rate in (-2.0, 0.0):
        m = rate**2 + square
        expected = exact(k, rate, square)
        # c_k is 1/k! - z c_(k+2) upward: at |z| = 1 an error of one rounding in c_0 is one of k! in k! c_k.
        bound = 1e-14 * (1 + abs(expected))
        assert abs(float(damped_stumpff_values(k, rate, square, m)) - expected) <= bound
        tensors = (torch.tensor(v, dtype=torch.float64) for v in (rate, square, m))
        assert abs(float(reference.damped_stumpff(k, *tensors)) - expected) <= bound


@pytest.mark.parametrize("k", range(4))
def test_derivatives_of_stumpff_functions(k: int) -> None:
    """c_k' = -(c_(k+1) - k c_(k+2))/2 by central differences."""
    m = sp.Symbol("m", real=True)
    derivative = damped_stumpff(k, r, z, m).diff(z)
    assert damped_stumpff(k, r, z, m).diff(r) == damped_stumpff(k, r, z, m)
    assert damped_stumpff(k, r, z, m).diff(m) == 0
    step = 1e-5
    for value in (-3.0, -0.2, 0.0, 0.7, 5.0):
        by_formula = float(sum(
            float(term.as_coeff_Mul()[0]) * exact(int(term.as_coeff_Mul()[1].args[0]), -0.3, value)
            for term in sp.Add.make_args(sp.expand(derivative))
        ))  # fmt: skip
        numeric = (exact(k, -0.3, value + step) - exact(k, -0.3, value - step)) / (2 * step)
        assert by_formula == pytest.approx(numeric, abs=1e-9)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_token_is_the_flow_of_the_derivation(name: str, folder: Path) -> None:
    """x(h) of x' = A (x - f) by the matrix exponential of the augmented system at 30 digits, in the equations alone."""
    made, found = module(name, folder), derive(SYSTEMS[name])
    built, fields = layer(made, 1), list(found.fields)
    given_tokens = inputs(made, 5, 1, 1, seed=4)
    state = state_class(made)(*(torch.full((5, 1), v, dtype=torch.float64) for v in (0.7, -1.3)[: len(fields)]))
    end = built.step(state, **{n: x[:, :, 0] for n, x in given_tokens.items()})
    for sample in range(5):
        values = {u: given_tokens[u.func.__name__][sample, 0, 0].item()
                  for u in sp.Tuple(*found.equations.values(), SYSTEMS[name].integrator.dt).atoms(sp.Function)
                  if u not in fields and u.func.__name__ in given_tokens}  # fmt: skip
        values |= {s: getattr(built, s.name).detach().reshape(-1)[0].item()
                   for e in (*found.equations.values(), SYSTEMS[name].integrator.dt) for s in e.free_symbols
                   if hasattr(built, s.name) and s.name != "t"}  # fmt: skip
        rates = [found.equations[u].xreplace(values) for u in fields]
        dt = float(sp.sympify(SYSTEMS[name].integrator.dt).xreplace(values))
        size = len(fields)
        with mpmath.workdps(30):
            flow = mpmath.zeros(size + 1)
            rest = dict.fromkeys(fields, sp.S.Zero)
            for i, rate in enumerate(rates):
                for j, u in enumerate(fields):
                    flow[i, j] = dt * float(rate.diff(u))
                flow[i, size] = dt * float(rate.xreplace(rest))
            expected = mpmath.expm(flow) * mpmath.matrix([*(x[sample, 0].item() for x in state), 1])
        for i, x in enumerate(end):
            assert x[sample, 0].item() == pytest.approx(float(expected[i]), abs=1e-12 * (1 + abs(float(expected[i]))))


REGIMES = {
    "oscillating": (2.0, 0.5),
    "critical": (0.5, 1.0),
    "overdamped": (0.3, 2.0),
    "free": (0.0, 1.0),
    "still": (0.0, 0.0),
}


@pytest.mark.parametrize("regime", REGIMES)
def test_gradients_of_first_and_second_order_in_every_regime(regime: str, folder: Path) -> None:
    """At the border itself (omega = lam/2) as beside it: nothing is infinite, nothing is wrong."""
    made = module("selective", folder)
    built = layer(made, 1)
    values = REGIMES[regime]
    leaves = [torch.full((1, 1, 3), v, dtype=torch.float64).requires_grad_() for v in values]
    drive = torch.tensor([[[0.3, -0.2, 0.5]]], dtype=torch.float64, requires_grad=True)

    def run(omega: torch.Tensor, lam: torch.Tensor, f: torch.Tensor) -> torch.Tensor:
        return torch.cat(built(omega=omega, lam=lam, f=f), 1)

    assert torch.autograd.gradcheck(run, (*leaves, drive))
    assert torch.autograd.gradgradcheck(run, (*leaves, drive))


wide = st.floats(-1e4, 1e4, allow_nan=False, width=32) | st.sampled_from([0.0, 1e-30, -1e-8, 1e8, -1e15, 1e18])


@given(st.lists(st.tuples(wide, wide), min_size=1, max_size=6), st.sampled_from(["isotropic", "selective"]))
def test_the_state_never_grows_without_drive(folder: Path, drawn: list[tuple[float, float]], name: str) -> None:
    """|x_t| <= |x_(t-1)| for tokens whose square is a float32: the rounding of a step is a few units."""
    made = module(name, folder)
    built = layer(made, 1).float()
    shape = (1, 1, len(drawn))
    omega = torch.tensor([x for x, _ in drawn]).reshape(shape)
    lam = torch.tensor([abs(y) for _, y in drawn]).reshape(shape)
    nothing = torch.zeros(shape)
    rest = {"f": nothing} | ({"f_p": nothing} if name == "isotropic" else {})
    start = state_class(made)(torch.tensor([[0.6]]), torch.tensor([[-0.8]]))
    out = built(omega=omega, lam=lam, **rest, state=start)
    size = torch.sqrt(out.q**2 + out.p**2)[0, 0]
    # Ten roundings a token, and one more for every doubling of the scan.
    bound = (1 + 40 * torch.finfo(torch.float32).eps) ** torch.arange(1, len(drawn) + 1)
    assert torch.isfinite(size).all()
    assert (size <= bound).all(), (size, drawn)


def test_the_law_of_the_step_sees_a_step_that_is_not_the_exponential() -> None:
    found = derive(isotropic())
    scan = scan_of(found)
    (law,) = laws.sequence_laws(found, scan)
    assert (law.name, law.verdict) == ("step_contraction", "proved")
    (statement,) = scan.propagator.body
    assert isinstance(statement, Map)
    first, *others = statement.stores
    spoilt = Map(((first[0], first[1] * sp.Float(1 + 1e-9)), *others), (), statement.lets)
    with pytest.raises(StructureError) as caught:
        laws.sequence_laws(found, replace(scan, propagator=replace(scan.propagator, body=(spoilt,))))
    assert caught.value.law == "step_contraction"
    assert caught.value.witness


def test_a_conditional_contraction_stays_conditional() -> None:
    free = Input("free", tokens)
    found = derive(cell("c", metric=Dissipation((free, lambda F: F[p])), integrator=Exponential()))
    (law,) = laws.sequence_laws(found, scan_of(found))
    assert law.verdict == "conditional"
    assert "free" in law.detail


def test_rotations_are_written_as_rotations() -> None:
    """No entire function where the angle is at hand: cos and sin, one of each."""
    scan = scan_of(derive(isotropic()))
    assert scan.propagation.rotating
    text = str(scan.propagator.body)
    assert "stumpff" not in text
    assert text.count("sin(") == text.count("cos(") == 1
    assert not scan_of(derive(SYSTEMS["selective"])).propagation.rotating


def test_numpy_agrees_with_the_exponential_far_out() -> None:
    """Strong damping: the slow exponent -omega^2/lam is kept to rounding where r + w would lose it."""
    omega, lam = 1.0, 1e7
    rate, square, det = -lam / 2, omega**2 - lam**2 / 4, omega**2
    slow = float(damped_stumpff_values(0, rate, square, det)) * 2
    assert slow == pytest.approx(np.exp(-(omega**2) / lam), rel=1e-14)
