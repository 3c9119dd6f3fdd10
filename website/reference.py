"""The reference, from docstrings: a line ``<!-- reference: NAME -->`` of a page gives way to what it asks for."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from website.docstrings import markdown

GROUPS = {
    "systems": ("System", "Field", "Input", "Param", "NeuralFunction", "momentum", "t", "grad", "mix", "contract",
                "total", "hypot", "logmean"),
    "domains": ("Lattice", "Graph", "Sequence"),
    "brackets": ("Dissipation", "canonical", "friction", "diffusion", "friction_to_heat", "projected",
                 "kulkarni_nomizu"),
    "readouts": ("stress_energy", "energy_density"),
    "integrators": ("ExplicitEuler", "SymplecticEuler", "Leapfrog", "Strang", "RK4", "Exponential", "ImplicitMidpoint",
                    "AverageVectorField", "DiscreteGradient", "Composed", "SteadyState"),
    "results": ("derive", "Derivation", "Law", "layer", "plot", "animate"),
    "errors": ("MetrigenError", "SpecError", "StructureError", "BuildError"),
}  # fmt: skip
MADE_OF = {"t": "The time, a real symbol of SymPy: `phi.diff(t)` is the velocity of `phi`."}


def filled(text: str) -> str:
    """A page with its references written out."""
    return re.sub(r"<!-- reference: (\w+) -->", lambda found: _part(found[1]), text)


def _part(name: str) -> str:
    if name == "layer":
        return "\n".join(_methods())
    if name == "commands":
        return "\n".join(_commands())
    return "\n".join(line for word in GROUPS[name] for line in _word(word))


def _word(name: str) -> Iterator[str]:
    import metrigen

    value = getattr(metrigen, name)
    yield f"### {name} {{ #{name.lower() if name != 't' else 'time'} }}"
    yield ""
    if name in MADE_OF:
        yield MADE_OF[name] + "\n"
        return
    head = _signature(name, value)
    yield f"```python\n{head}\n```\n" if head else ""
    yield markdown(inspect.getdoc(value) or "") + "\n"


def _signature(name: str, value: Any) -> str:
    """``name(arguments)``, a long one with an argument a line; empty for what takes none that are its own."""
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    if any(p.kind is p.VAR_POSITIONAL and p.name == "args" for p in found.parameters.values()):
        return ""
    given = [p for p in found.parameters.values() if p.name not in ("self", "cls")]
    shown = [re.sub(r": .*?(?= = |$)", "", str(p)).replace(" = ", "=") for p in given]
    line = f"{name}({', '.join(shown)})"
    return line if len(line) <= 76 else f"{name}(\n" + "".join(f"    {part},\n" for part in shown) + ")"


def _methods() -> Iterator[str]:
    """What a layer has, by an example of each family: the methods of ``Cifar``, then what the others have beside."""
    from torch import nn

    from generated.cifar import Cifar
    from generated.lm import Lm
    from generated.maze import Maze

    seen = {name for name in dir(nn.Module) if name != "forward"}
    for kind in (Cifar, Maze, Lm):
        for name, value in inspect.getmembers(kind):
            plain = not name.startswith("_") and not name.isupper() and name not in seen
            if not plain or type(value).__name__ == "LayerParam":
                continue
            if not isinstance(value, property) and not inspect.isroutine(value):
                continue
            seen.add(name)
            head = name if isinstance(value, property) else _signature(name, value)
            yield f"### {name} {{ #layer-{name} }}\n\n```python\n{head}\n```\n"
            yield markdown(inspect.getdoc(value) or "") + "\n"


def _commands() -> Iterator[str]:
    """The help of every command."""
    from typer.testing import CliRunner

    from metrigen.cli.app import app

    names = sorted(command.name or command.callback.__name__ for command in app.registered_commands if command.callback)
    for name in names:
        shown = (
            CliRunner()
            .invoke(app, [name, "--help"], prog_name="metrigen", env={"COLUMNS": "80", "NO_COLOR": "1"})
            .output
        )
        yield f"### metrigen {name}\n\n```text\n{shown.strip()}\n```\n"
