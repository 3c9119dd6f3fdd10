"""What ``module.py`` of a layer on a graph has of its own: the form of the edges, parameters and methods."""

from __future__ import annotations

from metrigen.discretise.graph_steady import GraphSteady
from metrigen.ir.nodes import Kind
from metrigen.layers.layer import Layer
from metrigen.package.arguments import floats, timed
from metrigen.package.assembly import Package, backend_constants
from metrigen.package.call_docs import reading_doc, solve_doc, written
from metrigen.package.checks import declarations, watched
from metrigen.package.graph_arguments import (
    arguments_of,
    inputs_of,
    keywords,
    learned_per,
    network_of,
    of_sample,
)
from metrigen.package.graph_stepping import forward_steps, opened
from metrigen.package.module import Parts, indented
from metrigen.package.readouts import BALANCE_DOC, RATES_DOC, clocked, exactly, halfway, rates_return, reads_time
from metrigen.package.settings import (
    config_constants,
    dt_argument,
    dt_lines,
    learned_step,
    making_lines,
    steps_doc,
    steps_lines,
    tolerance_lines,
)
from metrigen.package.surface import field_constants


def graph_parts(package: Package) -> Parts:
    """What a layer on a graph has of its own."""
    layer, network = package.layer, network_of(package.layer)
    fixed = [] if network is None else [f"NODES = {network.nodes}", f"EDGES = {network.edges}  # tail and head"]
    return Parts(
        about=" on a graph. Equations and laws: DERIVATION.md beside this file.",
        axes=3,
        base="Stepping, BaseLayer" if layer.shape.stepping else "BaseLayer",
        state_doc=_state_doc(layer),
        class_doc=_class_doc(package),
        constants=[
            *_constants(layer),
            *field_constants(layer),
            *([("FREE", "True")] if floats(layer) else []),
            *config_constants(layer, _size_names(layer)),
            *declarations(layer.source.derivation, [a.name for a in inputs_of(layer)]),
            *backend_constants(package),
        ],
        arguments=_init_args(layer),
        making=_init_lines(layer),
        methods=_methods(package),
        heading=fixed,
    )


def _constants(layer: Layer) -> list[tuple[str, str]]:
    """What a class that steps says of its fields and inputs."""
    if not layer.shape.stepping:
        return []
    edges = tuple(a.name for a in inputs_of(layer) if a.kind is Kind.EDGE)
    found = [("RANK", "1")]
    found += [("MORE", '("edge_index",)')] if network_of(layer) is None else []
    found += [("ALONG", repr(edges))] if edges else []
    driven = tuple(a.name for a in inputs_of(layer) if a.driven)
    found += [("DRIVEN", repr(driven))] if driven else []
    found += [("SAMPLES", repr(tuple(layer.given.of_samples)))] if layer.given.of_samples else []
    return [*found, *([("TIMED", "True")] if timed(layer) else []), *clocked(layer)]


def _init_args(layer: Layer) -> list[str]:
    args = ["steps: int | None = None", dt_argument(layer)]
    if not layer.shape.stepping:
        args = ['solver: str = "auto"', "rtol: float | None = None", "bwd_rtol: float | None = None",
                "atol: float | None = None", "max_iter: int | None = None"]  # fmt: skip
    if network_of(layer) is None:
        if learned_per(layer, "site"):
            args.append("nodes: int")
        elif learned_per(layer, "edge"):
            args.append("nodes: int | None = None")
        if learned_per(layer, "edge"):
            args.append("edges: int | None = None")
    return args


def _init_lines(layer: Layer) -> list[str]:
    if layer.shape.stepping:
        lines = steps_lines(layer)
    else:
        lines = [
            'if solver not in ("auto", "cholesky", "cg"):',
            "    raise ValueError(f\"solver={solver!r} is not one of ('auto', 'cholesky', 'cg')\")",
            "self.solver = solver",
            *tolerance_lines(layer),
        ]
    lines += _sizes(layer)
    lines += making_lines(layer, learned_step(layer))
    return lines + dt_lines(layer) if layer.shape.stepping else lines


