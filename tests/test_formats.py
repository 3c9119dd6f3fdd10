"""Packages and checkpoints of other formats: earlier ones are read, later ones are refused by name."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from metrigen.manifests import FORMAT
from tests.kernels.ladder import system
from tests.lattice.emitted import layer_class, package

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return package(system("explicit", "periodic", 0), tmp_path_factory.mktemp("formats"), "formats_of")


def as_format(state: dict[str, Any], number: int | None) -> dict[str, Any]:
    """The checkpoint as another version wrote it: with another format, or none."""
    settings = json.loads(bytes(state["_extra_state"].tolist()))
    assert settings.pop("format") == FORMAT
    settings |= {} if number is None else {"format": number}
    return {**state, "_extra_state": torch.tensor(list(json.dumps(settings).encode()), dtype=torch.uint8)}


def other(made: ModuleType) -> tuple[Any, dict[str, Any]]:
    """A layer, and a checkpoint with numbers that are not its own."""
    kind = layer_class(made)
    state = kind(2).state_dict()
    return kind(2), {name: x + 1 if x.is_floating_point() else x for name, x in state.items()}


def test_a_checkpoint_of_an_earlier_format_loads_without_a_word(made: ModuleType) -> None:
    for number in (None, 0):
        layer, state = other(made)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            layer.load_state_dict(as_format(state, number))
        for name, x in layer.named_parameters():
            assert torch.equal(x, state[name])


def test_a_checkpoint_before_settings_and_shapes(made: ModuleType) -> None:
    """Format 0 as its first packages wrote it: no settings, scalars of shape ()."""
    layer, state = other(made)
    del state["_extra_state"]
    layer.load_state_dict({n: x.reshape(()) if x.shape == (1,) else x for n, x in state.items()})
    for name, x in layer.named_parameters():
        assert torch.equal(x, state[name])


def test_a_checkpoint_of_a_later_format_is_refused_and_nothing_loaded(made: ModuleType) -> None:
    layer, state = other(made)
    before = {n: x.clone() for n, x in layer.named_parameters()}
    with pytest.raises(RuntimeError, match=f"of format {FORMAT + 1}, written by a package of a later metrigen"):
        torch.nn.Sequential(layer).load_state_dict({f"0.{n}": x for n, x in as_format(state, FORMAT + 1).items()})
    for name, x in layer.named_parameters():
        assert torch.equal(x, before[name])


def test_packages(metrigen: Run, tmp_path: Path) -> None:
    """An earlier one is stale by name and is replaced; a later one is refused and stays."""
    assert metrigen("new", "swing", "--like", "pendulum", cwd=tmp_path).returncode == 0
    assert metrigen("build", "swing.py", cwd=tmp_path).returncode == 0
    file = tmp_path / "generated/swing/manifest.json"
    now = json.loads(file.read_text())
    assert now.pop("format") == FORMAT
    file.write_text(json.dumps(now))
    listed = metrigen("list", "--no-gallery", cwd=tmp_path).stdout
    assert f"stale: of format 0, this metrigen writes {FORMAT}" in " ".join(listed.split())
    assert metrigen("build", "swing.py", "--check", cwd=tmp_path).returncode == 2
    assert metrigen("build", "swing.py", cwd=tmp_path).returncode == 0
    assert json.loads(file.read_text())["format"] == FORMAT
    later = json.dumps({**now, "format": FORMAT + 1})
    file.write_text(later)
    refused = metrigen("build", "swing.py", cwd=tmp_path)
    assert refused.returncode == 1
    assert f"it is of format {FORMAT + 1}" in refused.stderr
    assert file.read_text() == later
