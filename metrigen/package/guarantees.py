"""What a package says at its head: one line a law, what its method keeps, and what its programs cost."""

from __future__ import annotations

from metrigen.discretise.tokens import COUPLED_KEEPS, KEEPS
from metrigen.layers.counts import bytes_per_site, cost, traffic
from metrigen.layers.layer import Layer
from metrigen.package.assembly import Package
from metrigen.package.notices import notices
from metrigen.package.steps import backward_memory, step_notes


def field_guarantees(package: Package) -> list[str]:
    """One line per law, and what the integrator keeps."""
    layer = package.layer
    lines = _laws(layer)
    if not layer.source.spec.system.solves:
        integrator = layer.source.spec.system.stepper
        kept = integrator.kept(layer.source.derivation)
        lines.append(f"{type(integrator).__name__}: order {integrator.order}, keeps {kept}")
        lines += [f"backward pass: {backward_memory(layer)}", *step_notes(layer.source.derivation)]
    return [*lines, *(f"WARNING: {w.what}" for w in notices(layer.source.derivation, layer.source.spec.declared))]


def _laws(layer: Layer) -> list[str]:
    return [f"{law.name}: {law.verdict}" + (f" ({law.detail})" if law.detail else "") for law in layer.source.laws]


def field_cost(layer: Layer) -> str:
    return "; ".join(cost(layer, name) for name in ("step", "operator", "apply", "readout") if name in layer.programs)


def token_guarantees(package: Package) -> list[str]:
    """One line per law, and what the integrator keeps."""
    layer = package.layer
    lines = _laws(layer)
    lines += [f"WARNING: {w.what}" for w in notices(layer.source.derivation, layer.source.spec.declared)]
    if not layer.lowered.scan.rotations:
        return [*lines, f"Exponential: keeps {KEEPS}"]
    missing = [f"backend {name} {why}" for name, why in package.without.items()]
    return [*lines, f"Exponential: {COUPLED_KEEPS}", *missing]


def token_cost(layer: Layer) -> str:
    moved = ", ".join(f"{name} {count}" for name, count in traffic(layer.lowered.scan).items())
    return f"bytes moved in float32, every array once: {moved}"


def graph_cost(layer: Layer) -> str:
    """Operations and bytes per node and edge."""
    found = {name: layer.programs.optimised[name] for name in ("step", "readout") if name in layer.programs}
    return "; ".join(
        f"{name} {after} operations, {bytes_per_site(program)} bytes moved in float32, a node and an edge together"
        for name, (program, _, after) in found.items()
    )
