"""The CPU files of a package on a sequence: ``kernels.cpp`` and the ``cpu.py`` that compiles and calls it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from metrigen.backends.cpu.scan import print_pointwise
from metrigen.backends.sequential import SequentialScan, sequential_scan
from metrigen.emit.render import render
from metrigen.integrators.scan import Scan
from metrigen.ir.nodes import Program
from metrigen.layers.docs import comment, token_docs
from metrigen.layers.layer import Layer
from metrigen.passes.vary import bar

_LANE_BY_LANE = ("log", "tan", "tanh", "sinh", "cosh", "asinh", "atan", "asin", "acos")


def sequence_cpp_text(layer: Layer, header: str) -> str:
    """The text of ``kernels.cpp``."""
    scan = layer.lowered.scan
    moving: tuple[Program, ...] = (scan.step, scan.step_adjoint)
    coupled: dict[str, Any] = {}
    if scan.rotations:
        scans = sequential_scan(scan.step), sequential_scan(scan.step_adjoint)
        moving = tuple(part for sequential in scans for part in (sequential.head, sequential.tail))
        coupled = _coupled(scan, *scans)
    pointwise = [print_pointwise(p) for p in (*moving, scan.readout, scan.readout_adjoint)]
    used = set(re.findall(r"\b([a-z0-9]+_)\(", "\n".join(line for f in pointwise for line in f.lines)))
    n, m, r = len(scan.fields), len(scan.tokens), len(scan.components)
    read, step_fixed = scan.reads(scan.readout), _step_fixed(scan)
    sources, back = _sources(scan), _places("back", n)
    past, tokens = [sources[u] for u in scan.fields], [sources[u] for u in scan.tokens]
    fixed = [sources[scan.channelwise[k]] for k in step_fixed]
    states = [f"load(all, states[{i}] + row + c, count)" for i in range(n)]
    seen = [f"load(all, fixed[{k}] + c, count)" for k in range(len(read))]
    return render(
        "sequence_kernels.cpp.j2", header=header.rstrip("\n"), title=layer.source.class_name, fields=n, tokens=m,
        docs={name: comment(doc) for name, doc in token_docs(layer).items()},
        coefficients=len(scan.channelwise), reads=len(read), components=r, pointwise=pointwise, used=used,
        functions=[f for f in _LANE_BY_LANE if f"{f}_" in used], stumpff=bool(scan.orders),
        step_call=", ".join([*past, *tokens, *fixed, *_places("next", n)]),
        step_adjoint_call=", ".join([*past, *tokens, *fixed, *_places("g", n), *back, *_places("into", m),
                                     *(f"own[{k}]" for k in step_fixed)]),
        readout_call=", ".join([*past, *states, *seen, *_places("read", r)]),
        readout_adjoint_call=", ".join([*past, *states, *seen, *_places("g", r), *back, *_places("into", n),
                                        *_places("own", len(read))]),
        step_sums=step_fixed, read_sums=list(range(len(read))), coupled=coupled,
        multiple="MULTIPLE" if coupled else "LANES",
    )  # fmt: skip


def _places(name: str, count: int) -> list[str]:
    return [f"{name}[{i}]" for i in range(count)]


def _step_fixed(scan: Scan) -> list[int]:
    """Places of the numbers a channel that a step reads."""
    read = scan.reads(scan.step)
    return [k for k, name in enumerate(scan.channelwise) if name in read]


def _sources(scan: Scan) -> dict[str, str]:
    """How the vectors that a token reads are loaded."""
    fixed, tokens, fields = scan.channelwise, scan.tokens, scan.fields
    found = {name: f"load(all, fixed[{k}] + c, count)" for k, name in enumerate(fixed)}
    found |= {name: f"load(all, tokens[{i}] + row + c, count)" for i, name in enumerate(tokens)}
    return found | {name: f"load(all, past[{i}] + c, count)" for i, name in enumerate(fields)}


def _coupled(scan: Scan, step: SequentialScan, adjoint: SequentialScan) -> dict[str, Any]:
    """What the scan of coupled channels is written from."""
    fixed = _step_fixed(scan)
    cotangents = {bar(out): f"g[{i}]" for i, out in enumerate(scan.step.outputs)}
    flowed = [*_places("back", len(scan.fields)), *_places("into", len(scan.tokens)), *(f"own[{k}]" for k in fixed)]
    return {
        "rotations": len(scan.rotations),
        "rows": sum(scan.blocks),
        "common": math.lcm(*scan.blocks),
        "step": _parts(scan, step, {}, dict(zip(scan.step.outputs, _places("next", len(scan.fields)), strict=True))),
        "adjoint": _parts(scan, adjoint, cotangents, dict(zip(scan.step_adjoint.outputs, flowed, strict=False))),
    }


def _parts(
    scan: Scan, sequential: SequentialScan, cotangents: Mapping[str, str], results: Mapping[str, str]
) -> dict[str, Any]:
    """Calls of the head and the tail of a token, and what is done with whole rows in between."""
    rows = {n: f"load(Whole{{}}, held + {i} * width + (c - from), LANES)" for i, n in enumerate(sequential.held)}
    sources = {**rows, **_sources(scan), **cotangents}
    stored = len(sequential.head.outputs)
    return {
        "held": len(sequential.held),
        "stored": stored,
        "head_call": ", ".join([*(sources[a.name] for a in sequential.head.inputs), *_places("stored", stored)]),
        "tail_call": ", ".join(
            [sources[a.name] for a in sequential.tail.inputs] + [results[n] for n in sequential.tail.outputs]
        ),
        "early": [f"{results[n]} = {rows[sequential.held[i]]};" for n, i in sequential.early.items()],
        "rotated": _by_matrix(scan, [(t.matrix, t.src, t.dst) for t in sequential.rotated]),
        "products": _by_matrix(scan, [(p.matrix, p.left, p.right) for p in sequential.products]),
    }


def _by_matrix(scan: Scan, found: Sequence[tuple[str, int, int]]) -> list[dict[str, Any]]:
    """For each rotation its place, the size of its blocks, where its sums begin, and the rows that it rotates."""
    made, sums = [], len(scan.channelwise)
    for r, (name, block) in enumerate(scan.block_of.items()):
        own = [one for one in found if one[0] == name]
        sides = ([f"{one} * width" for _, one, _ in own], [f"{two} * width" for _, _, two in own])
        made.append({"place": r, "block": block, "sums": sums, "count": len(own), "rows": sides})
        sums += block
    return made


def sequence_loader_text(layer: Layer, header: str) -> str:
    """The text of ``cpu.py``."""
    return render(
        "sequence_cpu.py.j2", header=header.rstrip("\n"), title=layer.source.class_name, name=layer.source.name,
        components=len(layer.lowered.scan.components), rotations=len(layer.lowered.scan.rotations),
        blocks=repr(layer.lowered.scan.blocks),
    )  # fmt: skip
