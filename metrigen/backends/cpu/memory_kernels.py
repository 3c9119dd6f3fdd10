"""The CPU files of a matrix memory: ``kernels.cpp`` and the ``cpu.py`` that compiles and calls it."""

from __future__ import annotations

from metrigen.emit.render import render
from metrigen.integrators.memory import EVERY
from metrigen.layers.layer import Layer

_NAMES = ("keep", "rotate", "erase", "seek", "write", "content", "query", "probe", "weight")


def memory_cpp_text(layer: Layer, header: str) -> str:
    """The text of ``kernels.cpp``."""
    found = layer.lowered.memory.coefficients
    places = [(name, found.index(name) + 1 if name in found else 0) for name in _NAMES]
    return render(
        "memory_kernels.cpp.j2", header=header.rstrip("\n"), title=layer.source.class_name, every=EVERY, places=places,
        count=len(found) + 1, rotates="rotate" in found, ranked="seek" in found, writes="write" in found,
        finds="probe" in found, squares="weight" in found, readings=layer.lowered.memory.readings,
    )  # fmt: skip


def memory_loader_text(layer: Layer, header: str) -> str:
    """The text of ``cpu.py``."""
    return render("memory_cpu.py.j2", header=header.rstrip("\n"), title=layer.source.class_name, name=layer.source.name)
