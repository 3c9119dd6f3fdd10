"""Every package against its own reference in float64: values, all gradients, the same bits twice."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from benchmarks.device.layers import SEQUENCES, STEPPING, data, distance, everything, layer_of
from benchmarks.device.run import Run, Values

Case = tuple[tuple[int, ...], torch.dtype, "int | None", int]  # shape, dtype, steps, offset
FIELDS = ((2, 16, 15, 15), (2, 16, 32, 32), (1, 8, 28, 28), (2, 8, 16, 16), (3, 16, 8, 8), (1, 8, 64, 64),
          (1, 8, 70, 75), (2, 8, 1, 5))  # fmt: skip
MAZES = ((3, 1, 15, 15), (2, 2, 32, 32), (2, 1, 39, 39), (1, 2, 64, 64), (1, 1, 70, 75))
TOKENS = ((2, 70, 130), (3, 48, 64), (1, 256, 1000), (600, 64, 37))


def shapes(run: Run, short: str) -> tuple[tuple[int, ...], ...]:
    """Odd sizes, sizes that fit on chip and larger ones."""
    if run.smoke:
        return ((2, 5, 9),) if short in SEQUENCES else ((1, 2, 3, 5),)
    return TOKENS if short in SEQUENCES else MAZES if short == "maze" else FIELDS


def cases(run: Run, short: str) -> list[Case]:
    """Single precision at a few and at many steps, double precision, addresses that are not aligned to 16 bytes."""
    all_shapes = shapes(run, short)
    steps = (None,) if short not in STEPPING else (2,) if run.smoke else (2, 8)
    few = steps[0]
    made: list[Case] = [(shape, torch.float32, k, 0) for shape in all_shapes for k in steps]
    made += [(shape, torch.float64, few, 0) for shape in all_shapes[:2]]
    return [*made, (all_shapes[0], torch.float32, few, 1)]


def correct(run: Run, name: str) -> None:
    short = name.rsplit(".", 1)[-1]
    warnings.simplefilter("ignore")
    for case in cases(run, short):
        shape, dtype, steps, offset = case
        label = f"{short} {shape} {str(dtype)[6:]} K={steps} offset={offset}"
        run.attempt("correct", label, lambda case=case: _compared(run, name, short, case))  # type: ignore[misc]


def _compared(run: Run, name: str, short: str, case: Case) -> Values:
    shape, dtype, steps, offset = case
    options: dict[str, Any] = {} if steps is None else {"steps": steps}
    if short == "maze" and dtype == torch.float64:
        options["rtol"] = 1e-11
    ours = layer_of(run, name, shape[1], "triton", dtype, **options)
    truth = layer_of(run, name, shape[1], "torch", torch.float64, **options)
    truth.load_state_dict(ours.state_dict())
    given = data(run, ours, shape, dtype, offset)
    got, grads = everything(ours, given)
    again, grads_again = everything(ours, given)
    want, wanted = everything(truth, {k: x.double() for k, x in given.items()})
    error, wrong = distance(got, want), distance(grads, wanted)
    pairs = zip([*got, *grads], [*again, *grads_again], strict=True)
    same = all(torch.equal(a, b) for a, b in pairs)
    limit = 1e-9 if dtype == torch.float64 else 2e-4 if short == "maze" else 3e-5
    return {"ok": error < limit and wrong < 10 * limit and same, "error": error, "grad_error": wrong, "bitwise": same}
