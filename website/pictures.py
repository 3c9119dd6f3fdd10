"""A small picture of a run of a system of the gallery, and the command or the lines that make the same run."""

from __future__ import annotations

import io
import shlex
from pathlib import Path
from typing import Any

import numpy as np

from metrigen.build import layer_file
from metrigen.errors import MetrigenError
from metrigen.simulate.engines import engine_of
from metrigen.simulate.given import assignments
from metrigen.simulate.model import model_of, steppable
from metrigen.simulate.pictures import _pyplot
from metrigen.simulate.place import Place, place_of
from metrigen.simulate.trajectory import Trajectory, trajectory
from website.layers import lines, shown
from website.runs import RUNS, Run

SPECS = "specs/gallery"
INK = "#7f8790"  # read on white and on black


def picture(name: str, file: Path) -> str:
    """Write the picture of a run; the command or the lines of it. Nothing, and "", where there is neither."""
    if lines(name):
        _draw_layer(shown(name), file)
        return lines(name)
    run = RUNS.get(name, Run())
    try:
        found, place = simulated(name, run)
    except MetrigenError as error:
        print(f"  {name}: {error.what}")
        return ""
    _draw(found, place, file)
    return shlex.join(run.command(f"{SPECS}/{name}.py"))


def simulated(name: str, run: Run) -> tuple[Trajectory, Place]:
    """The trajectory of a run by the interpreter. Raises SpecError where there is none."""
    with layer_file(Path(SPECS, f"{name}.py")) as (layer, _):
        place = place_of(steppable(layer).source.spec.system, run.size, "ring")
        said = assignments(list(run.set_to), "--set"), assignments(list(run.param), "--param")
        model = model_of(layer, place, None, *said, 0)
        with engine_of(model, "numpy", run.steps) as engine:
            return trajectory(model, engine, run.steps, run.every, 0, lambda count: None), place


def _draw(found: Trajectory, place: Place, file: Path) -> None:
    """Curves over time at a point and on a graph, space and time on a line, first and last state on a plane."""
    plt = _pyplot()
    frames = {name: values[:, 0] for name, values in found.fields.items()}
    first = next(iter(frames))
    rank = frames[first].ndim - 1
    planes = rank >= 2
    figure, axes = plt.subplots(1, 2 if planes else 1, figsize=(4.6, 2.4), squeeze=False)
    if planes:
        ends = frames[first][[0, -1]]
        ends = ends.reshape(*ends.shape[:3], -1)[..., ends[0, 0, 0].size // 2]
        for axis, end, time in zip(axes[0], ends, (0.0, found.times[-1]), strict=True):
            axis.imshow(end.T, origin="lower", cmap="viridis", vmin=ends.min(), vmax=ends.max())
            axis.set_title(f"{first}, t = {time:.3g}", fontsize=8, color=INK)
    elif rank == 1 and place.incidence is None:
        _space_time(axes[0, 0], frames[first], found.times[-1], place, first)
    else:
        _curves(axes[0, 0], frames, found.times)
    _finish(figure, axes[0], file)


def _draw_layer(values: dict[str, np.ndarray], file: Path) -> None:
    """Curves in one picture, or one picture an array of two axes."""
    plt = _pyplot()
    planes = next(iter(values.values())).ndim == 2
    figure, axes = plt.subplots(1, len(values) if planes else 1, figsize=(4.6, 2.4), squeeze=False)
    if planes:
        for axis, (name, plane) in zip(axes[0], values.items(), strict=True):
            axis.imshow(plane, origin="lower", cmap="viridis")
            axis.set_title(name, fontsize=8, color=INK)
    else:
        for name, curve in values.items():
            axes[0, 0].plot(curve, linewidth=1.2, label=name)
        axes[0, 0].legend(fontsize=7, labelcolor=INK, framealpha=0)
    _finish(figure, axes[0], file)


def _finish(figure: Any, axes: Any, file: Path) -> None:
    for axis in axes:
        axis.tick_params(labelsize=7, colors=INK)
        for spine in axis.spines.values():
            spine.set_color(INK)
    figure.tight_layout()
    _save(figure, file)
    _pyplot().close(figure)


def _space_time(axis: Any, frames: np.ndarray, end: float, place: Place, name: str) -> None:
    ((along, length),) = place.lengths.items()
    axis.imshow(frames, origin="lower", aspect="auto", extent=(0, length, 0, end), cmap="viridis")
    axis.set_title(name, fontsize=8, color=INK)
    axis.set_xlabel(along, fontsize=8, color=INK)
    axis.set_ylabel("t", fontsize=8, color=INK)


def _curves(axis: Any, frames: dict[str, np.ndarray], times: np.ndarray) -> None:
    """Every field at a point, or the first field at every node."""
    lines = dict(frames) if next(iter(frames.values())).ndim == 1 else dict([next(iter(frames.items()))])
    for name, values in lines.items():
        axis.plot(times, values, linewidth=1.2, label=name)
    axis.set_xlabel("t", fontsize=8, color=INK)
    axis.legend(list(lines), fontsize=7, labelcolor=INK, framealpha=0)


def _save(figure: Any, file: Path) -> None:
    """In 64 colours, without a ground of its own."""
    from PIL import Image

    scratch = io.BytesIO()
    figure.savefig(scratch, dpi=110, transparent=True, format="png")
    Image.open(scratch).quantize(64, method=Image.Quantize.FASTOCTREE).save(file, optimize=True)
