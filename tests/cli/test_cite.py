"""``metrigen cite``: every method has its publications, every publication is cited for something and is well formed."""

from __future__ import annotations

import json
import re

import pytest

from metrigen.integrators.methods import METHODS
from metrigen.integrators.steady_state import SOLVERS, SteadyState
from metrigen.references import METHODS as CITED
from metrigen.references import PUBLICATIONS, WORDS, Publication
from metrigen.references import SOLVERS as CITED_SOLVERS
from tests.cli.conftest import Invoke
from tests.conftest import ROOT


def test_every_method_and_solver_has_its_publications() -> None:
    assert CITED.keys() == {method.__name__ for method in METHODS} - {SteadyState.__name__}
    assert CITED_SOLVERS.keys() == set(SOLVERS)
    keys = {p.key for p in PUBLICATIONS}
    tables = [*CITED.values(), *CITED_SOLVERS.values(), *(found for found, _ in WORDS.values())]
    assert {key for found in tables for key in found} <= keys
    assert len(keys) == len(PUBLICATIONS)


def test_no_publication_is_there_for_nothing(root: object) -> None:
    text = (ROOT / "metrigen/references.py").read_text(encoding="utf-8")
    for publication in PUBLICATIONS:
        assert text.count(f'"{publication.key}"') >= 2, publication.key


@pytest.mark.parametrize("publication", PUBLICATIONS, ids=lambda p: p.key)
def test_an_entry_is_well_formed(publication: Publication) -> None:
    fields = dict(publication.fields)
    place = {"article": "journal", "book": "publisher", "techreport": "institution"}[publication.kind]
    assert {"author", "title", "year", place} <= fields.keys()
    year = int(fields["year"])
    assert publication.key.endswith(str(year))
    assert 1700 < year < 2030
    text = publication.bibtex()
    assert text.startswith(f"@{publication.kind}{{{publication.key},\n  author")
    assert text.count("{") == text.count("}")
    assert text.isascii()
    assert len(re.findall(r"^  \w+ += \{.*\},?$", text, re.M)) == len(fields)


@pytest.mark.parametrize(
    ("spec", "keys"),
    [
        ("specs/maze.py", ["Meurer2017", "Noether1918", "Patankar1980", "HestenesStiefel1952"]),
        ("specs/lm.py", ["Meurer2017", "Morrison1986", "Kaufman1984", "Morrison1998", "Noether1918", "Blelloch1990",
                         "HairerLubichWanner2006"]),
        ("specs/gallery/pendulum.py", ["Meurer2017", "Verlet1967", "HairerLubichWanner2006"]),
        ("specs/gallery/relaxing_rigid_body.py", ["Meurer2017", "GrmelaOttinger1997", "Morrison1986", "Morrison1998",
                                                  "MorrisonUpdike2024", "Kutta1901"]),
    ],
)  # fmt: skip
def test_a_spec_cites_what_it_uses(invoke: Invoke, spec: str, keys: list[str]) -> None:
    code, out, err = invoke("cite", ROOT / spec, "--json")
    assert (code, err) == (0, "")
    assert [entry["key"] for entry in json.loads(out)["entries"]] == keys
    printed = invoke("cite", ROOT / spec)[1]
    assert re.findall(r"^@\w+\{(\w+),$", printed, re.M) == keys
    assert printed.startswith("% ")
    assert all(line.startswith(("%", "@", "  ", "}")) for line in printed.splitlines() if line)


def test_the_reference_of_the_spec_itself_stands_at_the_head(invoke: Invoke) -> None:
    printed = invoke("cite", ROOT / "specs/gallery/pendulum.py")[1]
    assert (
        printed.splitlines()[1] == "% The spec refers to: L. D. Landau, E. M. Lifshitz (1976), Mechanics, section 11."
    )
