"""Steady states: against a dense solve, with their stops, failures and gradients."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from tests.lattice.emitted import layer_class, package
from tests.lattice.systems import screened

pytestmark = pytest.mark.covering


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, type]:
    folder = tmp_path_factory.mktemp("steady")
    kinds = [(b, a) for b in ("periodic", "zero", "neumann") for a in ("arithmetic", "harmonic")]
    return {f"{b}-{a}": layer_class(package(screened(b, average=a), folder, f"steady_{b}_{a}")) for b, a in kinds}


def problem(size: tuple[int, int] = (5, 4), dtype: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)

    def rand() -> torch.Tensor:
        return torch.rand(2, 2, *size, dtype=dtype, generator=generator)

    return {"kappa": rand() + 0.1, "m2": rand() + 0.1, "s": rand() - 0.3}


def dense(kappa: np.ndarray, m2: np.ndarray, boundary: str, average: str) -> np.ndarray:
    """The matrix of the energy sum kappa_e (u_i - u_j)^2/2 + m2 u^2/2, edge by edge."""
    rows, cols = kappa.shape
    matrix = np.diag(m2.ravel())

    def mean(a: float, b: float) -> float:
        return (a + b) / 2 if average == "arithmetic" else 2 * a * b / (a + b)

    for i in range(rows):
        for j in range(cols):
            for k, l in ((i + 1, j), (i, j + 1)):
                n = i * cols + j
                if (k < rows and l < cols) or boundary == "periodic":
                    m = (k % rows) * cols + l % cols
                    w = mean(kappa[i, j], kappa[k % rows, l % cols])
                    matrix[n, n] += w
                    matrix[m, m] += w
                    matrix[n, m] -= w
                    matrix[m, n] -= w
    if boundary == "zero":
        for i in range(rows):
            for j in range(cols):
                walls = (i == 0) + (i == rows - 1) + (j == 0) + (j == cols - 1)
                matrix[i * cols + j, i * cols + j] += walls * kappa[i, j]
    return matrix


@pytest.mark.parametrize("solver", ["cg", "monotone"])
@pytest.mark.parametrize("average", ["arithmetic", "harmonic"])
@pytest.mark.parametrize("boundary", ["periodic", "zero", "neumann"])
def test_against_a_dense_solve(layers: dict[str, type], boundary: str, average: str, solver: str) -> None:
    given = problem()
    state = layers[f"{boundary}-{average}"](2, solver=solver, rtol=1e-13, max_iter=5000)(**given)
    for b in range(2):
        for c in range(2):
            one = {name: value[b, c].numpy() for name, value in given.items()}
            matrix = dense(one["kappa"], one["m2"], boundary, average)
            expected = np.linalg.solve(matrix, one["s"].ravel()).reshape(one["s"].shape)
            np.testing.assert_allclose(state.u[b, c].numpy(), expected, rtol=1e-9, atol=1e-10)
    assert (state.status == 0).all()


def test_every_sample_stops_by_itself(layers: dict[str, type]) -> None:
    given = problem((12, 12), torch.float64)
    given["m2"][0] = 50.0
    given["m2"][1] = 1e-3
    layer = layers["neumann-arithmetic"](2, rtol=1e-10, max_iter=1000)
    state = layer(**given)
    assert 0 < state.iterations[0] < state.iterations[1] / 2
    assert (state.residual <= 1e-10 * given["s"].flatten(1).norm(dim=1)).all()
    alone = layer(**{name: value[:1] for name, value in given.items()})
    torch.testing.assert_close(alone.u[0], state.u[0], rtol=1e-14, atol=0)


def test_a_solve_that_fails_says_so(layers: dict[str, type]) -> None:
    layer = layers["neumann-arithmetic"](2, rtol=1e-12, max_iter=2)
    with pytest.warns(RuntimeWarning, match="did not converge") as caught:
        state = layer(**problem())
    assert len(caught) == 1
    assert (state.status == 1).all()
    assert (state.iterations == 2).all()
    bad = problem() | {"m2": torch.full((2, 2, 5, 4), -5.0, dtype=torch.float64)}
    with pytest.warns(RuntimeWarning):
        state = layer(**bad)
    assert (state.status == -1).all()


def test_zero_source_and_warm_start(layers: dict[str, type]) -> None:
    given = problem()
    layer = layers["neumann-arithmetic"](2, rtol=1e-10)
    cold = layer(**given)
    warm = layer(**given, warm_start=cold.u)
    assert (warm.iterations < cold.iterations).all()
    assert (cold.status == 0).all()
    still = layer(**given | {"s": torch.zeros_like(given["s"])})
    assert (still.u == 0).all()
    assert (still.iterations == 0).all()
    assert (still.status == 0).all()
    floor = layers["neumann-arithmetic"](2, rtol=1e-10, atol=1e3)(**given)
    assert (floor.iterations == 0).all()


def test_monotone_keeps_relative_accuracy_where_cg_does_not(layers: dict[str, type]) -> None:
    """A corridor: the field decays by thirty decades, far below what a norm can see in float32."""
    length = 60
    kappa = torch.ones(1, 1, 1, length)
    m2 = torch.full_like(kappa, 2.0)
    s = torch.zeros_like(kappa)
    s[..., 0] = 1.0
    truth = np.linalg.solve(
        dense(np.ones((1, length)), np.full((1, length), 2.0), "neumann", "arithmetic"), s.double().numpy().ravel()
    )
    make = layers["neumann-arithmetic"]
    errors = {}
    for solver in ("cg", "monotone"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            u = make(1, solver=solver, rtol=1e-6, max_iter=2000)(kappa, m2, s).u.double().numpy().ravel()
        errors[solver] = np.abs(u / truth - 1).max()
    assert truth[-1] < 1e-30
    assert errors["monotone"] < 1e-4 < 1e-1 < errors["cg"]


@pytest.mark.parametrize("solver", ["cg", "monotone"])
def test_implicit_gradients(layers: dict[str, type], solver: str) -> None:
    given = [x[:1].clone().requires_grad_() for x in problem((3, 3)).values()]
    layer = layers["zero-harmonic"](2, solver=solver, rtol=1e-14, max_iter=4000)
    assert torch.autograd.gradcheck(lambda *a: layer(*a).u, given, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda *a: layer(*a).u, given, fast_mode=True)


def test_inputs_broadcast_and_shapes_are_checked(layers: dict[str, type]) -> None:
    layer = layers["neumann-arithmetic"](2)
    given = problem()
    shared = layer(given["kappa"][:, :1], given["m2"][:1], given["s"])
    assert shared.u.shape == given["s"].shape
    with pytest.raises(ValueError, match="broadcast"):
        layer(given["kappa"][..., :3], given["m2"], given["s"])
    with pytest.raises(TypeError, match="kappa"):
        layer.readout(shared, m2=given["m2"], s=given["s"])
    with pytest.raises(ValueError, match="steps"):
        layers["neumann-arithmetic"](2, steps=3)


def test_the_end_of_the_precision_is_reported_and_not_iterated_upon(layers: dict[str, type]) -> None:
    """Nearly singular in float32: the tolerance is out of reach, and the solve says so long before max_iter."""
    given = {name: value.float() for name, value in problem((20, 20)).items()} | {
        "m2": torch.full((2, 2, 20, 20), 1e-6)
    }
    layer = layers["neumann-arithmetic"](2, rtol=1e-7, max_iter=100000)
    with pytest.warns(RuntimeWarning, match="did not converge"):
        state = layer(**given)
    assert (state.status == 1).all()
    assert (state.iterations < 10000).all()
    precise = layer(**{name: value.double() for name, value in given.items()})
    assert (precise.status == 0).all()