def _sizes(layer: Layer) -> list[str]:
    """What the shapes of parameters of nodes and edges need."""
    edge = learned_per(layer, "edge")
    if network_of(layer) is not None:
        return [
            'self.register_buffer("edge_index", torch.tensor(EDGES, dtype=torch.int64).reshape(-1, 2).T, '
            "persistent=False)",
            "self.nodes, self.edges = NODES, len(EDGES)",
            *(["self.sites = (NODES,)"] if learned_per(layer, "site") else []),
        ]
    lines = []
    if edge and not learned_per(layer, "site"):
        lines += [
            "if (nodes is None) == (edges is None):",
            f'    raise ValueError("{", ".join(edge)}: give edges=E for a list of edges, or nodes=N for weights of all '
            'pairs of nodes")',
        ]
    if edge:
        lines.append("self.nodes, self.edges = nodes, edges")
    elif learned_per(layer, "site"):
        lines.append("self.nodes = nodes")
    return [*lines, "self.sites = (nodes,)"] if learned_per(layer, "site") else lines


def _size_names(layer: Layer) -> list[str]:
    """Arguments of the constructor that say how many nodes and edges the parameters have."""
    if network_of(layer) is not None:
        return []
    edge = learned_per(layer, "edge")
    nodes = ["nodes"] if edge or learned_per(layer, "site") else []
    return [*nodes, *(["edges"] if edge else [])]


def _methods(package: Package) -> list[str]:
    layer = package.layer
    lines = ["", *_graph_method(layer)]
    lines += forward_steps(package) if layer.shape.stepping else _forward_steady(package)
    lines += _readout(package)
    for name in ("energy", "entropy"):
        if name in layer.programs:
            lines += _density(layer, name)
    lines += _flux(layer)
    if layer.shape.stepping:
        lines += [*_rates(layer), *_balance(layer)]
    return indented(watched(exactly(lines, layer.shape.stepping)))


def _graph_method(layer: Layer) -> list[str]:
    if network_of(layer) is not None:
        return [
            "def _graph(self, nodes: int) -> Graph:",
            "    if nodes != NODES:",
            '        raise ValueError(f"fields have {nodes} nodes, the graph of this layer has {NODES}")',
            "    return Sparse(self.edge_index, NODES)",
            "",
        ]
    lines = [
        "def _graph(self, edge_index: Tensor | None, nodes: int) -> Graph:",
        '    """The graph of a call: the edges listed in ``edge_index``, or all pairs of nodes."""',
    ]
    edge, site = learned_per(layer, "edge"), learned_per(layer, "site")
    if edge:
        names = ", ".join(edge)
        lines += [
            "    if self.edges is None and edge_index is not None:",
            f'        raise ValueError("{names} was made for all pairs of nodes; for edge_index make the layer with '
            'edges=E")',
            "    if self.edges is not None and (edge_index is None or edge_index.shape[-1:] != (self.edges,)):",
            '        given = "nothing" if edge_index is None else f"shape {tuple(edge_index.shape)}"',
            f'        raise ValueError(f"edge_index is {{given}}; needed: (2, {{self.edges}}), for {names}")',
        ]
    if edge or site:
        known = "self.nodes is not None and " if not site else ""
        lines += [
            f"    if {known}nodes != self.nodes:",
            f'        raise ValueError(f"fields have {{nodes}} nodes, {", ".join([*site, *edge])} of this layer '
            '{self.nodes}")',
        ]
    return [*lines, "    return Dense(nodes) if edge_index is None else Sparse(edge_index, nodes)", ""]


