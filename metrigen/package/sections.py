"""What DERIVATION.md says beyond the continuum: stencils, von Neumann analysis, integrator, readout, cost per site."""

from __future__ import annotations

from metrigen.discretise.discretisations import discretisation_of
from metrigen.emit.plain_names import plain
from metrigen.layers.counts import stencil_points
from metrigen.package import neural
from metrigen.package.assembly import Package
from metrigen.package.cost import Cost, cost_of, default_shape
from metrigen.package.notices import limit_sentences
from metrigen.package.solves import solve_sections
from metrigen.package.stencils import boundary_sentence, stencil_text
from metrigen.package.von_neumann import WaveReport, wave_markdown, wave_report
from metrigen.physics.derivation import Derivation
from metrigen.programs import whole_step
from metrigen.spec.contracts import Stepper


def sections(package: Package) -> list[tuple[str, str]]:
    """(title, Markdown) in reading order."""
    layer = package.layer
    lowered, derivation = layer.lowered, layer.source.derivation
    waves = wave_report(derivation, lowered.dynamics, whole_step(lowered))
    programs, rank = layer.programs, len(lowered.dynamics.origin)
    cost = cost_of(lowered, programs, default_shape(rank), solved=programs.solved.__getitem__)
    reads = {
        name: ", ".join(f"{plain(array)} {n}" for array, n in stencil_points(program).items())
        for name, program in programs.items()
    }
    readout = f"Components of the readout, in order along the channel axis: {', '.join(lowered.components)}."
    return [
        *neural.section(layer),
        *solve_sections(package),
        ("Stencils", f"{boundary_sentence(lowered.dynamics)}\n\n```text\n{stencil_text(lowered.dynamics)}\n```"),
        ("Von Neumann analysis", wave_markdown(waves)),
        ("Integrator", " ".join(integrator_sentences(derivation, waves))),
        ("Readout", readout),
        ("Cost per site", cost_markdown(cost, reads)),
    ]


def integrator_sentences(derivation: Derivation, waves: WaveReport) -> list[str]:
    """What the chosen integrator guarantees, and its step limit in numbers."""
    integrator = derivation.system.integrator
    if integrator is None:
        return ["The spec has no integrator: it derives, and does not build."]
    steps, limits = "", ["Its step limit is not known as a formula."]
    if isinstance(integrator, Stepper):
        dt = f"{integrator.dt}." if waves.dt is None else f"{waves.dt:g} at the declared start."
        steps = f"{integrator.steps} steps of dt = {dt}"
    if derivation.step_limit is not None:
        limits = [] if waves.limit is None else [f"Its step limit is dt = {waves.limit:.4g} there."]
        limits += limit_sentences(derivation)
    return discretisation_of(derivation.system.domain).method_sentences(derivation, steps, limits)


def cost_markdown(cost: Cost, reads: dict[str, str]) -> str:
    """The tables of programs and of whole calls, and what is stored and recomputed."""
    rows = [
        "| program | kernels | channel maps | + - | * | / | functions | bytes moved (float32) | sites read |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for p in cost.programs:
        ops = f"{p.ops.adds} | {p.ops.muls} | {p.ops.divs} | {p.ops.special}"
        rows.append(f"| {p.name} | {p.kernels} | {p.maps} | {ops} | {p.bytes} | {reads[p.name]} |")
    rows += [
        "",
        f"A whole call at {shape_text(cost.shape)}, a channel map counted as {2 * cost.shape[1]} operations; the floor "
        f"is the time that the bytes take at {cost.bandwidth:g} GB/s.",
        "",
        "| call | operations per site | bytes per site | operations per byte | floor |",
        "|---|---|---|---|---|",
    ]
    for c in cost.loops:
        work = f"{c.flops} | {c.bytes} | {c.intensity:.3g}" if c.flops else f"- | {c.bytes} | -"
        rows.append(f"| {c.name} | {work} | {c.floor_ms:.3g} ms |")
    return "\n".join([*rows, "", *(f"- {note}" for note in cost.notes)])


def shape_text(shape: tuple[int, ...]) -> str:
    """``32 x 64 x 32 x 32``."""
    return " x ".join(map(str, shape))
