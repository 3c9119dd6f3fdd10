"""The text of ``module.py`` of a package on a sequence."""

from __future__ import annotations

from metrigen.emit.render import render, tuple_text
from metrigen.layers.layer import Layer
from metrigen.package.arguments import parameters
from metrigen.package.assembly import Package, backend_constants
from metrigen.package.base import with_imports
from metrigen.package.call_docs import REFUSED
from metrigen.package.checks import declarations
from metrigen.package.settings import learned_step, making_lines
from metrigen.package.surface import surface_constants


def sequence_module_text(package: Package, header: str) -> str:
    """The layer itself."""
    layer, scan = package.layer, package.layer.scan
    fields, tokens = scan.fields, scan.tokens
    read = layer.scan.reads(scan.readout)
    names = dict(zip(layer.derivation.fields, fields, strict=True))
    text = render(
        "sequence_module.py.j2",
        header=header,
        title=layer.class_name,
        class_name=layer.class_name,
        option_doc=package.option_doc,
        fields=fields,
        constants=[
            *surface_constants(layer, names, start="state", hoisted=_hoisted(layer)),
            ("CONFIG", '("channels", "backend")'),
            ("SPEC", f'"{layer.spec.sha256[:16]}"'),
            *declarations(layer, tokens),
            *backend_constants(package),
        ],
        tokens=tokens,
        token_names=", ".join(tokens),
        refused=REFUSED,
        token_keywords=", ".join(f"{n}={n}" for n in tokens),
        components=repr(scan.components),
        parameters=parameters(layer),
        making=making_lines(layer, learned_step(layer)),
        channelwise=layer.scan.channelwise,
        matrices=frozenset(turn.matrix.name for turn in scan.cell.turns),
        rotation=tuple(a.name for a in scan.rotation.inputs),
        coupled=bool(scan.rotations),
        dt=learned_step(layer),
        number_step=_number(layer),
        prologue=_prologue(layer),
        coefficients_tuple=tuple_text(layer.scan.channelwise),
        fixed=_fixed(layer),
        step_fixed=_chosen(layer, layer.scan.reads(scan.step)),
        readout_fixed=_of(layer, read),
        readout_passed=f", {_chosen(layer, read)}" if read else "",
        energy_fixed=_chosen(layer, layer.scan.reads(scan.energy)),
        rates_given=_rates_given(layer),
        rates=None if scan.rotations else [a.name for a in scan.rates.inputs if a.name not in (*fields, *tokens)],
        readout_doc=f"The readout at every token, (B, R*C, T): {', '.join(scan.components)}.",
    )
    return with_imports(text)


def _rates_given(layer: Layer) -> str:
    """What the rates are computed from, in the order in which their function takes it."""
    rates, scan = layer.scan.rates, layer.scan
    named = {a.name for a in rates.inputs}
    inputs = [f'_tokens["{n}"]' for n in scan.tokens if n in named]
    return ", ".join(["*_states", *inputs, *(a.name for a in scan.cell.params if a.name in named)])


def _hoisted(layer: Layer) -> list[str]:
    """The methods that compute what depends on parameters alone."""
    early = ["_prologue"] if layer.scan.prologue.body else []
    return [*early, *(["_rotations"] if layer.scan.rotations else [])]


def _number(layer: Layer) -> str:
    """The time step where it is a number, else nothing."""
    dt = layer.spec.system.stepper.dt
    return repr(float(dt)) if dt.is_number else ""


def _prologue(layer: Layer) -> dict[str, tuple[str, ...]]:
    prologue = layer.scan.prologue
    if not prologue.body:
        return {}
    return {"outputs": prologue.outputs, "inputs": tuple(a.name for a in prologue.inputs)}


def _fixed(layer: Layer) -> str:
    """The call that makes the coefficients of a scan."""
    channelwise, rotations = "self._coefficients(inputs[0])", "self._hoisted('_rotations', inputs[0])"
    if not layer.scan.rotations:
        return channelwise
    return f"(*{channelwise}, *{rotations})" if layer.scan.channelwise else rotations


def _chosen(layer: Layer, names: tuple[str, ...]) -> str:
    """Coefficients of a method by their place, to be written out in a call."""
    return ", ".join(f"fixed[{layer.scan.coefficients.index(n)}]" for n in names)


def _of(layer: Layer, names: tuple[str, ...]) -> str:
    return tuple_text([f"fixed[{layer.scan.coefficients.index(n)}]" for n in names])
