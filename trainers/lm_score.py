"""Figures of a language model: bits per byte, tokens to a given level, generated text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

STREAMS = 8  # a text is scored as that many pieces side by side


class LanguageModel(Protocol):
    """Bytes (B, T) int64 and the state after the bytes before them -> logits (B, T, 256) and the state after them.

    carries   False: the state is None, and a byte sees no further back than the first byte of its window
    """

    carries: bool

    def __call__(self, text: Tensor, state: Any = None) -> tuple[Tensor, Any]: ...


def device_of(model: Any) -> torch.device:
    """Where the weights are."""
    result: torch.device = next(model.parameters()).device
    return result


def bits_per_byte(nats: float, count: int) -> float:
    """Total cross entropy in nats of ``count`` bytes, in bits per byte."""
    return nats / count / math.log(2)


def spans(length: int, context: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """Windows that score every one of ``length`` positions once: (begin, end, first scored).

    All but the first and the last score ``stride`` positions, with context - stride before them.
    """
    scored = 0
    while scored < length:
        end = min(length, scored + (stride if scored else context))
        yield max(0, end - context) if stride < context else scored, end, scored
        scored = end


@torch.no_grad()
def score_text(model: LanguageModel, text: Tensor, context: int, *, carry: bool = True) -> float:
    """Bits per byte of a text (N,) uint8.

    The text is cut into STREAMS pieces of equal length (fewer than STREAMS bytes are left over); the first byte of a
    piece is given, all others are predicted once. A model that carries a state reads window after window. One that
    does not reads windows that overlap by half, so that a byte has at least context / 2 bytes before it (but at the
    start of a piece): kinder to it than windows side by side. ``carry=False`` treats every model like that.
    """
    carry = carry and model.carries
    text = text.to(device_of(model))
    pieces = text[: len(text) // STREAMS * STREAMS].view(STREAMS, -1)
    nats, count, state = 0.0, 0, None
    for begin, end, first in spans(pieces.shape[1] - 1, context, context if carry else max(1, context // 2)):
        window = pieces[:, begin : end + 1].long()
        logits, after = model(window[:, :-1], state)
        state = after if carry else None
        kept = slice(first - begin, None)
        nats += float(cross_entropy(logits[:, kept].flatten(0, 1).float(), window[:, 1:][:, kept].flatten(),
                                    reduction="sum"))  # fmt: skip
        count += STREAMS * (end - first)
    return bits_per_byte(nats, count)


def tokens_to_reach(curve: Sequence[tuple[int, float]], level: float) -> float | None:
    """Where a curve of (tokens, bits per byte) first falls to ``level``, linear between its points; None: nowhere."""
    if curve and curve[0][1] <= level:
        return float(curve[0][0])
    for (tokens, bits), (tokens2, bits2) in pairwise(curve):
        if bits2 <= level:
            return tokens + (tokens2 - tokens) * (bits - level) / (bits - bits2)
    return None


def generate(model: LanguageModel, prompt: bytes, count: int, *, context: int, temperature: float, seed: int) -> bytes:
    """The prompt and what ``stream`` goes on with."""
    return prompt + bytes(stream(model, prompt, count, context=context, temperature=temperature, seed=seed))


@torch.no_grad()
def stream(
    model: LanguageModel, prompt: bytes, count: int, *, context: int, temperature: float, seed: int
) -> Iterator[int]:
    """``count`` bytes after the prompt, each drawn at ``temperature`` as soon as it is asked for.

    A model that carries a state reads all of the prompt, then one byte a step: the cost of a byte does not grow. One
    that does not reads its last ``context`` bytes each time.
    """
    generator = torch.Generator().manual_seed(seed)
    device = device_of(model)
    text = torch.tensor([list(prompt)], device=device)
    logits, state = model(text if model.carries else text[:, -context:])
    for _ in range(count):
        chances = (logits[0, -1].float().cpu() / temperature).softmax(0)
        drawn = torch.multinomial(chances, 1, generator=generator)[None].to(device)
        yield int(drawn)
        if model.carries:
            logits, state = model(drawn, state)
        else:
            text = torch.cat((text, drawn), dim=1)[:, -context:]
            logits, state = model(text)
