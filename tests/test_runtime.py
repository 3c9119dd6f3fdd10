"""What every layer shares stands in files that are equal in all packages: a module holds its physics alone."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from metrigen.emit.header import RUNTIME

LONGEST = 260  # lines of a module.py with two fields; every method lists and describes a further one
FILES = ("arguments.py", "base.py", "checks.py", "param.py", "lattice.py", "scan.py", "graph.py", "registry.py")


@pytest.mark.parametrize("name", FILES)
def test_a_shared_file_is_the_same_to_the_byte(root: Path, name: str) -> None:
    found = sorted((root / "generated").glob(f"*/{name}"))
    assert found
    assert len({file.read_bytes() for file in found}) == 1
    assert found[0].read_text(encoding="utf-8").startswith(RUNTIME)


def test_what_bears_the_header_of_shared_files_is_one(root: Path) -> None:
    texts = defaultdict(set)
    for file in (root / "generated").glob("*/*.py"):
        text = file.read_text(encoding="utf-8")
        if text.startswith(RUNTIME):
            texts[file.name].add(text)
    assert {*FILES} <= {*texts}
    assert [name for name, each in texts.items() if len(each) > 1] == []


def test_a_module_is_short_and_begins_with_its_class(root: Path) -> None:
    for file in sorted((root / "generated").glob("*/module.py")):
        lines = file.read_text(encoding="utf-8").splitlines()
        fields = sum(re.fullmatch(r"    \w+: Tensor", line) is not None for line in lines)
        more = 0 if file.parent.name == "cifar" else 10  # the flagship's limit; currents are a method more
        more += 16 * sum("= NetworkWeights(" in line for line in lines)  # handed on in seven places
        assert len(lines) <= LONGEST + 25 * max(0, fields - 2) + more, file
        first = next(i for i, line in enumerate(lines) if line.startswith("class ") and "(NamedTuple)" not in line)
        # Above it the state with its four methods, on a graph the few functions that its methods call as well.
        assert first < 56 or "graph" in file.read_text(encoding="utf-8").split('"""')[1], file


def test_the_readout_of_cifar_is_canonical(root: Path) -> None:
    """At most three quarters of the 85 operations (+ and -, *, /, functions) that its table of costs had at first."""
    page = (root / "generated/cifar/DERIVATION.md").read_text(encoding="utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith("| readout | ")]
    assert 0 < sum(int(cell) for cell in row.split("|")[4:8]) <= 0.75 * 85
