"""What the command lines of the trainers share: common flags, the console, errors in one line."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from trainers.common import ROOT, ResumeError

Name = Annotated[str | None, typer.Option(help="of the run; default: seed and time of day")]
Out = Annotated[Path, typer.Option(help="where runs are kept")]
Resume = Annotated[Path | None, typer.Option(help="folder of a run to go on with, options included")]
Smoke = Annotated[bool, typer.Option(help="a tiny run of everything")]
Accelerator = Annotated[str, typer.Option(help="auto, cpu or cuda")]
Devices = Annotated[int, typer.Option(help="processes on this machine, without torchrun")]


def make_console() -> Console:
    """A console of the width of the terminal; a log file has no width to fit into."""
    console = Console()
    if not console.is_terminal:
        console.width = 120
    return console


def run_folder(out: Path, name: str | None, prefix: str) -> Path:
    """``out/name``; without a name the prefix and the time of day."""
    return out / (name or f"{prefix}-{time.strftime('%Y%m%d-%H%M%S')}")


def chosen(names: list[str] | None, known: tuple[str, ...], default: tuple[str, ...], flag: str) -> tuple[str, ...]:
    """What a repeated flag names, else the default; typer.BadParameter for a name that is not known."""
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}; known are {', '.join(known)}", param_hint=flag)
    return tuple(names or default)


def share_text(value: float) -> str:
    """A share between 0 and 1: four digits, and a plain 1 or 0 only for exactly that."""
    return f"{value:.0f}" if value in (0.0, 1.0) else f"{min(max(value, 0.0001), 0.9999):.4f}"


def tell_file(console: Console, what: str, path: Path) -> None:
    """A line that says what a file is, and where."""
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    console.print(f"{what} {shown}", soft_wrap=True, highlight=False)


def tell_files(console: Console, folder: Path, files: Mapping[str, str]) -> None:
    """A line for each of the files of a folder."""
    for what, name in files.items():
        tell_file(console, f"{what}:", folder / name)


@contextmanager
def told(console: Console, folder: Path, *mendable: type[Exception]) -> Iterator[None]:
    """Errors that a user can mend are one line and exit code 1; an interrupted run says how to go on, exit code 130."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, (ResumeError, *mendable)):
            raise
        console.print(f"error: {error}", style="red", soft_wrap=True, highlight=False)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        console.print(f"stopped; go on with --resume {folder}", soft_wrap=True, highlight=False)
        raise typer.Exit(130) from None
