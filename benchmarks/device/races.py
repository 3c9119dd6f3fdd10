"""Times: layers against torch.compile of their own reference, kernels alone, warps, single operations."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.device.clock import bandwidth, device_us, floor, timed
from benchmarks.device.layers import data, everything, layer_of, part_of
from benchmarks.device.run import Run, Values

Race = tuple[str, tuple[int, ...], int, bool]  # package, shape, steps, whether torch.compile races as well
RACES: tuple[Race, ...] = (
    ("layer", (32, 64, 32, 32), 8, True), ("cifar", (32, 64, 32, 32), 2, True), ("layer", (256, 64, 32, 32), 8, False),
    ("cifar", (256, 64, 32, 32), 2, True), ("cifar", (256, 64, 16, 16), 2, True), ("layer", (32, 64, 64, 64), 8, True),
    ("layer", (8, 64, 128, 128), 8, True), ("cifar_dissipative", (256, 64, 32, 32), 2, True),
    ("cifar", (256, 64, 8, 8), 2, False), ("layer", (1, 64, 512, 512), 8, False),
    ("layer", (256, 64, 16, 16), 8, False), ("layer", (256, 64, 28, 28), 8, False),
    ("coupled_wave", (32, 64, 32, 32), 2, True),
    ("cifar", (8, 64, 128, 128), 2, True), ("cifar", (32, 64, 32, 32), 8, False),
)  # fmt: skip
SMOKE: tuple[Race, ...] = (("cifar_dissipative", (1, 2, 3, 5), 1, True),)
SPEED = 4.3e12  # bytes a second, where nothing was measured


def environment(run: Run) -> float:
    """What runs here; bytes a second of a copy."""
    import triton

    about: Values = {"torch": torch.__version__, "triton": triton.__version__, "python": sys.version.split()[0]}
    if not run.smoke:
        p = torch.cuda.get_device_properties(0)
        about |= {"device": p.name, "processors": p.multi_processor_count, "GB": round(p.total_memory / 1e9)}
    speed = bandwidth(run)
    run.emit("environment", "", ok=True, GB_per_s=round(speed / 1e9, 1), packages=run.packages, **about)
    return speed


def time_race(run: Run, which: int) -> None:
    speed = environment(run) if which == 0 else SPEED
    short, shape, steps, against = (SMOKE if run.smoke else RACES)[which]
    name = run.full(short)
    if name is None:
        return
    layer = layer_of(run, name, shape[1], "triton", torch.float32, steps=steps)
    plain = layer_of(run, name, shape[1], "torch", torch.float32, steps=steps)
    plain.load_state_dict(layer.state_dict())
    given = data(run, layer, shape, torch.float32)
    case = f"{short} {shape} K={steps}"
    for what, call in _calls(layer, layer, given).items():
        moved = 2 * (2 if what == "forward" else 5)  # two fields: read, written; backward read twice more, written
        run.attempt("time", f"{case} {what} layer", partial(_timed, run, call, **floor(shape, moved, speed)))
    run.attempt("time", f"{case} kernels", lambda: {"ok": True, **alone(run, layer, name, given)})
    if against:
        torch._dynamo.reset()
        peer = torch.compile(plain, dynamic=False, backend="aot_eager" if run.smoke else "inductor")
        for what, call in _calls(peer, plain, given).items():
            run.attempt("time", f"{case} {what} torch.compile", partial(_timed, run, call))


def _timed(run: Run, call: Callable[[], object], **more: Any) -> Values:
    return {"ok": True, **timed(run, call), **more}


def _calls(f: Any, layer: Any, given: dict[str, Tensor]) -> dict[str, Callable[[], object]]:
    inputs = {k: x.detach().clone().requires_grad_() for k, x in given.items()}
    with torch.no_grad():
        grads = [torch.randn_like(x) for x in layer(**given) if x.is_floating_point()]

    def forward() -> None:
        with torch.no_grad():
            f(**given)

    def both() -> None:
        out = [x for x in f(**inputs) if x.is_floating_point()]
        torch.autograd.grad(out, [*inputs.values(), *layer.parameters()], grads, allow_unused=True)

    return {"forward": forward, "forward+backward": both}


def alone(run: Run, layer: Any, name: str, given: dict[str, Tensor]) -> Values:
    """The launches of ``evolve`` and ``evolve_adjoint`` without the layer around them."""
    kernels, held = part_of(name, "kernels"), dict[str, tuple[tuple[Any, ...], dict[str, Any]]]()
    original = {n: getattr(kernels, n) for n in ("evolve", "evolve_adjoint")}

    def keep(n: str, f: Callable[..., Any], *args: Any, **options: Any) -> Any:
        held[n] = args, options
        return f(*args, **options)

    try:
        for n, f in original.items():
            setattr(kernels, n, partial(keep, n, f))
        everything(layer, given, False)
    finally:
        for n, f in original.items():
            setattr(kernels, n, f)

    def detached(a: Any) -> Any:
        return tuple(x.detach() for x in a) if isinstance(a, tuple) else a

    return {n: timed(run, partial(original[n], *map(detached, args), **options)) for n, (args, options) in held.items()}


def others(run: Run) -> None:
    """Scans and solves."""
    lm, maze = run.full("lm"), run.full("maze")
    if lm:
        shape: tuple[int, ...] = (1, 4, 16) if run.smoke else (8, 256, 4096)
        layer = layer_of(run, lm, shape[1], "triton", torch.float32)
        for what, call in _calls(layer, layer, data(run, layer, shape, torch.float32)).items():
            moved = floor(shape, 6 if what == "forward" else 18, SPEED)
            run.attempt("time", f"lm {shape} {what}", partial(_timed, run, call, **moved))
    mazes = ((1, 1, 3, 5),) if run.smoke else ((64, 1, 39, 39), (1024, 1, 15, 15), (256, 1, 64, 64))
    for shape in mazes if maze else ():
        layer = layer_of(run, str(maze), 1, "triton", torch.float32)
        given = data(run, layer, shape, torch.float32)
        given["m2"].mul_(0.04)
        iterations = int(layer(**given).iterations.max())
        run.attempt("time", f"maze {shape}", partial(_timed, run, partial(layer, **given), iterations=iterations))


SWEPT: dict[str, tuple[tuple[int, ...], ...]] = {
    "layer": ((256, 64, 32, 32), (64, 64, 64, 64)), "cifar_dissipative": ((256, 64, 32, 32),),
    "cifar": ((128, 64, 32, 32), (256, 64, 16, 16), (512, 64, 8, 8)), "maze": ((256, 1, 39, 39), (256, 1, 64, 64)),
}  # fmt: skip


def warps(run: Run) -> None:
    """Every number of warps that ``metrigen tune`` would try for the kernels on chip, and what the rule takes."""
    swept = {"cifar_dissipative": ((1, 2, 4, 4),)} if run.smoke else SWEPT
    for short, shapes in swept.items():
        name = run.full(short)
        for shape in shapes if name else ():
            options = {} if short == "maze" else {"steps": 4}
            layer = layer_of(run, str(name), shape[1], "triton", torch.float32, **options)
            for called, body in _launches(run, str(name), layer, shape).items():
                run.attempt("warps", f"{short} {shape} {called}", body)


def _launches(run: Run, name: str, layer: Any, shape: tuple[int, ...]) -> dict[str, Callable[[], Values]]:
    kernels: Any = part_of(name, "kernels")
    launch = kernels._launch_planes
    found: dict[str, Callable[[], Values]] = {}

    def sweep(kernel: Any, like: Tensor, group: int, count: int, args: tuple[Any, ...], more: dict[str, int]) -> Values:
        rule, times, refused = kernels.setting(kernel, like, group)[1], {}, {}
        for n in sorted({*kernels.candidates(like), rule}):
            try:
                call = partial(launch, kernel, like, group, count, *args, **{**more, "num_warps": n})
                times[n] = device_us(timed(run, call, 0.05))
            except Exception as error:  # too many registers or threads for this device
                refused[n] = type(error).__name__
        best = min(times, key=lambda n: (times[n], n))
        gain = round(times[rule] / times[best], 3) if rule in times else None
        return {"ok": True, "rule": rule, "us": times, "refused": refused, "best": best, "gain": gain}

    def record(kernel: Any, like: Tensor, group: int, count: int, *args: Any, **more: int) -> None:
        found[kernel.fn.__name__] = partial(sweep, kernel, like, group, count, args, more)
        launch(kernel, like, group, count, *args, **more)

    kernels._launch_planes = record
    try:
        everything(layer, data(run, layer, shape, torch.float32), False)
    finally:
        kernels._launch_planes = launch
    return found


def pieces(run: Run) -> None:
    """Single operations of torch that stand between the kernels of a step."""
    b, c, n = (1, 8, 4) if run.smoke else (32, 64, 32)
    x, m = torch.randn(b, c, n, n, device=run.device), torch.randn(c, c, device=run.device)
    k = torch.randn(2, b, c, n, n, device=run.device)
    blocks = torch.randn(c // 8, 8, 8, device=run.device)
    found: dict[str, Callable[[], Tensor]] = {
        "mix by einsum": lambda: torch.einsum("cd,bd...->bc...", m, x),
        "mix by matmul": lambda: torch.matmul(m, x.flatten(2)),
        "mix by blocks": lambda: torch.matmul(blocks, x.view(b, c // 8, 8, -1)),
        "outer by einsum": lambda: torch.einsum("kbc...,kbd...->cd", k, k),
        "outer by matmul": lambda: _outer(k.flatten(0, 1).flatten(2)),
        "five parts and cat": lambda: torch.cat([x * 1.0 for _ in range(5)], 1),
        "solve of blocks": lambda: torch.linalg.solve_ex(blocks, blocks)[0],
    }
    for case, call in found.items():
        run.attempt("piece", case, partial(_timed, run, call))


def _outer(k: Tensor) -> Tensor:
    return torch.matmul(k, k.mT).sum(0)
