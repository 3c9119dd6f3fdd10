"""The text of ``operators.py``: the table of what a package registers in torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from metrigen.emit.render import render
from metrigen.ir.nodes import Array, Kind
from metrigen.layer.layer import Emission
from metrigen.package.arguments import tuple_text
from metrigen.package.joint import joint
from metrigen.package.tag import unsigned

_KINDS = {Kind.SITE: "field", Kind.CHANNEL: "channel", Kind.MATRIX: "matrix", Kind.SCALAR: "scalar"}
Calls = list[tuple[str, str]]


def operators_text(emission: Emission, header: str) -> str:
    """Every operator with the names of its arrays, and the kinds of those."""
    found = joint(emission)
    programs = [emission.optimised[n][0] for n in ("readout", "step", "operator") if n in emission.optimised]
    arrays = [a for program in programs for a in program.inputs] + list(found.arrays if found else ())
    return table_text(
        emission.name, emission.class_name, header, calls=_calls(emission), kinds=kinds_of(arrays),
        constructor=("Operators", "registry"), axes=emission.rank + 2, triton=not emission.without_triton,
        cpu=emission.cpu is not None,
    )  # fmt: skip


def table_text(
    name: str, title: str, header: str, *, calls: Calls, kinds: Mapping[str, str], constructor: tuple[str, str],
    axes: int, triton: bool, cpu: bool,
) -> str:  # fmt: skip
    """``constructor``: the class of the operators, and the file that it stands in."""
    return render(
        "operators.py.j2", header=header, title=title, tag=unsigned(name), operators=calls, kinds=dict(kinds),
        kind=constructor[0], file=constructor[1], axes=axes, triton=triton, cpu=cpu,
    )  # fmt: skip


def kinds_of(arrays: Iterable[Array]) -> dict[str, str]:
    return {a.name: _KINDS[a.kind] for a in sorted(arrays, key=lambda a: a.name)}


def names_text(arrays: Sequence[Array], but: Sequence[str] = ()) -> str:
    return tuple_text([f'"{a.name}"' for a in arrays if a.name not in but])


def _calls(emission: Emission) -> Calls:
    readout, fields = emission.optimised["readout"][0], emission.fields
    calls = [("readout", f"readout({names_text(readout.inputs)}, {len(readout.outputs)})")]
    state = tuple_text([f'"{f}"' for f in fields])
    steady = emission.lowered.steady
    if steady is not None:
        fixed = names_text(emission.optimised["operator"][0].inputs, (steady.unknown,))
        return [*calls, ("solve", f'solve("{steady.unknown}", {fixed}, "{emission.class_name}")')]
    fixed = names_text(emission.optimised["step"][0].inputs, fields)
    if emission.without_triton:
        return [*calls, ("evolve", f"implicit({state}, {fixed})")]
    calls.append(("evolve", f"evolve({state}, {fixed})"))
    found = joint(emission)
    if found is not None:
        call = f"evolve_readout({state}, {fixed}, {names_text(found.others)}, {found.components})"
        calls.append(("evolve_readout", call))
    return calls
