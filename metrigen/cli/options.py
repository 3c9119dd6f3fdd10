"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Specs = Annotated[list[Path], typer.Argument(metavar="SPEC", help="Spec files, or folders of spec files.")]
Spec = Annotated[Path, typer.Argument(metavar="SPEC", help="A spec file.")]
Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder of the packages.")]
Strict = Annotated[bool, typer.Option("--strict", help="Make warnings errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, all else to stderr.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress: results, warnings, errors alone.")]
GENERATED = Path("generated")
