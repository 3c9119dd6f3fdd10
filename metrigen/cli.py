"""The command line: parses, calls, prints."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from metrigen.compiler import Compiled, Stage
    from metrigen.errors import Warned

app = typer.Typer(
    help="A compiler from field theory to neural layers.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Specs = Annotated[list[Path], typer.Argument(metavar="SPEC", help="Spec files, or folders of spec files.")]
Strict = Annotated[bool, typer.Option("--strict", help="Make warnings errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def main() -> None:
    """Entry point of ``metrigen`` and ``python -m metrigen``."""
    app(prog_name="metrigen")


@app.command()
def build(
    specs: Specs,
    out: Annotated[Path, typer.Option("--out", help="Folder of the packages.")] = Path("generated"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if a package is not up to date.")] = False,
    strict: Strict = False,
    debug: Debug = False,
) -> None:
    """Compile specs and write one package each, all of them or none."""
    with _errors(debug):
        from metrigen import build as b
        from metrigen import console as c

        start = time.perf_counter()
        screen = c.console()
        files, place = b.spec_files(specs), out.absolute()  # where they are now, before the first spec runs
        compiled = [_compile(path) for path in files]
        _judge([warned for one in compiled for warned in one.warnings], strict)
        packages = b.packages_of(compiled, place)
        if check:
            stale = {package.destination: found for package in packages if (found := b.differences(package))}
            for destination, found in stale.items():
                screen.print(f"{out / destination.name} is not up to date", soft_wrap=True)
                screen.print(c.difference_lines(found), soft_wrap=True)
            if stale:
                shown = " ".join(str(path) for path in specs)
                screen.print(f"to fix: metrigen build {shown} --out {out}", soft_wrap=True)
                raise typer.Exit(1)
        changed = (False,) * len(packages) if check else b.write_packages(packages)
        for package, new in zip(packages, changed, strict=True):
            state = "wrote    " if new else "unchanged"
            screen.print(f"{state} {out / package.destination.name} ({len(package.files)} files)", soft_wrap=True)
        screen.print(f"in {time.perf_counter() - start:.2f} s")


@app.command()
def check(specs: Specs, strict: Strict = False, debug: Debug = False) -> None:
    """Derive and prove: everything that a build does, except writing."""
    with _errors(debug):
        from metrigen import build as b

        compiled = [_compile(path) for path in b.spec_files(specs)]
        _judge([warned for one in compiled for warned in one.warnings], strict)


@app.command()
def show(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="A spec file.")],
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Where --html writes; by default NAME.html.")
    ] = None,
    latex: Annotated[bool, typer.Option("--latex", help="Markdown with LaTeX formulas.")] = False,
    html: Annotated[bool, typer.Option("--html", help="Write one page: formulas, laws, stencils, plots.")] = False,
    cost: Annotated[bool, typer.Option("--cost", help="Operations, bytes, what is recomputed, the floor.")] = False,
    shape: Annotated[str | None, typer.Option("--shape", metavar="B,C,H,W", help="Shape of the cost.")] = None,
    bandwidth: Annotated[float, typer.Option("--bandwidth", metavar="GB/s", help="Of the memory.")] = 20.0,
    strict: Strict = False,
    debug: Debug = False,
) -> None:
    """Print the derivation: energies, brackets, equations, tensor, laws, stencils, limits."""
    sizes = _shape(shape)
    if bandwidth <= 0 or not math.isfinite(bandwidth):
        raise typer.BadParameter("--bandwidth is a positive number of GB/s")
    if sum((latex, html, cost)) > 1:
        raise typer.BadParameter("--latex, --html and --cost exclude one another")
    if file is not None and not html:
        raise typer.BadParameter(f"{file}: only --html writes a file")
    with _errors(debug):
        from metrigen import build as b
        from metrigen import console as c
        from metrigen import show as s

        with c.patience() as waiting:
            report = b.report_file(spec, waiting.begin)
        warnings = b.warnings_of(report)
        c.print_warnings(warnings)
        _judge(warnings, strict)
        screen = c.console()
        if latex:
            typer.echo(b.report_markdown(report), nl=False)
        elif html:
            typer.echo(b.write_page(report, file, sizes, bandwidth))
        elif cost:
            found = b.report_cost(report, sizes, bandwidth)
            for table in s.cost_tables(found):
                screen.print(table)
                screen.print()
            typer.echo(f"{s.cost_meaning(found)}\n\n{s.cost_notes(found)}")
        else:
            typer.echo(s.upper_text(report))
            screen.print(c.laws_table(report.laws))
            typer.echo(f"\n{s.lower_text(report)}", nl=False)


def _shape(text: str | None, least: int = 1) -> tuple[int, ...] | None:
    """``32,64,32,32`` as numbers, ``least`` of them or more."""
    if text is None:
        return None
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = ()
    if len(sizes) < least or min(sizes) < 1:
        raise typer.BadParameter(f"--shape takes {least} or more positive numbers, as 32,64,32,32, not {text!r}")
    return sizes


@app.command()
def tune(
    package: Annotated[Path, typer.Argument(metavar="PACKAGE", help="Folder of an emitted package.")],
    shape: Annotated[str, typer.Option("--shape", help="Shape of a field, B,C,*sites.")] = "32,64,32,32",
    dtype: Annotated[str, typer.Option("--dtype", help="float32, float64, bfloat16 or float16.")] = "float32",
    debug: Debug = False,
) -> None:
    """Measure launch settings of the Triton kernels on this machine's GPU and keep the best."""
    with _errors(debug):
        from metrigen import console as c
        from metrigen.backends.triton import tune as t

        screen = c.console()
        batch, channels, *sites = _shape(shape, least=2) or ()
        file = t.tune(
            package, channels=channels, size=sites, batch=batch, dtype=dtype,
            report=lambda line: screen.print(line, soft_wrap=True),
        )  # fmt: skip
        screen.print(f"wrote     {file}", soft_wrap=True)


