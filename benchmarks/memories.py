"""W8, matrix memories beside what one writes by hand: ``python -m benchmarks.memories``.

The gated delta rule of specs/gallery at B = 4, T = 4096 and 8 heads of 64 x 64 in single precision, forward and forward
with all gradients, from the same inputs (k, q, v, beta, lam). By hand: the recurrence token by token and the chunked
form, both compiled. Of the recurrence 8 tokens are compiled as one, whose states are made again on the way back: more
of them take minutes to compile. All sides run in turns in one process; printed is the smallest time of a turn, and the
largest difference of a readout or gradient from that of the float64 reference.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from benchmarks.timing import both_ways
from metrigen.memory.layer import layer as made
from metrigen.spec.load import load_spec
from trainers.memory import keep_freed_memory

SPEC = Path(__file__).parents[1] / "specs" / "gallery" / "gated_delta_rule.py"
STRETCH = 8
Sizes = tuple[int, int, int, int]  # samples, heads, tokens, rows and columns of a head
Inputs = dict[str, Tensor]
Run = Callable[[Inputs], Tensor]


def given(sizes: Sizes) -> Inputs:
    """Keys of length one; rates about one and decays about a twentieth, each spread over an order of magnitude."""
    b, c, t, n = sizes
    generator = torch.Generator().manual_seed(0)
    normal = partial(torch.randn, b, c, t, generator=generator)
    k, q, v = (torch.randn(b, c, t, n, generator=generator) for _ in range(3))
    return {
        "k": torch.nn.functional.normalize(k, dim=-1), "q": q / n**0.5, "v": v,
        "beta": torch.exp(normal()), "lam": torch.exp(normal() - 3.0),
    }  # fmt: skip


def token_of(k: Tensor, beta: Tensor, lam: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What a token keeps, erases and writes: exp(-lam - beta k k^T), and its integral times beta, along k."""
    n = (k * k).sum(-1)
    keep, rate = torch.exp(-lam), lam + beta * n
    return keep, -keep * torch.expm1(-beta * n) / n, -beta * torch.expm1(-rate) / rate


def stretch(S: Tensor, k: Tensor, q: Tensor, v: Tensor, beta: Tensor, lam: Tensor) -> tuple[Tensor, Tensor]:
    """Some tokens one by one."""
    keep, erase, write = token_of(k, beta, lam)
    read = []
    for t in range(k.shape[2]):
        found = k[:, :, t, None, :] @ S
        change = write[:, :, t, None, None] * v[:, :, t, None, :] - erase[:, :, t, None, None] * found
        S = keep[:, :, t, None, None] * S + k[:, :, t, :, None] * change
        read.append((q[:, :, t, None, :] @ S)[:, :, 0])
    return S, torch.stack(read, 2)


def recurrence(one: Callable[..., tuple[Tensor, Tensor]], x: Inputs) -> Tensor:
    S = x["k"].new_zeros(*x["k"].shape[:2], x["k"].shape[-1], x["v"].shape[-1])
    reads = []
    for some in zip(*(y.split(STRETCH, 2) for y in x.values()), strict=True):
        again = torch.is_grad_enabled()
        S, read = checkpoint(one, S, *some, use_reentrant=False) if again else one(S, *some)
        reads.append(read)
    return torch.cat(reads, 2)


