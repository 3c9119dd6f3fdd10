"""Mistakes that people make, each with what the message must say: what is wrong, the line, why, and what to write.

A case is a good spec with one piece changed. Three nets: a table of slips, a walk over every refusal in the source, and
random changes of good specs, none of which may end in an internal error or a raw exception.
"""

from __future__ import annotations

import ast
import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from metrigen.cli import app
from tests.conftest import ROOT
from tests.lengths import LONG
from tests.test_bad_input import HEAT, PAIR, STEADY, WAVE

POINT = """
import numpy as np, math, torch, functools
import sympy as sp
from metrigen import *

point = Lattice()
x = sp.Symbol("x", real=True)
u, p = Field("u", point), Field("p", point)
a = Param("a", per="channel", positive=True, init=0.7)
K = Param("K", shape=("C", "C"), symmetric=True)

system = System(
    name="point",
    domain=point,
    fields=(u, p),
    hamiltonian=p**2 / 2 + a * u**2 / 2 + u * mix(K, u) / 2,
    bracket=lambda F, G: F[u] * G[p] - F[p] * G[u],
    integrator=Strang(steps=1, dt=0.1),
    readout=energy_density(),
)
"""

BURGERS = """
import sympy as sp
from metrigen import *

x = sp.Symbol("x", real=True)
line = Lattice(x)
u = Field("u", line)
nu = Param("nu", positive=True)

system = System(
    name="burgers",
    domain=line,
    fields=(u,),
    hamiltonian=u**3 / 6,
    bracket=lambda F, G: F[u] * G[u].diff(x),
    integrator=RK4(steps=1, dt=0.01),
    readout=energy_density(),
)
"""


@dataclass(frozen=True)
class Slip:
    """``base`` with ``old`` replaced by ``new``; the headline or the why holds ``what``, the fix holds ``fix``.

    ``at`` is text of the line that is blamed: by default that of the change.
    """

    base: str
    old: str
    new: str
    what: str
    fix: str
    at: str = ""

    @property
    def source(self) -> str:
        assert self.old in self.base, self.old
        return self.base.replace(self.old, self.new, 1)

    @property
    def line(self) -> int:
        at = self.at or self.new.strip().splitlines()[0]
        return self.source[: self.source.index(at)].count("\n") + 1


