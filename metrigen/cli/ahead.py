"""``metrigen build --compile`` and ``--cpp``: packages with kernels and a registration that were compiled for them."""

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
    """What is compiled, ``kernels`` and a registration in C++, and for what: the name of a baseline, shapes of fields
    (B, C, *S), precisions."""

    kernels: bool
    cpp: bool
    target: str | None
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]


def kernels_wanted(
    kernels: bool, cpp: bool, target: str | None, shapes: Sequence[str] | None, dtypes: Sequence[str] | None
) -> Wanted | None:
    """What the options ask for; None where nothing is to be compiled."""
    if not (kernels or cpp):
        return None
    for name in dtypes or ():
        if name not in DTYPES:
            raise typer.BadParameter(f"--dtype is {' or '.join(DTYPES)}, not {name!r}")
    found = tuple(shape_of(text, least=2) or () for text in shapes or ("32,64,32,32,32",))
    return Wanted(kernels, cpp, target, found, tuple(dtypes or DTYPES[:1]))


def written(session: Session, packages: Sequence[Package], wanted: Wanted | None) -> tuple[bool, ...]:
    """Write packages, and into each the kernels that are wanted, which are all compiled before."""
    from metrigen import build as b

    if wanted is None:
        return b.write_packages(packages)
    start = time.perf_counter()
    given = wanted.target, wanted.shapes, wanted.dtypes
    with contextlib.ExitStack() as cleaning:
        made, goal = list[b.Kernels](), ""
        if wanted.cpp:
            goal, registered = b.register_in_cpp(packages, *given, cleaning)
            made += registered
        if wanted.kernels:
            goal, kernels = b.compile_kernels(packages, *given, cleaning)
            made += kernels
        changed = b.write_packages(packages)
        b.place_kernels(made)
    for package in packages:
        own = [kernels for kernels in made if kernels.package is package]
        told = [f"{len(k.names) - 1} libraries for {goal}" for k in own if k.place == "compiled"]
        told += [f"{name} for {goal}" for k in own for name in k.names if k.place == "cpp" and name.endswith(".so")]
        session.tell(
            f"compiled  {package.destination.name}: {', '.join(told) or 'no CPU kernels; it runs in plain torch'}"
        )
    session.tell(f"compiled in {time.perf_counter() - start:.1f} s")
    return changed
