"""The operators of a package registered in torch by C++: a library for processes that do not have the package.

What is registered is read from the package itself: names, arrays and their order from ``operators.py``, the table that
the registration in Python is made from, and how the kernels are called from the constants of ``cpu.py``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metrigen.backends.cpu.ahead import constants
from metrigen.emit.render import render

MOST = 64  # arguments of an operator that torch takes one by one
# What an operator is handed behind its arrays, by the method of the runtime that registers it.
_NUMBERS = {
    "readout": (), "evolve": ("steps",), "rollout": ("steps", "every"), "evolve_readout": ("steps",),
    "rollout_readout": ("steps", "every"),
}  # fmt: skip
_AXES = {"channel": 1, "matrix": 2, "scalar": 0}


@dataclass(frozen=True)
class Table:
    """What ``operators.py`` says.

    tag    what the names of the operators in torch begin with
    kinds  name of an array -> its kind; axes: those of a field
    calls  name of an operator -> what the method of that name is given: names of arrays group by group, and counts
    """

    tag: str
    kinds: Mapping[str, str]
    axes: int
    calls: Mapping[str, tuple[Any, ...]]

    def group(self, operator: str, place: int) -> tuple[str, ...]:
        """Names of arrays; empty where the operator has none there."""
        given = self.calls.get(operator, ())
        return given[place] if place < len(given) else ()

    def arrays(self, operator: str) -> tuple[str, ...]:
        """Those that an operator is handed, in order."""
        if operator == "readout":
            return self.group(operator, 0)
        first = (*self.group(operator, 0), *self.group(operator, 1))
        others = self.group(operator, 2) if operator.endswith("_readout") else ()
        return (*first, *(name for name in others if name not in self.group(operator, 1)))

    def results(self, operator: str) -> int:
        """How many tensors it returns."""
        reads = operator.endswith("readout")
        return (0 if operator == "readout" else len(self.group(operator, 0))) + int(reads)

    def schema(self, operator: str) -> str:
        """As torch writes it: ``rope_12345678_evolve(Tensor u, Tensor pi, SymInt steps) -> (Tensor, Tensor)``."""
        taken = [*(f"Tensor {a}" for a in self.arrays(operator)), *(f"SymInt {n}" for n in _NUMBERS[operator])]
        count = self.results(operator)
        returned = "Tensor" if count == 1 else f"({', '.join(['Tensor'] * count)})"
        return f"{self.tag}_{operator}({', '.join(taken)}) -> {returned}"


def table(files: Mapping[str, str]) -> Table:
    """The table of a package."""
    known, calls, made = constants(files["operators.py"]), dict[str, tuple[Any, ...]](), ("", 0)
    for node in ast.parse(files["operators.py"]).body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        name, call = node.targets[0], node.value
        if isinstance(call.func, ast.Attribute) and isinstance(name, ast.Name):
            calls[name.id] = tuple(map(ast.literal_eval, call.args))
        else:
            made = ast.literal_eval(call.args[0]), ast.literal_eval(call.args[2])
    return Table(made[0], known["KINDS"], made[1], calls)


def why_not(files: Mapping[str, str]) -> str:
    """Why the operators of a package are not registered in C++; empty where they are."""
    without = {
        "graph_operators.py": "those of a graph are made for what its edges are",
        "scan.py": "those of a sequence are called token by token from Python",
        "memory.py": "those of a memory are called token by token from Python",
        "solving.py": "those that solve an equation report in Python how it went",
    }
    if "kernels.cpp" not in files:
        return "it has no CPU kernels"
    if found := next((why for file, why in without.items() if file in files), ""):
        return f"{found}, not in C++"
    known = table(files)
    if "evolve" not in known.calls:
        return "a steady state is solved for in Python, not in C++"
    if re.search(r"^NOISE\b", files["reference.py"], re.M):
        return "noise is drawn in Python, not in C++"
    if "SUMMED_BYTES" in constants(files["cpu.py"]):
        return "at a point, channels that are coupled and networks are cut into tiles in Python, not in C++"
    if any(len(known.arrays(name)) + len(_NUMBERS[name]) > MOST for name in known.calls):
        return f"one of more than {MOST} arguments is registered in Python alone"
    return ""


def sources(files: Mapping[str, str], title: str) -> dict[str, str]:
    """The C++ of the registration: ``registration.cpp``, and ``unit.cpp``, of which each kernel is compiled."""
    head = "// Written by metrigen build --cpp. Do not edit."
    text = render("registration.cpp.j2", header=head, title=title, **_context(files))
    headers = dict.fromkeys(
        line for name, content in files.items() if name.endswith((".cpp", ".h"))
        for line in re.findall(r"^#include <.*>$", content, re.M)
    )  # fmt: skip
    unit = render("registration_unit.cpp.j2", header=head, headers=list(headers))
    return {"registration.cpp": text, "unit.cpp": unit}


def _context(files: Mapping[str, str]) -> dict[str, Any]:
    """What the template is filled with."""
    known, loader = table(files), constants(files["cpu.py"])
    names, given = known.calls, [name for name, _ in loader["GIVEN"]]
    state, fixed = known.group("evolve", 0), known.group("evolve", 1)
    driven, own = known.group("evolve", 2), loader.get("OF_SAMPLES") or {}
    points = "VECTOR_BYTES" in loader
    others = known.group("rollout_readout", 2)
    along = known.arrays("rollout_readout")
    operators = [
        {"name": name, "qualified": f"{known.tag}_{name}", "schema": known.schema(name), "numbers": len(_NUMBERS[name]),
         "arrays": [_array(known.kinds[a], a in driven and name != "readout", own.get(a, (0, -1))[1])
                    for a in known.arrays(name)]}
        for name in names
    ]  # fmt: skip
    return {
        "points": points, "axes": known.axes, "rank": loader["RANK"], "block": loader.get("BLOCK"),
        "state": len(state), "fixed": len(fixed), "operators": operators,
        "driven": [fixed.index(name) for name in driven], "of_samples": list(own.values()),
        "components": loader["COMPONENTS"], "reads": "rollout_readout" in names,
        "read_places": [along.index(n) if n in others else -1 for n in given],
        "read_state": [state.index(n) if n in state else -1 for n in given],
        **{name.lower(): loader.get(name) for name in _SIZES},
    }  # fmt: skip


_SIZES = ("VECTOR_BYTES", "ROW_BYTES", "JOBS")


def _array(kind: str, driven: bool, shared: int) -> dict[str, Any]:
    word, *units = kind.split()
    return {"kind": word.upper(), "units": [int(n) for n in units] or [0, 0], "driven": driven, "shared": shared}


def unit(defines: Sequence[str]) -> tuple[str, int, int, int]:
    """Entry, bytes of a number, W and G of a kernel that is compiled with these definitions."""
    found = {name.removeprefix("-D"): value for name, _, value in (d.partition("=") for d in defines)}
    entry = next(name for name in found if name.startswith("ENTRY_")).removeprefix("ENTRY_")
    return entry, 8 if found["R"] == "double" else 4, int(found["W"]), int(found["G"])
