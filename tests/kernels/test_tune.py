"""``metrigen.backends.triton.tune``: what is chosen, what the file looks like, that a reader never sees half of it."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from metrigen import SpecError
from metrigen.backends.triton import tune as tuning
from metrigen.backends.triton.tune import choose, measure, read_settings, tune, write_settings


def test_the_fastest_wins_only_if_it_is_clearly_faster() -> None:
    assert choose({2: 1.0, 4: 0.5, 8: 0.7}, default=2) == 4
    assert choose({2: 1.0, 4: 0.98, 8: 1.2}, default=2) == 2
    assert choose({4: 0.5, 8: 0.5}, default=2) == 4, "equal times: the fewer warps; the default could not run"
    assert choose({}, default=8) == 8


def test_candidates_that_the_device_refuses_are_left_out() -> None:
    class OutOfResources(Exception):
        pass

    def run(warps: int) -> int:
        if warps == 32:
            raise OutOfResources
        return warps

    def timer(go: object) -> float:
        return 1.0 / go()  # type: ignore[operator]

    key = "evolve 1024 1 float32 sm_90"
    found = measure({key: run}, {key: 4}, {key: (8, 16, 32)}, timer)
    assert found == {key: {n: 1.0 / n for n in (4, 8, 16)}}

    def broken(warps: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        measure({"k": broken}, {"k": 4}, {"k": (2, 4)}, timer)


def test_the_file(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "coupled_wave.json"
    assert read_settings(file) == {}
    write_settings(file, {"b": 4, "a": 2})
    assert json.loads(file.read_text()) == {"format": 2, "warps": {"a": 2, "b": 4}}
    assert read_settings(file) == {"a": 2, "b": 4}
    assert [p.name for p in file.parent.iterdir()] == ["coupled_wave.json"]
    file.write_text('{"format": 1, "warps": {"a": 2}}')
    assert read_settings(file) == {}
    file.write_text('{"format": 2, "warps": {"a": 3, "b": "x", "c": 8}}')
    assert read_settings(file) == {"c": 8}
    file.write_text("{")
    assert read_settings(file) == {}


def test_a_reader_sees_a_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "coupled_wave.json"
    many = {f"key {k}": 4 for k in range(500)}
    write_settings(file, many)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            write_settings(file, many)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert all(len(read_settings(file)) == 500 for _ in range(200))
    finally:
        stop.set()
        writer.join()


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "coupled_wave.json"
    write_settings(file, {"a": 2})

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(tuning.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_settings(file, {"a": 4})
    assert read_settings(file) == {"a": 2}
    assert [p.name for p in tmp_path.iterdir()] == ["coupled_wave.json"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU to tune for")
def test_no_gpu_is_refused() -> None:
    with pytest.raises(SpecError, match="needs a GPU"):
        tune("generated.coupled_wave")


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("triton")
    from generated.coupled_wave import kernels

    monkeypatch.setenv("METRIGEN_TUNED", str(tmp_path))
    kernels.forget_settings()
    yield kernels
    kernels.forget_settings()


def test_kernels_take_what_was_measured(kernels: ModuleType, tmp_path: Path) -> None:
    """A setting reaches the launch; deterministic algorithms keep to what is checked in; a bad file changes nothing."""
    assert kernels.settings_file() == tmp_path / "coupled_wave.json"
    given = ("evolve", 1024, 1, torch.float32, torch.device("cpu"))
    rule = kernels._warps(*given, False)
    assert rule == kernels._heuristic("evolve", 1024, 1)
    write_settings(kernels.settings_file(), {f"{kernels._key(*given)} {kernels.content()}": 16})
    assert kernels._warps(*given, False) == rule, "read once"
    kernels.forget_settings()
    assert kernels._warps(*given, False) == 16
    assert kernels._warps(*given, True) == rule
    write_settings(kernels.settings_file(), {kernels._key(*given): 16, f"{kernels._key(*given)} {'0' * 16}": 16})
    kernels.forget_settings()
    assert kernels._warps(*given, False) == rule, "measured of other kernels of this name"
    kernels.settings_file().write_text('{"format": 2, "warps": [1]}')
    kernels.forget_settings()
    assert kernels._warps(*given, False) == rule


def test_the_folder_of_the_machine(kernels: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("METRIGEN_TUNED")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(kernels.sys, "platform", "linux")
    assert kernels.settings_file() == tmp_path / "cache" / "metrigen" / "tuned" / "coupled_wave.json"


def test_the_rule(kernels: ModuleType) -> None:
    """A gather by one warp alone is thousands of shuffles: that is for the smallest planes."""
    warps = {
        (tile, group): kernels._heuristic("evolve", tile, group)
        for tile in (16, 64, 256, 1024, 4096)
        for group in (1, 8)
    }
    assert warps[16, 1] == warps[64, 1] == 1
    assert warps[256, 1] == 2
    assert warps[1024, 1] == 4
    assert warps[4096, 1] == 16
    assert warps[1024, 8] == 16
    assert kernels._heuristic("evolve_adjoint", 1024, 1) == 8


def test_what_is_tried(kernels: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more threads than sites; what the rule takes is tried as well."""
    planes = {16: (4, 4), 64: (8, 8), 256: (15, 15), 1024: (32, 32), 4096: (64, 64)}
    tried = {tile: kernels.candidates(torch.empty(1, 1, *size)) for tile, size in planes.items()}
    assert tried == {16: (1,), 64: (1, 2), 256: (2, 4, 8), 1024: (2, 4, 8, 16, 32), 4096: (2, 4, 8, 16, 32)}
    monkeypatch.setattr(torch.version, "hip", "6")
    assert kernels.candidates(torch.empty(1, 1, 15, 15)) == (2, 4)
    assert kernels.candidates(torch.empty(1, 1, 8, 8)) == (1,)