@app.callback(invoke_without_command=True)
def _program(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        import metrigen

        typer.echo(f"metrigen {metrigen.__version__}")
        raise typer.Exit


def _compile(path: Path) -> Compiled:
    """Compile one spec, a line a stage as it goes, and its laws at the end."""
    from metrigen import build as b
    from metrigen import console as c

    screen = c.console()
    with c.patience() as waiting:

        def finished(stage: Stage) -> None:
            waiting.end()
            screen.print(c.stage_line(stage), soft_wrap=True)

        compiled = b.compile_file(
            path,
            on_spec=lambda shown: screen.print(shown, style="bold", soft_wrap=True),
            on_stage=finished,
            on_begin=waiting.begin,
        )
    screen.print()
    screen.print(c.laws_table(compiled.laws))
    screen.print()
    c.print_warnings(compiled.warnings)
    return compiled


def _judge(warnings: Sequence[Warned], strict: bool) -> None:
    """Under --strict a warning ends the run before anything is written."""
    if strict and warnings:
        from metrigen.errors import SpecError

        many = f"{len(warnings)} warning{'s' * (len(warnings) > 1)}"
        raise SpecError(
            f"{many}, and --strict makes warnings errors",
            where=warnings[0].where,
            why=warnings[0].what,
            fix="mend what they name; nothing was written",
        )


@contextmanager
def _errors(debug: bool) -> Iterator[None]:
    """Print an error and leave with exit code 1."""
    from metrigen.errors import MetrigenError

    try:
        yield
    except MetrigenError as error:
        from metrigen.console import print_error

        print_error(error, debug)
        raise typer.Exit(1) from None
    except (typer.Exit, typer.BadParameter):
        raise
    except Exception as error:
        from metrigen.console import print_unexpected

        print_unexpected(error, debug)
        raise typer.Exit(1) from None
