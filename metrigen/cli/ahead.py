"""``metrigen build --compile``: packages with kernels that were compiled for them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from metrigen.cli.session import Session
from metrigen.cli.shapes import shape_of

if TYPE_CHECKING:
    from metrigen.build import Package

DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Wanted:
    """For what kernels are compiled: the name of a baseline, shapes of fields (B, C, *S), precisions."""

    target: str | None
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]


def kernels_wanted(target: str | None, shapes: Sequence[str] | None, dtypes: Sequence[str] | None) -> Wanted:
    """What the options ask for."""
    for name in dtypes or ():
        if name not in DTYPES:
            raise typer.BadParameter(f"--dtype is {' or '.join(DTYPES)}, not {name!r}")
    found = tuple(shape_of(text, least=2) or () for text in shapes or ("32,64,32,32,32",))
    return Wanted(target, found, tuple(dtypes or DTYPES[:1]))


def written(session: Session, packages: Sequence[Package], wanted: Wanted | None) -> tuple[bool, ...]:
    """Write packages, and into each the kernels that are wanted, which are all compiled before."""
    from metrigen import build as b

    if wanted is None:
        return b.write_packages(packages)
    start = time.perf_counter()
    with contextlib.ExitStack() as cleaning:
        goal, made = b.compile_kernels(packages, wanted.target, wanted.shapes, wanted.dtypes, cleaning)
        changed = b.write_packages(packages)
        b.place_kernels(made)
    for package in packages:
        count = next((len(kernels.names) - 1 for kernels in made if kernels.package is package), 0)
        told = f"{count} libraries for {goal}" if count else "no CPU kernels; it runs in plain torch"
        session.tell(f"compiled  {package.destination.name}: {told}")
    session.tell(f"compiled in {time.perf_counter() - start:.1f} s")
    return changed
