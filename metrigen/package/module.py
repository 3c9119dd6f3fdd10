"""The text of ``module.py``, the layer itself, from what its domain has of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from metrigen.emit.render import render
from metrigen.package.arguments import floats, parameters
from metrigen.package.assembly import Package
from metrigen.package.imports import imports
from metrigen.package.settings import is_reversible


@dataclass(frozen=True)
class Parts:
    """What a domain has of a module.

    about      the docstring of the module after the name of the layer
    axes       axes by which a state is known: batch, channels, and those of the sites
    state_doc, class_doc  docstrings; ``last_doc``: that of the last of a state
    base       classes that the layer is derived from
    heading    lines between the components of the readout and the state
    constants  of the class, as (name, value)
    arguments, making  of the constructor
    methods    lines of the methods
    read       type of what a call returns beside the state, empty where that is the state alone
    """

    about: str
    axes: int
    base: str
    state_doc: str
    class_doc: str
    constants: Sequence[tuple[str, str]]
    arguments: Sequence[str]
    making: Sequence[str]
    methods: Sequence[str]
    heading: Sequence[str] = ()
    last_doc: str = "The last state of a trajectory, fields (B, C, n, ...); of one state itself."
    read: str = ""


def module_text(package: Package, parts: Parts, header: str) -> str:
    """The layer itself."""
    layer = package.layer
    body = render(
        "layer.py.j2", parts=parts, title=layer.source.class_name, class_name=layer.source.class_name,
        components=repr(layer.lowered.components), fields=layer.lowered.fields,
        reports=layer.reports, parameters=parameters(layer),
        number_step=bool(floats(layer)), reversible=is_reversible(layer),
    )  # fmt: skip
    absent = () if package.registered else ("operators",)
    return render("module.py.j2", header=header, about=f"{layer.source.class_name} as a PyTorch layer{parts.about}",
                  imports=imports(body, absent), body=body)  # fmt: skip


def indented(lines: Sequence[str]) -> list[str]:
    """Lines of methods as they stand in a class."""
    return [f"    {line}" if line else "" for line in lines]
