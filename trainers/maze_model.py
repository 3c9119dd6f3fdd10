"""A maze as physics: local encoder -> screened Poisson fields -> stress-energy readout -> local head.

Three fields live on the maze, all of them steady states of the generated module, (m2 - div kappa grad) u = s:

    u_start, u_goal   one source each, strongly screened (m2 of order one or more), by the monotone fixed point.
                      u falls by a constant factor a step, so that log u measures length, and
                          p(n) = log u_start(n) + log u_goal(n) - log u_start(goal)
                      is near zero on shortest paths and falls with each step a detour through n costs. The last term is
                      the interaction energy of the two sources: energy over total energy, a number per maze.
    u_flux            a dipole, +1 at the start and -1 at the goal, hardly screened, by conjugate gradient. Its flux
                      kappa grad u is conserved: on a tree it is one on the path and zero elsewhere, on any scale.
                      The walls alone configure it.

Strong screening sees length, weak screening sees topology. A number in float64 spans 600 decades; where a path is so
long that u_start does not reach the goal any more (a few of the largest perfect mazes) the first readout is dark and
the second, which is exact on trees, decides. Each readout has a head of its own, trained on its own loss.

No head sees a coordinate, or a sum over the maze other than that one interaction energy: 3x3 and 1x1 convolutions.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from generated.maze import Maze
from generated.maze.module import COMPONENTS, MazeState

WALL = 1e-300  # conductivity of a wall: a crossing takes two such edges and weighs less than every path
WALL_SCREENING = 1e200  # and its m2: without it, energy that seeps into a wall outshines the far end of a long path
SOURCE = 1e280  # amplitude of u_start and u_goal: uses the decades above one as well
GAUGE = 1e140  # the readout is quadratic: it is taken in units of GAUGE above one and of 1 / GAUGE below
DARK = 1e-280  # u_start(goal) below this is not trusted: squares of the fields around it leave the range of float64
FLUX_SCREENING = 1e-12  # the share of the flux that is lost, times the square of the number of cells
SCREENING = (0.5, 24.0)  # bounds of the learned m2 / kappa of u_start and u_goal
CONTRAST = 0.2  # bound of the learned |log kappa|: tied routes shall carry like shares


class Prediction(NamedTuple):
    """What the network says about B mazes; the fields are returned for decoding and for pictures, without gradient.

    by_length    (B, n, n) logits of the head that reads u_start and u_goal
    by_topology  (B, n, n) logits of the head that reads u_flux
    interaction  (B,) log of the interaction energy of the two sources, SOURCE * u_start(goal)
    dark         (B,) bool, that is too small to be trusted, and so is by_length
    u_pair       (B, 2, n, n) u_start, u_goal           u_flux   (B, n, n)
    kappa        (B, n, n) the conductivity of the pair
    iterations   (B, 2) of the two solves               status   (B, 2), 0 where they converged
    """

    by_length: Tensor
    by_topology: Tensor
    interaction: Tensor
    dark: Tensor
    u_pair: Tensor
    u_flux: Tensor
    kappa: Tensor
    iterations: Tensor
    status: Tensor

    @property
    def logits(self) -> Tensor:
        """(B, n, n), positive: the cell is on a shortest path. By length, and by topology where that is dark."""
        return torch.where(self.dark[:, None, None], self.by_topology, self.by_length)

    @property
    def potential(self) -> Tensor:
        """(B, n, n), rises along the way to the start: log u_start, and u_flux where that is dark."""
        log_u = self.u_pair[:, 0].clamp(min=1e-308).log()
        return torch.where(self.dark[:, None, None], self.u_flux, log_u)

    def energy_flux(self) -> tuple[Tensor, Tensor]:
        """Energy that flows from the start to the goal through every edge, (B, n-1, n) down and (B, n, n-1) right.

        Of the pair: J = kappa (u_start grad u_goal - u_goal grad u_start) / interaction. Its divergence is the
        interaction energy s u of the two sources, given by one and taken by the other: one, in these units, in and
        out. Where that is dark, the flux -kappa grad u_flux of the dipole, which is one in and out as well.
        """
        start, goal = self.u_pair.clamp(min=1e-308).log().unbind(1)
        meet = self.interaction[:, None, None]
        fluxes = []
        for axis in (1, 2):
            n = start.shape[axis] - 1
            (a, here), (a2, here2) = ((x.narrow(axis, 0, n), x.narrow(axis, 1, n)) for x in (start, goal))
            k, k2 = self.kappa.narrow(axis, 0, n), self.kappa.narrow(axis, 1, n)
            weight = 2 * k * k2 / (k + k2)
            pair = weight * ((a + here2 - meet).exp() - (here + a2 - meet).exp())
            passable = (k > WALL) & (k2 > WALL)
            dipole = torch.where(passable, self.u_flux.narrow(axis, 0, n) - self.u_flux.narrow(axis, 1, n), 0)
            fluxes.append(torch.where(self.dark[:, None, None], dipole, pair))
        down, right = fluxes
        return down, right


def log_parts(readout: Tensor, channels: int, floor: float = 1e-300) -> Tensor:
    """Logarithms of what a raw readout says about energy and pressure, (B, R C, n, n) -> (B, 4, C, n, n).

    With T^ij = kappa u_i u_j - delta_ij T00 the four are the energy T00, the gradient energies T00 + T11 = kappa u_1^2
    and T00 + T22 = kappa u_2^2, and the pressure -(T11 + T22) = m2 u^2 - 2 s u, which no gradient enters.
    """
    t = dict(zip(COMPONENTS, readout.unflatten(1, (-1, channels)).unbind(1), strict=True))
    parts = torch.stack((t["T00"], t["T00"] + t["T11"], t["T00"] + t["T22"], t["T11"] + t["T22"]), dim=1)
    return parts.abs().clamp(min=floor).log()


def local_head(features: int, hidden: int) -> nn.Sequential:
    """3x3 and 1x1 convolutions from features, walls and ends to one logit a cell."""
    return nn.Sequential(
        nn.Conv2d(features + 3, hidden, 3, padding=1),
        nn.GELU(),
        nn.Conv2d(hidden, hidden, 1),
        nn.GELU(),
        nn.Conv2d(hidden, 1, 1),
    )


class MazeNet(nn.Module):
    """Path logits of mazes of any size.

    hidden    channels of the encoder and of the head
    backend   of the generated module
    """

    def __init__(self, hidden: int = 24, backend: str = "auto") -> None:
        super().__init__()
        last = nn.Conv2d(hidden, 2, 1)
        self.encoder = nn.Sequential(nn.Conv2d(3, hidden, 3, padding=1), nn.GELU(), last)
        self.pair = Maze(2, backend=backend, solver="monotone", rtol=1e-6, bwd_rtol=1e-5, max_iter=20000)
        self.flux = Maze(1, backend=backend, solver="cg", rtol=1e-9, bwd_rtol=1e-7, max_iter=20000)
        self.length_head = local_head(4, hidden)
        self.topology_head = local_head(3, hidden)
        for parameter in last.parameters():
            nn.init.zeros_(parameter)

    def configure(self, inputs: Tensor, walk: Tensor) -> tuple[Tensor, Tensor]:
        """The encoder: walls and ends (B, 3, n, n) -> kappa and m2 of u_start and u_goal, (B, 1, n, n) in float64."""
        code = torch.tanh(self.encoder(inputs)).double()
        low, high = (math.log(bound) for bound in SCREENING)
        kappa = torch.where(walk > 0, torch.exp(CONTRAST * code[:, :1]), WALL)
        m2 = torch.where(walk > 0, kappa * torch.exp((low + high) / 2 + (high - low) / 2 * code[:, 1:]), WALL_SCREENING)
        return kappa, m2

    def read_length(
        self, kappa: Tensor, m2: Tensor, start: Tensor, goal: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, MazeState]:
        """log of the readout of u_start times that of u_goal, of degree one and over their interaction energy.

        Returns (B, 4, n, n), the logarithm of that energy (B,), whether it is dark (B,), and the state of the solve.
        """
        s = SOURCE * torch.cat((start, goal), dim=1)
        inputs = {"kappa": kappa.expand_as(s), "m2": m2.expand_as(s), "s": s}
        state = self.pair(**inputs)
        # Two gauges, because squares of u would leave the range of float64. Sources are where u > 1.
        large = state.u.detach() > 1.0
        above = state._replace(u=state.u / GAUGE)
        below = state._replace(u=state.u.clamp(max=1e10) * GAUGE)
        upper = log_parts(self.pair.readout(above, **(inputs | {"s": s / GAUGE})), 2) + 2 * math.log(GAUGE)
        lower = log_parts(self.pair.readout(below, **(inputs | {"s": torch.zeros_like(s)})), 2) - 2 * math.log(GAUGE)
        logs = torch.where(large[:, None], upper, lower)
        meet = (goal * state.u[:, :1]).sum((1, 2, 3))  # u_start(goal)
        dark = meet.detach() < DARK
        interaction = torch.where(dark, 1.0, meet).log() + math.log(SOURCE)
        return logs.sum(2) / 2 - interaction[:, None, None, None], interaction, dark, state

    def read_topology(self, walk: Tensor, start: Tensor, goal: Tensor) -> tuple[Tensor, MazeState]:
        """log of the readout of u_flux without the pressure, (B, 3, n, n), and the state of the solve."""
        inputs = {"kappa": walk.clamp(min=WALL), "m2": (1 - walk).clamp(min=FLUX_SCREENING), "s": start - goal}
        state = self.flux(**inputs)
        return log_parts(self.flux.readout(state, **inputs), 1, floor=1e-8)[:, :3, 0], state

    def forward(self, walk: Tensor, start: Tensor, goal: Tensor) -> Prediction:
        """walk, start, goal (B, n, n) bool. The networks run in the dtype of their weights, the fields in float64."""
        local = torch.stack((walk, start, goal), dim=1)
        inputs = local.to(next(self.encoder.parameters()).dtype)
        walk, start, goal = local.double().split(1, dim=1)
        kappa, m2 = self.configure(inputs, walk)
        length, interaction, dark, pair = self.read_length(kappa, m2, start, goal)
        with torch.no_grad():  # walls and ends alone configure this field
            topology, flux = self.read_topology(walk, start, goal)
        logits = []
        for head, seen in ((self.length_head, length.clamp(-40, 8)), (self.topology_head, topology.clamp(-14, 2))):
            logit = head(torch.cat(((seen / 8 * walk).to(inputs), inputs), dim=1))[:, 0]
            logits.append(logit.masked_fill(~local[:, 0].bool(), -30.0))
        by_length, by_topology = logits
        return Prediction(
            by_length,
            by_topology,
            interaction.detach(),
            dark,
            pair.u.detach(),
            flux.u[:, 0],
            kappa.detach()[:, 0],
            torch.stack((pair.iterations, flux.iterations), dim=1),
            torch.stack((pair.status, flux.status), dim=1),
        )
