"""``metrigen simulate``: both engines take the same steps, files hold what was computed, refusals go by name."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp

from metrigen import SpecError
from metrigen.build import layer_file
from metrigen.simulate.engines import engine_of
from metrigen.simulate.given import values
from metrigen.simulate.model import model_of, steppable
from metrigen.simulate.place import place_of
from metrigen.simulate.trajectory import Trajectory, trajectory
from tests.cli.conftest import Invoke
from tests.conftest import ROOT

GALLERY = ROOT / "specs/gallery"
SMALL = ("--no-pictures", "--quiet", "--json")


def ran(spec: Path, engine: str, size: tuple[int, ...] | None, **given: dict[str, str]) -> Trajectory:
    with layer_file(spec) as (layer, _):
        found = steppable(layer)
        place = place_of(layer.source.spec.system, size, "ring")
        model = model_of(found, place, None, given.get("set_to", {}), given.get("params", {}))
        with engine_of(model, engine, 6) as running:
            return trajectory(model, running, 6, 3, 0, lambda count: None)


CASES: dict[str, tuple[tuple[int, ...] | None, dict[str, dict[str, str]]]] = {
    "double_well": (None, {"set_to": {"q": "1.2"}, "params": {"dt": "0.05"}}),
    "paul_trap": (None, {}),
    "brownian_well": (None, {}),
    "kdv": ((16,), {}),
    "wave_guide": ((6, 5), {"set_to": {"s": "sin(t) * x"}}),
}


@pytest.mark.parametrize("name", CASES)
def test_the_interpreter_and_the_package_take_the_same_steps(name: str) -> None:
    size, given = CASES[name]
    one, other = (ran(GALLERY / f"{name}.py", engine, size, **given) for engine in ("numpy", "torch"))
    for field, frames in one.fields.items():
        assert np.abs(frames - other.fields[field]).max() <= 1e-12 * max(1.0, np.abs(frames).max()), field
    assert one.times.tolist() == other.times.tolist()
    assert len(one.times) == 3
    assert np.abs(one.energy - other.energy).max() <= 1e-11 * max(1.0, np.abs(one.energy).max())
    assert (one.balance is None) == (name == "brownian_well")


def result(invoke: Invoke, *arguments: object) -> dict[str, Any]:
    code, out, err = invoke("simulate", *arguments, *SMALL)
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def test_a_pendulum_swings_as_it_should(invoke: Invoke, home: Path) -> None:
    """q'' = -w2 sin q from rest at a small angle: q = a cos(sqrt(w2) t), to the order of the step and of a^2."""
    given = ("--set", "q=1e-3", "--param", "w2=0.25", "--dt", "0.01", "--steps", "400", "--every", "100")
    found = result(invoke, GALLERY / "pendulum.py", *given, "--engine", "numpy")
    frames = np.load(home / "simulated/pendulum/frames.npz")
    assert frames["t"].tolist() == pytest.approx([0, 1, 2, 3, 4])
    assert frames["q"].shape == (5, 1)
    assert frames["q"][:, 0] == pytest.approx(1e-3 * np.cos(0.5 * frames["t"]), rel=1e-4, abs=1e-8)
    assert found["curves"]["energy"]["start"] == pytest.approx(0.25 * (1 - np.cos(1e-3)), rel=1e-9)
    assert found["curves"]["energy"]["end"] == frames["energy"][-1]
    assert json.loads(str(frames["about"]))["dt"] == 0.01
    assert (found["shape"], found["frames"], found["files"]) == ([1, 1], 5, ["simulated/pendulum/frames.npz"])


def test_the_energy_of_a_site_has_its_volume(invoke: Invoke, home: Path) -> None:
    """int u^2/2 of u = 1 on 8 x 8 sites of spacing one, which diffuses to itself."""
    found = result(invoke, GALLERY / "heat.py", "--set", "u=one", "--size", "8", "--steps", "2")
    assert found["curves"]["energy"]["start"] == found["curves"]["energy"]["end"] == pytest.approx(32.0)
    (home / "fine.py").write_text(
        (GALLERY / "heat.py").read_text().replace("Lattice(x, y)", "Lattice(x, y, spacing=0.5)")
    )
    found = result(invoke, "fine.py", "--set", "u=one", "--size", "8", "--steps", "2", "--dt", "0.01")
    assert found["curves"]["energy"]["start"] == pytest.approx(8.0)


@pytest.mark.parametrize(("graph", "size", "nodes"), [("ring", "5", 5), ("grid", "3,4", 12), ("star", "6", 6)])
def test_heat_on_a_graph_keeps_its_energy(invoke: Invoke, graph: str, size: str, nodes: int) -> None:
    found = result(invoke, GALLERY / "graph_heat.py", "--graph", graph, "--size", size, "--steps", "20")
    energy, entropy = found["curves"]["energy"], found["curves"]["entropy"]
    assert found["shape"] == [1, 1, nodes]
    assert energy["end"] == pytest.approx(energy["start"], rel=1e-13)
    assert entropy["end"] > entropy["start"]


def test_an_input_is_an_expression_of_the_axes_and_of_the_time(invoke: Invoke, home: Path) -> None:
    """u' = s(t): the layer meets it by its value in the middle of each step, exactly where s is linear."""
    (home / "fed.py").write_text(
        "from metrigen import *\npoint = Lattice()\nu = Field('u', point)\n"
        "s = Input('s', point, time_dependent=True)\n"
        "system = System(name='fed', domain=point, fields=(u,), hamiltonian=-s * u,\n"
        "    metric=Dissipation((1, lambda F: F[u])), integrator=ExplicitEuler(steps=1, dt=0.25))\n"
    )
    for engine in ("numpy", "torch"):
        result(
            invoke, "fed.py", "--set", "u=zero", "--set", "s=2*t", "--steps", "8", "--every", "4", "--engine", engine
        )
        frames = np.load(home / "simulated/fed/frames.npz")
        assert frames["u"][:, 0] == pytest.approx(frames["t"] ** 2, abs=1e-14)


