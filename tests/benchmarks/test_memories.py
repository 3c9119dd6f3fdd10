"""What matrix memories are raced against computes the same."""

from __future__ import annotations

import torch

from benchmarks.memories import chunks, given, recurrence, results, stretch
from tests.gallery.layers import layer, near

SIZES = 2, 2, 64, 5


def test_peers_of_the_gated_delta_rule_agree_with_gradients() -> None:
    x = {name: y.double().requires_grad_() for name, y in given(SIZES).items()}
    cotangent = torch.randn(x["v"].shape, generator=torch.Generator().manual_seed(1)).double()
    ours = layer("gated_delta_rule", SIZES[1], sizes={"key": SIZES[3], "value": SIZES[3], "backend": "torch"})
    wanted = results(lambda y: ours(**y)[0], x, cotangent, True)
    for run in (lambda y: recurrence(stretch, y), lambda y: chunks(16, **y)):
        for found, exact in zip(results(run, x, cotangent, True), wanted, strict=True):
            near(found, exact, 1e-10 * float(1 + exact.abs().max()))
