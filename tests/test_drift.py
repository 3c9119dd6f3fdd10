"""The packages in generated/ are what their specs give today."""

from __future__ import annotations

from pathlib import Path

import pytest

from metrigen.build import compile_file, differences, packages_of
from tests.conftest import ROOT

SPECS = sorted((ROOT / "specs").glob("*.py"))


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_generated_is_up_to_date(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    path = spec.relative_to(ROOT)
    compiled = compile_file(path, on_stage=lambda stage: None)
    (package,) = packages_of([compiled], Path("generated"))
    stale = differences(package)
    report = "\n".join(str(difference) for difference in stale)
    assert not stale, f"{package.destination} is not up to date:\n{report}\nto fix: metrigen build {path}"


def test_every_package_in_generated_has_its_spec() -> None:
    packages = {folder.parent.name for folder in (ROOT / "generated").glob("*/manifest.json")}
    assert packages == {spec.stem for spec in SPECS}
