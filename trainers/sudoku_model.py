"""A Sudoku solver whose cells speak to each other through fields on learned graphs, and in no other way.

A puzzle is 81 cells without an order. Nine planes, one per digit, hold a state of c numbers per cell. In every round

    s = S h                      sources: H heads of K channels, read from the state
    (L_W + m2) phi = m2 s        a screened Poisson field per head on its own graph, over all cells at once
    h <- norm(h + f(h, phi, given, mean of h over the nine planes))

with f one small network for all cells, planes and rounds. W, the softplus of a symmetric matrix, is learned between all
pairs of cells, m2 > 0 as well, both per head; L_W is the graph Laplacian. Rows, columns and boxes are nowhere: permute
the cells of every puzzle and the weights W alike, and nothing changes. What is built in is that digits are names:
planes share all weights and meet in their mean alone, so that exchanging digits exchanges answers.

The field equation is linear and its operator is the same for all rounds and puzzles of a step: ``generated.sudoku``
solves it once for a unit source in every cell, with one Cholesky factor a head, and all fields are sums of these.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generated.sudoku import Sudoku, SudokuState

COUPLING = -4.4  # mean of the initial couplings before the softplus: 80 of them add up to about one
DIGITS = 9


class SudokuNet(nn.Module):
    """The network of the module docstring.

    width      c, numbers per cell and plane       heads     H graphs
    channels   K sources per head and plane        hidden    width of f
    energy     f sees the energy density T00 of every field as well, root mean square one
    cells      n
    """

    def __init__(
        self,
        width: int = 32,
        heads: int = 8,
        channels: int = 4,
        hidden: int = 96,
        energy: bool = False,
        cells: int = 81,
    ) -> None:
        super().__init__()
        self.heads, self.channels, self.energy, self.cells = heads, channels, energy, cells
        self.physics = Sudoku(heads)
        self.theta = nn.Parameter(COUPLING + torch.randn(heads, cells, cells))
        self.begin = nn.Linear(3, width)
        self.sources = nn.Linear(width, heads * channels, bias=False)
        self.of_state = nn.Linear(width + heads * channels * (1 + energy), hidden)
        self.of_mean = nn.Linear(width, hidden, bias=False)
        self.of_given = nn.Linear(3, hidden, bias=False)
        self.update = nn.Linear(hidden, width)
        self.answer = nn.Linear(width, 1)
        nn.init.normal_(self.update.weight, std=0.02)

    def graph_parameters(self) -> list[nn.Parameter]:
        """Couplings and screenings."""
        return [self.theta, *self.physics.parameters()]

    def couplings(self) -> Tensor:
        """W of every head, (H, n, n): symmetric, not negative, zero on the diagonal."""
        weight = F.softplus((self.theta + self.theta.mT) / 2)
        return weight - torch.diag_embed(weight.diagonal(dim1=-2, dim2=-1))

    def unit_fields(self, couplings: Tensor) -> Tensor:
        """The field in cell i of a unit source in cell j, (H, n, n); rows add up to one."""
        units = torch.eye(self.cells, dtype=couplings.dtype, device=couplings.device)
        field: Tensor = self.physics(units[:, None].expand(-1, self.heads, -1), couplings).phi  # (source, head, cell)
        return field.permute(1, 2, 0)

    def code(self, given: Tensor) -> Tensor:
        """What every cell and plane knows of the puzzle: (B, n) digits, 0 blank -> (B, 9, n, 3) of 0 and 1.

        The digit of the plane is given there; another digit is; none is.
        """
        here = given[:, None] == torch.arange(1, DIGITS + 1, device=given.device)[:, None]
        blank = (given == 0)[:, None].expand_as(here)
        return torch.stack((here, ~here & ~blank, blank), dim=-1).to(self.begin.weight.dtype)

    def start(self, given: Tensor) -> Tensor:
        """The state before the first round, (B, 9, n, c)."""
        return normalised(self.begin(self.code(given)))

    def fields(self, state: Tensor, units: Tensor, couplings: Tensor) -> Tensor:
        """phi of every head and channel, (B, 9, n, H K); with ``energy`` followed by their T00, twice as wide."""
        batch, digits, cells, _ = state.shape
        planes = batch * digits
        shape = (planes, cells, self.heads, self.channels)
        sources = self.sources(state).reshape(shape).permute(2, 1, 0, 3).reshape(self.heads, cells, -1)
        phi = torch.bmm(units, sources)

        def by_cell(values: Tensor) -> Tensor:
            values = values.reshape(self.heads, cells, planes, self.channels).permute(2, 1, 0, 3)
            return values.reshape(batch, digits, cells, -1)

        if not self.energy:
            return by_cell(phi)
        field, source = (x.permute(2, 0, 1) for x in (phi, sources))
        done = torch.zeros(len(field), dtype=torch.int64, device=field.device)
        solved = SudokuState(field, done, torch.zeros_like(done, dtype=field.dtype), done)
        density = self.physics.readout(solved, s=source, w=couplings).permute(1, 2, 0)
        return torch.cat((by_cell(phi), normalised(by_cell(density))), dim=-1)

    def forward(self, state: Tensor, given: Tensor, rounds: int, fresh: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Go on for some rounds: the state (B, 9, n, c) after them, and the logits (rounds, B, 9, n) of the digits.

        Puzzles that are ``fresh`` (B,) bool begin with the first state in place of the given one.
        """
        if fresh is not None:
            state = torch.where(fresh[:, None, None, None], self.start(given), state)
        couplings = self.couplings()
        units = self.unit_fields(couplings)
        code = self.code(given)
        weight = torch.cat((self.of_state.weight, self.of_given.weight), dim=1)
        logits = []
        for _ in range(rounds):
            seen = torch.cat((state, self.fields(state, units, couplings), code), dim=-1)
            hidden = F.linear(seen, weight, self.of_state.bias) + self.of_mean(state.mean(dim=1, keepdim=True))
            state = normalised(state + self.update(F.gelu(hidden)))
            logits.append(self.answer(state)[..., 0])
        return state, torch.stack(logits)


def normalised(state: Tensor) -> Tensor:
    """Root mean square one over the numbers of a cell and plane."""
    return F.rms_norm(state, state.shape[-1:])
