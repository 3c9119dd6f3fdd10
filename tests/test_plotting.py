"""Pictures and films of trajectories: the numbers that are drawn are those of the state."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch

import metrigen
from metrigen.errors import BuildError
from tests.memory.systems import oscillator, wave

mpl.use("Agg")


@pytest.fixture(autouse=True)
def closed() -> object:
    yield
    mpl.pyplot.close("all")


def rollout(system: metrigen.System, *sites: int, steps: int = 6) -> tuple[object, object]:
    layer = metrigen.layer(system)(2)
    start = torch.randn(3, 2, *sites, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return layer.rollout(start, steps=steps), layer(start)


def test_a_point_gives_curves_against_time() -> None:
    trajectory, state = rollout(oscillator())
    figure = metrigen.plot(trajectory, sample=1, channel=1, times=[0.1 * k for k in range(1, 7)])
    (panel,) = figure.axes
    assert [line.get_label() for line in panel.lines] == ["q", "pi"]
    np.testing.assert_allclose(panel.lines[0].get_ydata(), trajectory.q[1, 1], rtol=1e-6)
    np.testing.assert_allclose(panel.lines[0].get_xdata(), 0.1 * np.arange(1, 7))
    assert len(metrigen.plot(state).axes[0].lines[0].get_xdata()) == 1


def test_a_line_gives_space_and_time() -> None:
    trajectory, state = rollout(wave(), 5)
    figure = metrigen.plot(trajectory, "phi", sample=2)
    (image,) = figure.axes[0].images
    np.testing.assert_allclose(image.get_array(), trajectory.phi[2, 0], rtol=1e-6)
    assert image.get_extent() == pytest.approx([-0.5, 4.5, 0.5, 6.5])
    low, high = image.get_clim()
    assert low == -high  # both signs: 0 is white
    np.testing.assert_allclose(metrigen.plot(state).axes[0].lines[0].get_ydata(), state.phi[0, 0], rtol=1e-6)


def test_a_plane_gives_a_picture_a_frame() -> None:
    trajectory, _ = rollout(wave(2), 4, 5, steps=20)
    figure = metrigen.plot(trajectory)
    panels = [panel for panel in figure.axes if panel.images and panel.get_title()]
    assert len(panels) == 2 * 8
    assert panels[0].get_title() == "phi, frame 1"
    assert panels[7].get_title() == "phi, frame 20"
    np.testing.assert_allclose(panels[7].images[0].get_array(), trajectory.phi[0, 0, -1].T, rtol=1e-6)
    assert figure.get_suptitle() == "8 of 20 frames; sample 0 of 3, channel 0 of 2"


def test_the_title_says_which_sample_and_channel_is_drawn() -> None:
    for system, sites in ((oscillator(), ()), (wave(), (5,)), (wave(2), (4, 5))):
        for state in rollout(system, *sites):
            figure = metrigen.plot(state, sample=-1, channel=1)
            assert figure.get_suptitle() == "sample 2 of 3, channel 1 of 2"
    film = metrigen.animate(rollout(wave(2), 4, 5)[0], sample=1)
    film._draw_frame(3)
    assert film._fig.get_suptitle() == "frame 4; sample 1 of 3, channel 0 of 2"


def test_a_gif_needs_no_writer_to_be_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    film = metrigen.animate(rollout(wave(), 5, steps=2)[0])
    film.save(tmp_path / "film.gif")
    film.save(str(tmp_path / "again.GIF"), fps=5)
    assert (tmp_path / "film.gif").read_bytes().startswith(b"GIF8")
    assert (tmp_path / "again.GIF").read_bytes().startswith(b"GIF8")
    assert not caplog.records


@pytest.mark.parametrize(("axes", "sites"), [(0, ()), (1, (5,)), (2, (4, 5))])
def test_a_film_has_every_frame(axes: int, sites: tuple[int, ...], tmp_path: Path) -> None:
    trajectory, _ = rollout(wave(axes) if axes else oscillator(), *sites)
    film = metrigen.animate(trajectory, interval=20)
    assert len(list(film.new_frame_seq())) == 6
    film.save(tmp_path / "film.gif", writer="pillow")
    assert (tmp_path / "film.gif").stat().st_size > 1000


def test_what_cannot_be_drawn_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    trajectory, _ = rollout(oscillator())
    for match, call in {
        "takes a State": lambda: metrigen.plot(torch.zeros(2)),
        "none of the state: q, pi": lambda: metrigen.plot(trajectory, "phi"),
        "3 samples and 2 channels": lambda: metrigen.plot(trajectory, sample=3),
        "6 frames and 2 times": lambda: metrigen.plot(trajectory, times=[0, 1]),
    }.items():
        with pytest.raises(ValueError, match=match):
            call()
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BuildError, match=r"pip install 'metrigen\[plot\]'"):
        metrigen.plot(trajectory)


def test_a_notebook_shows_a_figure_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures that are open at the end of a cell are shown there, beside what the cell returns."""
    trajectory, _ = rollout(oscillator())
    assert metrigen.plot(trajectory).number in mpl.pyplot.get_fignums()
    monkeypatch.setattr(mpl.pyplot, "get_backend", lambda: "module://matplotlib_inline.backend_inline")
    before = mpl.pyplot.get_fignums()
    metrigen.plot(trajectory)
    assert mpl.pyplot.get_fignums() == before
