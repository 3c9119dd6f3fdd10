"""Every system of the gallery: its laws, its layer, and its physics against what is known of it."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
import torch

from metrigen.physics.derivation import Derivation, Law
from metrigen.spec.symbols import InputFunction
from tests.gallery import cells, fields, flows, generic, mechanics
from tests.gallery.layers import FOLDER, NAMES, compiled, digest, layer, spec

CHECKS = {f.__name__: f for module in (mechanics, fields, flows, generic, cells) for f in module.CHECKS}
# Laws that may be left undecided or hang on the state; every other law is proved.
OPEN = {"well_posed", "lattice_metric_psd", "lattice_jacobi"}
OPEN_HERE = {"gas_piston": {"metric_psd"}, "modern_hopfield": {"noether"}, "unicornn": {"noether"}}


def test_every_system_has_a_check() -> None:
    assert sorted(CHECKS) == list(NAMES)
    assert len(NAMES) >= 40


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_short_and_says_what_it_is(name: str) -> None:
    text = (FOLDER / f"{name}.py").read_text()
    doc = ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) < 40
    assert doc
    assert "Reference:" in doc or "References:" in doc
    assert spec(name).system.name == name


def undecided(laws: tuple[Law, ...]) -> dict[str, str]:
    return {law.name: law.verdict for law in laws if law.verdict != "proved"}


@pytest.mark.parametrize("name", NAMES)
def test_laws(name: str) -> None:
    """Laws of the continuum and of the stencil: none fails, structure is proved."""
    derivation = compiled(name).derivation
    assert set(derivation.equations) == set(derivation.fields)
    for law, verdict in undecided(compiled(name).laws).items():
        assert verdict in ("sampled", "conditional")
        assert law in OPEN | OPEN_HERE.get(name, set()), (law, verdict)


def test_a_package_does_not_depend_on_what_was_compiled_before() -> None:
    """Fields of one name on domains of every rank, in one process in two orders: the same bytes."""
    names = ("pendulum", "toda_lattice", "klein_gordon", "damped_wave", "charged_scalar")
    code = (
        "import sys; from tests.gallery.layers import compiled, digest\n"
        "for name in sys.argv[1:]: compiled(name)\n"
        "print(*(digest(name) for name in sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, *reversed(names)]
    done = subprocess.run(command, cwd=FOLDER.parents[1], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [digest(name) for name in reversed(names)]


@pytest.mark.parametrize("name", NAMES)
def test_the_layer_runs(name: str) -> None:
    """Finite states, energies and gradients in float64 with two channels and a batch."""
    system, derivation = spec(name).system, compiled(name).derivation
    made = layer(name, channels=2)
    shape = (3, 2, *(6, 5)[: len(system.domain.axes)])
    generator = torch.Generator().manual_seed(0)

    def field(positive: bool) -> torch.Tensor:
        x = 0.3 * torch.randn(shape, dtype=torch.float64, generator=generator)
        return 1 + x.abs() if positive else x

    inputs = {u.func.__name__: field(bool(u.is_positive)) for u in inputs_of(derivation)}
    steady = derivation.steady_state is not None and not hasattr(system.integrator, "steps")
    state = [] if steady else [field(bool(u.is_nonnegative)).requires_grad_() for u in derivation.fields]
    end = made(*state, **inputs)
    energy = made.energy(end, **inputs)
    assert all(torch.isfinite(x).all() for x in (*end[: len(derivation.fields)], energy))
    energy.sum().backward()
    assert all(torch.isfinite(x.grad).all() for x in state)
    assert torch.isfinite(made.readout(end, **inputs)).all()


def inputs_of(derivation: Derivation) -> list[InputFunction]:
    found = derivation.hamiltonian.atoms(InputFunction)
    return sorted(found, key=lambda u: u.func.__name__)


@pytest.mark.parametrize("name", NAMES)
def test_physics(name: str) -> None:
    CHECKS[name]()