def _forward_steady(package: Package) -> list[str]:
    steady = package.layer.lowered.evolution
    assert isinstance(steady, GraphSteady)
    layer = package.layer
    unknown, inputs = steady.unknown, inputs_of(layer)
    learned = {n: f"self.{n}" for per in ("site", "edge") for n in learned_per(layer, per)}
    arrays = layer.lowered.dynamics.inputs

    def table(kind: Kind) -> str:
        return ", ".join(
            f'"{a.name}": {learned.get(a.name, of_sample(layer, a.name))}' for a in arrays if a.kind is kind
        )

    fixed_graph = network_of(layer) is not None
    edge_index = "" if fixed_graph else "edge_index: Tensor | None = None, "
    positional = "".join(f", {a.name}: Tensor" for a in inputs)
    dense = "False" if fixed_graph else "edge_index is None"
    weights, source = (layer.programs[name] for name in ("weights", "source"))
    w = ", ".join(["_graph", "_like[:1, :1, :1]", *arguments_of(layer, weights, "_like", (unknown,))])
    b = ", ".join(["_graph", "_like", *arguments_of(layer, source, "_like", (unknown,))])
    sites, edges = table(Kind.SITE), table(Kind.EDGE)
    start = "warm_start: Tensor | None = None"
    if not sites and not edges:  # what else would tell how many nodes there are
        start, sites = "warm_start: Tensor", '"warm_start": warm_start'
    signature = f"self{positional}, *, {edge_index}{start}"
    return [
        f"def forward({signature}) -> {layer.source.class_name}State:",
        *written(solve_doc(layer, "||r||", on_graph=True)),
        f"    _like, _dtype = empty_field({{{sites}}}, {{{edges}}}, {dense}, self.channels)",
        f"    _graph = self._graph({'' if fixed_graph else 'edge_index, '}_like.shape[2])",
        f"    _m, _w = reference.weights({w})",
        f"    (_b,) = reference.source({b})",
        "    _b = _b.expand(_like.shape)",
        '    _start = torch.zeros_like(_b) if warm_start is None else at_nodes(warm_start, _like, "warm_start")',
        '    if self.solver == "cholesky" and not isinstance(_graph, Dense):',
        '        raise ValueError(\'solver="cholesky" factorises a dense matrix; with a list of edges use "cg"\')',
        "    _options = Options(float(self.rtol), float(self.bwd_rtol), float(self.atol), int(self.max_iter))",
        "    _start = _start.expand(_like.shape)",
        *_solved(package),
        "    if readable(_status) and bool((_status != 0).any()):",
        "        warnings.warn(",
        f'            f"{layer.source.class_name}: a solve did not converge (max_iter={{self.max_iter}}); "',
        '            "see `status` of the state for the samples",',
        "            NotConverged,",
        "            stacklevel=2,",
        "        )",
        f"    return {layer.source.class_name}State(_u.to(_dtype), _iterations, _residual, _status)",
        "",
    ]


def _solved(package: Package) -> list[str]:
    """Lines that solve: by the operator of the package, or by the reference."""
    plain = "_u, _iterations, _residual, _status = solve(_graph, _m, _w, _b, _start, self.solver, _options)"
    if not package.registers("solve"):
        return [f"    {plain}"]
    return [
        "    if by_reference(self.backend) or not self._takes(_b):",
        f"        {plain}",
        "    else:",
        "        _tolerances = _options.rtol, _options.bwd_rtol, _options.atol, _options.max_iter",
        "        _u, _iterations, _residual, _status, _ = Bound(operators, _graph).solve(",
        "            *told_apart(_m, _w), _b, _start, is_direct(_graph, self.solver), *_tolerances",
        "        )",
    ]


def _readout(package: Package) -> list[str]:
    layer = package.layer
    doc = f"The readout at the nodes, (B, R*C, N): {', '.join(layer.lowered.components)}."
    lines, call = _reading(layer, "readout", doc)
    if not package.registers("readout"):
        return [*lines, f"    return torch.cat({call}, 1).to(_dtype)", ""]
    passed = call.removeprefix("reference.readout(_graph, ").removesuffix(")")
    moving = "t" in (a.name for a in layer.programs["readout"].inputs)  # kernels take one time for all samples
    apart = " or isinstance(t, Tensor) and t.dim()" if moving else ""
    return [
        *lines,
        f"    if by_reference(self.backend){apart}:",
        f"        return torch.cat({call}, 1).to(_dtype)",
        f"    self._allow({layer.lowered.fields[0]})",
        f"    return Bound(operators, _graph).readout({passed}).to(_dtype)",
        "",
    ]


def _density(layer: Layer, name: str) -> list[str]:
    doc = f"The {name} of each sample, (B,); with ``batch`` (N,), the graph of every node, of each graph, (B, G)."
    lines, call = _reading(layer, name, doc, ", batch: Tensor | None = None")
    return [
        *lines,
        f"    (_density,) = {call}",
        "    _nodes = _density.sum(1)",
        "    if batch is None:",
        "        return _nodes.sum(1)",
        "    _graphs = int(batch.max()) + 1 if batch.numel() else 0",
        "    return _nodes @ nn.functional.one_hot(batch, _graphs).to(_nodes.dtype)",
        "",
    ]


