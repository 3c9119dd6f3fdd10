"""The examples find what they say, where the packages that they are about are installed."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from tests.conftest import ROOT


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_lightning_finds_the_wave(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("lightning")
    module = example("lightning_wave")
    found = module.main()
    assert found == pytest.approx(module.TRUTH, abs=0.02)
    assert capsys.readouterr().out.strip().endswith("c2 = 0.80, gamma = 0.15")


def test_a_hugging_face_model_is_trained_saved_and_read() -> None:
    pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    assert example("huggingface_wave").main() > 0.9
