"""Specs that share files beside them, and hashes that comments do not change."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import pytest

import metrigen
from metrigen import SpecError
from metrigen.build import compile_file
from metrigen.emit.package import package_files
from metrigen.spec.files import spec_files
from metrigen.spec.fingerprint import fingerprint
from metrigen.spec.load import load_spec, locate, raised_in_spec
from tests.conftest import Run

COMMON = '''"""What the specs of this folder share."""
from metrigen import Field, Lattice, Leapfrog, Param
lattice = Lattice()
POWER = 2

def potential(q):
    return Param("w2", positive=True, init=1.0) * q**POWER / POWER
'''
SPEC = '''"""An oscillator."""
from metrigen import Field, Leapfrog, System, energy_density, t
from common import lattice, potential
q = Field("q", lattice)
system = System(name="osc", domain=lattice, lagrangian=q.diff(t) ** 2 / 2 - potential(q),
                integrator=Leapfrog(steps=2, dt=0.1), readout=energy_density())
'''
LAID_OUT = """# A comment, and other line breaks and quotes.
'''An oscillator.'''

from metrigen import Field, Leapfrog, System, energy_density, t
from common import (
    lattice,  # shared
    potential,
)

q = Field('q', lattice)
system = System(
    name='osc',
    domain=lattice,
    lagrangian=(q.diff(t) ** 2 / 2 - potential(q)),
    integrator=Leapfrog(steps=0x2, dt=1e-1),
    readout=energy_density(),
)
"""


def written(folder: Path, spec: str = SPEC, common: str = COMMON) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "common.py").write_text(common, encoding="utf-8")
    (folder / "osc.py").write_text(spec, encoding="utf-8")
    return folder / "osc.py"


def files_of(path: Path) -> dict[str, str]:
    return package_files(compile_file(path, lambda stage: None))


def test_a_spec_imports_a_file_beside_it(tmp_path: Path) -> None:
    load_spec(written(tmp_path))
    before = dict(sys.modules)
    spec = load_spec(tmp_path / "osc.py")
    assert sys.modules == before
    assert list(spec.siblings) == ["common.py"]
    assert not spec.declared
    assert "w2" in str(spec.system.lagrangian)
    assert not list(tmp_path.rglob("__pycache__"))


def test_comments_and_layout_change_no_byte(tmp_path: Path) -> None:
    one = files_of(written(tmp_path))
    two = files_of(written(tmp_path, LAID_OUT, "# shared\n\n" + COMMON.replace("POWER = 2", "POWER = (2)  # even")))
    assert one == two
    assert json.loads(one["manifest.json"])["spec"]["siblings"].keys() == {"common.py"}
    assert not any("osc.py:" in text or "common.py:" in text for text in one.values())


def test_what_a_file_says_changes_the_hash(tmp_path: Path) -> None:
    spec = load_spec(written(tmp_path))
    others = [
        written(tmp_path / "a", SPEC.replace("dt=0.1", "dt=0.2")),
        written(tmp_path / "b", SPEC.replace("An oscillator", "Another one")),  # printed in DERIVATION.md
        written(tmp_path / "c", common=COMMON.replace("init=1.0", "init=2.0")),
    ]
    assert len({spec.sha256, *(load_spec(path).sha256 for path in others)}) == 4


def test_a_changed_sibling_makes_the_package_stale(tmp_path: Path, metrigen: Run) -> None:
    written(tmp_path)
    assert metrigen("build", "osc.py", cwd=tmp_path).returncode == 0
    written(tmp_path, LAID_OUT, COMMON + "# a comment\n")
    assert metrigen("build", ".", "--check", cwd=tmp_path).returncode == 0  # the folder, which has one spec
    written(tmp_path, common=COMMON + "UNUSED = 1\n")
    stale = metrigen("build", "osc.py", "--check", "--diff", cwd=tmp_path)
    assert stale.returncode == 2
    assert '"common.py": "' in stale.stdout
    assert "common.py has changed" in metrigen("list", "osc.py", "--json", cwd=tmp_path).stdout


def test_siblings_of_one_name_in_two_folders_do_not_meet(tmp_path: Path) -> None:
    one = load_spec(written(tmp_path / "a"))
    two = load_spec(written(tmp_path / "b", common=COMMON.replace("POWER = 2", "POWER = 4")))
    again = load_spec(tmp_path / "a" / "osc.py")
    assert "q(t)**4" in str(two.system.lagrangian)
    assert one.system.lagrangian == again.system.lagrangian != two.system.lagrangian
    assert one.sha256 == again.sha256 != two.sha256


def test_a_sibling_is_taken_before_an_installed_package_and_not_before_the_library(tmp_path: Path) -> None:
    (tmp_path / "rich.py").write_text("LENGTH = 7\n", encoding="utf-8")
    (tmp_path / "string.py").write_text("digits = 'mine'\n", encoding="utf-8")
    import rich

    spec = "import string, rich\nassert rich.LENGTH == 7 and string.digits == '0123456789'\n"
    assert list(load_spec(written(tmp_path, spec + SPEC)).siblings) == ["rich.py", "common.py"][::-1]
    assert not hasattr(rich, "LENGTH")
    assert sys.modules["rich"] is rich


def test_siblings_import_siblings_each_once(tmp_path: Path) -> None:
    path = written(tmp_path, common="from numbers_of_mine import POWER\n" + COMMON.replace("POWER = 2\n", ""))
    (tmp_path / "numbers_of_mine.py").write_text("import common\nPOWER = 4\n", encoding="utf-8")
    spec = load_spec(path)
    assert list(spec.siblings) == ["common.py", "numbers_of_mine.py"]
    assert "q(t)**4" in str(spec.system.lagrangian)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("POWER = 2", "POWER = 1 / 0", "common.py:4   POWER = 1 / 0"),
        ("POWER = 2", "POWER = (", "common.py:4"),
        ("init=1.0", "init=-1.0", "common.py:7   return Param"),
        ("Lattice()", "Lattice(7)", "common.py:3   lattice = Lattice(7)"),
    ],
)
def test_an_error_in_a_sibling_points_into_it(tmp_path: Path, old: str, new: str, where: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(written(tmp_path, common=COMMON.replace(old, new)))
    assert str(caught.value.where).startswith(where)


METERED = SPEC.replace("import lattice", "import metric, lattice").replace("readout=", "metric=metric, readout=")


def test_an_error_of_a_late_call_points_into_the_sibling(tmp_path: Path) -> None:
    common = COMMON + "\ndef metric(F, G):\n    return F[missing] * G[missing]\n"
    path = written(tmp_path, METERED, common)
    spec = load_spec(path)
    with pytest.raises(NameError) as caught:
        spec.system.metric({}, {})  # type: ignore[misc, arg-type]
    assert str(raised_in_spec(caught.value, spec).where) == "common.py:10   return F[missing] * G[missing]"
    error = locate(SpecError("bad", part="w2"), load_spec(written(tmp_path)))
    assert str(error.where).startswith("common.py:7   return Param")


def test_what_is_imported_too_late_is_refused(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text("rate = 0.1\n", encoding="utf-8")
    common = COMMON + "\ndef metric(F, G):\n    import late\n    return late.rate * F[q] * G[q]\n"
    path = written(tmp_path, METERED, common)
    with pytest.raises(SpecError, match=r"late\.py is imported after the spec was loaded"):
        compile_file(path, lambda stage: None)


def test_a_folder_of_specs_holds_what_they_share(tmp_path: Path) -> None:
    written(tmp_path)
    assert [file.name for file in spec_files([tmp_path])] == ["osc.py"]
    (tmp_path / "osc.py").write_text(SPEC.replace("from common import lattice, potential", "from common import *"))
    assert [file.name for file in spec_files([tmp_path])] == ["osc.py"]
    (tmp_path / "osc.py").write_text("x = 1\n")
    assert [file.name for file in spec_files([tmp_path])] == ["common.py", "osc.py"]


def test_the_same_by_layer(tmp_path: Path) -> None:
    made = metrigen.layer(written(tmp_path))
    assert load_spec(tmp_path / "osc.py").sha256[:16] == made.SPEC
    written(tmp_path, common=COMMON.replace("init=1.0", "init=2.0"))
    assert metrigen.layer(tmp_path / "osc.py") is not made


def test_the_hash_is_of_the_tree() -> None:
    def of(text: str) -> str:
        return fingerprint(ast.parse(text))

    assert of("a = 'x'  # note\n") == of('a = """x"""')
    assert of("a = 1e3") == of("a = 1000.0") != of("a = 1000")
    assert of("a = None") != of("a = ...") != of("a = 'None'")
    assert of("f(a, b)") != of("f(a)(b)")
    assert of("x = [[], [a]]") != of("x = [[a], []]") != of("x = [[a, []]]")
    assert of("x = " + " + ".join(["a"] * 2000)) != of("x = " + " + ".join(["a"] * 1999))
    # What every version of Python gives.
    assert of("def f(a, *b, c=1):\n    return f'{a!r:>{c}}'\n") == GOLDEN


GOLDEN = "e78b4b9d7ba017022faacb1e82430d56f665c0db90baf8d973a2303fc22a76a7"
