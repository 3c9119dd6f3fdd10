"""No name of a spec runs code, shadows what the emitted code uses, or gives a package that does not import."""

from __future__ import annotations

import builtins
import keyword
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import sympy as sp
import torch
from hypothesis import given
from hypothesis import strategies as st
from sympy.core.basic import ordering_of_classes
from sympy.printing.precedence import PRECEDENCE_FUNCTIONS
from torch import nn

from metrigen import (
    RK4,
    Dissipation,
    ExplicitEuler,
    Exponential,
    Field,
    Input,
    Lattice,
    Leapfrog,
    NeuralFunction,
    Param,
    Sequence,
    SpecError,
    System,
    derive,
    energy_density,
    t,
)
from metrigen.backends.cpu.names import KEYWORDS, MACROS
from metrigen.build import compile_file
from metrigen.emit.package import package_files
from metrigen.spec.names import check_name, check_system_name
from metrigen.spec.reserved import BUILTINS, CLASSES, EMITTED, ENDINGS, TORCH
from tests.lattice.emitted import compiled, layer_class, package
from tests.lengths import LONG, picked
from tests.names.capture import captured, derived, marked

SPECS = (
    "coupled_wave",
    "maze",
    "lm",
    "gallery/learned_mobility",
    "gallery/orthogonal_recurrence",
    "gallery/graph_poisson",
    "gallery/langevin_chain",
    "gallery/rotating_delta_rule",
    *(["gallery/elastic_pendulum"] if LONG else []),
)
_FOLDER = Path(__file__).parents[2] / "specs"
SHIPPED = sorted(file.relative_to(_FOLDER).with_suffix("").as_posix() for file in _FOLDER.rglob("[!_]*.py"))
LIBM = "log exp sin cos tan sqrt pow gamma lgamma tgamma erf j0 y0 jn yn floor ceil fabs abs fma hypot".split()
HOSTILE = (
    "",
    " ",
    "a b",
    "a\nb",
    "a\r",
    "a;b",
    'a"""b',
    "a'b",
    "{{ 7*7 }}",
    "{% raw %}",
    "{#",
    "x); import os #",
    "../../x",
    "a.b",
    "γ",
    "ａ",
    "a\u0301",
    "1a",
    "_a",
    "a__b",
    "__class__",
    "\\",
    "a\0",
    "lambda x: x",
    "#",
    "*/",
    "//",
    "$",
    "-",
)
WORDS = sorted(
    {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), *dir(nn.Module), *KEYWORDS, *MACROS, *LIBM, *EMITTED}
)
point = Lattice()


def free(name: str) -> bool:
    try:
        return check_name(name, "parameter") == name
    except SpecError:
        return False


def oscillator(name: str = "namesake", **given: object) -> System:
    u = Field("u", point)
    base = {"lagrangian": u.diff(t) ** 2 / 2 - u**2 / 2, "integrator": Leapfrog(steps=2, dt=0.1)}
    return System(name=name, domain=point, readout=energy_density(), **{**base, **given})


def test_the_lists_know_the_installed_torch_and_python() -> None:
    assert {name for name in dir(nn.Module()) if not name.startswith("_")} <= TORCH
    assert {name for name in dir(builtins) if name[0].isupper()} <= BUILTINS