@pytest.mark.parametrize(
    ("spec", "arguments", "told"),
    [
        (ROOT / "specs/maze.py", (), "maze is solved for, not stepped"),
        (ROOT / "specs/lm.py", (), "lm lives on a Sequence(), which is not simulated"),
        (ROOT / "specs/gallery/delta_rule.py", (), "delta_rule lives on a Sequence(), which is not simulated"),
        (GALLERY / "learned_potential.py", (), "V stands for a learned function"),
        (GALLERY / "graph_heat.py", ("--graph", "torus"), "ring, path, grid, complete, star"),
        (GALLERY / "heat.py", ("--set", "v=1"), "its fields and inputs are u"),
        (GALLERY / "heat.py", ("--set", "u=z"), "the names are x, y, Lx, Ly"),
        (GALLERY / "heat.py", ("--set", "u=log(x - 1)"), "is not finite everywhere"),
        (GALLERY / "heat.py", ("--set", "u=(("), "is no expression"),
        (GALLERY / "heat.py", ("--param", "kappa=-1"), "kappa must be positive"),
        (GALLERY / "heat.py", ("--size", "4,4,4"), "3 numbers, and the lattice has 2 axes"),
        (GALLERY / "heat.py", ("--dt", "9", "--size", "16", "--steps", "900"), "is not finite "),
        (GALLERY / "heat.py", ("--set", "u=besselj(0, x)"), "--set u=besselj(0, x) cannot be evaluated by numpy"),
        (GALLERY / "heat.py", ("--set", "u=I*x"), "--set u=I*x is not real"),
        (GALLERY / "pendulum.py", ("--size", "4"), "a point has no size"),
    ],
)  # fmt: skip
def test_what_is_refused_goes_by_name(
    invoke: Invoke, home: Path, spec: Path, arguments: tuple[str, ...], told: str
) -> None:
    code, out, err = invoke("simulate", spec, *arguments, "--no-pictures")
    assert (code, out) == (1, f"derive {spec.name}\n")  # outside the working folder: its name alone
    assert told in err
    assert not list(home.iterdir())


FED = (
    "import sympy as sp\nfrom metrigen import *\nx = sp.Symbol('x', real=True)\n"
    "line = Lattice(x)\nu = Field('u', line)\n"
    "k = Input('k', line, {sign})\n"
    "system = System(name='fed', domain=line, fields=(u,), hamiltonian=k * grad(u).square / 2 + u**2 / 8,\n"
    "    metric=Dissipation((1, lambda F: F[u])), integrator=ExplicitEuler(steps=1, dt=0.1))\n"
)
STEPPED = ("--size", "16", "--steps", "4", "--every", "2", "--engine", "numpy")