KINETIC, POTENTIAL = "phi.diff(t) ** 2 / 2", "c2 * grad(phi).square / 2"
H = "hamiltonian=p**2 / 2 + a * u**2 / 2 + u * mix(K, u) / 2"
SLIPS = {
    # functions of numbers
    "numpy": Slip(POINT, "a * u**2 / 2", "np.cos(u)", "TypeError", "sp.cos(...), not np.cos(...)"),
    "math": Slip(POINT, "a * u**2 / 2", "math.exp(u)", "TypeError", "sp.exp(...), not math.exp(...)"),
    "torch": Slip(POINT, "a * u**2 / 2", "torch.sin(u)", "TypeError", "sp.sin(...), not torch.sin(...)"),
    "torch.abs": Slip(POINT, "a * u**2 / 2", "torch.abs(u)", "TypeError", "sp.Abs(...), not torch.abs(...)"),
    "imported from math": Slip(POINT.replace("import sympy", "from math import cos\nimport sympy"), "a * u**2 / 2",
                               "cos(u)", "TypeError", "sp.cos(u)"),
    "if on a field": Slip(POINT, "a * u**2 / 2", "(u if u > 0 else 0)", "TypeError", "sp.Max"),
    # declarations
    "matrix as per": Slip(POINT, 'shape=("C", "C"), symmetric', 'per=("C", "C"), symmetric', "per=('C', 'C')",
                          'shape=("C", "C")'),
    # powers, gradients
    "caret": Slip(POINT, "u**2 / 2", "u ^ 2 / 2", "^", "u**2, not u^2"),
    "caret of a parameter": Slip(POINT, H, "hamiltonian=a ^ 2", "^", "u**2, not u^2"),
    "power of a gradient": Slip(WAVE, "grad(phi).square", "grad(phi)**2", "gradient", "grad(u).square"),
    "gradient in a sum": Slip(WAVE, "grad(phi).square", "grad(phi)", "gradient", "grad(u).square"),
    "product of gradients": Slip(WAVE, "grad(phi).square", "grad(phi) * grad(phi)", "gradient", ".dot(grad(b))"),
    "dot with a field": Slip(WAVE, "grad(phi).square", "grad(phi).dot(phi)", "gradient", "grad(a).dot(grad(b))"),
    "gradient of a number": Slip(WAVE, "grad(phi).square", "grad(c2).square", "grad() takes a field", "grad(u)"),
    "density is a gradient": Slip(STEADY, "kappa * grad(u).square / 2 + m2 * u**2 / 2 - s * u", "grad(u)", "gradient",
                                  "grad(u).square"),
    # densities that are none
    "text": Slip(WAVE, f"{KINETIC} - {POTENTIAL}", '"phi_t**2/2"', "is a text", "leave out the quotes"),
    "equation": Slip(WAVE, f"{KINETIC} - {POTENTIAL}", f"sp.Eq(sp.Symbol('L'), {KINETIC})", "is an equation",
                     "without the left side"),
    "function": Slip(WAVE, f"{KINETIC} - {POTENTIAL}", "lambda F: F[phi]", "function of Python", "lagrangian=u**2/2"),
    "list": Slip(WAVE, f"{KINETIC} - {POTENTIAL}", f"[{KINETIC}]", "not a scalar", "sum of the terms"),
    "truth": Slip(POINT, H, "hamiltonian=u > 0", "not a scalar", "sp.Max"),
    "matrix": Slip(POINT, H, "hamiltonian=sp.Matrix([[u**2]])", "not a scalar", "M[0, 0]"),
    "array": Slip(POINT, H, "hamiltonian=np.ones(3)", "not a scalar", "SymPy"),
    "integral": Slip(POINT, H, "hamiltonian=sp.Integral(x * u**2, (x, 0, 1))", "unevaluated Integral", ".doit()"),
    "integral over the domain": Slip(BURGERS, "u**3 / 6", "sp.Integral(u**2, (x, 0, 1))", "unevaluated Integral",
                                     "the integrand alone"),
    "derivative of an order that is no number": Slip(
        BURGERS, "u**3 / 6", 'u.diff((x, sp.Symbol("n", integer=True, positive=True)))**2', "must be a number",
        "u.diff(x, 2)",
        'name="burgers"'),
    "sum": Slip(POINT, H, "hamiltonian=sp.Sum(u**x, (x, 1, 3))", "unevaluated Sum", ".doit()"),
    # channel matrices
    "matrix times field": Slip(POINT, "u * mix(K, u) / 2", "u * (K * u) / 2", "channel matrix", "mix(K, u)"),
    "matrix in a bracket": Slip(POINT, "- F[p] * G[u]", "- F[p] * G[u] + K * F[p] * G[p]", "channel matrix",
                                "mix(K, u)"),
    "matrix in a metric": Slip(WAVE, "gamma * F[pi]", 'Param("K", shape=("C", "C")) * F[pi]', "channel matrix",
                               "mix(K, u)", "metric="),
    "mix by a number": Slip(POINT, "mix(K, u)", "mix(a, u)", "mix() takes a channel matrix", 'shape=("C", "C")'),
    # fields, time, domains
    "field on a symbol": Slip(POINT, 'Field("u", point)', 'Field("u", x)', "takes a domain", "Lattice(x)"),
    "input on a text": Slip(STEADY, 'Input("s", grid)', 'Input("s", "grid")', "takes a domain", 'Input(\'s\', grid)'),
    "symbol for a field": Slip(WAVE, 'phi = Field("phi", grid)\npi = momentum(phi)',
                               'phi = sp.Symbol("phi")\npi = momentum(phi)', "momentum() takes a field", "Field('phi'",
                               "pi = momentum(phi)"),
    "own time": Slip(WAVE, 'phi = Field("phi", grid)', 't = sp.Symbol("t")\nphi = Field("phi", grid)', "not the time",
                     "from metrigen import t", 't = sp.Symbol("t")'),
    "own real time under another name": Slip(WAVE, 'phi = Field("phi", grid)',
                                             'tau = sp.Symbol("t", positive=True)\nphi = Field("phi", grid)',
                                             "not the time", "from metrigen import t", "tau = "),
    "no velocity": Slip(PAIR, "a.diff(t) ** 2 / 4 + b.diff(t) ** 2 - a**2 - b**2", "-(a**2) - b**2",
                        "no time derivative", "u.diff(t)**2/2"),
    "fields forgotten": Slip(POINT, "    fields=(u, p),\n", "", "states its fields", "fields=(u, p,)", "hamiltonian="),
    "fields forgotten, p declared first": Slip(
        POINT.replace('u, p = Field("u", point), Field("p", point)', 'p, u = Field("p", point), Field("u", point)'),
        "    fields=(u, p),\n", "", "states its fields", "fields=(u, p,)", "hamiltonian="),
    "wrong field in a bracket": Slip(POINT, "- F[p] * G[u]", "- F[q] * G[u]", "NameError", ""),
    # words
    "typo of a word": Slip(WAVE, "momentum(phi)", "momentun(phi)", "NameError", "did you mean momentum?"),
    "typo of a keyword": Slip(WAVE, "readout=", "read_out=", "unexpected keyword", "did you mean readout=?",
                              "system ="),
    "typo of a parameter's": Slip(WAVE, "positive=True", "postive=True", "unexpected keyword",
                                  "did you mean positive=?"),
    "typo of a method's": Slip(WAVE, "steps=2", "step=2", "unexpected keyword", "did you mean steps=?", "Strang("),
    "typo of a boundary": Slip(WAVE, "Lattice(x, y)", 'Lattice(x, y, boundary="dirichlet")', "boundary", "'zero'"),
    "word not imported": Slip(WAVE.replace("import *", "import Field, Lattice, Param, System, grad, momentum, t"),
                              "stress_energy()", "None", "NameError", "from metrigen import Strang", "Strang("),
    "sympy not named": Slip(POINT, "a * u**2 / 2", "cos(u)", "NameError", "sp.cos"),
    "attribute": Slip(WAVE, "grad(phi).square", "grad(phi).sqare", "AttributeError", "did you mean .square?"),
    # parameters
    "start below zero": Slip(WAVE, 'Param("c2", positive=True)', 'Param("c2", positive=True, init=-0.5)',
                             "init=-0.5 is not positive", "above 0"),
    "start that is no number": Slip(WAVE, 'Param("c2", positive=True)', 'Param("c2", positive=True, init=[1, 2])',
                                    "init=[1, 2]", "tensors are set on the layer"),
    "steps that are no integer": Slip(WAVE, "steps=2", "steps=2.5", "steps=2.5", "steps=8"),
    # what does not fit
    "not separable": Slip(POINT, "a * u**2 / 2", "a * u**2 * p**2 / 2", "not separable", "ImplicitMidpoint",
                          "integrator="),
    "leapfrog for a flow": Slip(BURGERS, "RK4(", "Leapfrog(", "not canonical", "AverageVectorField"),
    "complex": Slip(POINT, "a * u**2 / 2", "sp.I * u * p", "complex", "two real ones"),
    "wrong sign of a metric": Slip(WAVE, "gamma * F[pi]", "-gamma * F[pi]", "not positive", ""),
    "entropy without metric": Slip(HEAT, "    metric=Dissipation((nu, lambda F: F[p] - p * F[e])),\n", "", "entropy",
                                   "add metric=", "entropy=e"),
    "besselj": Slip(POINT, "a * u**2 / 2", "sp.besselj(0, u)", "besselj", "exp"),
}  # fmt: skip


