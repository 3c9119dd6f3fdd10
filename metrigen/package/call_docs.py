"""What the docstrings of a module say of the arguments of a call: the shape of each, and what is refused."""

from __future__ import annotations

from collections.abc import Iterable

from metrigen.ir.nodes import Kind
from metrigen.layers.layer import Layer
from metrigen.package.arguments import floats, inputs_of, lives_on, noises, timed
from metrigen.package.graph_arguments import inputs_of as graph_inputs
from metrigen.package.graph_arguments import network_of
from metrigen.package.settings import is_reversible, momenta

BY_STEP = "a value for each of K steps; sizes of one broadcast"
REFUSED = "ValueError: a shape, dtype, number or backend that does not fit. TypeError: what is missing, or no tensor."


def steps_doc(layer: Layer, on_graph: bool = False) -> list[str]:
    """Lines of the docstring of ``forward`` of a layer that takes steps."""
    late = momenta(layer)
    shape, given = _shape(layer, on_graph), [f for f in layer.lowered.fields if f not in late]
    rows = [
        (", ".join(given), f"{_counted('field', given)} {shape}, or one {layer.source.class_name}State for all of them")
    ]
    rows += [(", ".join(late), f"{_counted('field', late)} {shape}; zero where not given")] if late else []
    rows += _graph_rows(layer) if on_graph else _input_rows(layer)
    driven = _driven(layer, on_graph)
    own = "K, or where K = 1 those of the layer" if driven else "those of the layer"
    rows.append(("steps", f"how many, 0 or more; None: {own}"))
    sign = "of any sign" if is_reversible(layer) else "positive"
    free = f"None: that of the layer; a number, () or (B,), {sign}"
    rows.append(("dt", free if floats(layer) else "None: the time step of this layer is learned"))
    rows += [("t0", "the time at which they begin: a number, () or (B,)")] if timed(layer) else []
    if noises(layer):
        rows += [
            ("generator", "a torch.Generator that the seed of the noise is drawn with; None: that of torch"),
            ("noise", f"standard normal numbers {_by_step(shape)}, or a mapping of them by field, instead"),
        ]
    reports = "; iterations, residual and status (B,)" if layer.programs.implicit else ""
    result = f"Returns fields {shape} in the dtype of {layer.lowered.fields[0]}{reports}."
    return ["The state after ``steps`` steps.", "", *table(rows), "", result, REFUSED]


def solve_doc(layer: Layer, size: str, on_graph: bool = False) -> list[str]:
    """Lines of the docstring of ``forward`` of a layer that solves for a steady state."""
    shape = _shape(layer, on_graph)
    rows = _graph_rows(layer) if on_graph else _input_rows(layer)
    known = bool(layer.lowered.dynamics.inputs if on_graph else inputs_of(layer))  # without it where the field lives
    start = f"{shape} or what broadcasts to it, or a State, to start from{' (default zero)' * known}"
    rows.append(("warm_start", start))
    result = f"Returns the field {shape}; iterations, {size} and status of every sample, (B,)."
    return ["The field that minimises the free energy.", "", *table(rows), "", result, REFUSED]


def reading_doc(layer: Layer, doc: str, read: Iterable[str], on_graph: bool = False) -> list[str]:
    """Lines of the docstring of ``readout``; ``read``: the inputs that it needs."""
    shape, names = _shape(layer, on_graph), list(read)
    many = f" or, of n of them at once, {_by_step(shape).replace('K', 'n')}" if layer.shape.stepping else ""
    lines = [doc, "", f"The fields of ``state`` are {shape}{many}."]
    if names:
        single = " for one step" if {*_driven(layer, on_graph)} & {*names} else ""
        along = "; with n, the same for all of them or (B, C, n, ...)" if layer.shape.stepping else ""
        lines.append(f"Needed: {', '.join(names)}, as ``forward`` takes {_them(names)}{single}{along}.")
    if timed(layer):
        lines.append("t is when, a number, () or (B,).")
    return [*lines, REFUSED]


def written(lines: Iterable[str]) -> list[str]:
    """The lines as the docstring of a method."""
    first, *further = lines
    if not further:
        return [f'    """{first}"""']
    return [f'    """{first}', *(f"    {line}" if line else "" for line in further), '    """']


def table(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Names, and beside them what they are."""
    found = list(rows)
    width = max(len(names) for names, _ in found)
    return [f"{names:{width}}  {text}" for names, text in found]


def sites(layer: Layer) -> str:
    """The axes of the sites as they stand in a shape behind the channels."""
    return ", *S" if layer.shape.rank else ""


def _shape(layer: Layer, on_graph: bool) -> str:
    return "(B, C, N)" if on_graph else f"(B, C{sites(layer)})"


def _by_step(shape: str) -> str:
    return shape.replace("(B, C", "(B, C, K", 1)


def _counted(word: str, names: list[str]) -> str:
    return word if len(names) == 1 else f"{word}s"


def _them(names: list[str]) -> str:
    return "it" if len(names) == 1 else "them"


def _driven(layer: Layer, on_graph: bool) -> list[str]:
    if on_graph:
        return [a.name for a in graph_inputs(layer) if a.driven]
    return [n for n in layer.lowered.driven if n != "t" and n not in noises(layer)] if layer.shape.stepping else []


def _input_rows(layer: Layer) -> list[tuple[str, str]]:
    """Inputs on a lattice, those of one kind together."""
    driven, part, shape = _driven(layer, False), lives_on(layer), _shape(layer, False)
    axes = [axis.name for axis in layer.source.spec.system.domain.axes]
    kinds: dict[str, list[str]] = {}
    for name in inputs_of(layer):
        whole = f"{_by_step(shape)}, {BY_STEP}" if name in driven else f"{shape}, or what broadcasts to it"
        if name in layer.given.of_samples:
            text = "(B,) or (B, C), one number a sample"
        elif name in part:
            kept = ", ".join(axis for axis, has in zip(axes, part[name], strict=True) if has)
            text = f"{whole}, or of the axes *S {f'only {kept}' if kept else 'none'}"
        else:
            text = whole
        kinds.setdefault(text, []).append(name)
    return [(", ".join(names), text) for text, names in kinds.items()]


def _graph_rows(layer: Layer) -> list[tuple[str, str]]:
    """The list of edges, and inputs at nodes and along edges."""
    fixed = network_of(layer) is not None
    along = "(B, C, E)" if fixed else "(B, C, E), without edge_index (B, C, N, N)"
    kinds: dict[str, list[str]] = {}
    for array in graph_inputs(layer):
        shape = along if array.kind is Kind.EDGE else "(B, C, N)"
        by_step = f"{shape.replace('(B, C', '(B, C, K')}, {BY_STEP}"
        text = by_step if array.driven else f"{shape}, or what broadcasts to it"
        text = "(B,) or (B, C), one number a sample" if array.name in layer.given.of_samples else text
        kinds.setdefault(text, []).append(array.name)
    rows = [] if fixed else [("edge_index", "(2, E), tail and head of every edge; None: all pairs of nodes")]
    return [*rows, *((", ".join(names), text) for text, names in kinds.items())]
