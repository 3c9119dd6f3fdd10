"""The CPU files of a package on a sequence: ``kernels.cpp`` and the ``cpu.py`` that compiles and calls it."""

from __future__ import annotations

import re

from metrigen.backends.cpu_scan import print_pointwise
from metrigen.emit.render import render
from metrigen.frame.sequence import SequenceEmission

_LANE_BY_LANE = ("log", "tan", "tanh", "sinh", "cosh", "asinh", "atan", "asin", "acos")


def sequence_cpp_text(emission: SequenceEmission, header: str) -> str:
    """The text of ``kernels.cpp``."""
    scan = emission.scan
    programs = (scan.step, scan.step_adjoint, scan.readout, scan.readout_adjoint)
    pointwise = [print_pointwise(p) for p in programs]
    used = set(re.findall(r"\b([a-z0-9]+_)\(", "\n".join(line for f in pointwise for line in f.lines)))
    n, m, r = len(scan.fields), len(scan.tokens), len(scan.components)
    read, given = emission.reads(scan.readout), emission.reads(scan.step)
    past = [f"load(all, past[{i}] + c, count)" for i in range(n)]
    tokens = [f"load(all, tokens[{i}] + row + c, count)" for i in range(m)]
    step_fixed = [scan.coefficients.index(name) for name in given]
    fixed = [f"load(all, fixed[{k}] + c, count)" for k in step_fixed]
    states = [f"load(all, states[{i}] + row + c, count)" for i in range(n)]
    seen = [f"load(all, fixed[{k}] + c, count)" for k in range(len(read))]
    back = _places("back", n)
    return render(
        "sequence_kernels.cpp.j2", header=header.rstrip("\n"), title=emission.class_name, fields=n, tokens=m,
        coefficients=len(scan.coefficients), reads=len(read), components=r, pointwise=pointwise, used=used,
        functions=[f for f in _LANE_BY_LANE if f"{f}_" in used], stumpff=emission.stumpff,
        step_call=", ".join([*past, *tokens, *fixed, *_places("next", n)]),
        step_adjoint_call=", ".join([*past, *tokens, *fixed, *_places("g", n), *back, *_places("into", m),
                                     *(f"own[{k}]" for k in step_fixed)]),
        readout_call=", ".join([*past, *states, *seen, *_places("read", r)]),
        readout_adjoint_call=", ".join([*past, *states, *seen, *_places("g", r), *back, *_places("into", n),
                                        *_places("own", len(read))]),
        step_sums=step_fixed, read_sums=list(range(len(read))),
    )  # fmt: skip


def _places(name: str, count: int) -> list[str]:
    return [f"{name}[{i}]" for i in range(count)]


def sequence_loader_text(emission: SequenceEmission, header: str) -> str:
    """The text of ``cpu.py``."""
    return render(
        "sequence_cpu.py.j2", header=header.rstrip("\n"), title=emission.class_name, name=emission.name,
        components=len(emission.scan.components),
    )  # fmt: skip
