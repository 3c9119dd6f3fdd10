"""Pictures of films: what is true and what every model shows, forwards, later, backwards and drawn; learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor

from trainers.hgn_model import VARIANTS, Film, Hamiltonian
from trainers.hgn_systems import SIDE, SYSTEMS, frames_of
from trainers.hgn_training import LONG, TEST, Case, Options, films_of, orbit_of

SHOWN = 10  # frames of a strip


def _strip(frames: Tensor, chosen: np.ndarray) -> np.ndarray:
    """Frames side by side, (SIDE, SHOWN SIDE), a bright line between them."""
    pictures = frames[torch.from_numpy(chosen)].reshape(-1, SIDE, SIDE).clamp(0, 1)
    edged = torch.nn.functional.pad(pictures, (0, 1), value=1.0)
    return edged.permute(1, 0, 2).flatten(1).numpy()


@torch.no_grad()
def _strips(networks: Mapping[Case, Film], options: Options, system: str, seed: int) -> list[tuple[str, np.ndarray]]:
    """The strips of the first test film of a system, with their titles."""
    frames, far = options.frames, LONG * options.frames
    within = np.linspace(0, frames - 1, SHOWN).round().astype(int)
    long = np.linspace(0, far - 1, SHOWN).round().astype(int)
    own = {case.model: network for case, network in networks.items() if (case.system, case.seed) == (system, seed)}
    any_case = Case(system, next(iter(own)), seed)
    film = films_of(any_case, TEST, options.test, far)[:1]
    strips = [(f"true, {frames} frames", _strip(film[0], within))]
    starts = {name: network.start(film[:, : options.seen]) for name, network in own.items()}
    strips += [
        (VARIANTS[name].title, _strip(network.film(starts[name], frames)[0], within)) for name, network in own.items()
    ]
    strips.append((f"true, {far} frames", _strip(film[0], long)))
    strips += [(VARIANTS[name].title, _strip(one.film(starts[name], far)[0], long)) for name, one in own.items()]
    network = own.get("hamiltonian")
    if network is not None and isinstance(network.motion, Hamiltonian):
        back = frames_of(SYSTEMS[system], orbit_of(any_case, TEST, options.test), -np.arange(frames))[0]
        strips.append(("true, backwards", _strip(back, within)))
        strips.append(("leapfrog, backwards", _strip(network.film(starts["hamiltonian"], frames, -1.0)[0], within)))
        drawn = np.random.default_rng(0).normal(size=(1, options.sizes.phase)).astype(np.float32)
        strips.append(("leapfrog, drawn", _strip(network.film(torch.from_numpy(drawn), frames)[0], within)))
    return strips


def film_strips(networks: Mapping[Case, Film], options: Options, path: Path) -> None:
    """A column a system: the strips of its first test film, by the models of the first seed."""
    systems, seed = list(dict.fromkeys(case.system for case in networks)), min(case.seed for case in networks)
    columns = [_strips(networks, options, system, seed) for system in systems]
    rows = max(map(len, columns))
    figure, grid = plt.subplots(rows, len(systems), figsize=(5.6 * len(systems), 0.75 * rows), squeeze=False,
                                constrained_layout=True)  # fmt: skip
    for axes in grid.flat:
        axes.axis("off")
    for column, system, strips in zip(grid.T, systems, columns, strict=True):
        for axes, (title, picture) in zip(column, strips, strict=False):
            axes.imshow(picture, cmap="magma", vmin=0, vmax=1)
            axes.set_title(title, fontsize=7, pad=2)
        column[0].set_title(f"{SYSTEMS[system].title}: {strips[0][0]}", fontsize=7, pad=2)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def learning_curves(curves: Mapping[Case, Sequence[Mapping[str, Any]]], path: Path) -> None:
    """A panel a system: pixel error of the validation against steps, a line a seed."""
    systems, first = list(dict.fromkeys(case.system for case in curves)), min(case.seed for case in curves)
    figure, row = plt.subplots(1, len(systems), figsize=(3.4 * len(systems), 3), squeeze=False,
                               constrained_layout=True)  # fmt: skip
    for axes, system in zip(row[0], systems, strict=True):
        for case, curve in curves.items():
            if case.system == system:
                steps, errors = ([record[key] for record in curve] for key in ("step", "pixel_error"))
                label = VARIANTS[case.model].title if case.seed == first else None
                axes.plot(steps, errors, color=f"C{list(VARIANTS).index(case.model)}", lw=1, label=label)
        axes.set(xlabel="steps", ylabel="mean square pixel error", yscale="log", title=SYSTEMS[system].title)
        axes.legend(frameon=False, fontsize=7)
    figure.savefig(path, dpi=110)
    plt.close(figure)