def test_tune_writes_what_is_faster(kernels: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole of ``tune`` but the device: recorded launches, a timer that prefers 8 warps."""
    keys = {"evolve 16 2 float32 cpu": 1, "evolve_adjoint 16 2 float32 cpu": 8}
    launches = {
        key: {"default": default, "candidates": (2, 4, 8), "run": lambda warps: warps} for key, default in keys.items()
    }
    layer = SimpleNamespace(to=lambda *_: None)
    monkeypatch.setattr(tuning, "_loaded", lambda _: (torch, kernels, None))
    monkeypatch.setattr(tuning, "_layer", lambda *_: layer)
    monkeypatch.setattr(tuning, "_launches", lambda *_: launches)
    write_settings(kernels.settings_file(), {"other": 2, "evolve_adjoint 16 2 float32 cpu": 4})
    lines: list[str] = []
    file = tune("coupled_wave", timer=lambda run: abs(run() - 8) + 1.0, report=lines.append)  # type: ignore[operator, return-value]
    assert read_settings(file) == {"other": 2, "evolve 16 2 float32 cpu": 8}, "the rule is not written down"
    assert lines[0] == "evolve 16 2 float32 cpu: 8 warps (8.00x against 1)"


def test_launches_are_recorded_with_other_warps(kernels: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorded launch runs again with the warps it is given."""
    seen: list[dict[str, object]] = []
    like = torch.zeros(1, 2, 4, 4)

    class Kernel:
        fn = SimpleNamespace(__name__="evolve_kernel")

        def __getitem__(self, grid: tuple[int, ...]) -> object:
            return lambda *args, **options: seen.append(options)

    key, rule = kernels.setting(Kernel(), like, 2)
    assert (key, rule) == (f"evolve 16 2 float32 cpu {kernels.content()}", 1)
    kernels._launch_planes(Kernel(), like, 2, 3, like, GROUP=2)
    kernels._launch_planes(Kernel(), like, 2, 3, like, GROUP=2, num_warps=16)
    assert [options["num_warps"] for options in seen] == [1, 16]
    assert all(options["TILE"] == 16 and options["GROUP"] == 2 for options in seen)
