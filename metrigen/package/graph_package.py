"""The texts of the package of a graph system, file by file."""

from __future__ import annotations

from collections.abc import Sequence

from metrigen.backends.torch.graph import print_graph_function
from metrigen.backends.torch.printer import Function, print_function
from metrigen.emit.derivation import derivation_markdown
from metrigen.emit.header import header
from metrigen.emit.layout import layout
from metrigen.emit.render import render
from metrigen.ir.functions.write import with_functions
from metrigen.ir.nodes import Cayley
from metrigen.layer.layer import Emission, bytes_per_site
from metrigen.package.arguments import parameters
from metrigen.package.graph_arguments import network_of
from metrigen.package.graph_module import graph_module_text
from metrigen.package.runtime import runtime, shared
from metrigen.spec.contracts import Stepper

_DOCS = {
    "prologue": "What depends on parameters alone, computed once for all steps.",
    "step": "One step of the integrator.",
    "step_adjoint": "The variation of ``step``: cotangents of all its arguments.",
    "readout": "The components of the readout at every node.",
    "readout_adjoint": "The variation of ``readout``: cotangents of all its arguments.",
    "energy": "The energy density at every node, half of every edge at each of its ends.",
    "entropy": "The entropy density at every node.",
    "flux": "The energy that flows along every edge from its tail to its head.",
    "power": "The density of dH/dt under the dynamics.",
    "weights": "Screening of the nodes and conductance of the edges, of the operator B^T w B + m.",
    "source": "b = -dF(0), the right-hand side of (B^T w B + m) u = b.",
}


def graph_texts(emission: Emission, guarantees: Sequence[str]) -> dict[str, str]:
    """Relative name -> text of every file but the manifest."""
    spec = emission.spec
    brief = header(spec, (), None).rstrip("\n")
    head = header(spec, guarantees, cost(emission)).rstrip("\n")
    prologue = emission.lowered.prologue
    reference = render(
        "graph_reference.py.j2", header=head, title=emission.class_name, functions=functions(emission), docs=_DOCS,
        stepping=emission.stepping,
        cayley=prologue is not None and any(isinstance(s, Cayley) for s in prologue.body),
    )  # fmt: skip
    return {
        **({} if emission.stepping else runtime("solve", flat=".flatten(2)")),
        **shared(bool(parameters(emission))),
        "__init__.py": render("__init__.py.j2", header=brief, class_name=emission.class_name),
        **runtime("graph"),
        "reference.py": layout(with_functions(reference, "torch")),
        "module.py": layout(graph_module_text(emission, brief)),
        "DERIVATION.md": derivation_markdown(spec, emission.derivation, emission.laws, sections(emission)),
    }


def functions(emission: Emission) -> tuple[Function, ...]:
    """The programs as functions of the graph; the prologue knows no graph."""
    prologue = emission.lowered.prologue
    early = (print_function(prologue, 0),) if prologue is not None and prologue.body else ()
    return (*early, *(print_graph_function(p, name) for name, (p, _, _) in emission.optimised.items()))


def cost(emission: Emission) -> str:
    """Operations and bytes per node and edge."""
    found = {name: emission.optimised[name] for name in ("step", "readout") if name in emission.optimised}
    return "; ".join(
        f"{name} {after} operations, {bytes_per_site(program)} bytes moved in float32, a node and an edge together"
        for name, (program, _, after) in found.items()
    )


def sections(emission: Emission) -> list[tuple[str, str]]:
    """What DERIVATION.md says beyond the derivation."""
    integrator = emission.spec.system.integrator
    forms = (
        "The edges are given to every call: as weights (C, N, N) of all pairs of nodes, or as `edge_index` (2, E) with "
        "one value an edge."
    )
    network = network_of(emission)
    if network is not None:
        forms = f"The graph is fixed: {network.nodes} nodes, {len(network.edges)} edges."
    if isinstance(integrator, Stepper):
        method = f"{integrator.summary(emission.derivation)} {integrator.steps} steps of dt = {integrator.dt}."
    else:
        method = (
            "SteadyState: (B^T w B + m) u = b by one Cholesky factor for every matrix that differs where the graph is "
            "dense and small, else by conjugate gradient with a stop per sample. Gradients are those of the solution: "
            "db = lam, dm = -lam u, dw = -(B lam)(B u) with lam of the same matrix."
        )
    components = ", ".join(emission.lowered.components)
    return [
        ("Edges", forms + " Programs hold the maps between nodes and edges as statements, and the reverse of each is "
         "its transpose: B^T for B, half of |B|^T for the mean."),
        ("Integrator", method),
        ("Readout", f"Components of the readout at the nodes, in order along the channel axis: {components}. `flux` "
         "gives T^e_t on the edges, from tail to head."),
    ]  # fmt: skip
