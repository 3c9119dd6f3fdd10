"""The program: its commands, in the order in which ``--help`` lists them, and ``--version``."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Annotated, Any

import typer

from metrigen.cli import build, check, cite, diff, doctor, new, show, simulate, tune
from metrigen.cli import list as listing
from metrigen.cli.exits import MEANINGS

COMMANDS: tuple[tuple[str, Callable[..., None], str], ...] = (
    ("new", new.new, new.EXAMPLES),
    ("list", listing.list_specs, listing.EXAMPLES),
    ("build", build.build, build.EXAMPLES),
    ("check", check.check, check.EXAMPLES),
    ("show", show.show, show.EXAMPLES),
    ("diff", diff.diff, diff.EXAMPLES),
    ("simulate", simulate.simulate, simulate.EXAMPLES),
    ("cite", cite.cite, cite.EXAMPLES),
    ("doctor", doctor.doctor, doctor.EXAMPLES),
    ("tune", tune.tune, tune.EXAMPLES),
)
# A build makes many small expressions that live to its end, and few cycles: at the thresholds of Python, 700 new
# objects, up to a sixth of it goes into looking for them. The library, in a process of others, leaves them alone.
_COLLECTED = (50_000, 20, 100)
EXAMPLES = """
    metrigen build specs/cifar.py    write the package generated/cifar
    metrigen COMMAND --help          options and examples of a command
"""


def examples(text: str) -> str:
    """The end of a help text: examples, line by line as they stand, as on a page of man."""
    lines = [line.strip() for line in text.strip().splitlines()]
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def _epilog() -> str:
    codes = "\n".join(["\b", "Exit codes:", *(f"  {code}  {meaning}" for code, meaning in MEANINGS.items())])
    return f"{codes}\n\n{examples(EXAMPLES)}"


app = typer.Typer(
    help="A compiler from field theory to neural layers.",
    epilog=_epilog(),
    add_completion=True,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _program(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        import metrigen

        typer.echo(f"metrigen {metrigen.__version__}")
        raise typer.Exit


for _name, _function, _text in COMMANDS:
    app.command(_name, epilog=examples(_text))(_function)


def main(*arguments: Any) -> None:
    """Entry point of ``metrigen`` and ``python -m metrigen``."""
    gc.set_threshold(*_COLLECTED)
    app(*arguments, prog_name="metrigen")
