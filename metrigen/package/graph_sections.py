"""What DERIVATION.md says of a layer on a graph."""

from __future__ import annotations

from metrigen.package.assembly import Package
from metrigen.package.graph_arguments import network_of
from metrigen.spec.contracts import Stepper


def graph_sections(package: Package) -> list[tuple[str, str]]:
    """What DERIVATION.md says beyond the derivation."""
    layer = package.layer
    integrator = layer.source.spec.system.integrator
    forms = (
        "The edges are given to every call: as weights (C, N, N) of all pairs of nodes, or as `edge_index` (2, E) with "
        "one value an edge."
    )
    network = network_of(layer)
    if network is not None:
        forms = f"The graph is fixed: {network.nodes} nodes, {len(network.edges)} edges."
    if isinstance(integrator, Stepper):
        method = f"{integrator.summary(layer.source.derivation)} {integrator.steps} steps of dt = {integrator.dt}."
    else:
        method = (
            "SteadyState: (B^T w B + m) u = b by one Cholesky factor for every matrix that differs where the graph is "
            "dense and small, else by conjugate gradient with a stop per sample. Gradients are those of the solution: "
            "db = lam, dm = -lam u, dw = -(B lam)(B u) with lam of the same matrix."
        )
    components = ", ".join(layer.lowered.components)
    return [
        ("Edges", forms + " Programs hold the maps between nodes and edges as statements, and the reverse of each is "
         "its transpose: B^T for B, half of |B|^T for the mean."),
        ("Integrator", method),
        ("Readout", f"Components of the readout at the nodes, in order along the channel axis: {components}. `flux` "
         "gives T^e_t on the edges, from tail to head."),
    ]  # fmt: skip