def chunks(size: int, k: Tensor, q: Tensor, v: Tensor, beta: Tensor, lam: Tensor) -> Tensor:
    """All chunks at once by products and a triangular solve, then the state from chunk to chunk."""
    _, erase, write = token_of(k, beta, lam)
    k, q, v = (x.unflatten(2, (-1, size)) for x in (k, q, v))
    erase, write, lam = (x.unflatten(2, (-1, size)) for x in (erase, write, lam))
    age = lam.cumsum(-1)
    ahead, here = torch.exp(-(age - lam))[..., None], torch.exp(-age)[..., None]
    causal = torch.ones(size, size, dtype=torch.bool, device=k.device).tril()
    left = torch.exp((age[..., None, :] - age[..., :, None]).masked_fill(~causal, -torch.inf))
    earlier = torch.exp((age[..., None, :] - (age - lam)[..., :, None]).masked_fill(~causal.tril(-1), -torch.inf))
    keys = (k @ k.mT) * earlier
    right = torch.cat((ahead * k, (keys * write[..., None, :]) @ v), -1)
    solved = torch.linalg.solve_triangular(keys * erase[..., None, :], right, upper=False, unitriangular=True)
    of_start, own = solved.split((k.shape[-1], v.shape[-1]), -1)
    last = left[..., -1, :, None] * k
    S = k.new_zeros(*k.shape[:2], k.shape[-1], v.shape[-1])
    changes, states = [], []
    written, erased = write[..., None] * v, erase[..., None]
    for n in range(k.shape[2]):
        change = written[:, :, n] - erased[:, :, n] * (of_start[:, :, n] @ S + own[:, :, n])
        states.append(S)
        changes.append(change)
        S = here[:, :, n, -1:] * S + last[:, :, n].mT @ change
    inside = ((q @ k.mT) * left) @ torch.stack(changes, 2)
    return ((here * q) @ torch.stack(states, 2) + inside).flatten(2, 3)


def read_of(layer: torch.nn.Module, x: Inputs) -> Tensor:
    read: Tensor = layer(**x)[0]
    return read


def sides(sizes: Sizes, chunk: int) -> dict[str, Run]:
    kind, (_, heads, _, n) = made(load_spec(SPEC).system), sizes
    layers = {backend: kind(heads, key=n, value=n, backend=backend) for backend in ("cpu", "torch")}
    by_token = torch.compile(stretch, dynamic=False)
    by_chunk = torch.compile(chunks, dynamic=False)
    found: dict[str, Run] = {f"metrigen {b}": partial(read_of, layer) for b, layer in layers.items()}
    return found | {
        "recurrence, compiled": lambda x: recurrence(by_token, x),
        f"chunks of {chunk}, compiled": lambda x: by_chunk(chunk, **x),
    }


def results(run: Run, x: Inputs, cotangent: Tensor, reverse: bool) -> tuple[Tensor, ...]:
    """What is read; with gradients of all inputs."""
    if not reverse:
        with torch.no_grad():
            return (run(x),)
    read = run(x)
    return read.detach(), *torch.autograd.grad(read, list(x.values()), cotangent)


def differences(found: dict[str, Run], x: Inputs, cotangent: Tensor) -> dict[str, float]:
    """The largest max|a - b| / max|b| of a readout or a gradient, b in double precision by metrigen's reference."""
    exact = {name: y.detach().double().requires_grad_() for name, y in x.items()}
    wanted = results(found["metrigen torch"], exact, cotangent.double(), True)
    apart = {}
    for name, run in found.items():
        pairs = zip(results(run, x, cotangent, True), wanted, strict=True)
        apart[name] = max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)
    return apart


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--chunk", type=int, default=64)
    parser.add_argument("--smoke", action="store_true", help="small shapes, to see that it runs")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    sizes = (2, 2, 128, 16) if options.smoke else (4, 8, 4096, 64)
    x = {name: y.requires_grad_() for name, y in given(sizes).items()}
    cotangent = torch.randn(x["v"].shape, generator=torch.Generator().manual_seed(1))
    found = sides(sizes, options.chunk)
    apart = differences(found, x, cotangent)
    times = both_ways({name: partial(results, run, x, cotangent) for name, run in found.items()}, options.turns)
    first = times["metrigen cpu"]
    print(f"W8: {sizes[0]} samples, {sizes[1]} heads of {sizes[3]} x {sizes[3]}, {sizes[2]} tokens", flush=True)
    for name, (forward, both) in times.items():
        print(
            f"  {name:22} forward {1e3 * forward:9.1f} ms ({forward / first[0]:5.1f}), with gradients "
            f"{1e3 * both:9.1f} ms ({both / first[1]:5.1f}), differs by {apart[name]:.1e}"
        )


if __name__ == "__main__":
    main()
