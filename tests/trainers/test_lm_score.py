"""Figures of the language models, against values worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainers.lm_score import STREAMS, bits_per_byte, generate, score_text, spans, tokens_to_reach


class Repeat(nn.Module):
    """Gives the byte just read, times two modulo 256, ``weight`` times the chance of any other; counts bytes seen.

    With a state it counts all bytes of the stream, without one those of the window.
    """

    def __init__(self, weight: float, carries: bool) -> None:
        super().__init__()
        self.carries = carries
        self.weight = nn.Parameter(torch.tensor(weight))
        self.reach: list[Tensor] = []

    def forward(self, text: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        before = 0 if state is None else state
        self.reach.append(torch.arange(1, text.shape[1] + 1) + before)
        logits = torch.zeros(*text.shape, 256)
        logits.scatter_(2, (2 * text % 256)[..., None], float(self.weight.log()))
        return logits, before + text.shape[1] if self.carries else None


def test_bits_per_byte() -> None:
    assert bits_per_byte(8 * math.log(2) * 3, 3) == pytest.approx(8)
    assert score_text(Repeat(1.0, True), torch.zeros(100, dtype=torch.uint8), 7) == pytest.approx(8, rel=1e-6)


@pytest.mark.parametrize("carries", [True, False])
@pytest.mark.parametrize("context", [3, 8, 50])
def test_a_score_worked_out_by_hand(carries: bool, context: int) -> None:
    # zeros follow zeros: the right byte has the chance 45 / (45 + 255), that is 300 / 45 = 20 / 3
    text = torch.zeros(STREAMS * 20 + 5, dtype=torch.uint8)
    assert score_text(Repeat(45.0, carries), text, context) == pytest.approx(math.log2(20 / 3), rel=1e-6)
    # one wrong byte a piece, the last: log2(300) for it and for 18 others log2(20 / 3)
    text = text[: STREAMS * 20].view(STREAMS, 20).clone()
    text[:, -1] = 9
    expected = (18 * math.log2(20 / 3) + math.log2(300)) / 19
    assert score_text(Repeat(45.0, carries), text.flatten(), context) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("length", [1, 4, 5, 16, 37])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_spans_score_every_position_once_with_what_they_may_see(length: int, stride: int) -> None:
    found = list(spans(length, 4, stride))
    assert [k for _, end, first in found for k in range(first, end)] == list(range(length))
    assert all(end - begin <= 4 for begin, end, _ in found)
    assert all(first - begin >= 4 - stride for begin, _, first in found[1:])


def test_a_state_is_carried_over_the_windows() -> None:
    text = torch.zeros(STREAMS * 21, dtype=torch.uint8)
    model = Repeat(2.0, True)
    score_text(model, text, 8)
    assert torch.cat(model.reach).tolist() == list(range(1, 21))
    model = Repeat(2.0, True)
    score_text(model, text, 8, carry=False)
    assert max(int(reach.max()) for reach in model.reach) == 8


def test_tokens_to_a_level() -> None:
    curve = [(100, 4.0), (200, 3.0), (400, 2.0)]
    assert tokens_to_reach(curve, 2.5) == pytest.approx(300)
    assert tokens_to_reach(curve, 3.0) == pytest.approx(200)
    assert tokens_to_reach(curve, 2.0) == pytest.approx(400)
    assert tokens_to_reach(curve, 5.0) == 100
    assert tokens_to_reach(curve, 1.9) is None


@pytest.mark.parametrize("carries", [True, False])
def test_generated_text_goes_on_from_the_prompt(carries: bool) -> None:
    model = Repeat(1e12, carries)
    assert generate(model, b"\x01", 6, context=4, temperature=1.0, seed=0) == bytes([1, 2, 4, 8, 16, 32, 64])
    seen = max(int(reach.max()) for reach in model.reach)
    assert seen == (6 if carries else 4) + carries
