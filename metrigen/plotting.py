"""Pictures and films of what a layer returns, by matplotlib: a trajectory of ``rollout``, or one state.

A state says itself how many axes its fields have, so that times are told from sites: (B, C, n, *S) against (B, C, *S).
What is drawn is one sample and one channel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metrigen.errors import BuildError

MOST = 8  # frames of a plane that are drawn beside one another


@dataclass(frozen=True)
class _Frames:
    """Fields by name, arrays (n, *S) of numpy, at the times (n,); ``label`` is what the times are, ``drawn`` which
    sample and channel of how many."""

    fields: dict[str, Any]
    times: Any
    label: str
    drawn: str

    @property
    def axes(self) -> int:
        """Axes of the sites."""
        return int(next(iter(self.fields.values())).ndim) - 1

    def limits(self, name: str) -> tuple[float, float]:
        """The colours of a field: one scale for all its frames, around 0 where it has both signs."""
        import numpy as np

        finite = self.fields[name][np.isfinite(self.fields[name])]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        if low < 0 < high:
            high = max(-low, high)
            low = -high
        return (low, high) if low < high else (low - 0.5, high + 0.5)


def plot(
    trajectory: Any,
    field: str | None = None,
    *,
    sample: int = 0,
    channel: int = 0,
    times: Sequence[float] | None = None,
) -> Any:
    """A figure of matplotlib: curves against time without axes, a picture of space and time with one, a picture a frame
    with two (of more than 8 frames, 8 at even distances, which the title says). The title names sample and channel,
    counted from 0.

    trajectory  a State of ``rollout``, (B, C, n, *S), or one state, (B, C, *S)
    field       the field that is drawn; all of them by default
    times       the n times, for the axis; by default frames are counted from 1

    Raises ValueError for what cannot be drawn, BuildError without matplotlib.
    """
    frames = _frames(trajectory, field, sample, channel, times)
    pyplot = _pyplot()
    if frames.axes == 1:
        draw = _lines if len(frames.times) == 1 else _space_time
    else:
        draw = _planes if frames.axes else _curves
    figure = draw(frames, pyplot)
    if "inline" in pyplot.get_backend():
        pyplot.close(figure)  # a notebook shows what a cell returns, and would show it again as a figure that is open
    return figure


def animate(
    trajectory: Any,
    field: str | None = None,
    *,
    sample: int = 0,
    channel: int = 0,
    times: Sequence[float] | None = None,
    interval: int = 50,
) -> Any:
    """A film of a trajectory with one or two axes, ``interval`` milliseconds a frame; without axes a point that runs
    along its curves. It shows itself in a notebook, and ``.save("wave.gif")`` writes it. Arguments and errors are those
    of ``plot``.
    """
    frames = _frames(trajectory, field, sample, channel, times)
    pyplot = _pyplot()
    from matplotlib.animation import FuncAnimation

    figure, panels = pyplot.subplots(1, len(frames.fields), squeeze=False, figsize=(4 * len(frames.fields), 3.6))
    draw = [_moving(frames, name, panel) for name, panel in zip(frames.fields, panels[0], strict=True)]

    def show(i: int) -> list[Any]:
        figure.suptitle(f"{frames.label} {frames.times[i]:.4g}; {frames.drawn}", fontsize="small")
        return [one(i) for one in draw]

    film = FuncAnimation(figure, show, frames=len(frames.times), interval=interval, blit=False)
    film._repr_html_ = film.to_jshtml  # type: ignore[method-assign]  # by default it shows no film
    film.save = _saving(film.save)  # type: ignore[method-assign]
    pyplot.close(figure)  # a notebook would show it as a picture too
    return film


def _saving(save: Callable[..., None]) -> Callable[..., None]:
    """``save`` with pillow for what it writes: matplotlib asks for ffmpeg first and says that it is not there."""

    def saved(filename: Any, writer: Any = None, *more: Any, **options: Any) -> None:
        pillow = writer is None and Path(filename).suffix.lower() in (".gif", ".webp", ".apng")
        save(filename, "pillow" if pillow else writer, *more, **options)

    return saved


def _frames(trajectory: Any, field: str | None, sample: int, channel: int, times: Sequence[float] | None) -> _Frames:
    import numpy as np

    names = getattr(trajectory, "_fields", None)
    if names is None or not hasattr(trajectory, "last"):
        raise ValueError(f"plot() takes a State, which a layer returns, not {type(trajectory).__name__}")
    moving = trajectory[0].dim() > trajectory.last[0].dim()
    known = [name for name, x in zip(names, trajectory, strict=True) if x.dim() == trajectory[0].dim()]
    if field is not None and field not in known:
        raise ValueError(f"field={field!r} is none of the state: {', '.join(known)}")
    size = trajectory[0].shape
    if not (-size[0] <= sample < size[0] and -size[1] <= channel < size[1]):
        raise ValueError(f"sample={sample}, channel={channel}: there are {size[0]} samples and {size[1]} channels")
    chosen = {n: getattr(trajectory, n).detach().double().cpu().numpy()[sample, channel] for n in known}
    fields = {n: x if moving else x[None] for n, x in chosen.items() if field in (None, n)}
    count = len(next(iter(fields.values())))
    if times is not None and len(times) != count:
        raise ValueError(f"there are {count} frames and {len(times)} times")
    if count == 0:
        raise ValueError("the trajectory has no frames: fewer steps were taken than every=")
    frames = _Frames(fields, np.asarray(range(1, count + 1) if times is None else [float(x) for x in times]),
                     "frame" if times is None else "t",
                     f"sample {sample % size[0]} of {size[0]}, channel {channel % size[1]} of {size[1]}")  # fmt: skip
    if frames.axes > 2:
        raise ValueError(f"fields with {frames.axes} axes of sites are not drawn: take a plane of them first")
    return frames


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise BuildError(
            "a picture needs matplotlib, which is not installed",
            fix="pip install 'metrigen[plot]'",
            see="not-installed",
        ) from error
    return pyplot


def _curves(frames: _Frames, pyplot: Any) -> Any:
    figure, panel = pyplot.subplots(figsize=(7, 3.6), layout="constrained")
    for name, values in frames.fields.items():
        panel.plot(frames.times, values, label=name, marker="o" if len(frames.times) == 1 else None)
    panel.set_xlabel(frames.label)
    panel.legend()
    _heading(figure, frames)
    return figure


def _lines(frames: _Frames, pyplot: Any) -> Any:
    """Fields of one state along their axis."""
    figure, panel = pyplot.subplots(figsize=(7, 3.6), layout="constrained")
    for name, values in frames.fields.items():
        panel.plot(values[0], label=name)
    panel.set_xlabel("site")
    panel.legend()
    _heading(figure, frames)
    return figure


def _space_time(frames: _Frames, pyplot: Any) -> Any:
    """Sites to the right, time upwards."""
    count = len(frames.fields)
    figure, panels = pyplot.subplots(1, count, squeeze=False, figsize=(4.5 * count, 3.6), layout="constrained")
    first, last = frames.times[0], frames.times[-1]
    for panel, (name, values) in zip(panels[0], frames.fields.items(), strict=True):
        low, high = frames.limits(name)
        half = (last - first) / (2 * (len(values) - 1))
        image = panel.imshow(
            values, origin="lower", aspect="auto", cmap=_colours(low), vmin=low, vmax=high, interpolation="nearest",
            extent=(-0.5, values.shape[1] - 0.5, first - half, last + half),
        )  # fmt: skip
        panel.set(title=name, xlabel="site", ylabel=frames.label)
        figure.colorbar(image, ax=panel)
    _heading(figure, frames)
    return figure


def _planes(frames: _Frames, pyplot: Any) -> Any:
    """A row a field, a column a frame."""
    count = len(frames.times)
    shown = [round(i * (count - 1) / (min(count, MOST) - 1)) for i in range(min(count, MOST))] if count > 1 else [0]
    rows, columns = len(frames.fields), len(shown)
    figure, panels = pyplot.subplots(
        rows, columns, squeeze=False, figsize=(1.8 * columns + 0.8, 1.9 * rows), layout="constrained"
    )
    for row, (name, values) in zip(panels, frames.fields.items(), strict=True):
        low, high = frames.limits(name)
        for panel, i in zip(row, shown, strict=True):
            image = panel.imshow(values[i].T, origin="lower", cmap=_colours(low), vmin=low, vmax=high)
            panel.set(
                xticks=[], yticks=[], title=f"{name}, {frames.label} {frames.times[i]:.4g}" if count > 1 else name
            )
        figure.colorbar(image, ax=list(row))
    _heading(figure, frames, f"{columns} of {count} frames; " if columns < count else "")
    return figure


def _heading(figure: Any, frames: _Frames, left_out: str = "") -> None:
    """What is drawn, of all that there is."""
    figure.suptitle(f"{left_out}{frames.drawn}", fontsize="small")


def _moving(frames: _Frames, name: str, panel: Any) -> Any:
    """What draws frame i of a field into a panel."""
    values = frames.fields[name]
    low, high = frames.limits(name)
    panel.set_title(name)
    if frames.axes == 2:
        image = panel.imshow(values[0].T, origin="lower", cmap=_colours(low), vmin=low, vmax=high)
        return lambda i: image.set_data(values[i].T) or image
    margin = 0.05 * (high - low)
    if frames.axes == 1:
        (line,) = panel.plot(values[0])
        panel.set(ylim=(low - margin, high + margin), xlabel="site")
        return lambda i: line.set_ydata(values[i]) or line
    panel.plot(frames.times, values, alpha=0.4)
    (point,) = panel.plot(frames.times[:1], values[:1], "o")
    panel.set(ylim=(low - margin, high + margin), xlabel=frames.label)
    return lambda i: point.set_data(frames.times[i : i + 1], values[i : i + 1]) or point


def _colours(low: float) -> str:
    return "RdBu_r" if low < 0 and math.isfinite(low) else "viridis"
