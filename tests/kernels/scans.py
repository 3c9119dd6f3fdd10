"""How results of the kernels of a scan are compared with the reference."""

from __future__ import annotations

import torch

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}


def close(found: tuple[torch.Tensor, ...], expected: tuple[torch.Tensor, ...], tolerance: float) -> None:
    """Equal within ``tolerance`` of one and the largest of each result."""
    for x, y in zip(found, expected, strict=True):
        assert x.shape == y.shape
        assert x.dtype != torch.float64 or tolerance < 1e-6
        scale = 1 + y.abs().max() if y.numel() else 1.0
        torch.testing.assert_close(x.double() / scale, y.double() / scale, rtol=tolerance, atol=tolerance)


def doubled(*groups: tuple[torch.Tensor, ...]) -> list[tuple[torch.Tensor, ...]]:
    return [tuple(x.double() for x in group) for group in groups]
