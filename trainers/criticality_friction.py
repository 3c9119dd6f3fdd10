"""How many steps a chain takes to forget its mean field near the critical point, at several frictions.

    python -m trainers.criticality_friction --size 32 --chains 32 --steps 20000

A channel has one friction. Where gamma dt is large the momenta are drawn anew at every step, and the step is one of
overdamped Langevin dynamics, of Euler's method, by the time dt^2/2.
"""

from __future__ import annotations

from typing import Annotated

import torch
import typer

from generated.criticality import Criticality
from trainers.command_line import make_console
from trainers.criticality_analysis import autocorrelation_time

NEAR = -1.27  # r at lam = 1, T = 1
EVERY = 10  # steps between two samples
BURN = 5  # one part in so many is left out


def main(
    size: Annotated[int, typer.Option(help="L")] = 32,
    chains: Annotated[int, typer.Option(help="side by side")] = 32,
    steps: Annotated[int, typer.Option(help="of a chain")] = 20000,
    dt: Annotated[float, typer.Option(help="time step")] = 0.3,
    frictions: Annotated[str, typer.Option(help="gamma L, with commas between")] = "1,2,4,8,16,32,1e7",
    seed: Annotated[int, typer.Option(help="of start and noise")] = 1,
) -> None:
    """Print the integrated autocorrelation time of m^2, in steps, for every friction."""
    console = make_console()
    given = [float(part) for part in frictions.split(",")]
    gamma = [friction / size for friction in given]
    layer = Criticality(
        len(given), steps=1, dt=dt, init={"r": [NEAR] * len(given), "lam": 1.0, "T": 1.0, "gamma": gamma}
    )
    generator = torch.Generator().manual_seed(seed)
    phi, pi = (torch.randn(chains, len(given), size, size, generator=generator) for _ in range(2))
    phi, squares = phi / 3, []
    with torch.no_grad():
        for _ in range(steps // EVERY):
            phi, pi = layer(phi, pi, steps=EVERY, generator=generator)[:2]
            squares.append(phi.mean((2, 3)).double() ** 2)
    series = torch.stack(squares[len(squares) // BURN :]).numpy()
    for k, friction in enumerate(given):
        time = EVERY * autocorrelation_time(series[:, :, k])
        console.print(f"L = {size}, dt = {dt:g}, gamma L = {friction:g}: {time:.0f} steps", highlight=False)


if __name__ == "__main__":
    typer.run(main)