@contextlib.contextmanager
def inside(folder: str) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def checked(folder: Path, source: str) -> tuple[int, str]:
    (folder / "spec.py").write_text(source, encoding="utf-8")
    done = CliRunner().invoke(app, ["check", "spec.py"])
    return done.exit_code, done.stderr


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_is_told_with_line_reason_and_cure(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    slip = SLIPS[name]
    code, message = checked(tmp_path, slip.source)
    assert code == 1, message
    assert "internal error" not in message
    assert "Traceback" not in message
    headline, *rows = message.splitlines()
    told = dict(re.findall(r"^  (\w+) +(.*)$", "\n".join(rows), re.M))
    assert headline.startswith("error: ")
    assert slip.what in f"{headline} {told.get('why', '')}", message
    assert told["spec"].startswith(f"spec.py:{slip.line} "), message
    assert slip.fix in told["fix"], message
    assert told["fix"] != "correct this line of the spec"


@pytest.mark.parametrize("base", [POINT, BURGERS], ids=["point", "burgers"])
def test_the_specs_are_good_before_the_slip(base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, message = checked(tmp_path, base)
    assert code == 0, message


ERRORS = ("SpecError", "StructureError", "BuildError")


def refusals(file: Path) -> list[ast.Call]:
    """Every place of a file where an error for the author of a spec is made."""
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    return [n for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id in ERRORS]


@pytest.mark.parametrize(
    "file", sorted((ROOT / "metrigen").rglob("*.py")), ids=lambda f: f.relative_to(ROOT).as_posix()
)
def test_every_refusal_says_what_to_do(file: Path) -> None:
    without = [call.lineno for call in refusals(file) if not {"fix", None} & {k.arg for k in call.keywords}]
    assert not without, f"{file}: no fix= in lines {without}"
    empty = [
        call.lineno
        for call in refusals(file)
        for k in call.keywords
        if k.arg == "fix" and isinstance(k.value, ast.Constant) and not k.value.value
    ]
    assert not empty, f"{file}: an empty fix= in lines {empty}"


VALUES = (
    "None", "3", "-1.5", "'text'", "[]", "()", "{}", "True", "object()", "lambda F: F", "lambda F, G: F", "sp.oo",
    "sp.nan", "sp.zoo", "sp.I", "sp.Symbol('w')", "sp.Matrix([[1, 2]])", "sp.Eq(x, 1)", "sp.Wild('w')",
    "sp.MatrixSymbol('M', 2, 2)",    "Lattice()", "Graph()", "Sequence()", "Field('other', Lattice())", "Param('new')",
    "Param('K', shape=('C', 'C'))",
    "Input('given', Lattice())", "grad", "t", "Strang", "SteadyState()", "RK4(steps=1, dt=0.1)", "1e400", "10**400",
    "sp.Function('f')", "sp.Derivative(t, t)", "range(3)", "print", "{'a': 1}", "2 ** sp.Symbol('n')",
)  # fmt: skip
OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.BitXor, ast.MatMult)
BASES = {"wave": WAVE, "steady": STEADY, "heat": HEAT, "pair": PAIR, "point": POINT, "burgers": BURGERS}


@st.composite
def broken(draw: st.DrawFn) -> str:
    """A good spec with one or two of its pieces dropped, exchanged, or replaced by something of another kind."""
    tree = ast.parse("import sympy as sp\nfrom metrigen import *\nx = sp.Symbol('x', real=True)\n"
                     + draw(st.sampled_from(sorted(BASES.values()))))  # fmt: skip
    for _ in range(draw(st.integers(1, 2))):
        nodes = list(ast.walk(tree))
        calls = [n for n in nodes if isinstance(n, ast.Call) and (n.args or n.keywords)]
        sums = [n for n in nodes if isinstance(n, ast.BinOp)]
        names = [n for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
        kind = draw(st.sampled_from(("drop", "replace", "swap", "operator", "name", "argument", "statement")))
        call = draw(st.sampled_from(calls))
        value = ast.parse(draw(st.sampled_from(VALUES)), mode="eval").body
        if kind == "drop" and call.keywords:
            call.keywords.remove(draw(st.sampled_from(call.keywords)))
        elif kind == "replace" and call.keywords:
            draw(st.sampled_from(call.keywords)).value = value
        elif kind == "swap" and len(call.keywords) > 1:
            a, b = draw(st.permutations(call.keywords))[:2]
            a.value, b.value = b.value, a.value
        elif kind == "argument" and call.args:
            call.args[draw(st.integers(0, len(call.args) - 1))] = value
        elif kind == "operator" and sums:
            draw(st.sampled_from(sums)).op = draw(st.sampled_from(OPERATORS))()
        elif kind == "name" and len(names) > 1:
            a, b = draw(st.permutations(names))[:2]
            a.id, b.id = b.id, a.id
        elif kind == "statement" and len(tree.body) > 1:
            tree.body.pop(draw(st.integers(0, len(tree.body) - 1)))
    return ast.unparse(ast.fix_missing_locations(tree))


@settings(max_examples=1000 if LONG else 15, phases=[Phase.generate])
@given(source=broken())
def test_no_mistake_is_an_internal_error(source: str) -> None:
    with tempfile.TemporaryDirectory() as folder, inside(folder):
        code, message = checked(Path(folder), source)
    assert code in (0, 1), f"{message}\n{source}"
    assert "internal error" not in message, f"{message}\n{source}"
    assert "Traceback" not in message
    if code:
        assert message.splitlines()[0].startswith(("error: ", "warning: "))
        assert re.search(r"^  fix +\S", message, re.M), f"{message}\n{source}"
