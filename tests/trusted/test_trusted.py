"""Derivations keep their values to 30 digits; a change of mathematics must be made by hand in the JSON file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.trusted.values import of_file

ROOT = Path(__file__).resolve().parents[2]
SPECS = sorted(path for path in (ROOT / "specs").glob("*.py"))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_trusted_values(path: Path) -> None:
    file = Path(__file__).with_name(f"{path.stem}.json")
    assert file.exists(), f"no trusted values for {path.name}; check `python -m tests.trusted.values {path}` by hand"
    trusted = json.loads(file.read_text())
    values = of_file(path)
    wrong = {name: (value, trusted.get(name)) for name, value in values.items() if value != trusted.get(name)}
    assert not wrong
    assert values.keys() == trusted.keys()