def test_a_value_against_a_declared_sign_is_refused_with_its_site(invoke: Invoke, home: Path) -> None:
    (home / "fed.py").write_text(FED.format(sign="nonnegative=True"))
    for text, witness in (("-2", "k = -2 at x = 0.5"), ("3 - x", "k = -12.5 at x = 15.5")):
        code, out, err = invoke("simulate", "fed.py", "--set", f"k={text}", *STEPPED, *SMALL[:1])
        assert (code, out) == (1, "derive fed.py\n")
        assert "k must be nonnegative, as it was declared" in err
        assert f"where    --set k={text}\n" in err
        assert f"witness  {witness}\n" in err
        assert "fed.py:" not in err
    result(invoke, "fed.py", "--set", "k=0", *STEPPED)
    (home / "fed.py").write_text(FED.format(sign="positive=True"))
    assert "k must be positive" in invoke("simulate", "fed.py", "--set", "k=zero", *STEPPED)[2]
    (home / "fed.py").write_text(FED.format(sign="nonnegative=True, time_dependent=True"))
    err = invoke("simulate", "fed.py", "--set", "k=0.2 - t", *STEPPED)[2]
    assert "witness  k = -0.05 at x = 0.5, t = 0.25\n" in err  # the middle of the third step


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_a_state_that_is_not_finite_names_the_first_step_and_the_limit(invoke: Invoke, home: Path, engine: str) -> None:
    """u' = -u^3 from 100 by Euler with h = 1 cubes itself: -1e6, 1e18, -1e54, 1e162, -inf."""
    (home / "cube.py").write_text(
        "from metrigen import *\npoint = Lattice()\nu = Field('u', point)\n"
        "system = System(name='cube', domain=point, fields=(u,), hamiltonian=u**4 / 4,\n"
        "    metric=Dissipation((1, lambda F: F[u])), integrator=ExplicitEuler(steps=1, dt=1))\n"
    )
    given = ("cube.py", "--set", "u=100", "--steps", "12", "--every", "12", "--engine", engine, "--no-pictures")
    code, out, err = invoke("simulate", *given)
    assert (code, out) == (1, "derive cube.py\n")
    assert "u is not finite at step 5, t = 5" in err
    assert "largest value of the state before that step is 9.97e+161" in err  # 1e162 (1 - 1e-4)^27
    code, out, err = invoke("simulate", *given, "--steps", "4")  # u^4 overflows before u does
    assert (code, out) == (1, "derive cube.py\n")
    assert "the energy is not finite by step 4" in err or "the balance is not finite" in err
    (home / "fed.py").write_text(FED.format(sign="nonnegative=True"))
    code, out, err = invoke("simulate", "fed.py", "--set", "k=1 + x", *STEPPED, "--dt", "0.5", "--no-pictures")
    assert code == 0  # the limit is that of the largest k, 2/(4 k + 1/4)
    assert (
        f"dt = 0.5 is above the step limit of the von Neumann analysis, {2 / (4 * 16.5 + 0.25):.4g} at these"
        in " ".join(err.split())
    )
    assert max(map(len, out.splitlines())) <= 80
    code, out, err = invoke("simulate", "fed.py", "--set", "k=1 + x", *STEPPED, "--dt", "1e4", "--steps", "200")
    assert code == 1
    assert "dt = 10000 is above the step limit of the von Neumann analysis, 0.03019" in " ".join(err.split())


EVERY = {
    "Heaviside(x - 4.5)": lambda x: np.heaviside(x - 4.5, 0.5),
    "Piecewise((1, x < 5), (0.2, True))": lambda x: np.where(x < 5, 1, 0.2),
    "sinc(x - 4.5)": lambda x: np.sinc((x - 4.5) / np.pi),
    "1 + sign(x - 4.5)": lambda x: 1 + np.sign(x - 4.5),
    "gamma(x/4)": lambda x: np.array([math.gamma(v / 4) for v in x]),
    "erf(x)": lambda x: np.array([math.erf(v) for v in x]),
    "Max(x, 3, 4) + floor(x) + Mod(x, 2)": lambda x: np.maximum(x, 4) + np.floor(x) + x % 2,
    "polygamma(1, x)": lambda x: np.array([sum((v + k) ** -2.0 for k in range(4000)) + 1 / (v + 3999.5) for v in x]),
}


@pytest.mark.parametrize("text", EVERY)
def test_an_expression_may_have_every_function_of_numpy(text: str) -> None:
    x = np.arange(16) + 0.5
    np.testing.assert_allclose(values("k", text, {"x": x}), EVERY[text](x), rtol=1e-6, atol=1e-15)


