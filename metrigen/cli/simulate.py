"""``metrigen simulate``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metrigen.cli.options import Debug, Json, Quiet, Spec
from metrigen.cli.session import Session, session
from metrigen.cli.shapes import shape_of
from metrigen.spec.files import read, shown_path

if TYPE_CHECKING:
    from metrigen.simulate.model import Model
    from metrigen.simulate.trajectory import Trajectory

EXAMPLES = """
    metrigen simulate specs/gallery/sine_gordon.py --set phi=gauss --steps 400
    metrigen simulate wave.py --set "u=exp(-(x - Lx/2)**2)" --size 64 --every 4
    metrigen simulate specs/gallery/pendulum.py --set q=2.5 --dt 0.02
    metrigen simulate specs/gallery/graph_heat.py --graph grid --size 5,5
    metrigen simulate specs/gallery/wave_guide.py --set "s=Heaviside(x - 9)"
"""
Text = list[str] | None


def simulate(
    spec: Spec,
    set_to: Annotated[
        Text,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A field or input: a named start (gauss, "
            "noise, wave, one, zero), or an expression in the axes and their lengths, as "
            "exp(-(x - Lx/2)**2). By default the first field is gauss.",
        ),
    ] = None,
    param: Annotated[Text, typer.Option("--param", metavar="NAME=VALUE", help="By default the declared init.")] = None,
    size: Annotated[str | None, typer.Option("--size", metavar="N,...", help="Sites along the axes; nodes.")] = None,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps to take.")] = 200,
    every: Annotated[int, typer.Option("--every", min=1, help="Steps between frames.")] = 5,
    dt: Annotated[float | None, typer.Option("--dt", help="The time step; by default that of the spec.")] = None,
    channels: Annotated[int | None, typer.Option("--channels", min=1, help="Channels of every field.")] = None,
    graph: Annotated[str, typer.Option("--graph", help="ring, path, grid, complete or star.")] = "ring",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of what is drawn.")] = 0,
    engine: Annotated[str, typer.Option("--engine", help="torch (the package), numpy, or auto: by size.")] = "auto",
    out: Annotated[Path | None, typer.Option("--out", metavar="FOLDER", help="By default simulated/NAME.")] = None,
    pictures: Annotated[bool, typer.Option("--pictures/--no-pictures", help="A GIF and plots.")] = True,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Step a system from a start: frames, a moving picture, energy, entropy and the defect of the balance, each
    summed over sites and channels."""
    if engine not in ("auto", "torch", "numpy"):
        raise typer.BadParameter(f"--engine is torch, numpy or auto, not {engine!r}")
    sizes = shape_of(size, option="--size")
    with session("simulate", as_json, quiet, debug) as s:
        shown = shown_path(spec)
        read(spec, shown)
        s.tell(f"derive {shown}")
        import metrigen.caches  # noqa: F401  # before anything imports SymPy
        from metrigen.simulate.given import assignments

        step = {} if dt is None else {"dt": repr(dt)}
        said = assignments(set_to or [], "--set"), {**assignments(param or [], "--param"), **step}
        model = _model(s, spec, channels, sizes, graph, said, seed)
        found, used = _run(s, model, engine, steps, every, seed)
        _finish(s, model, found, used, out, pictures, {"seed": seed, "steps": steps, "every": every})


def _model(
    session: Session,
    spec: Path,
    channels: int | None,
    sizes: tuple[int, ...] | None,
    graph: str,
    said: tuple[dict[str, str], dict[str, str]],
    seed: int,
) -> Model:
    from metrigen import build as b
    from metrigen import console as c
    from metrigen.simulate.limit import warnings as told
    from metrigen.simulate.model import model_of, steppable
    from metrigen.simulate.place import place_of

    with c.patience() as waiting, b.layer_file(spec, waiting.begin) as (layer, warnings):
        session.warn(warnings, strict=False)
        found = steppable(layer)
        place = place_of(layer.source.spec.system, sizes, graph)
    # What is wrong from here on is wrong with an option, not with a line of the spec.
    model = model_of(found, place, channels, *said, seed)
    session.warn(told(model), strict=False)
    return model


def _run(session: Session, model: Model, engine: str, steps: int, every: int, seed: int) -> tuple[Trajectory, str]:
    from metrigen.simulate.engines import engine_of
    from metrigen.simulate.trajectory import trajectory

    with engine_of(model, engine, steps) as running, _progress(session, steps) as progress:
        return trajectory(model, running, steps, every, seed, progress), running.name


@contextmanager
def _progress(session: Session, steps: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, where that is a terminal."""
    from metrigen.console import console

    err = console(stderr=True)
    if session.quiet or not err.is_terminal:
        yield lambda count: None
        return
    from rich.progress import Progress

    with Progress(console=err, transient=True) as bar:
        task = bar.add_task("steps", total=steps)
        yield lambda count: bar.advance(task, count)


def _finish(
    session: Session,
    model: Model,
    found: Trajectory,
    engine: str,
    out: Path | None,
    pictures: bool,
    about: dict[str, Any],
) -> None:
    """Write the files, print the table."""
    from metrigen import show as s
    from metrigen.emit.file import write_bytes
    from metrigen.simulate import pictures as p
    from metrigen.simulate.trajectory import frames_file

    name = model.layer.source.name
    folder = out if out is not None else Path("simulated", name)
    _make(folder)
    about = {**about, "name": name, "sha256": model.layer.source.spec.sha256, "dt": model.dt, "engine": engine}
    write_bytes(folder / "frames.npz", frames_file(found, about))
    files = [folder / "frames.npz"]
    reason = p.why_none() if pictures else ""
    if pictures and not reason:
        p.draw_curves(found, name, folder / "curves.png")
        p.animate(found, model.place, name, folder / "frames.gif")
        files += [folder / "curves.png", folder / "frames.gif"]
    session.say(f"{name}, {' x '.join(map(str, model.shape))}, t = 0 to {found.times[-1]:g}, {engine}")
    session.say(s.curves_table(found.curves()))
    if model.channels > 1:
        session.say(f"sums over the sites and the {model.channels} channels")
    if reason:
        session.tell(f"no pictures: {reason}")
    for file in files:
        session.tell(f"wrote {file}")
    curves = {n: {"start": float(x[0]), "end": float(x[-1]), "largest": float(abs(x).max())}
              for n, x in found.curves().items()}  # fmt: skip
    session.give(**about, shape=model.shape, frames=len(found.times), end=float(found.times[-1]), curves=curves,
                 files=[str(file) for file in files])  # fmt: skip


def _make(folder: Path) -> None:
    from metrigen.errors import BuildError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BuildError(
            f"the folder {folder} cannot be made",
            why=error.strerror or str(error),
            fix="--out FOLDER",
            see="place-taken",
        ) from error
