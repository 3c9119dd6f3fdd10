"""A layer in Lightning: a damped wave, whose speed and friction are learned from states seen.

    pip install 'metrigen[examples]'
    python examples/lightning_wave.py

A layer is a module like any other: its parameters are optimised, saved and moved with those around it. It ends with the
numbers that were found; the truth is 0.80 and 0.15.
"""

from __future__ import annotations

import lightning as L
import sympy as sp
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import metrigen
from metrigen import Field, Lattice, Param, Strang, System, friction, grad, momentum, t

x = sp.Symbol("x", real=True)
ring = Lattice(x)
u = Field("u", ring)
c2 = Param("c2", positive=True, init=0.3)
gamma = Param("gamma", nonnegative=True, init=0.02)
system = System(
    name="seen_wave",
    domain=ring,
    lagrangian=u.diff(t) ** 2 / 2 - c2 * grad(u).square / 2,
    metric=friction(gamma, momentum(u)),
    integrator=Strang(steps=16, dt=0.2),
)
TRUTH = {"c2": 0.8, "gamma": 0.15}


class Wave(L.LightningModule):
    """Start in, end out; the loss is the distance from the end that was seen."""

    def __init__(self) -> None:
        super().__init__()
        self.layer: nn.Module = metrigen.layer(system)(channels=1)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        start, end = batch
        loss = (self.layer(start).u - end).square().mean()
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.05)


def data(count: int = 64) -> TensorDataset:
    """Starts at rest, and where the true wave took them."""
    start = torch.randn(count, 1, 32)
    with torch.no_grad():
        end = metrigen.layer(system)(channels=1, init=TRUTH)(start).u
    return TensorDataset(start, end)


def main() -> dict[str, float]:
    L.seed_everything(0, verbose=False)
    model = Wave()
    trainer = L.Trainer(
        max_epochs=40, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(model, DataLoader(data(), batch_size=16, shuffle=True))
    found = {name: getattr(model.layer, name).item() for name in TRUTH}
    print(", ".join(f"{name} = {value:.2f}" for name, value in found.items()))
    return found


if __name__ == "__main__":
    main()
