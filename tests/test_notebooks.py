"""The notebooks run, and hold what they show; ``python -m tests.test_notebooks`` writes what they show today.

The first runs here, the others in the long run.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.lengths import LONG

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LATEX = ("text/latex", "text/markdown")


def shown(book: Any) -> list[dict[str, Any]]:
    """Everything that the cells of a notebook show."""
    return [output for cell in book["cells"] if cell["cell_type"] == "code" for output in cell["outputs"]]


def run(path: Path) -> Any:
    """A notebook after all of its cells; raises CellExecutionError at one that fails."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    os.environ["PYTHONPATH"] = str(ROOT)
    book = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(book, timeout=600, kernel_name="python3").execute()
    for cell in book["cells"]:
        cell["metadata"].pop("execution", None)  # times of day
    return book


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_holds_what_it_shows(path: Path) -> None:
    book = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))  # from the top, once
    kinds = {kind for output in shown(book) for kind in output.get("data", ())}
    assert kinds & {*LATEX}
    assert not [output for output in shown(book) if output["output_type"] == "error" or output.get("name") == "stderr"]
    pictures = [output["data"]["image/png"] for output in shown(book) if "image/png" in output.get("data", ())]
    assert len(pictures) == len(set(pictures))  # none is shown twice
    assert str(ROOT) not in path.read_text(encoding="utf-8")
    assert "assert " in "".join(line for cell in code for line in cell["source"])
    assert path.stat().st_size < 120_000


@pytest.mark.parametrize("path", NOTEBOOKS if LONG else NOTEBOOKS[:1], ids=lambda path: path.stem)
def test_it_runs_and_shows_the_same(path: Path) -> None:
    """What is typeset is equal to the letter; prints and pictures hold numbers of a machine."""
    before, after = (shown(book) for book in (json.loads(path.read_text(encoding="utf-8")), run(path)))
    texts = [[output["data"][kind] for output in found for kind in LATEX if kind in output.get("data", ())]
             for found in (before, after)]  # fmt: skip
    typeset = [["".join(text) for text in found] for found in texts]
    assert typeset[0][:2] == typeset[1][:2]
    assert len(typeset[0]) == len(typeset[1])


if __name__ == "__main__":
    import nbformat

    for notebook in [Path(name) for name in sys.argv[1:]] or NOTEBOOKS:
        nbformat.write(run(notebook), notebook)
