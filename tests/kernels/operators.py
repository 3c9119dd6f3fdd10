"""Small inputs for the operators of the shipped packages, shared by the tests of both execution modes."""

from __future__ import annotations

import torch

from generated.coupled_wave import CoupledWave
from generated.maze import Maze


def wave(**options: object) -> torch.nn.Module:
    """A layer with every parameter away from its start, in float64."""
    generator = torch.Generator().manual_seed(0)
    layer = CoupledWave(2, **{"steps": 2, **options}).double()
    for parameter in layer.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, dtype=parameter.dtype, generator=generator)
    return layer


def fields(size: tuple[int, int] = (4, 3), batch: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return tuple(  # type: ignore[return-value]
        torch.randn(batch, 2, *size, dtype=torch.float64, generator=generator, requires_grad=True) for _ in range(2)
    )


def maze(**options: object) -> torch.nn.Module:
    return Maze(1, **{"rtol": 1e-12, **options})


def inputs(size: tuple[int, int] = (4, 3), batch: int = 1) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)

    def rand() -> torch.Tensor:
        return torch.rand(batch, 1, *size, dtype=torch.float64, generator=generator)

    return {
        "kappa": (rand() + 0.1).requires_grad_(),
        "m2": (rand() + 0.1).requires_grad_(),
        "s": (rand() - 0.3).requires_grad_(),
    }


def poison(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Memory that a kernel forgets to write shows as NaN."""

    def poisoned(empty):  # type: ignore[no-untyped-def]
        def filled(x: torch.Tensor, *size: object, **options: object) -> torch.Tensor:
            out = empty(x, *size, **options)
            return out.fill_(float("nan")) if out.is_floating_point() else out

        return filled

    monkeypatch.setattr(torch, "empty_like", poisoned(torch.empty_like))
    monkeypatch.setattr(torch.Tensor, "new_empty", poisoned(torch.Tensor.new_empty))