@pytest.mark.parametrize("spec", SPECS)
def test_what_the_emitted_code_uses_is_reserved(
    spec: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, put the names that it shows into metrigen/spec/reserved.py and the changelog.

    Names that are made and written plain give way by themselves.
    """
    monkeypatch.setattr("metrigen.emit.plain_names._written", lambda text, names: text)
    source = marked((root / f"specs/{spec}.py").read_text(encoding="utf-8"))
    (tmp_path / "marked.py").write_text(source, encoding="utf-8")
    compiled = compile_file(tmp_path / "marked.py", lambda _: None)
    words = {word for text in re.findall(r'"([^"]*)"', source) for word in re.findall(r"\w+", text)}
    made = {
        name
        for name in captured(compiled.files)
        if re.fullmatch(r"(pi|angle|rate|d[HSTV]_d\w+|[A-Z]\w*State)(_\d+)?", name)
    }
    assert sorted(name for name in captured(compiled.files) - words - made - {"dt"} if free(name)) == []
    classes = {
        name
        for text in compiled.files.values()
        for name in re.findall(r"^class (\w+)|import (\w+)$", text, re.M)
        for name in name
        if name
    }
    own = {compiled.spec.system.name.title().replace("_", ""), "Programs"}
    runtime = "LatticeLayer ModuleType Operators".split()
    runtime += [f"{kind}Operators" for kind in ("Evolving", "Memory", "Reading", "Scan", "Solving")]
    inside = [*"Before Equation Learned Graph Cholesky ConjugateGradient".split(), *runtime]
    known = BUILTINS | CLASSES | {n for n in classes if n[0] == "_" or n in inside}
    assert {n for n in classes if n[0].isupper()} - own - {f"{n}State" for n in own} <= known
    shapes = {re.sub(r"\d+", "k", name) for name in derived(compiled.files)}
    plain = {
        name
        for name in shapes
        if not name.endswith(ENDINGS) and not re.search(r"(_k$|^[a-zA-Z]+_SPEC|^d[A-Z]_d|SPEC_\w)", name)
    }
    assert plain <= {"SPEC"}, "a name made of one of the spec that another name of the spec may be"


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_name_is_refused_wherever_a_name_is_given(name: str) -> None:
    u = Field("u", point)
    ways = {
        "system": lambda: oscillator(name),
        "field": lambda: Field(name, point),
        "input": lambda: Input(name, point),
        "parameter": lambda: Param(name),
        "learned": lambda: NeuralFunction(name, u),
        "symmetry": lambda: oscillator(symmetries={name: {u: sp.S.One}}),
        "symbol": lambda: derive(oscillator(lagrangian=u.diff(t) ** 2 / 2 - sp.Symbol(name, real=True) * u**2)),
        "plain field": lambda: derive(oscillator(lagrangian=sp.Function(name, real=True)(t).diff(t) ** 2 / 2)),
    }
    for way, declare in ways.items():
        if way == "plain field" and "\0" in name:  # Python has no class of that name
            continue
        try:
            declare()
        except SpecError:
            continue
        pytest.fail(f"{name!r} was taken as a {way}")


def test_no_field_is_a_number_for_sympy() -> None:
    """SymPy finds a precedence and an order by the name of a class."""
    x = sp.Symbol("x", real=True)
    numbers = (sp.S.Half, sp.Rational(2, 3), sp.Integer(3), sp.Float(0.3), sp.pi, sp.E, sp.I)
    taken = {*PRECEDENCE_FUNCTIONS, *ordering_of_classes, *(type(n).__name__ for n in numbers)}
    for name in sorted(name for name in taken if name.isidentifier()):
        try:
            u = Field(name, Lattice(x))
        except SpecError:
            continue
        u.func(t, x).compare(u), str(2 * u - u**2), sp.latex(2 * u - u**2)
        assert all(u.compare(n) == -n.compare(u) != 0 for n in numbers), name
    for declare in (lambda: Field("Half", point), lambda: Input("Half", point), lambda: NeuralFunction("Half", x)):
        with pytest.raises(SpecError, match="SymPy"):
            declare()
    assert Param("Half").name == "Half"


@given(st.text(max_size=12) | st.sampled_from(WORDS).map(lambda word: word + "_") | st.integers() | st.none())
def test_a_name_is_an_identifier_or_refused(name: object) -> None:
    try:
        found = check_name(name, "parameter")
    except SpecError:
        return
    assert isinstance(found, str)
    assert found.isidentifier()
    assert found.isascii()
    assert not keyword.iskeyword(found)


@pytest.mark.parametrize("key", [1, None, "a b", 'torch.__dict__[__import__("os").system("touch pwned")].b'])
def test_a_key_of_symmetries_that_is_no_name_is_refused(key: object) -> None:
    with pytest.raises(SpecError, match="symmetries"):
        oscillator(symmetries={key: {Field("u", point): sp.S.One}})


@pytest.mark.parametrize(
    "name",
    [
        "none",
        "true",
        "value_error",
        "runtime_error",
        "type_error",
        "tensor",
        "named_tuple",
        "not_converged",
        "no_compiler",
        "con",
        "NUL",
        "com1",
        "class",
        "torch",
        "a" * 260,
    ],
)
def test_names_of_systems_that_break_their_package_are_refused(name: str) -> None:
    with pytest.raises(SpecError, match="system name"):
        check_system_name(name)


@pytest.mark.parametrize("name", ["wave", "int", "double", "const", "step", "linear", "kernels", "new", "w"])
def test_other_names_of_systems_go_on_building(name: str) -> None:
    assert check_system_name(name) == name


def test_names_that_the_layer_makes_are_free() -> None:
    u, a = Field("u", point), Param("a")
    kinetic = u.diff(t) ** 2 / 2
    with pytest.raises(SpecError, match="raw_a"):
        derive(oscillator(lagrangian=kinetic - a * NeuralFunction("raw_a", u)))
    with pytest.raises(SpecError, match="NamesakeState"):
        derive(oscillator(lagrangian=kinetic - u**2 - Input("NamesakeState", point) * u))
    with pytest.raises(SpecError, match="dt"):
        derive(oscillator(lagrangian=kinetic - u**2 - Input("dt", point) * u))


def test_a_learned_function_may_be_called_pi(tmp_path: Path) -> None:
    u = Field("u", point)
    module = package(oscillator(lagrangian=u.diff(t) ** 2 / 2 - NeuralFunction("pi", u)), tmp_path, "learned_pi")
    layer = layer_class(module)(1, pi=lambda x: x**2 / 2)
    assert torch.isfinite(layer(torch.ones(1, 1)).u).all()


def many_names(names: list[str], name: str) -> System:
    u, drive = Field("delete", point), Input("register", point)
    force = sp.Add(*(Param(n, init=k / 7) * u ** (2 + k % 2) for k, n in enumerate(names)))
    return System(
        name=name,
        domain=point,
        lagrangian=u.diff(t) ** 2 / 2 - force - drive * u - sp.log(1 + u**2),
        integrator=Leapfrog(steps=2, dt=0.01),
        readout=energy_density(),
    )


# A word of each kind in every run, all of them in the long one.
PICKED = (
    "log gamma new namespace linux sum id head_0 tail log_ exp_ M_PI NAN NULL at j c R V sums run u_1 max x".split()
)
TAKEN = [
    w for w in dict.fromkeys([*PICKED, *(WORDS if LONG else WORDS[::9])]) if free(w) and w not in ("delete", "register")
]


def test_every_word_that_is_taken_as_a_name_builds_imports_and_runs(tmp_path: Path) -> None:
    module = package(many_names(TAKEN, "words"), tmp_path, "words")
    layer = layer_class(module)(1, backend="torch").double()
    u, drive = torch.full((1, 1), 0.1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    state = layer(u, register=drive)
    q, p, h = 0.1, 0.0, 0.01
    for _ in range(2):  # drift, kick, drift
        q += h / 2 * p
        force = sum(k / 7 * (2 + k % 2) * q ** (1 + k % 2) for k in range(len(TAKEN))) + 1 + 2 * q / (1 + q**2)
        p -= h * force
        q += h / 2 * p
    assert state[0].item() == pytest.approx(q, rel=1e-6)  # the parameters were float32
    assert [getattr(layer, n).item() for n in TAKEN] == pytest.approx([k / 7 for k in range(len(TAKEN))])
    assert {name.removeprefix("raw_") for name, _ in layer.named_parameters()} == {*TAKEN}
    assert "Words" in repr(layer)
    if shutil.which("g++"):
        syntax_of(tmp_path / "words/kernels.cpp")


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.parametrize("word", ["masked", "horizontal_sum", "broadcast", "columns"])
def test_a_field_and_a_number_may_be_called_as_the_vector_runtime(word: str, tmp_path: Path) -> None:
    x = sp.Symbol("x", real=True)
    for kind in ("field", "number"):
        u = Field(word if kind == "field" else "u", Lattice(x))
        k = Param("k" if kind == "field" else word, positive=True, per="channel")
        energy = k * u.diff(x) ** 2 / 2 + k * sp.tanh(u) ** 2
        made = System(f"of_{kind}", Lattice(x), (u,), hamiltonian=energy, metric=Dissipation((1, lambda F, u=u: F[u])),
                      integrator=ExplicitEuler(steps=2, dt=0.01), readout=energy_density())  # fmt: skip
        package(made, tmp_path, f"of_{kind}")
        syntax_of(tmp_path / f"of_{kind}/kernels.cpp")


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_the_kernels_of_a_sequence_with_every_word_are_cpp(tmp_path: Path) -> None:
    tokens = Sequence()
    u, drive = Field("delete", tokens), Input("register", tokens)
    rate = sp.Mul(*(Param(n, positive=True, per="channel") for n in TAKEN))
    scan = System(
        name="scanned",
        domain=tokens,
        fields=(u,),
        hamiltonian=u**2 / 2 - drive * u,
        metric=Dissipation((rate, lambda F: F[u])),
        integrator=Exponential(dt=0.1),
        readout=energy_density(),
    )
    package(scan, tmp_path, "scanned")
    syntax_of(tmp_path / "scanned/kernels.cpp")


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.parametrize("axes", [(), tuple(sp.symbols("x y", real=True))], ids=["point", "plane"])
def test_what_finds_the_values_of_a_step_gives_way_to_names_of_a_spec(
    axes: tuple[sp.Symbol, ...], tmp_path: Path
) -> None:
    """The members of the C++ that holds coefficients, in a layer with an input by step."""
    grid = Lattice(*axes)
    u, drive = (
        Field("u", grid),
        sp.Add(*(Input(n, grid, time_dependent=True) for n in ("drive", "k", "rows", "number"))),
    )
    rates = sp.Add(*(Param(n, positive=True, per="channel") for n in ("frames", "layout", "whole")))
    system = System(
        name="framed", domain=grid, fields=(u,), hamiltonian=rates * u**2 / 2 - drive * u,
        metric=Dissipation((1, lambda F: F[u])), integrator=RK4(1, 0.1),
    )  # fmt: skip
    package(system, tmp_path, "framed")
    syntax_of(tmp_path / "framed/kernels.cpp")


def syntax_of(file: Path) -> None:
    """All entries compile, with the names that the package defines for them."""
    entries = sorted(set(re.findall(r"ENTRY_(\w+)", file.read_text(encoding="utf-8")))) or ["none"]
    defined = re.findall(r"-D(\w+)=", file.with_name("cpu.py").read_text(encoding="utf-8"))
    numbers = {"R": "double", "W": "4", "G": "1", "LANES": "4"}
    defines = [*(f"-D{name}={numbers[name]}" for name in defined), *(f"-DENTRY_{entry}" for entry in entries)]
    command = ["g++", "-std=c++17", "-fsyntax-only", "-fopenmp", "-w", *defines, os.fspath(file)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr[:2000]


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.parametrize("spec", picked(SHIPPED, "maze", "lm", "gallery/kdv", "gallery/langevin_chain"))
def test_the_kernels_of_shipped_specs_are_cpp(spec: str, root: Path, tmp_path: Path) -> None:
    """All entries of every package compile, those as well that its tests do not call."""
    compiled = compile_file(root / f"specs/{spec}.py", lambda _: None)
    files = package_files(compiled)
    if "kernels.cpp" not in files:
        pytest.skip("no CPU kernels")
    for name in ("kernels.cpp", "cpu.py"):
        (tmp_path / name).write_text(files[name], encoding="utf-8")
    syntax_of(tmp_path / "kernels.cpp")


def _all_functions(first: str, second: str, domain: Lattice) -> System:
    """Fields by these names under every kind of function, numbers as partners."""
    a, b = Field(first, domain), Field(second, domain)
    energy = sp.exp(a) + sp.log(1 + b**2) + sp.Max(a, 0) ** 3 + sp.Min(b, a) ** 2 + sp.atan2(b, 2)
    return System("named", domain, fields=(a, b), hamiltonian=energy, integrator=ExplicitEuler(steps=1, dt=0.1),
                  metric=Dissipation((1, lambda F: F[a]), (1, lambda F: F[b])), readout=energy_density())  # fmt: skip


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("names", [("e", "e1"), ("e1", "e")])
def test_a_name_that_looks_like_a_number_is_a_name(names: tuple[str, str], rank: int) -> None:
    """With other names for its fields a package has the same code."""
    domain = Lattice(*sp.symbols("x", real=True, seq=True)[:rank])
    here, there = (compiled(_all_functions(*pair, domain)).files for pair in (names, [f"g{n[1:]}" for n in names]))
    for file in ("reference.py", "kernels.py", "kernels.cpp"):
        text = there[file]
        for name in names:
            text = re.sub(rf"(?<![A-Za-z0-9])(d?)g{name[1:]}(?![A-Za-z0-9])", rf"\g<1>{name}", text)
        assert text == here[file]
