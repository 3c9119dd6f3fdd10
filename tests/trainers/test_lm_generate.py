"""Text as it is written: at a constant cost, the same as all at once, with weights of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import torch
from torch import Tensor

from trainers.common import ResumeError
from trainers.lm import Options, weights_meta
from trainers.lm_data import split_text
from trainers.lm_generate import PROMPT, WEIGHTS, decoded, load_model, written
from trainers.lm_score import generate, stream
from trainers.lm_variants import VARIANTS, build
from trainers.weights import save_weights

SMALL = Options(width=16, layers=2, oscillators=12, modes=8, rank=4, memories=2, key=6, heads=2)


def model_of(name: str) -> Any:
    torch.manual_seed(0)
    return build(VARIANTS[name], SMALL.sizes).eval()


@pytest.mark.parametrize("name", ["physics", "gpt"])
def test_bytes_come_one_by_one(name: str) -> None:
    model, read = model_of(name), []
    model.embedding.register_forward_hook(lambda module, inputs, output: read.append(inputs[0].shape[1]))
    drawn = stream(model, b"to be or not to be", 30, context=12, temperature=0.8, seed=0)
    first = [next(drawn) for _ in range(10)]
    assert read == ([18] + [1] * 9 if name == "physics" else [12] * 10)
    whole = generate(model, b"to be or not to be", 30, context=12, temperature=0.8, seed=0)
    assert whole == b"to be or not to be" + bytes([*first, *drawn])


def test_characters_come_when_their_bytes_are_complete() -> None:
    assert list(decoded("aé…".encode())) == ["a", "é", "…"]
    assert list(decoded(b"a\xe2b")) == ["a", "\ufffdb"]
    assert list(decoded(b"a\xe2")) == ["a", "\ufffd"]


def test_weights_of_a_run_write_what_the_model_writes(tmp_path: Path) -> None:
    model, path = model_of("physics"), tmp_path / "weights.safetensors"
    save_weights(path, model, weights_meta(SMALL, "physics", split_text("words", b"words " * 100)))
    found, wanted = ("".join(written(x, PROMPT, 40)) for x in (load_model(path), model))
    assert found == wanted
    with pytest.raises(ResumeError, match="no weights in"):
        load_model(tmp_path / "none")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ResumeError, match="weights"):
        load_model(path)


def test_weights_of_another_spec_are_refused(tmp_path: Path) -> None:
    path, model = tmp_path / "weights.safetensors", model_of("physics")
    meta = weights_meta(SMALL, "physics", split_text("words", b"words " * 100))
    save_weights(path, model, {**meta, "spec": "0" * 64})
    with pytest.raises(ResumeError, match="was trained with the spec"):
        load_model(path)


def test_the_command_writes_text(run_module: Callable[..., CompletedProcess[str]]) -> None:
    done = run_module("trainers.lm_generate", "--prompt", "ROMEO:", "--bytes", "60")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ROMEO:")
    assert len(done.stdout) > 50


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--weights", "none"), "error: no weights in none"),
        (("--prompt", ""), "at least one byte"),
        (("--temperature", "0"), "must be positive"),
    ],
)
def test_errors_say_what_to_do(
    run_module: Callable[..., CompletedProcess[str]], arguments: tuple[str, ...], message: str
) -> None:
    done = run_module("trainers.lm_generate", *arguments)
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_the_shipped_weights_know_their_text() -> None:
    assert WEIGHTS.stat().st_size < 2_000_000
    model = load_model()
    text = b"First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n"
    given = torch.tensor([list(text)])
    with torch.no_grad():
        logits: Tensor = model(given[:, :-1])[0]
    nats = torch.nn.functional.cross_entropy(logits[0], given[0, 1:])
    assert float(nats) / 0.6931 < 3
