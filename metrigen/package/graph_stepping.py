"""The methods of a layer on a graph that take steps: ``forward`` and what it calls."""

from __future__ import annotations

from metrigen.emit.render import tuple_text
from metrigen.ir.nodes import Array, Kind
from metrigen.layers.layer import Layer
from metrigen.package.arguments import floats, step_length, timed
from metrigen.package.assembly import Package
from metrigen.package.call_docs import steps_doc, written
from metrigen.package.graph_arguments import arguments_of, inputs_of, keywords, network_of, value
from metrigen.package.settings import fields_given, is_reversible
from metrigen.package.stepping import length, span_of, span_signature


def forward_steps(package: Package) -> list[str]:
    layer = package.layer
    state, (signature, _) = f"{layer.source.class_name}State", fields_given(layer)
    names = [a.name for a in inputs_of(layer)]
    names = names if network_of(layer) is not None else ["edge_index", *names]
    inputs = keywords(layer, False) or ", *"
    fields, given = (", ".join(f'"{n}": {n}' for n in found) for found in (layer.lowered.fields, names))
    return [
        f"def forward(self, {signature}{inputs}, {span_signature(layer)}) -> {state}:",
        *written(steps_doc(layer, on_graph=True)),
        f"    return self._called({{{fields}}}, {{{given}}}, {span_of(layer)})",
        "",
        *length(layer),
        *_called(package, names),
        *_evolved(package),
    ]


def _called(package: Package, names: list[str]) -> list[str]:
    """The method that takes the steps of a span: the state after them, or the states on the way."""
    layer = package.layer
    first, count, (_, starts) = layer.lowered.fields[0], len(layer.lowered.fields), fields_given(layer)
    handed, numbers, driven = inputs_of(layer), floats(layer), [a.name for a in inputs_of(layer) if a.driven]
    begin = [f"moment(_span.t0, {first}).flatten()"] if timed(layer) else []
    alone = 'self.backend not in ("auto", "torch", "compile")' if package.registers("evolve") else "False"
    taken = [_by_step(a, first) if a.driven else value(layer, a, first) for a in handed]
    by_step = ", ".join(f'"{n}": {n}' for n in driven)
    lines = [
        "def _called(self, fields: Mapping[str, Any], inputs: Mapping[str, Any], span: Span) -> Any:",
        '    """The state after the steps of a span, or the states on the way."""',
        f"    {tuple_text(layer.lowered.fields)} = fields.values()".replace("(", "", 1).replace(")", "", 1),
        *([f"    {tuple_text(names)} = inputs.values()".replace("(", "", 1).replace(")", "", 1)] if names else []),
        *starts,
        *opened(layer, ", ".join(layer.lowered.fields)),
        f"    _span = counted(span, self.steps, {{{by_step}}})",
        f"    _given = {tuple_text([*layer.lowered.fields, *begin, *taken])}",
        "    _run = partial(self._evolved, _graph, _span)",
    ]
    if numbers:
        lines += [
            f"    dt = self._step_like({first}) if _span.dt is None else "
            f"step_of(as_step(_span.dt, {is_reversible(layer)}), {first})",
            *([f"    dt = dt.expand(len({first})) if len(_given[{count}]) > 1 else dt"] if begin else []),
            f"    if dt.dim() and not self._apart({first}, _span):",
            f"        _results = by_sample(_run, dt, _given, {alone})",
            "    else:",
            "        _results = _run(dt, *_given)",
        ]
    else:
        lines += [
            "    if _span.dt is not None:",
            '        raise ValueError("the time step of this layer is learned: a call has no dt of its own")',
            *(_apart(count) if begin else []),
            "    _results = _run(*_given)",
        ]
    return [*lines, f"    return {layer.source.class_name}State(*(x.to(_dtype) for x in _results))", ""]


def _apart(place: int) -> list[str]:
    """Lines that refuse times of samples of their own where the time step is learned."""
    return [
        f"    if len(_given[{place}]) > 1:",
        '        raise ValueError("a learned time step goes with one t0 for all samples")',
    ]


def _by_step(array: Array, like: str) -> str:
    """Expression of an input that has a value for every step."""
    shape = f"_graph.shape({like})" if array.kind is Kind.EDGE else f"{like}.shape"
    return f"by_step({array.name}, {shape}, {like}, {array.name!r}, _span.taken)"


def _evolved(package: Package) -> list[str]:
    """The method that takes the steps of samples that share a time step."""
    layer = package.layer
    first, handed, numbers, driven = layer.lowered.fields[0], inputs_of(layer), floats(layer), layer.lowered.driven
    begin = ["t0"] if timed(layer) else []
    taken = ", ".join(f"{n}: Tensor" for n in (*numbers, *layer.lowered.fields, *begin, *(a.name for a in handed)))
    lines = [f"def _evolved(self, _graph: Graph, _span: Span, {taken}) -> tuple[Tensor, ...]:"]
    ready, places = (*numbers, *(a.name for a in handed)), ", reference.DRIVEN" if driven else ""
    prologue, early = layer.lowered.prologue, list[str]()
    if prologue.body:
        passed = ", ".join(["'_prologue'", *numbers, first])
        lines.append(f"    {', '.join(prologue.outputs)}, = self._hoisted({passed})")
        given = ", ".join(a.name if a.name in numbers else value(layer, a, first) for a in prologue.inputs)
        early = [
            f"def _prologue(self, {', '.join(f'{n}: Tensor' for n in (*numbers, first))}) -> tuple[Tensor, ...]:",
            f"    return reference.prologue({given})",
            "",
        ]
    if "t" in driven:
        lines.append(f"    t = times(t0, {step_length(layer)}, _span.taken, {first})")
        ready = (*ready, "t")
    fixed = arguments_of(layer, layer.programs["step"], first, layer.lowered.fields, ready)
    by_kernels = package.registers("evolve")
    steps = f"self._reference_steps(reference, {first}, _graph)"
    return [
        *lines,
        "    _fixed = (",
        *(f"        {f'stepwise({value})' if value in driven and value != 't' else value}," for value in fixed),
        "    )",
        f"    _state = {tuple_text(layer.lowered.fields)}",
        *([f"    if {_by_reference(layer)}:"] if by_kernels else []),
        f"    {'    ' * by_kernels}return by_steps({steps}, _state, _fixed, _span{places})",
        *(
            [f"    self._insist({first})", "    return by_operators(Bound(operators, _graph), _state, _fixed, _span)"]
            if by_kernels
            else []
        ),
        "",
        *early,
    ]


def _by_reference(layer: Layer) -> str:
    """The condition on which the reference takes the steps."""
    read = [a.name for a in layer.programs["step"].inputs if a.name not in layer.lowered.fields]
    numbers = [name for name in floats(layer) if name not in layer.lowered.on_request]
    constants = [*numbers, *([f"_fixed[{read.index('t')}]"] if "t" in read else [])]
    return f"by_reference({', '.join(['self.backend', *constants])})"


def opened(layer: Layer, given: str) -> list[str]:
    """The fields in the dtype of work, and the graph that they live on."""
    names = layer.lowered.fields
    edge_index = "" if network_of(layer) is not None else "edge_index, "
    return [
        f"    {tuple_text(names)}, _dtype = in_work({given}, channels=self.channels)",
        f"    _graph = self._graph({edge_index}{names[0]}.shape[2])",
    ]
