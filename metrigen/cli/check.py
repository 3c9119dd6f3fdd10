"""``metrigen check``."""

from __future__ import annotations

from typing import Annotated

import typer

from metrigen.cli.compiling import compile_all, compiled_values, show_drift
from metrigen.cli.options import GENERATED, Debug, Json, Out, Quiet, Specs, Strict
from metrigen.cli.session import session
from metrigen.spec.files import spec_files

EXAMPLES = """
    metrigen check specs/maze.py             derive and prove; write nothing
    metrigen check specs/maze.py --strict    warnings are errors
    metrigen check specs/maze.py --diff      what a build would change
    metrigen check specs/ --json --quiet     laws and verdicts, for a program
"""


def check(
    specs: Specs,
    out: Out = GENERATED,
    diff: Annotated[bool, typer.Option("--diff", help="Print what a build would change.")] = False,
    strict: Strict = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Derive and prove: everything that a build does, except writing. Says how a package that is there differs."""
    with session("check", as_json, quiet, debug) as s:
        files, place = spec_files(specs), out.absolute()
        compiled = compile_all(s, files, strict, place)
        from metrigen import build as b

        rows = []
        for package in b.packages_of(compiled, place):
            shown = out / package.destination.name
            there = package.destination.is_dir()
            drift = show_drift(s, package, shown, diff) if there else {"package": str(shown), "state": "not built"}
            rows.append({**compiled_values(package.compiled), **drift})
        s.give(packages=rows)
