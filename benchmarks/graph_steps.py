"""W9, layers on graphs beside what one writes by hand: ``python -m benchmarks.graph_steps``.

    dense    64 samples, 81 nodes, 8 channels: the steady state (B^T w B + m2) phi = m2 s of generated/sudoku, weights
             of each sample or shared by all
    sparse   one graph of 100,000 nodes, 1,000,000 edges and 8 channels: 8 steps of RK4 for u' = -B^T w B u, the weights
             learned by channel and edge (specs/gallery/graph_diffusion.py)

By hand: gathers and ``index_add_`` over rows of channels (N, C), as libraries of message passing lay them out, eager
and compiled; of the dense system ``torch.linalg.cholesky``, eager and compiled. All peers run in turns in one process;
printed is the smallest time of a turn, in milliseconds of one thread, forward and forward with all gradients.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch._dynamo import config as dynamo

from generated.sudoku import Sudoku
from metrigen.memory.layer import layer as made
from metrigen.spec.load import load_spec
from trainers.memory import keep_freed_memory

Run = Callable[[], object]
SPEC = Path(__file__).parents[1] / "specs" / "gallery" / "graph_diffusion.py"


def measured(runs: dict[str, Run], turns: int) -> dict[str, float]:
    """The smallest time of each run, ms, after one that nobody counts."""
    for run in runs.values():
        run()
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(turns):
        for name, run in runs.items():
            start = time.thread_time()
            run()
            best[name] = min(best[name], 1e3 * (time.thread_time() - start))
    return best


def reverse(forward: Callable[[], Tensor], given: tuple[Tensor, ...]) -> Run:
    """Forward, and the gradients of what is given."""
    return lambda: torch.autograd.grad(forward().square().sum(), given)


def factorised(s: Tensor, w: Tensor, m2: Tensor) -> Tensor:
    """(diag(w 1 + m2) - w) phi = m2 s, by hand."""
    w = w - torch.diag_embed(w.diagonal(dim1=-2, dim2=-1))
    matrix = torch.diag_embed(w.sum(-1) + m2[:, None]) - w
    right = (m2[:, None] * s).unsqueeze(-1)
    if w.dim() == 3:  # one matrix a channel: samples are columns
        right = right.squeeze(-1).permute(1, 2, 0)
        return torch.cholesky_solve(right, torch.linalg.cholesky(matrix)).permute(2, 0, 1)
    return torch.cholesky_solve(right, torch.linalg.cholesky(matrix)).squeeze(-1)


def dense(shared: bool) -> dict[str, Run]:
    generator = torch.Generator().manual_seed(0)
    s = torch.randn(64, 8, 81, generator=generator, requires_grad=True)
    w = torch.rand(*(() if shared else (64,)), 8, 81, 81, generator=generator)
    w = (0.2 * (w + w.mT)).requires_grad_()
    layer, m2 = Sudoku(8), torch.ones(8, requires_grad=True)
    compiled = torch.compile(factorised)
    found: dict[str, Callable[[], Tensor]] = {
        "metrigen": lambda: layer(s, w).phi,
        "by hand": lambda: factorised(s, w, m2),
        "torch.compile": lambda: compiled(s, w, m2),
    }
    given = {"metrigen": (s, w, *layer.parameters()), "by hand": (s, w, m2), "torch.compile": (s, w, m2)}
    return with_reverse(found, given)


def rate(u: Tensor, w: Tensor, tail: Tensor, head: Tensor) -> Tensor:
    flow = w * (u.index_select(0, head) - u.index_select(0, tail))
    return torch.zeros_like(u).index_add(0, tail, flow).index_add(0, head, -flow)


def step(u: Tensor, w: Tensor, tail: Tensor, head: Tensor, dt: float) -> Tensor:
    """RK4 over rows of channels (N, C)."""
    a = rate(u, w, tail, head)
    b = rate(u + 0.5 * dt * a, w, tail, head)
    c = rate(u + 0.5 * dt * b, w, tail, head)
    return u + dt / 6 * (a + 2 * b + 2 * c + rate(u + dt * c, w, tail, head))


def stepped(one: Callable[..., Tensor], u: Tensor, w: Tensor, ends: Tensor, steps: int) -> Tensor:
    for _ in range(steps):
        u = one(u, w, ends[0], ends[1], 0.01)
    return u


def sparse(nodes: int, edges: int, channels: int, steps: int) -> dict[str, Run]:
    generator = torch.Generator().manual_seed(0)
    ends = torch.randint(0, nodes, (2, edges), generator=generator)
    ends[1] = torch.where(ends[0] == ends[1], (ends[1] + 1) % nodes, ends[1])
    u = torch.randn(1, channels, nodes, generator=generator)
    layer = made(load_spec(SPEC).system)(channels, edges=edges, steps=steps, dt=0.01)
    w = layer.w.detach().T.contiguous().requires_grad_()
    rows = u[0].T.contiguous().requires_grad_()
    u.requires_grad_()
    compiled = torch.compile(step)
    found: dict[str, Callable[[], Tensor]] = {
        "metrigen": lambda: layer(u, edge_index=ends).u,
        "by hand": lambda: stepped(step, rows, w, ends, steps),
        "torch.compile": lambda: stepped(compiled, rows, w, ends, steps),
    }
    apart = (found["metrigen"]()[0].T - found["by hand"]()).abs().max().item()
    print(f"metrigen and by hand differ by {apart:.1e}")
    given = {"metrigen": (u, *layer.parameters()), "by hand": (rows, w), "torch.compile": (rows, w)}
    return with_reverse(found, given)


def with_reverse(found: dict[str, Callable[[], Tensor]], given: dict[str, tuple[Tensor, ...]]) -> dict[str, Run]:
    def plain(run: Callable[[], Tensor]) -> Run:
        def forward() -> None:
            with torch.no_grad():
                run()

        return forward

    runs: dict[str, Run] = {name: plain(run) for name, run in found.items()}
    return runs | {f"{name}, reverse": reverse(run, given[name]) for name, run in found.items()}


def report(title: str, times: dict[str, float]) -> None:
    print(title + ": " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in times.items()))
    for kind in ("", ", reverse"):
        own = times[f"metrigen{kind}"]
        gains = (f"{name} {times[name + kind] / own:.1f}" for name in ("by hand", "torch.compile"))
        print(f"    ahead{kind or ', forward'}: " + ", ".join(gains), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--edges", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=8)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    keep_freed_memory()
    dynamo.cache_size_limit = 64
    for shared in (True, False):
        name = "shared weights" if shared else "weights of each sample"
        report(f"dense, 64 x 8 x 81, {name}", measured(dense(shared), 4 * given.turns))
    runs = sparse(given.nodes, given.edges, 8, given.steps)
    report(f"sparse, {given.nodes} nodes, {given.edges} edges", measured(runs, given.turns))


if __name__ == "__main__":
    main()
