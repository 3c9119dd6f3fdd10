"""Runs of the systems that ``metrigen simulate`` does not step, as lines of Python that end with ``shown``.

A memory is written by eight tokens and read by eight more, a sequence is given one token, a steady state one source,
and a learned function is one that is known, or a network as it is made. ``shown`` is a dict of curves or of pictures.
"""

from __future__ import annotations

from typing import Any

_HEAD = """import torch
import metrigen
from specs.gallery.{name} import system

torch.manual_seed(0)
"""

_MEMORY = """layer = metrigen.layer(system)(channels=1, key=8, value=8)
on, off = torch.eye(8)[None, None], torch.zeros(1, 1, 8, 8)
write, read = torch.cat((on, off), 2), torch.cat((off, on), 2)
writing, one = write.sum(3), torch.ones(1, 1, 16)
{call}
shown = {{"readout: value over tokens": readout[0, 0].T}}
"""

_SEQUENCE = """layer = metrigen.layer(system)(channels=1)
pulse, ones = torch.zeros(1, 1, 96), torch.ones(1, 1, 96)
pulse[..., 8] = 1.0
{call}
shown = {{name: getattr(state, name)[0, 0] for name in state._fields[:{fields}]}}
"""

_PLANE = """layer = metrigen.layer(system)(channels=1{given})
start = {amplitude} * torch.randn(1, 1, 32, 32)
end = layer(start, steps={steps})
shown = {{"{field} at first": start[0, 0], "{field} after {steps} steps": end.{field}[0, 0]}}
"""

_POINT = """layer = metrigen.layer(system)(channels=1{given})
states = layer.rollout(torch.tensor([[0.5]]), steps={steps})
shown = {{"q": states.q[0, 0], "pi": states.pi[0, 0]}}
"""

_WELL = ", {name}=lambda u: (u**2 - 1) ** 2 / 4"


def _memory(call: str) -> str:
    return _MEMORY.format(call=call)


def _sequence(call: str, fields: int = 2) -> str:
    return _SEQUENCE.format(call=call, fields=fields)


def _plane(field: str, steps: int, amplitude: float, given: str = "") -> str:
    return _PLANE.format(field=field, steps=steps, amplitude=amplitude, given=given)


LINES = {
    "debye_screening": """layer = metrigen.layer(system)(channels=1)
source = torch.zeros(1, 1, 64)
source[..., 32] = 1.0
shown = {"u": layer(source).u[0, 0]}
""",
    "delta_rule": _memory("readout, _ = layer(k=write, v=write, q=read, beta=4 * writing)"),
    "exact_linoss": _sequence("state = layer(u=pulse)"),
    "gated_delta_rule": _memory("readout, _ = layer(k=write, v=write, q=read, beta=4 * writing, lam=0.1 * one)"),
    "gated_linear_attention": _memory(
        "readout, _ = layer(k=write, v=write, q=read, lam=0.1 * torch.ones(1, 1, 16, 8))"
    ),
    "generative_network": _POINT.format(given="", steps=100),
    "graph_poisson": """layer = metrigen.layer(system)(channels=1)
source = torch.zeros(1, 1, 24)
source[..., 12] = 1.0
ring = torch.eye(24).roll(1, 0) + torch.eye(24).roll(-1, 0)
shown = {"phi": layer(source, ring[None, None]).phi[0, 0]}
""",
    "hamiltonian_generative": _POINT.format(given=_WELL.format(name="V"), steps=400),
    "learned_mobility": _plane("u", 1000, 0.1, ", M=lambda u: 1 - u**2"),
    "learned_potential": _plane("phi", 200, 1.0, _WELL.format(name="V")),
    "linear_attention": _memory("readout, _ = layer(k=write, v=write, q=read)"),
    "network_mobility": _plane("u", 1000, 0.1),
    "network_potential": _plane("phi", 200, 1.0),
    "orthogonal_recurrence": _sequence("state = layer(f=pulse, lam=0.05 * ones, omega=0.3 * ones)"),
    "retention": _memory(
        "angle = torch.linspace(0.0, 0.2, 8).expand(1, 1, 16, 8)\n"
        "readout, _ = layer(k=write, j=0 * write, v=write, q=read, p=0 * read, theta=angle)"
    ),
    "rotating_delta_rule": _memory(
        "angle = torch.linspace(0.0, 0.2, 8).expand(1, 1, 16, 8)\n"
        "none = 0 * write\n"
        "readout, _ = layer(k=write, j=none, v=write, q=read, p=none, theta=angle, beta=4 * writing, lam=0 * one)"
    ),
    "scalar_decay_memory": _memory("readout, _ = layer(b=write, x=write, c=read, delta=0.01 * one)"),
    "selective_decay_scan": _sequence("state = layer(u=pulse, delta=0.1 * ones)", 1),
    "selective_oscillator": _sequence("state = layer(f=pulse, lam=0.05 * ones, omega=0.3 * ones)"),
}


def lines(name: str) -> str:
    """The program of a system; "" where there is none."""
    return _HEAD.format(name=name) + LINES[name] if name in LINES else ""


def shown(name: str) -> dict[str, Any]:
    """What the program of a system ends with, as arrays."""
    scope: dict[str, Any] = {}
    exec(lines(name), scope)  # the lines above, as the page shows them
    return {label: values.detach().numpy() for label, values in scope["shown"].items()}
