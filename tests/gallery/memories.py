"""Matrix memories against the recurrences that were published, written here once more in plain torch.

Keys are not normalised, gates are drawn for every token, and the layer is handed what the docstring of its spec says:
readouts, last states and the gradients of everything agree to 1e-10, by the reference and by the operator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from tests.gallery.layers import derivation, layer, near, rough

B, C, T, K, V = 2, 3, 37, 4, 5
Given = Mapping[str, Tensor]


def linear_attention() -> None:
    agree("linear_attention", {**keys("kq"), "v": values()}, lambda g: g,
          lambda g, t, S: S + outer(g["k"][:, :, t], g["v"][:, :, t]))  # fmt: skip


def gated_linear_attention() -> None:
    def handed(g: Given) -> Given:
        lam = g["lam"]
        return {**g, "k": g["k"] * lam / (1 - torch.exp(-lam))}

    def token(g: Given, t: int, S: Tensor) -> Tensor:
        return torch.exp(-g["lam"][:, :, t])[..., None] * S + outer(g["k"][:, :, t], g["v"][:, :, t])

    fades = {"lam": rough(B, C, T, K, seed=9).abs() + 0.01}
    agree("gated_linear_attention", {**keys("kq"), "v": values(), **fades}, handed, token)


def scalar_decay_memory() -> None:
    a = torch.tensor([0.3, 1.0, 4.0]).double()

    def handed(g: Given) -> Given:
        rate = a[:, None] * g["delta"]
        return {**g, "x": g["x"] * (rate / (1 - torch.exp(-rate)))[..., None]}

    def token(g: Given, t: int, S: Tensor) -> Tensor:
        delta = g["delta"][:, :, t, None, None]
        return torch.exp(-a[:, None, None] * delta) * S + delta * outer(g["b"][:, :, t], g["x"][:, :, t])

    agree("scalar_decay_memory", {**keys("bc"), "x": values(), "delta": gates(3)}, handed, token, query="c", a=a)


def delta_rule() -> None:
    def handed(g: Given) -> Given:
        n = (g["k"] ** 2).sum(-1)
        return {**{name: g[name] for name in "kqv"}, "beta": -torch.log1p(-g["rate"]) / n}

    agree("delta_rule", {**keys("kq"), "v": values(), "rate": gates(3)}, handed, lambda g, t, S: corrected(g, t, S))


def gated_delta_rule() -> None:
    def handed(g: Given) -> Given:
        n = (g["k"] ** 2).sum(-1)
        lam, beta, b = -torch.log(g["gate"]), -torch.log1p(-g["rate"]) / n, g["rate"] / n
        x = lam + beta * n
        return {"k": g["k"], "q": g["q"], "v": g["v"] * (b * x / (beta * (1 - torch.exp(-x))))[..., None],
                "beta": beta, "lam": lam}  # fmt: skip

    given = {**keys("kq"), "v": values(), "rate": gates(3), "gate": gates(4)}
    agree("gated_delta_rule", given, handed, lambda g, t, S: corrected(g, t, S, g["gate"][:, :, t, None, None]))


def retention() -> None:
    """All tokens at once, by the sum over what was written: keys turn by their place, and fade."""
    lam = torch.tensor([0.01, 0.2, 1.0]).double()
    given = {**keys("kjqp"), "v": values(), "theta": rough(B, C, T, K, seed=8)}
    for x in given.values():
        x.requires_grad_()
    place = given["theta"].cumsum(2)
    key = torch.complex(given["k"], given["j"]) * torch.exp(1j * (place - given["theta"] / 2))
    query = torch.complex(given["q"], given["p"]) * torch.exp(1j * place)
    ago = torch.arange(T)[:, None] - torch.arange(T)
    fades = torch.where(ago >= 0, torch.exp(-lam[:, None, None] * ago), 0.0)
    read = ((query.conj() @ key.mT).real * fades) @ given["v"]
    scale = (lam / (1 - torch.exp(-lam)))[:, None, None]
    for backend in ("torch", "auto"):
        made = layer("retention", C, sizes={"key": K, "value": V, "backend": backend}, lam=lam)
        found, _ = made(**{**given, "k": given["k"] * scale, "j": given["j"] * scale})
        same(found, read, given)


def rotating_delta_rule() -> None:
    """Half a turn, the gated delta rule of both rows of a pair as one key, half a turn; the norm never grows."""

    def turned(g: Given, t: int, S: Tensor) -> Tensor:
        Z = torch.complex(*S.chunk(2, 2)) * torch.exp(-0.5j * g["theta"][:, :, t])[..., None]
        return torch.cat((Z.real, Z.imag), 2)

    def token(g: Given, t: int, S: Tensor) -> Tensor:
        S = corrected(g | {"k": torch.cat((g["k"], g["j"]), -1)}, t, turned(g, t, S), g["gate"][:, :, t, None, None])
        return turned(g, t, S)

    def handed(g: Given) -> Given:
        n = (g["k"] ** 2 + g["j"] ** 2).sum(-1)
        lam, beta, b = -torch.log(g["gate"]), -torch.log1p(-g["rate"]) / n, g["rate"] / n
        x = lam + beta * n
        kept = {name: g[name] for name in ("k", "j", "q", "p", "theta")}
        return kept | {"v": g["v"] * (b * x / (beta * (1 - torch.exp(-x))))[..., None], "beta": beta, "lam": lam}

    given = {**keys("kjqp"), "v": values(), "theta": rough(B, C, T, K, seed=8), "rate": gates(3), "gate": gates(4)}
    agree("rotating_delta_rule", given, handed, token, query="qp")
    still = {name: x.detach() * (name != "v") for name, x in handed(given).items()}
    made = layer("rotating_delta_rule", C, sizes={"key": K, "value": V})
    start = made.STATE(rough(B, C, K, V, seed=1), rough(B, C, K, V, seed=2))
    size = sum((x**2).sum() for x in start)
    for t in range(T):
        _, start = made.step(start, **{name: x[:, :, t] for name, x in still.items()})
        size, before = sum((x**2).sum() for x in start), size
        assert size <= before


def corrected(g: Given, t: int, S: Tensor, gate: Tensor | float = 1.0) -> Tensor:
    """gate (1 - b k k^T) S + b k v, with b = rate/|k|^2."""
    k, v = g["k"][:, :, t], g["v"][:, :, t]
    b = (g["rate"][:, :, t] / (k**2).sum(-1))[..., None, None]
    return gate * (S - b * outer(k, (k[..., None, :] @ S)[..., 0, :])) + b * outer(k, v)


def agree(
    name: str,
    given: dict[str, Tensor],
    handed: Callable[[Given], Given],
    token: Callable[[Given, int, Tensor], Tensor],
    query: str = "q",
    **params: Tensor,
) -> None:
    """Layer and recurrence: readouts, the last state and all gradients, from a state that is not zero."""
    assert derivation(name).law("contraction").verdict == "proved"
    starts = tuple(rough(B, C, K, V, seed=20 + i) for i in range(len(query)))
    given = given | {f"start_{i}": S for i, S in enumerate(starts)}
    for x in given.values():
        x.requires_grad_()
    S, reads = torch.cat(starts, 2), []
    asked = torch.cat([given[n] for n in query], -1)
    for t in range(T):
        S = token(given, t, S)
        reads.append((asked[:, :, t, None, :] @ S)[..., 0, :])
    wanted = torch.cat((torch.stack(reads, 2), S), 2)
    inputs = {n: x for n, x in handed(given).items() if not n.startswith("start")}
    for backend in ("torch", "auto"):
        made = layer(name, C, sizes={"key": K, "value": V, "backend": backend}, **params)
        read, last = made(**inputs, state=made.STATE(*starts))
        same(torch.cat((read, *last), 2), wanted, given)


def same(found: Tensor, wanted: Tensor, given: Given) -> None:
    near(found, wanted, 1e-10)
    weights = rough(*wanted.shape, seed=30)
    own, plain = (torch.autograd.grad((x * weights).sum(), list(given.values()), retain_graph=True, allow_unused=True)
                  for x in (found, wanted))  # fmt: skip
    for x, y in zip(own, plain, strict=True):
        near(x, y, 1e-10 * float(1 + y.abs().max()))


def outer(k: Tensor, v: Tensor) -> Tensor:
    return k[..., None] * v[..., None, :]


def keys(names: str) -> dict[str, Tensor]:
    return {name: rough(B, C, T, K, seed=10 + i) for i, name in enumerate(names)}


def values() -> Tensor:
    return rough(B, C, T, V, seed=7)


def gates(seed: int) -> Tensor:
    """Numbers between 0 and 1."""
    return torch.sigmoid(rough(B, C, T, seed=seed))


CHECKS = (
    linear_attention,
    gated_linear_attention,
    scalar_decay_memory,
    delta_rule,
    gated_delta_rule,
    retention,
    rotating_delta_rule,
)
