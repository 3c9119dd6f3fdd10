"""One run: where results go, which packages there are, and that no failure stops the rest."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Values = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """``results``: the file of results, a JSON object a line; ``packages``: importable names of emitted packages;
    ``smoke``: tiny sizes, on a CPU, in Triton's interpreter."""

    results: Path
    packages: tuple[str, ...]
    smoke: bool

    @property
    def device(self) -> str:
        return "cpu" if self.smoke else "cuda"

    def full(self, short: str) -> str | None:
        """The importable name of a package, None where it was not built."""
        return next((name for name in self.packages if name.rsplit(".", 1)[-1] == short), None)

    def emit(self, part: str, case: str, **values: Any) -> None:
        """A line of results; "ok" says whether a check passed."""
        line = json.dumps({"part": part, "case": case, **values}, default=str) + "\n"
        with open(self.results, "a", encoding="utf-8") as stream:  # one write: lines of several processes do not mix
            stream.write(line)
        print(line, end="", flush=True)

    def attempt(self, part: str, case: str, body: Callable[[], Values]) -> None:
        """Emit what ``body`` finds, or how it failed."""
        began = time.perf_counter()
        try:
            values = body()
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            at = f"{Path(where.filename).name}:{where.lineno}"
            values = {"ok": False, "error": f"{type(error).__name__}: {error}"[:600], "at": at}
        self.emit(part, case, seconds=round(time.perf_counter() - began, 2), **values)


def found(folders: list[str]) -> tuple[str, ...]:
    """Importable names of the packages with Triton kernels."""
    files = [(Path(folder).name, file) for folder in folders for file in sorted(Path(folder).glob("*/kernels.py"))]
    return tuple(f"{root}.{file.parent.name}" for root, file in files)
