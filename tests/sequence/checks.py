"""What more than one file of tests asks of a layer on a sequence."""

from __future__ import annotations

from types import ModuleType

import torch

from tests.sequence.systems import inputs, layer, state_class, states


def walked(
    built: torch.nn.Module, given: dict[str, torch.Tensor], start: tuple[torch.Tensor, ...], count: int
) -> tuple[list[tuple[torch.Tensor, ...]], list[torch.Tensor]]:
    """The states after ``count`` tokens, one ``step`` after the other, and what is read at each."""
    state, kept, seen = start, [], []
    for i in range(count):
        after = built.step(state, **{n: x[:, :, i] for n, x in given.items()})
        seen.append(built.readout(after, before=state))
        kept.append(after)
        state = after
    return kept, seen


def check_gradients(made: ModuleType, channels: int, order: int) -> None:
    """Of inputs, start and parameters, through the operators, with a result that is used twice."""
    built, given, start = layer(made, channels), inputs(made, 1, channels, 4, size=0.5), states(made, 1, channels)
    names = [n for n, _ in built.named_parameters()]
    leaves = [x.requires_grad_() for x in (*given.values(), *start)]
    weights = [x.detach().clone().requires_grad_() for x in built.parameters()]

    def run(*x: torch.Tensor) -> torch.Tensor:
        tokens, rest = dict(zip(given, x, strict=False)), x[len(given) :]
        before = state_class(made)(*rest[: len(start)])
        values = dict(zip(names, rest[len(start) :], strict=True))
        out = torch.func.functional_call(built, values, (), {**tokens, "state": before})
        return torch.cat((*out, built.readout(out, before=before)), 1)

    check = torch.autograd.gradcheck if order == 1 else torch.autograd.gradgradcheck
    assert check(run, (*leaves, *weights), fast_mode=True)
