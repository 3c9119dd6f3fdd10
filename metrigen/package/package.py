"""The texts of a package, file by file."""

from __future__ import annotations

import re

from metrigen.backends.triton.kernels import kernels_text, solve_programs
from metrigen.emit.derivation import derivation_markdown
from metrigen.emit.header import header
from metrigen.emit.layout import layout, layout_cpp
from metrigen.emit.render import render
from metrigen.ir.functions.write import with_functions
from metrigen.ir.nodes import Cayley
from metrigen.layer.layer import Emission
from metrigen.package.arguments import parameters, symbols
from metrigen.package.joint import joint
from metrigen.package.module import module_text
from metrigen.package.notices import notices
from metrigen.package.operators import operators_text
from metrigen.package.runtime import runtime, shared
from metrigen.package.sections import sections
from metrigen.package.steps import backward_memory, step_notes
from metrigen.spec.domain import Lattice
from metrigen.spec.symbols import Param

_DOCS = {
    "prologue": "What depends on parameters alone, computed once for all steps.",
    "step": "One step of the integrator.",
    "step_adjoint": "The variation of ``step``: cotangents of all its arguments.",
    "readout": "The components of the readout at every site.",
    "readout_adjoint": "The variation of ``readout``: cotangents of all its arguments.",
    "energy": "The energy density at every site.",
    "entropy": "The entropy density at every site.",
    "stress_energy": "Raw components of the stress-energy tensor at every site.",
    "currents": "Noether currents of the declared symmetries at every site.",
    "power": "The density of dH/dt under the dynamics of the lattice.",
    "operator": "A u, the linear part of the variation dF of the free energy.",
    "operator_adjoint": "The variation of (cotangent . A u) with respect to inputs and coefficients.",
    "source": "b = -dF(0), the right-hand side of A u = b.",
    "weights": "Screening and edge weights of A, computed once for a solve.",
    "apply": "A u = screening u + sum_s weight_s (u - u[n + s]).",
    "gather": "sum_s weight_s u[n + s].",
    "diagonal": "screening + sum_s weight_s.",
}


_OPERATOR_DOC = "A psi at every site, the symmetric operator of an elliptic constraint."


_EQUATION_DOCS = (
    "What vanishes at the solution: one output per unknown.",
    "The residual along a direction of the unknowns, J v.",
    "The cotangent of the unknowns, J^T w.",
    "The cotangents of what is given.",
)


def package_texts(emission: Emission) -> dict[str, str]:
    """Relative name -> text of every file but the manifest."""
    head = header(emission.spec, guarantees(emission), cost(emission))
    brief = header(emission.spec, (), None)
    kernels = (
        {}
        if emission.without_triton
        else {"kernels.py": layout(with_functions(kernels_text(emission, brief), "triton"))}
    )
    cpu = {}
    if emission.cpu is not None:
        comment = header(emission.spec, (), None, "//")
        cpu = {
            "cpu.py": layout(emission.cpu.loader(brief, emission.class_name, emission.name)),
            "kernels.cpp": layout_cpp(with_functions(emission.cpu.source(comment, emission.class_name), "cpp")),
        }
    return {
        **cpu,
        **kernels,
        **shared(bool(parameters(emission))),
        **runtime("lattice"),
        **_operators(emission, brief),
        "__init__.py": render("__init__.py.j2", header=brief.rstrip("\n"), class_name=emission.class_name),
        "reference.py": layout(with_functions(_reference(emission, head), "torch")),
        "module.py": layout(module_text(emission, brief.rstrip("\n"))),
        "DERIVATION.md": derivation_markdown(emission.spec, emission.derivation, emission.laws, sections(emission)),
    }


def _operators(emission: Emission, brief: str) -> dict[str, str]:
    if not emission.has_operators:
        return {}
    return {"operators.py": layout(operators_text(emission, brief.rstrip("\n"))), **runtime("registry")}


def guarantees(emission: Emission) -> list[str]:
    """One line per law, and what the integrator keeps."""
    lines = [f"{law.name}: {law.verdict}" + (f" ({law.detail})" if law.detail else "") for law in emission.laws]
    if emission.stepping:
        integrator = emission.spec.system.stepper
        kept = integrator.kept(emission.derivation)
        lines.append(f"{type(integrator).__name__}: order {integrator.order}, keeps {kept}")
        lines += [f"backward pass: {backward_memory(emission)}", *step_notes(emission.derivation)]
    return [*lines, *(f"WARNING: {w.what}" for w in notices(emission.derivation, emission.spec.declared))]


def cost(emission: Emission) -> str:
    return "; ".join(
        emission.cost(name) for name in ("step", "operator", "apply", "readout") if name in emission.optimised
    )


def _reference(emission: Emission, head: str) -> str:
    stencil = emission.lowered.steady.stencil if emission.lowered.steady else None
    domain: Lattice = emission.spec.system.lattice
    found, called = joint(emission), _called(emission)
    return render(
        "reference.py.j2",
        header=head.rstrip("\n"),
        title=emission.class_name,
        rank=emission.rank,
        boundary=domain.boundary,
        periodic=domain.boundary == "periodic",
        cayley=_uses_cayley(emission),
        cayley_block=_cayley_block(emission),
        stumpff="stumpff" in called,
        secants=bool(called & {"_ratio", "_artanhc"}),
        called=called,
        learned=bool(emission.learned),
        functions=emission.functions,
        elliptic=emission.elliptic,
        implicit=emission.implicit,
        minimum=emission.lowered.minimum is not None,
        planes=emission.lowered.minimum is not None and not emission.lowered.minimum.coupled,
        equations={emission.equations[e]: e for e in emission.equations},
        docs=_DOCS
        | {f.name: _OPERATOR_DOC for f in emission.elliptic}
        | {f.name: doc for own in emission.implicit.values() for f, doc in zip(own, _EQUATION_DOCS, strict=True)},
        stepping=emission.stepping,
        joint=found is not None,
        **(found.context() if found else {}),
        stencil=stencil is not None,
        monotone=stencil is not None and stencil.monotone,
        flat=_flatten(emission.rank, _by_plane(emission)),
        solve_programs=solve_programs(emission),
    )


def _by_plane(emission: Emission) -> bool:
    """Whether the vectors of a solve are planes, not samples."""
    lowered = emission.lowered
    separate = lowered.minimum is not None and not lowered.minimum.coupled
    return separate or bool(emission.elliptic) or (lowered.steady is not None and lowered.steady.stencil is not None)


def _flatten(rank: int, planes: bool) -> str:
    if not planes:
        return ".flatten(1)"
    return ".flatten(2)" if rank else ".unsqueeze(-1)"


def _uses_cayley(emission: Emission) -> bool:
    prologue = emission.lowered.prologue
    return prologue is not None and any(isinstance(s, Cayley) for s in prologue.body)


def _cayley_block(emission: Emission) -> int | None:
    """Channels in the blocks of every matrix that turns into a rotation; None where one couples all channels."""
    prologue = emission.lowered.prologue
    turned = [symbols(emission)[s.matrix] for s in (prologue.body if prologue else ()) if isinstance(s, Cayley)]
    blocks = {s.block if isinstance(s, Param) else None for s in turned}
    return blocks.pop() if len(blocks) == 1 else None


def _called(emission: Emission) -> set[str]:
    """Names of the functions that the printed programs call."""
    programs = [*emission.functions, *(f for own in emission.implicit.values() for f in own)]
    return {name for f in programs for line in f.lines for name in re.findall(r"\b(\w+)\(", line)}
