"""``metrigen tune``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from metrigen.cli.options import Debug, Json, Quiet
from metrigen.cli.session import session
from metrigen.cli.shapes import shape_of

EXAMPLES = """
    metrigen tune generated/cifar
    metrigen tune generated/cifar --shape 64,128,32,32 --dtype bfloat16
"""


def tune(
    package: Annotated[Path, typer.Argument(metavar="PACKAGE", help="Folder of an emitted package.")],
    shape: Annotated[str, typer.Option("--shape", help="Shape of a field, B,C,*sites.")] = "32,64,32,32",
    dtype: Annotated[str, typer.Option("--dtype", help="float32, float64, bfloat16 or float16.")] = "float32",
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure launch settings of the Triton kernels on this machine's GPU and keep the best."""
    with session("tune", as_json, quiet, debug) as s:
        s.tell(str(package), style="bold")
        from metrigen.backends.triton import tune as t

        batch, channels, *sites = shape_of(shape, least=2) or ()
        file = t.tune(package, channels=channels, size=sites, batch=batch, dtype=dtype, report=s.tell)
        s.say(f"wrote     {file}")
        s.give(file=str(file))
