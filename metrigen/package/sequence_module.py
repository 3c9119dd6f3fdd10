"""What ``module.py`` of a layer on a sequence has of its own: the methods that scan the tokens."""

from __future__ import annotations

from metrigen.emit.render import render, tuple_text
from metrigen.integrators.scan import Scan
from metrigen.layers.layer import Layer
from metrigen.package.arguments import parameters
from metrigen.package.assembly import Package, backend_constants
from metrigen.package.call_docs import REFUSED
from metrigen.package.checks import declarations
from metrigen.package.module import Parts
from metrigen.package.settings import learned_step, making_lines
from metrigen.package.surface import surface_constants


def token_parts(package: Package) -> Parts:
    """What a layer on a sequence has of its own."""
    layer = package.layer
    names = dict(zip(layer.source.derivation.fields, layer.lowered.fields, strict=True))
    return Parts(
        about=". Equations, laws and the exponential of a token: DERIVATION.md beside this file.",
        axes=2,
        base="BaseLayer",
        state_doc="Fields (B, C, T), one value a token; (B, C) after a single token.",
        class_doc=f"channels  number C of oscillators\n{package.option_doc}",
        constants=[
            *surface_constants(layer, names, start="state", hoisted=_hoisted(layer.lowered.scan)),
            ("CONFIG", '("channels", "backend")'),
            ("SPEC", f'"{layer.source.spec.sha256[:16]}"'),
            *declarations(layer.source.derivation, layer.lowered.scan.tokens),
            *backend_constants(package),
        ],
        arguments=["dt: float | None = None"] if learned_step(layer) else [],
        making=making_lines(layer, learned_step(layer)),
        methods=_methods(layer),
        last_doc="The state after the last token, to go on from; of one token the state itself.",
    )


def _methods(layer: Layer) -> list[str]:
    scan = layer.lowered.scan
    read = scan.reads(scan.readout)
    text = render(
        "token_methods.py.j2",
        class_name=layer.source.class_name,
        fields=scan.fields,
        tokens=scan.tokens,
        token_names=", ".join(scan.tokens),
        refused=REFUSED,
        token_keywords=", ".join(f"{n}={n}" for n in scan.tokens),
        parameters=parameters(layer),
        channelwise=scan.channelwise,
        matrices=frozenset(rotation.matrix.name for rotation in scan.cell.rotations),
        rotation=tuple(a.name for a in scan.rotation.inputs),
        coupled=bool(scan.rotations),
        number_step=_number(layer),
        prologue=scan.prologue,
        coefficients_tuple=tuple_text(scan.channelwise),
        fixed=_fixed(scan),
        step_fixed=_chosen(scan, scan.reads(scan.step)),
        readout_fixed=_of(scan, read),
        readout_passed=f", {_chosen(scan, read)}" if read else "",
        energy_fixed=_chosen(scan, scan.reads(scan.energy)),
        rates_given=_rates_given(scan),
        rates=[a.name for a in scan.rates.inputs if a.name not in (*scan.fields, *scan.tokens)],
        readout_doc=f"The readout at every token, (B, R*C, T): {', '.join(scan.components)}.",
    )
    return text.rstrip("\n").split("\n")


def _rates_given(scan: Scan) -> str:
    """What the rates are computed from, in the order in which their function takes it."""
    rates = scan.rates
    named = {a.name for a in rates.inputs}
    inputs = [f'_tokens["{n}"]' for n in scan.tokens if n in named]
    return ", ".join(["*_states", *inputs, *(a.name for a in scan.cell.params if a.name in named)])


def _hoisted(scan: Scan) -> list[str]:
    """The methods that compute what depends on parameters alone."""
    early = ["_prologue"] if scan.prologue.body else []
    return [*early, *(["_rotations"] if scan.rotations else [])]


def _number(layer: Layer) -> str:
    """The time step where it is a number, else nothing."""
    dt = layer.source.spec.system.stepper.dt
    return repr(float(dt)) if dt.is_number else ""


def _fixed(scan: Scan) -> str:
    """The call that makes the coefficients of a scan."""
    channelwise, rotations = "self._coefficients(inputs[0])", "self._hoisted('_rotations', inputs[0])"
    if not scan.rotations:
        return channelwise
    return f"(*{channelwise}, *{rotations})" if scan.channelwise else rotations


def _chosen(scan: Scan, names: tuple[str, ...]) -> str:
    """Coefficients of a method by their place, to be written out in a call."""
    return ", ".join(f"fixed[{scan.coefficients.index(n)}]" for n in names)


def _of(scan: Scan, names: tuple[str, ...]) -> str:
    return tuple_text([f"fixed[{scan.coefficients.index(n)}]" for n in names])
