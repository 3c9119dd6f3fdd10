"""A Sudoku solver whose cells speak to each other through fields on learned graphs, and in no other way.

A puzzle is 81 cells without an order. Nine planes, one per digit, hold a state of c numbers per cell. In every round

    s = S h                      sources: H heads of K channels, read from the state
    (L_W + m2) phi = m2 s        a screened Poisson field per head on its own graph, over all cells at once
    h <- norm(h + f(h, phi, given, mean of h over the nine planes))

with f one small network for all cells, planes and rounds. W, the softplus of a symmetric matrix, is learned between all
pairs of cells, m2 > 0 as well, both per head; L_W is the graph Laplacian. Rows, columns and boxes are nowhere: permute the cells of every puzzle and the weights W alike, and nothing changes. What is built in is that digits
are names: planes share all weights and meet in their mean alone, so that exchanging digits exchanges answers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

COUPLING = -4.4  # mean of the initial couplings before the softplus: 80 of them add up to about one
DIGITS = 9


class Couplings(nn.Module):
    """H learned dense graphs with a screening each.

    theta (H, n, n) -> weights W = softplus((theta + theta^T) / 2) off the diagonal, m2 = softplus(screening) (H,).
    """

    def __init__(self, heads: int, cells: int) -> None:
        super().__init__()
        self.theta = nn.Parameter(COUPLING + torch.randn(heads, cells, cells))
        self.screening = nn.Parameter(torch.zeros(heads))

    def forward(self) -> tuple[Tensor, Tensor]:
        """W (H, n, n) symmetric, non-negative, without diagonal; m2 (H,) positive."""
        weight = F.softplus((self.theta + self.theta.mT) / 2)
        return weight - torch.diag_embed(weight.diagonal(dim1=-2, dim2=-1)), F.softplus(self.screening)


def green_function(weight: Tensor, m2: Tensor) -> Tensor:
    """m2 (L_W + m2)^-1 of every head, (H, n, n): rows add up to one."""
    laplacian = torch.diag_embed(weight.sum(dim=-1)) - weight
    operator = laplacian + torch.diag_embed(m2[:, None].expand(weight.shape[:2]))
    return m2[:, None, None] * torch.cholesky_inverse(torch.linalg.cholesky(operator))


class SudokuNet(nn.Module):
    """The network of the module docstring.

    width      c, numbers per cell and plane       heads     H graphs
    channels   K sources per head and plane        hidden    width of f
    cells      n
    """

    def __init__(self, width: int = 24, heads: int = 8, channels: int = 4, hidden: int = 128, cells: int = 81) -> None:
        super().__init__()
        self.heads, self.channels = heads, channels
        self.couplings = Couplings(heads, cells)
        self.begin = nn.Linear(3, width)
        self.sources = nn.Linear(width, heads * channels, bias=False)
        self.of_state = nn.Linear(width + heads * channels, hidden)
        self.of_mean = nn.Linear(width, hidden, bias=False)
        self.of_given = nn.Linear(3, hidden, bias=False)
        self.update = nn.Linear(hidden, width)
        self.answer = nn.Linear(width, 1)
        nn.init.normal_(self.update.weight, std=0.02)

    def code(self, given: Tensor) -> Tensor:
        """What every cell and plane knows of the puzzle: (B, n) digits, 0 blank -> (B, 9, n, 3) of 0 and 1.

        The digit of the plane is given there; another digit is; none is.
        """
        here = given[:, None] == torch.arange(1, DIGITS + 1, device=given.device)[:, None]
        blank = (given == 0)[:, None].expand_as(here)
        return torch.stack((here, ~here & ~blank, blank), dim=-1).to(self.begin.weight.dtype)

    def start(self, given: Tensor) -> Tensor:
        """The state before the first round, (B, 9, n, c)."""
        return _norm(self.begin(self.code(given)))

    def fields(self, state: Tensor, green: Tensor) -> Tensor:
        """phi of every head and channel, (B, 9, n, H K)."""
        batch, digits, cells, _ = state.shape
        shape = (batch * digits, cells, self.heads, self.channels)
        sources = self.sources(state).reshape(shape).permute(2, 1, 0, 3).reshape(self.heads, cells, -1)
        phi = torch.bmm(green, sources).reshape(self.heads, cells, batch * digits, self.channels)
        return phi.permute(2, 1, 0, 3).reshape(batch, digits, cells, -1)

    def forward(self, state: Tensor, given: Tensor, rounds: int) -> tuple[Tensor, Tensor]:
        """Go on for some rounds: the state (B, 9, n, c) after them, and the logits (rounds, B, 9, n) of the digits."""
        green = green_function(*self.couplings())
        fixed = self.of_given(self.code(given))
        logits = []
        for _ in range(rounds):
            seen = self.of_state(torch.cat((state, self.fields(state, green)), dim=-1))
            hidden = seen + fixed + self.of_mean(state.mean(dim=1, keepdim=True))
            state = _norm(state + self.update(F.gelu(hidden, approximate="tanh")))
            logits.append(self.answer(state)[..., 0])
        return state, torch.stack(logits)


def _norm(state: Tensor) -> Tensor:
    """Root mean square one over the numbers of a cell and plane."""
    return F.rms_norm(state, state.shape[-1:])