def _flux(layer: Layer) -> list[str]:
    doc = "The energy flux T^e_t along every edge, from its tail to its head: (B, C, E), or (B, C, N, N) from j to i."
    lines, call = _reading(layer, "flux", doc)
    return [*lines, f"    return {call}[0].expand(_graph.shape({layer.lowered.fields[0]})).to(_dtype)", ""]


def _rates(layer: Layer) -> list[str]:
    head, call = _reading(layer, "rates", RATES_DOC)
    return [head[0].replace("-> Tensor:", f"-> {layer.source.class_name}State:"), *head[1:], *rates_return(layer, call)]


def _balance(layer: Layer) -> list[str]:
    """The balance law dE/dt = (power of the dynamics), in integrated form."""
    lines, call = _reading(layer, "balance_residual", BALANCE_DOC, program="power")
    edge_index = [] if network_of(layer) is not None else ["edge_index"]
    passed = "".join(f", {n}={n}" for n in [*edge_index, *(a.name for a in inputs_of(layer))])
    moving = timed(layer) and reads_time(layer.programs["energy"])
    begin, end = (", t=t", ", t=t + elapsed") if moving else ("", "")
    return [
        *halfway(layer, lines),
        f"    _gained = (self.energy(after{passed}{end}) - self.energy(before{passed}{begin})) / elapsed",
        *(["    t = t + 0.5 * elapsed"] if timed(layer) else []),
        f"    (_density,) = {call}",
        "    return _gained - _density.flatten(1).sum(1)",
        "",
    ]


def _reading(layer: Layer, name: str, doc: str, extra: str = "", program: str | None = None) -> tuple[list[str], str]:
    """The head of a method that reads a state, and the call of its program."""
    run = layer.programs[program or name]
    read = {a.name for a in run.inputs}
    needed = [a.name for a in inputs_of(layer) if a.name in read]
    values = ", ".join(["_graph", *arguments_of(layer, run, layer.lowered.fields[0])])
    fields = ", ".join(f"state.{f}" for f in layer.lowered.fields)
    extra += ", t: float | Tensor = 0.0" if timed(layer) else ""
    head = [
        f"def {name}(self, state: {layer.source.class_name}State{keywords(layer, True, extra)}) -> Tensor:",
        *written(reading_doc(layer, doc, needed, on_graph=True) if name == "readout" else [doc]),
        f"    check_state({name!r}, state, {layer.source.class_name}State)",
        *([f"    check_given({name!r}, {', '.join(f'{n}={n}' for n in needed)})"] if needed else []),
        *opened(layer, fields),
    ]
    return head, f"reference.{program or name}({values})"


def _state_doc(layer: Layer) -> str:
    if layer.shape.stepping:
        return "Fields (B, C, N)."
    return "The field (B, C, N); iterations, residual norm and status (0 converged, 1 gave up, -1 not positive) (B,)."


def _class_doc(package: Package) -> str:
    layer = package.layer
    lines = ["channels  number C of channels of every field"]
    if layer.shape.stepping:
        lines += steps_doc(layer)
    else:
        lines += [
            'solver    "cholesky": one factor for every matrix that differs; "cg": conjugate gradient; "auto": the',
            "          first for weights of all pairs of up to solve.LARGEST nodes, else the second",
            "rtol, atol, max_iter  conjugate gradient stops at ||r|| <= max(rtol ||b||, atol), gives up after max_iter",
            "bwd_rtol  tolerance of the solve in the backward pass (default rtol)",
        ]
    network, edge = network_of(layer), learned_per(layer, "edge")
    if network is None:
        if learned_per(layer, "site") or edge:
            lines.append(f"nodes     number N of nodes, of the parameters {', '.join(_per(layer))}")
        if edge:
            lines.append("edges     number E of edges, for edge_index; None: weights of all pairs of nodes")
        lines += [
            "",
            "The edges of a call are listed in ``edge_index`` (2, E), tail and head of each, and edge inputs are",
            "(B, C, E) or broadcast to it; without it every pair of nodes is an edge, and edge inputs are symmetric",
            "(B, C, N, N). Node inputs are (B, C, N). Several graphs are one graph of several components.",
        ]
    lines.append(package.option_doc)
    return "\n".join(lines)


def _per(layer: Layer) -> list[str]:
    return [*learned_per(layer, "site"), *learned_per(layer, "edge")]
