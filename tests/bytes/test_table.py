"""What is emitted is what the table says, byte for byte: a change that is to change nothing changes nothing.

A fixed sample, which with the shipped specs of ``test_drift`` reaches every kind of program; METRIGEN_LONG=1: all.
"""

from __future__ import annotations

import pytest

from tests.bytes import table
from tests.conftest import ROOT
from tests.lengths import LONG

GALLERY = (
    "camassa_holm", "d_linoss", "duffing", "gas_piston", "graph_kuramoto", "graph_poisson", "hamiltonian_network",
    "heat", "heated_pendulum", "kdv", "learned_mobility", "maxwell", "modern_hopfield", "selective_decay_scan",
    "unicornn",
)  # fmt: skip
OTHERS = (
    "constraint-attracted-zero", "driven-zero", "exponential-neumann", "graph-nonlinear", "graph-strang", "heat-linear",
    "hot_wave", "ladder-average-neumann-1", "ladder-midpoint-periodic-0", "ladder-monotone-neumann-2",
    "ladder-steady-zero-3", "ladder-symplectic-periodic-3", "learned-Strang", "newton-neumann", "point-RK4",
    "rotating-all", "sequence-alike", "sequence-gated", "strang-turning", "transport-periodic", "wells",
)  # fmt: skip
SAMPLE = (*(f"specs/gallery/{name}.py" for name in GALLERY), *(f"tests/{name}" for name in OTHERS))


def report(name: str, found: table.Digests, expected: table.Digests) -> str:
    """Which files of a spec or system are not those of the table, and how to rewrite it; nothing where all are."""
    changed = [file for file in sorted({*found, *expected}) if found.get(file) != expected.get(file)]
    lines = [f"  {file}: {_how(file, found, expected)}" for file in changed]
    if not lines:
        return ""
    fix = f"if that is meant: python -m tests.bytes.table {name} (without a name: all of it)"
    return "\n".join((f"the package of {name} is not what tests/bytes/table.txt says", *lines, fix))


def _how(file: str, found: table.Digests, expected: table.Digests) -> str:
    if file in found and file in expected:
        return "differs"
    return "is not in the table" if file in found else "is not emitted"


@pytest.mark.parametrize("name", table.NAMES if LONG else SAMPLE)
def test_the_bytes_are_those_of_the_table(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    told = report(name, table.digests(name), table.read().get(name, {}))
    assert not told, told


def test_the_table_has_every_spec_and_system() -> None:
    missing = " ".join(name for name in table.NAMES if name not in table.read())
    assert not missing, f"not in tests/bytes/table.txt; to add: python -m tests.bytes.table {missing}"
    assert list(table.read()) == list(table.NAMES)


def test_a_difference_names_the_spec_the_file_and_the_command() -> None:
    told = report("specs/wave.py", {"a.py": "0", "b.py": "0", "c.py": "0"}, {"a.py": "0", "b.py": "1", "d.py": "0"})
    assert "specs/wave.py" in told
    assert "a.py" not in told
    assert "b.py: differs\n" in told
    assert "c.py: is not in the table\n" in told
    assert "d.py: is not emitted\n" in told
    assert "python -m tests.bytes.table specs/wave.py" in told
    assert report("specs/wave.py", {"a.py": "0"}, {"a.py": "0"}) == ""
