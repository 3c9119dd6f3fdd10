"""Pictures of a trajectory: its curves, and a moving picture of its fields. They need matplotlib."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from metrigen.simulate.place import Place
from metrigen.simulate.trajectory import Trajectory

FRAMES = 40  # of a moving picture, at most


def why_none() -> str:
    """Why no pictures can be drawn; empty where they can."""
    missing = [name for name in ("matplotlib", "PIL") if importlib.util.find_spec(name) is None]
    return f"{' and '.join('pillow' if n == 'PIL' else n for n in missing)} not installed" if missing else ""


def draw_curves(found: Trajectory, title: str, file: Path) -> None:
    """Energy, entropy and balance over time, one below the other."""
    plt = _pyplot()
    curves = found.curves()
    figure, axes = plt.subplots(len(curves), 1, figsize=(6, 2 * len(curves) + 0.6), sharex=True, squeeze=False)
    labels = {"balance": "balance defect"}
    for axis, (name, curve) in zip(axes[:, 0], curves.items(), strict=True):
        axis.plot(found.times, curve, color="tab:blue")
        axis.set_ylabel(labels.get(name, name))
        axis.ticklabel_format(useOffset=False)
        axis.grid(alpha=0.3)
    axes[-1, 0].set_xlabel("t")
    count = _channels(found)
    figure.suptitle(title if count == 1 else f"{title}, sums over {count} channels")
    figure.tight_layout()
    figure.savefig(file, dpi=100)
    plt.close(figure)


def animate(found: Trajectory, place: Place, title: str, file: Path) -> None:
    """The first channel of every field, frame by frame, as a GIF: a curve on a line or a graph, an image on a
    plane, the middle plane of a space, and at a point the values over time."""
    plt = _pyplot()
    from matplotlib.animation import FuncAnimation, PillowWriter

    names, count = list(found.fields), _channels(found)
    title = title if count == 1 else f"{title}, channel 0 of {count}"
    chosen = np.unique(np.linspace(0, len(found.times) - 1, min(FRAMES, len(found.times))).round().astype(int))
    figure, axes = plt.subplots(1, len(names), figsize=(4 * len(names), 3.6), squeeze=False)
    shown = [_drawn(axis, found, name, place) for axis, name in zip(axes[0], names, strict=True)]
    heading = figure.suptitle(title)
    figure.tight_layout()

    def frame(k: int) -> list[Any]:
        heading.set_text(f"{title}, t = {found.times[k]:.4g}")
        return [change(k) for change in shown]

    made = FuncAnimation(figure, frame, frames=[int(k) for k in chosen], blit=False)
    made.save(file, writer=PillowWriter(fps=12), dpi=60)
    plt.close(figure)


def _channels(found: Trajectory) -> int:
    return int(next(iter(found.fields.values())).shape[1])


def _drawn(axis: Any, found: Trajectory, name: str, place: Place) -> Any:
    """Draw the first frame of a field; a function that shows another one."""
    frames = found.fields[name][:, 0]
    low, high = float(frames.min()), float(frames.max())
    margin = 0.05 * (high - low) or 1.0
    axis.set_title(name)
    if frames.ndim >= 3:
        plane = frames if frames.ndim == 3 else frames[..., frames.shape[-1] // 2]
        image = axis.imshow(plane[0].T, origin="lower", vmin=low, vmax=high, cmap="viridis")
        axis.figure.colorbar(image, ax=axis, fraction=0.046)
        return lambda k: image.set_data(plane[k].T)
    axis.set_ylim(low - margin, high + margin)
    if frames.ndim == 2:
        (x,) = (x.ravel() for x in place.coordinates.values())
        (line,) = axis.plot(x, frames[0], "o-" if place.incidence is not None else "-")
        return lambda k: line.set_ydata(frames[k])
    axis.set_xlim(0, found.times[-1] or 1.0)
    (line,) = axis.plot([], [])
    return lambda k: line.set_data(found.times[: k + 1], frames[: k + 1])


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt
