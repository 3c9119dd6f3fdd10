"""The CPU files of a package on a graph: ``kernels.cpp`` and the ``cpu.py`` that compiles and calls it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from metrigen.backends.cpu.graph_printer import SIZES, GraphRoutine, print_graph_routine
from metrigen.backends.cpu.vector_math import called
from metrigen.backends.graph_partition import graph_partition, is_even
from metrigen.emit.render import render
from metrigen.ir.nodes import Array, ChannelMatmul, ChannelSum, Kind, Outer
from metrigen.layers.docs import comment, field_docs
from metrigen.layers.layer import Layer
from metrigen.passes.vary import bar


@dataclass(frozen=True)
class GraphGroup:
    """A program and its adjoint: one namespace of ``kernels.cpp``.

    state   fields that go from step to step; fixed: what else the program is handed; results: site arrays it returns
    mirrored  whether an edge gives its ends the same, or the opposite, whichever of them is its head
    """

    name: str
    state: tuple[str, ...]
    fixed: tuple[Array, ...]
    results: tuple[str, ...]
    forward: GraphRoutine
    adjoint: GraphRoutine
    mirrored: bool

    def text(self) -> str:
        """The namespace."""
        sites, edges = self.adjoint.sites, self.adjoint.edges
        place = {**{n: i for i, n in enumerate(sites)}, **{n: i for i, n in enumerate(edges)}}
        kinds = [a.kind.name for a in self.fixed]
        return render(
            "graph_group.cpp.j2", name=self.name, state=len(self.state), kinds=kinds,
            about="Steps and their adjoint." if self.state else "The readout and its adjoint.",
            results=len(self.results), driven=[str(a.driven).lower() for a in self.fixed], places=_places(self.fixed),
            counts=_counts(self.fixed), forward=self.forward.buffers, backward=self.adjoint.buffers, back=len(sites),
            bars=len(edges), of_state=[place[bar(n)] for n in self.state],
            bar_of=[place.get(bar(a.name), -1) if a.kind in (Kind.SITE, Kind.EDGE) else -1 for a in self.fixed],
            mirrored=self.mirrored, summed=bool(self.adjoint.sums),
            functions=[*self.forward.functions, *self.adjoint.functions],
        )  # fmt: skip


@dataclass(frozen=True)
class GraphKernels:
    """What the CPU files of a layer on a graph are made from.

    groups   readout and, of a layer that steps, its steps; sums: parameters whose cotangents are summed, and kinds
    coupled  whether channels meet at the nodes
    of_samples  coefficients of the steps that every sample may have its own of -> their places and axes
    """

    groups: tuple[GraphGroup, ...]
    coupled: bool
    of_samples: Mapping[str, tuple[int, int]]

    @property
    def sums(self) -> Mapping[str, Kind]:
        return {name: kind for group in self.groups for name, kind in group.adjoint.sums.items()}

    def source(self, header: str, title: str) -> str:
        """The text of ``kernels.cpp``."""
        texts = [group.text() for group in self.groups]
        used, functions, binary = called(texts)
        sizes = [SIZES[kind] for kind in self.sums.values()]
        before = [" + ".join(sizes[:i]) or "0" for i in range(len(sizes))]
        return render(
            "graph_kernels.cpp.j2", header=header.rstrip("\n"), title=title, groups=texts, used=used, points="samples",
            units=False, functions=functions, binary=binary, vector_math=bool(functions or binary),
            coupled=self.coupled,
            solving=all(group.name == "reading" for group in self.groups), sums=" + ".join(sizes) or "0",
            sum_places=list(zip(self.sums, before, strict=True)),
        )  # fmt: skip

    def loader(self, header: str, title: str, name: str) -> str:
        """The text of ``cpu.py``."""
        named: dict[str, Any] = {group.name: group for group in self.groups}
        return render(
            "graph_cpu.py.j2", header=header.rstrip("\n"), title=title, name=name, coupled=self.coupled,
            steps=named.get("moving"), reading=named["reading"], kinds=_kinds, bars=_bars,
            sums=repr({n: kind.name.lower() for n, kind in self.sums.items()}), of_samples=dict(self.of_samples),
        )  # fmt: skip


def graph_kernels(layer: Layer) -> GraphKernels | None:
    """The CPU kernels of a layer on a graph; None where a program holds a statement that no fusion group does, or a
    function that is handed in."""
    if layer.programs.learned:
        return None
    docs = {name: comment(doc) for name, doc in field_docs(layer.lowered).items()}
    named = [("reading", "readout", "readout_adjoint", ("read", "read_adjoint"))]
    if layer.shape.stepping:
        named.append(("moving", "step", "step_adjoint", ("step", "step_adjoint")))
    programs = [layer.programs[n] for _, *pair, _ in named for n in pair]
    groups = [_group(layer, name, program, adjoint, routines, docs) for name, program, adjoint, routines in named]
    if any(group is None for group in groups):
        return None
    coupled = any(isinstance(s, (ChannelMatmul, ChannelSum, Outer)) for p in programs for s in p.body)
    return GraphKernels(tuple(group for group in groups if group is not None), coupled, _of_samples(layer))


def _of_samples(layer: Layer) -> dict[str, tuple[int, int]]:
    """Coefficients of the steps that every sample may have its own of; none where one is a matrix, of which lanes of
    samples read the same numbers."""
    if not layer.shape.stepping:
        return {}
    names = layer.lowered.step.of_samples
    fixed = [a for a in layer.programs["step"].inputs if a.name not in layer.lowered.fields]
    found = {a.name: (i, int(a.kind is Kind.CHANNEL)) for i, a in enumerate(fixed) if a.name in names}
    return {} if any(a.kind is Kind.MATRIX for a in fixed if a.name in found) else found


def _group(
    layer: Layer, name: str, forward: str, adjoint: str, routines: tuple[str, str], docs: Mapping[str, str]
) -> GraphGroup | None:
    program, back = layer.programs[forward], layer.programs[adjoint]
    state = layer.lowered.fields if name == "moving" else ()
    fixed = tuple(a if state else replace(a, driven=False) for a in program.inputs if a.name not in state)
    given = _given(fixed)
    partitions = graph_partition(program), graph_partition(back)
    if partitions[0] is None or partitions[1] is None:
        return None
    sums = {bar(a.name): (a.name, a.kind) for a in fixed if bar(a.name) in partitions[1].totals}
    made = (
        print_graph_routine(routines[0], program, partitions[0], given, {}, docs[forward]),
        print_graph_routine(routines[1], back, partitions[1], given, sums, docs[adjoint]),
    )
    return GraphGroup(name, tuple(state), fixed, tuple(program.outputs), *made, is_even(program) and is_even(back))


def _given(fixed: Sequence[Array]) -> dict[str, str]:
    """Array -> where it is in ``Given``."""
    forms = {Kind.SITE: "given.site[{}]", Kind.EDGE: "given.edge[{}]", Kind.CHANNEL: "given.number[{}]",
             Kind.SCALAR: "given.number[{}][0]", Kind.MATRIX: "given.matrix[{}]"}  # fmt: skip
    return {a.name: forms[a.kind].format(i) for a, i in zip(fixed, _places(fixed), strict=True)}


def _class(a: Array) -> str:
    return "NUMBER" if a.kind in (Kind.CHANNEL, Kind.SCALAR) else a.kind.name


def _places(fixed: Sequence[Array]) -> list[int]:
    """Place of every array among those that are kept as it is."""
    return [sum(_class(b) == _class(a) for b in fixed[:i]) for i, a in enumerate(fixed)]


def _counts(fixed: Sequence[Array]) -> dict[str, int]:
    return {name: sum(_class(a) == name for a in fixed) for name in ("SITE", "EDGE", "NUMBER", "MATRIX")}


def _kinds(group: GraphGroup) -> str:
    return repr(tuple((a.name, a.kind.name.lower(), a.driven) for a in group.fixed))


def _bars(group: GraphGroup) -> str:
    """Names of the arrays whose cotangents the adjoint makes."""
    made = {*group.adjoint.sites, *group.adjoint.edges}
    found = [a.name for a in group.fixed if bar(a.name) in made or a.name in group.adjoint.sums]
    return repr(tuple(found))