@pytest.mark.parametrize("sign", ["", "nonnegative=True", "positive=True, time_dependent=True"])
def test_named_starts_are_for_inputs_too(invoke: Invoke, home: Path, sign: str) -> None:
    (home / "fed.py").write_text(FED.format(sign=sign))
    x = np.arange(16) + 0.5
    wave, gauss = np.sin(2 * np.pi * x / 16), np.exp(-(((x - 8) / 1.6) ** 2) / 2)
    expected = {"one": 0 * x + 1, "gauss": gauss, "wave": 1 + wave / 2 if sign else wave}
    for name, k in (expected | {"noise": None} | ({} if "pos" in sign else {"zero": 0 * x})).items():
        result(invoke, "fed.py", "--set", f"k={name}", "--set", "u=x", *STEPPED, "--steps", "1", "--every", "1")
        u = np.load(home / "simulated/fed/frames.npz")["u"][:, 0]
        assert np.isfinite(u).all()
        if k is not None:  # in the middle of an edge of the lattice k is the mean of its ends
            flux = (k + np.roll(k, -1)) / 2 * (np.roll(x, -1) - x)
            np.testing.assert_allclose(u[1], u[0] + 0.1 * (flux - np.roll(flux, 1) - u[0] / 4), atol=1e-12)


def test_a_named_start_of_an_input_on_edges(invoke: Invoke, home: Path) -> None:
    (home / "net.py").write_text(
        "from metrigen import *\ng = Graph()\nu, w = Field('u', g), Input('w', g.edges, positive=True)\n"
        "system = System(name='net', domain=g, fields=(u,), hamiltonian=w * grad(u).square / 2,\n"
        "    metric=Dissipation((1, lambda F: F[u])), integrator=RK4(steps=1, dt=0.01))\n"
    )
    for start in ("gauss", "noise", "wave", "one", "1 + edge"):
        result(invoke, "net.py", "--set", f"w={start}", "--size", "6", "--graph", "path", "--steps", "2")


def test_pictures_and_a_table_of_80_columns(invoke: Invoke, home: Path) -> None:
    pytest.importorskip("matplotlib")
    code, out, err = invoke(
        "simulate", GALLERY / "kdv.py", "--size", "12", "--steps", "4", "--every", "2", "--out", "o"
    )
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert out.startswith("derive kdv.py\nkdv, 1 x 1 x 12, t = 0 to ")
    assert "channels" not in out
    two = invoke("simulate", GALLERY / "kdv.py", "--size", "12", "--steps", "2", "--channels", "2", "--out", "two")
    assert "sums over the sites and the 2 channels\n" in two[1]
    assert (home / "o/frames.gif").read_bytes().startswith(b"GIF8")
    assert (home / "o/curves.png").read_bytes().startswith(b"\x89PNG")


def test_it_runs_without_torch(tmp_path: Path) -> None:
    program = (
        "import sys\nsys.modules['torch'] = None\nfrom metrigen.cli import main\n"
        f"sys.argv = ['metrigen', 'simulate', {str(GALLERY / 'heat.py')!r}, '--no-pictures', '--steps', '2']\nmain()"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "numpy" in done.stdout


@pytest.mark.parametrize(
    "text",
    ["1/0", "__import__('os').getcwd()", "exec(1)", "x.args", "'a'", "[x]", "(lambda: 1)()", "x if x else 1", "foo(x)"],
)
def test_what_is_no_formula_is_refused_and_not_run(text: str) -> None:
    with pytest.raises(SpecError, match=r"--set u="):
        values("u", text, {"x": np.linspace(-1, 1, 5)})


@pytest.mark.parametrize("text", ["2**x", "-x", "Piecewise((1, x > 0), (2, True))", "sqrt(abs(x))", "pi*Max(x, 0)"])
def test_a_formula_is_evaluated(text: str) -> None:
    x = np.linspace(-1, 1, 5)
    right = [float(sp.sympify(text).subs("x", at)) for at in x]
    np.testing.assert_allclose(values("u", text, {"x": x}), right, rtol=1e-12)


def test_json_stands_alone_beside_what_a_spec_prints(home: Path, invoke: Invoke) -> None:
    assert invoke("new", "rope")[0] == 0
    (home / "rope.py").write_text((home / "rope.py").read_text() + "print('said')\n")
    code, out, err = invoke("check", "rope.py", "--json")
    assert code == 0
    assert json.loads(out)["command"] == "check"
    assert "said" in err
