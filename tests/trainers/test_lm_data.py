"""Text for the language models: equal arguments give equal bytes, splits do not meet, errors say what to give."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from trainers import lm_data
from trainers.lm_data import DataError, dataset_corpus, library_corpus, load_corpus, split_text, windows


def test_a_file_is_cut_into_three_contiguous_parts(tmp_path: Path) -> None:
    text = bytes(range(200))
    (tmp_path / "text").write_bytes(text)
    corpus = load_corpus(str(tmp_path / "text"))
    assert [len(x) for x in (corpus.train, corpus.validation, corpus.test)] == [180, 10, 10]
    assert bytes(torch.cat((corpus.train, corpus.validation, corpus.test)).tolist()) == text
    assert corpus.hash == load_corpus(str(tmp_path / "text")).hash
    assert corpus.hash != split_text("text", text[::-1]).hash


def test_the_standard_library_is_split_by_file() -> None:
    one = library_corpus()
    assert one.hash == library_corpus().hash
    assert len(one.train) > 10 * len(one.test) > 0
    assert len(one.train) > 10 * len(one.validation) > 0
    assert ".".join(map(str, sys.version_info[:3])) in one.name
    names = [f"package/module{k}.py" for k in range(2000)]
    shares = [sum(lm_data.split_of(name) == split for name in names) / 2000 for split in lm_data.SPLITS]
    # binomial: three standard deviations of a share of 1/20 among 2000 are 0.015
    assert shares[1] == pytest.approx(0.05, abs=0.015)
    assert shares[2] == pytest.approx(0.05, abs=0.015)
    assert sum(shares) == pytest.approx(1)


def test_streams_go_on_for_a_stretch_then_elsewhere() -> None:
    text = torch.arange(256, dtype=torch.uint8)
    take = lambda step, **more: windows(
        text, **({"seed": 3, "step": step, "batch": 2, "context": 8, "stretch": 4} | more)
    )
    steps = [take(step) for step in range(16)]
    assert steps[0].shape == (2, 9)
    assert all((step.diff() % 256 == 1).all() for step in steps)
    for k, (one, two) in enumerate(pairwise(steps)):
        assert (one[:, -1] == two[:, 0]).all() == (k % 4 != 3)
    read = torch.cat([step[:, :-1].flatten() for step in steps])
    assert read.sort().values.tolist() == list(range(256))  # 4 stretches of 2 streams of 32 bytes: every byte once
    assert torch.equal(take(5), take(5))
    assert not torch.equal(take(16), steps[0])
    assert not torch.equal(take(0, seed=4), steps[0])


def test_processes_share_the_streams() -> None:
    text = torch.arange(256, dtype=torch.uint8)
    take = lambda batch, **more: windows(text, seed=0, step=6, batch=batch, context=8, stretch=4, **more)
    assert torch.equal(take(4), torch.cat([take(2, rank=rank, world=2) for rank in range(2)]))


def fake(splits: Any) -> SimpleNamespace:
    """A stand-in for the package datasets."""

    def load_dataset(path: str, configuration: str | None, streaming: bool) -> Any:
        if path != "known":
            raise FileNotFoundError(f"Couldn't find {path}")
        return splits

    return SimpleNamespace(load_dataset=load_dataset)


def test_a_dataset_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"id": k, "title": "x", "text": "abcdefgh"} for k in range(10)]
    monkeypatch.setitem(sys.modules, "datasets", fake({"train": rows}))
    corpus = dataset_corpus("known")
    assert bytes(corpus.train[:12].tolist()) == b"abcdefgh\n\nab"
    assert len(corpus.train) + len(corpus.validation) + len(corpus.test) == 98
    monkeypatch.setitem(sys.modules, "datasets", fake({split: rows[:k] for k, split in enumerate(lm_data.SPLITS, 1)}))
    corpus = load_corpus(dataset="known")
    assert [len(x) for x in (corpus.train, corpus.validation, corpus.test)] == [8, 18, 28]


@pytest.mark.parametrize(
    ("splits", "name", "message"),
    [
        ({}, "unknown", "no dataset unknown: Couldn't find"),
        ({"dev": []}, "known", "no split train among dev"),
        ({"train": [{"id": 3}]}, "known", "no column of strings among id"),
    ],
)
def test_a_dataset_that_is_none(splits: Any, name: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", fake(splits))
    with pytest.raises(DataError, match=message):
        dataset_corpus(name)


def test_what_is_missing_or_too_short_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"cannot read .*none.*No such file"):
        load_corpus(str(tmp_path / "none"))
    with pytest.raises(DataError, match="validation split has 5 bytes, a window needs 33"):
        split_text("short", bytes(100)).require(32)
    split_text("enough", bytes(700)).require(32)
    with pytest.raises(DataError, match="give one of them"):
        load_corpus("text", "name")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match="pip install datasets"):
        load_corpus(dataset="name")
