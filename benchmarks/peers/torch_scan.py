"""PyTorch scans of x_t = a_t x_(t-1) + b_t with complex a, as pairs of reals, compiled by inductor.

torch's own ``associative_scan`` (which has no gradients on a CPU in every version), the doubling scan of Hillis and
Steele, and chunks: sequential in the chunk, all chunks at once, then chunk after chunk.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad

from benchmarks.contender import Contender
from benchmarks.races import Race
from benchmarks.torch_driver import Tensors, contender, tensors

NAME = "torch associative scan"
CHUNKS = "torch.compile chunks"
GRADIENTS = True
KINDS = ("scan",)
CHUNK = 64

Pairs = tuple[Tensor, Tensor, Tensor, Tensor]


def version() -> str:
    return f"torch {torch.__version__} (scans, inductor)"


def _pairs(theta: Tensor, lam: Tensor, f_q: Tensor, f_p: Tensor) -> Pairs:
    """a = exp(-lam - i theta) of q + i p, and b = (1 - a) f."""
    decay = torch.exp(-lam)
    a, c = decay * torch.cos(theta), -decay * torch.sin(theta)
    return a, c, f_q - a * f_q + c * f_p, f_p - c * f_q - a * f_p


def _combine(first: Pairs, second: Pairs) -> Pairs:
    a, c, x, y = first
    A, C, X, Y = second
    return A * a - C * c, A * c + C * a, A * x - C * y + X, A * y + C * x + Y


def _own(theta: Tensor, lam: Tensor, f_q: Tensor, f_p: Tensor) -> Tensors:
    from torch._higher_order_ops.associative_scan import associative_scan

    return tuple(associative_scan(_combine, _pairs(theta, lam, f_q, f_p), 1, combine_mode="generic"))[2:]


def _doubling(theta: Tensor, lam: Tensor, f_q: Tensor, f_p: Tensor) -> Tensors:
    pairs = _pairs(theta, lam, f_q, f_p)
    by, length = 1, theta.shape[1]
    while by < length:
        past = tuple(pad(x[:, :-by], (0, 0, by, 0), value=float(k == 0)) for k, x in enumerate(pairs))
        pairs, by = _combine(past, pairs), 2 * by  # type: ignore[arg-type]
    return pairs[2:]


def _chunks(theta: Tensor, lam: Tensor, f_q: Tensor, f_p: Tensor) -> Tensors:
    b, t, c = theta.shape
    size = min(CHUNK, t)
    pairs = [x.reshape(b, t // size, size, c).unbind(2) for x in _pairs(theta, lam, f_q, f_p)]
    walked = [tuple(x[0] for x in pairs)]
    for k in range(1, size):
        walked.append(_combine(walked[-1], tuple(x[k] for x in pairs)))  # type: ignore[arg-type]
    ends = [x.unbind(1) for x in walked[-1]]
    q, p = torch.zeros_like(ends[2][0]), torch.zeros_like(ends[3][0])
    carried = []
    for k in range(t // size):
        carried.append((q, p))
        q, p = ends[0][k] * q - ends[1][k] * p + ends[2][k], ends[0][k] * p + ends[1][k] * q + ends[3][k]
    Q, P = (torch.stack(x, 1)[:, :, None] for x in zip(*carried, strict=True))
    A, C, X, Y = (torch.stack(x, 2) for x in zip(*walked, strict=True))
    return tuple(x.reshape(b, t, c) for x in (A * Q - C * P + X, A * P + C * Q + Y))


# Name -> (family, function).
WAYS: dict[str, tuple[str, Callable[..., Tensors]]] = {
    NAME: (NAME, _own), f"{NAME} (doubling)": (NAME, _doubling), CHUNKS: (CHUNKS, _chunks),
}  # fmt: skip


def contenders(race: Race, device: str) -> tuple[Contender, ...]:
    made = {name: torch.compile(run, fullgraph=True, dynamic=False) for name, (_, run) in WAYS.items()}
    return tuple(one(race, name, made[name], device) for name in WAYS)


def one(race: Race, name: str, run: Callable[..., Tensors], device: str) -> Contender:
    """A function of the four inputs as a contender."""
    given = tensors(race, device)
    leaves = tuple(given[x] for x in race.wanted)
    return contender(race, name, WAYS[name][0], lambda: tuple(run(**given)), leaves, device)
