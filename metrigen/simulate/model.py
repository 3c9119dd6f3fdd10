"""A layer with every array that its programs read: parameters, inputs, coordinates, and the start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import sympy as sp

from metrigen.errors import SpecError
from metrigen.ir.nodes import Array, Kind
from metrigen.layers.layer import Layer
from metrigen.package.arguments import inputs_of
from metrigen.package.parameters import initial_value
from metrigen.simulate.given import STARTS, breaks, coordinates, sign_of, signed, start, values
from metrigen.simulate.place import Place
from metrigen.spec.symbols import InputFunction, Param, t


@dataclass(frozen=True)
class Model:
    """layer   what is stepped; ``place``: where
    channels   C of every field
    fixed      arrays that do not change: parameters (those of the step included), inputs, coordinates
    driven     name of an input with a value for every step -> its values at a time
    start      the fields, (1, C, *S)
    dt         the time step
    """

    layer: Layer
    place: Place
    channels: int
    fixed: Mapping[str, np.ndarray]
    driven: Mapping[str, Callable[[float], np.ndarray]]
    start: Mapping[str, np.ndarray]
    dt: float

    @property
    def shape(self) -> tuple[int, ...]:
        return (1, self.channels, *self.place.shape)

    def over_step(self, number: int) -> dict[str, np.ndarray]:
        """What a step reads beside the fixed: the time at which it begins, driven inputs in the middle of it."""
        begin = number * self.dt
        return self.driven_at(begin + self.dt / 2) | {t.name: np.asarray(begin)}

    def driven_at(self, time: float) -> dict[str, np.ndarray]:
        """The driven inputs at a time. Raises SpecError where one breaks its declared sign."""
        return {name: at(time) for name, at in self.driven.items()}


def steppable(layer: Layer) -> Layer:
    """The layer, if it is stepped on a lattice or a graph and holds no module. Raises SpecError by name."""
    system, fix = layer.source.spec.system, "build it, and call the layer from Python"
    if layer.shape.on_tokens or layer.shape.remembers:
        why = "its steps are the tokens that it is handed"
        raise SpecError(f"{system.name} lives on a {type(system.domain).__name__}(), which is not simulated",
                        part="domain", why=why, fix=fix, see="not-simulated")  # fmt: skip
    if not layer.shape.stepping:
        raise SpecError(
            f"{system.name} is solved for, not stepped", part="integrator",
            why="a steady state has no time: there is one field, and no frames", fix=fix, see="not-simulated",
        )  # fmt: skip
    functions = (*layer.programs.learned, *layer.given.networks)
    if functions:
        names = ", ".join(head.name for head in functions)
        raise SpecError(
            f"{names} stands for a learned function: a simulation has no module and no weights",
            part=functions[0].name,
            fix=fix,
            see="not-simulated",
        )
    return layer


def model_of(
    layer: Layer,
    place: Place,
    channels: int | None,
    set_to: Mapping[str, str],
    params: Mapping[str, str],
    seed: int = 0,
) -> Model:
    """The model with what the command line says of fields, inputs (``set_to``) and parameters. Raises SpecError for a
    name that the system does not have, an input without a value, or a value against a declared sign."""
    count = channels or max(
        [1, *(p.block for p in layer.given.parameters.values() if isinstance(p, Param) and p.block)]
    )
    shape, rng = (1, count, *place.shape), np.random.default_rng(seed)
    inputs = [n for n in inputs_of(layer) if n not in layer.given.of_samples and n not in layer.given.parameters]
    _check_names(set_to, (*layer.lowered.fields, *inputs), "--set", "fields and inputs")
    dt = layer.source.spec.system.stepper.dt
    numbers = {
        **layer.given.parameters,
        **layer.given.of_samples,
        **({"dt": sp.Symbol("dt", positive=True)} if dt.is_number else {}),
    }
    _check_names(params, tuple(numbers), "--param", "parameters")
    missing = [name for name in inputs if name not in set_to]
    if missing:
        raise SpecError(
            f"the input{'s' * (len(missing) > 1)} {', '.join(missing)} ha{'ve' if len(missing) > 1 else 's'} no value",
            part=missing[0], fix=" ".join(f'--set "{name}=1"' for name in missing), see="simulate-options",
        )  # fmt: skip
    learned = {name: _number(name, symbol, params, float(dt) if name == "dt" and dt.is_number else None)
               for name, symbol in numbers.items()}  # fmt: skip
    dynamics = layer.lowered.dynamics
    kinds = {a.name: a for a in (*dynamics.params, *dynamics.inputs)}
    fixed = {n: _filled(kinds.get(n), value, numbers[n], shape, place.edges) for n, value in learned.items()}
    axes = {n: x + np.zeros(shape) for n, x in place.coordinates.items() if n in kinds and n not in fixed}
    signs = _signs(layer)
    made = {n: _input(kinds[n], set_to[n], place, shape, signs.get(n, ""), rng) for n in inputs}
    driven = {n: at for n, at in made.items() if kinds[n].driven}
    given = {n: at(0.0) for n, at in made.items() if n not in driven}
    begin = {
        n: _field(layer, n, set_to.get(n, _default(layer, n)), place, rng) + np.zeros(shape)
        for n in layer.lowered.fields
    }
    return Model(layer, place, count, {**fixed, **axes, **given}, driven, begin, _length(dt, learned))


def _check_names(given: Mapping[str, str], known: tuple[str, ...], option: str, what: str) -> None:
    for name in given:
        if name not in known:
            names = f"its {what} are {', '.join(known)}" if known else f"it has no {what}"
            raise SpecError(
                f"{option} {name}: the system has no such name",
                why=names,
                fix=f"{option} NAME=VALUE",
                see="simulate-options",
            )


def _number(name: str, symbol: sp.Symbol, given: Mapping[str, str], start: float | None) -> float:
    """A parameter as it was given, else its declared start."""
    if name not in given:
        return initial_value(symbol) if start is None else start
    value = float(values(name, given[name], {}, "--param"))
    below = symbol.below if isinstance(symbol, Param) else None
    wrong = sign_of(symbol) if breaks(np.asarray(value), sign_of(symbol)) else ""
    if not wrong and below is not None and value >= below:
        wrong = f"below {below}"
    if wrong:
        raise SpecError(
            f"{name} must be {wrong}, not {value:g}",
            part=name,
            fix=f"--param {name}=VALUE within that",
            see="simulate-options",
        )
    return value


def _filled(array: Array | None, value: float, symbol: sp.Symbol, shape: tuple[int, ...], edges: int) -> np.ndarray:
    kind = Kind.SCALAR if array is None else array.kind
    if kind is Kind.MATRIX and isinstance(symbol, Param) and symbol.antisymmetric and value:
        raise SpecError(
            f"{symbol} is antisymmetric: one number fills it if it is 0",
            part=symbol.name,
            fix="no --param",
            see="simulate-options",
        )
    sizes = {Kind.SCALAR: (), Kind.CHANNEL: shape[1:2], Kind.MATRIX: (shape[1], shape[1]), Kind.SITE: shape,
             Kind.EDGE: (*shape[:2], edges)}  # fmt: skip
    return np.full(sizes[kind], value)


def _signs(layer: Layer) -> dict[str, str]:
    """Name of an input -> the sign that it was declared with."""
    found = {f for e in layer.given.expressions for f in e.atoms(InputFunction) if f.is_nonnegative}
    return {f.func.__name__: sign_of(f) for f in found}


def _input(
    array: Array, text: str, place: Place, shape: tuple[int, ...], sign: str, rng: np.random.Generator
) -> Callable[[float], np.ndarray]:
    """The values of an input at a time, (1, C, *S). A named start stands still, and is drawn once."""
    name, on = array.name, place.of_edges if array.kind is Kind.EDGE else place
    full = np.zeros((*shape[:2], *on.shape))
    if text in STARTS:
        still = signed(name, text, start(text, on, rng, sign) + full, sign, on.coordinates)
        return lambda time: still

    def at(time: float) -> np.ndarray:
        known = coordinates(on) | ({t.name: time} if array.driven else {})
        sites = {**on.coordinates, **({t.name: np.asarray(time)} if array.driven else {})}
        return signed(name, text, values(name, text, known) + full, sign, sites)

    return at


def _default(layer: Layer, name: str) -> str:
    """The first field starts as a hump, the others at 0; what is declared positive starts around 1."""
    return "gauss" if name == layer.lowered.fields[0] else "zero"


def _field(layer: Layer, name: str, text: str, place: Place, rng: np.random.Generator) -> np.ndarray:
    dynamics = layer.lowered.dynamics
    symbol = next(u for u in layer.source.derivation.fields if dynamics.array(u) == name)
    sign = sign_of(symbol)
    if text in STARTS:
        if sign == "positive" and text in ("gauss", "zero"):
            return 1 + STARTS[text](place, rng) / 2
        return start(text, place, rng, sign)
    return signed(name, text, values(name, text, coordinates(place)) + np.zeros(place.shape), sign, place.coordinates)


def _length(dt: sp.Expr, learned: Mapping[str, float]) -> float:
    return (
        learned["dt"] if dt.is_number else float(dt.xreplace({s: sp.Float(learned[s.name]) for s in dt.free_symbols}))
    )
