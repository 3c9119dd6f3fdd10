"""What the emitted functions say of themselves: the equation that each computes, in plain characters.

A doc is a sentence and the equations that follow it, one string each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from metrigen.emit.rows import wrapped
from metrigen.layers.equations import array_names, equations, plain
from metrigen.layers.layer import Layer
from metrigen.programs import Lowered

Docs = Mapping[str, tuple[str, ...]]
WIDTH, ROWS = 110, 6  # of a line; of equations that are written out
_LONGER = "and so on: DERIVATION.md has all of it."
_MADE_ONCE = "What depends on parameters alone, computed once for all steps."
_BATH = ", with the noise of the metric at the temperature of the system,"
_BACK = "Cotangents of ``{}``, w -> J^T w: those of all its arguments from those of its results."


def field_docs(lowered: Lowered) -> Docs:
    """By program; a graph has nodes where a lattice has sites."""
    dynamics = lowered.dynamics
    derivation, names = dynamics.derivation, array_names(dynamics)
    on_edges, entropy = dynamics.lowering.along_edges, derivation.system.entropy
    site = "node" if on_edges else "site"
    motion = equations(derivation, names)
    method = type(derivation.system.integrator).__name__
    energy, share = plain(derivation.hamiltonian, names), ", half of every edge at each of its ends" * on_edges
    operator = "(B^T w B + m) u" if on_edges else "A u"
    return {
        "prologue": (_MADE_ONCE,),
        "step": (f"One step of {method}{_BATH * bool(dynamics.noise)} for", *motion),
        "step_adjoint": (_BACK.format("step"),),
        "readout": (f"The readout at every {site}: {', '.join(lowered.components)}.",),
        "readout_adjoint": (_BACK.format("readout"),),
        "energy": (f"The energy density at every {site}{share}:", energy),
        "entropy": (f"The entropy density at every {site}:", *([plain(entropy, names)] if entropy is not None else [])),
        "stress_energy": ("Raw components of the stress-energy tensor at every site.",),
        "currents": ("Noether currents of the declared symmetries at every site.",),
        "flux": ("The energy that flows along every edge from its tail to its head.",),
        "rates": (f"The rates of the fields at every {site}:", *motion),
        "power": ("The density of dH/dt under the dynamics of the lattice." if not on_edges else
                  "The density of dH/dt under the dynamics.",),
        "operator": ("A u, the linear part of the variation dF of the free energy; A u = b is the rest of", *motion),
        "operator_adjoint": ("The variation of (cotangent . A u) with respect to inputs and coefficients.",),
        "source": (f"b = -dF(0), the right-hand side of {operator} = b, the rest of", *motion),
        "weights": ("Screening of the nodes and conductance of the edges, of the operator B^T w B + m." if on_edges else
                    "Screening and edge weights of A, computed once for a solve.",),
        "apply": ("A u = screening u + sum_s weight_s (u - u[n + s]).",),
        "gather": ("sum_s weight_s u[n + s].",),
        "diagonal": ("screening + sum_s weight_s.",),
        **_turned(method, motion),
    }  # fmt: skip


def _turned(method: str, motion: Sequence[str]) -> Docs:
    """The parts of steps = tail . inner^(steps - 1) . head, which keeps what goes from step to step."""
    found = {
        "head": (f"The beginning of the first step of {method}, as far as it is pointwise, for", *motion),
        "inner": (f"The rest of a step of {method}, and the beginning of the next, for", *motion),
        "tail": (f"The rest of the last step of {method} for", *motion),
    }
    return found | {f"{name}_adjoint": (_BACK.format(name),) for name in found}


def token_docs(layer: Layer) -> Docs:
    """By program."""
    scan, derivation = layer.lowered.scan, layer.source.derivation
    names = dict(zip(derivation.fields, scan.fields, strict=True))
    motion = equations(derivation, names)
    flow = "x <- f + R E (x - f)" if scan.rotations else "x <- f + E (x - f)"
    return {
        "prologue": ("E = exp(h A) from the parameters alone.",),
        "rotation": ("The rotations of coupled channels over a token.",),
        "step": (f"One token: {flow}, the flow over a time h of", *motion),
        "step_back": ("The cotangent of the state before a token from that after it: E^T R^T.",),
        "step_adjoint": (_BACK.format("step"),),
        **{
            f"{name}_{part}": (f"The part of ``{name}`` {when} the channels rotate: {flow}.",)
            for name, flow in (("step", flow), ("step_adjoint", "w -> J^T w"))
            for part, when in (("head", "before"), ("tail", "after"))
        },
        "propagator": ("E = exp(h A) by rows, then the drive (1 - E) f, of x_t = A (x - f), which is", *motion),
        "readout": (f"The readout from the states before and after a token: {', '.join(scan.components)}.",),
        "readout_adjoint": (_BACK.format("readout"),),
        "rates": ("The rates A (x - f) of the state at a token:", *motion),
        "energy": ("The energy x.P x/2 of the state:", plain(derivation.hamiltonian, names)),
    }


def docstring(doc: Sequence[str], indent: str = "    ") -> str:
    """A doc between the quotes of a Python function."""
    first, *rest = _rows(doc, WIDTH - len(indent) - 3)
    if not rest:
        return first
    head = len(wrapped(doc[0], WIDTH - len(indent) - 3, ""))
    rows = [first, *rest[: head - 1], *([""] if len(doc) > 1 else []), *rest[head - 1 :]]
    return "\n".join([rows[0], *(f"{indent}{row}".rstrip() for row in rows[1:]), indent])


def comment(doc: Sequence[str]) -> str:
    """A doc behind ``// ``."""
    return "\n// ".join(_rows(doc, WIDTH - 3))


def part(name: str, index: int, count: int, made: Sequence[str], doc: Sequence[str] = ()) -> tuple[str, ...]:
    """The doc of one of the parts that a program is cut into."""
    if count == 1:
        return tuple(doc) or (f"``{name}``: {', '.join(made)}.",)
    first, *rest = doc or ("",)
    return (f"Part {index + 1} of {count} of ``{name}``: {', '.join(made)}. {first}".rstrip(), *rest)


def _rows(doc: Sequence[str], width: int) -> list[str]:
    """The sentence, then as many rows of the equations as are written out."""
    sentence, *formulas = doc
    rows = [row for formula in formulas for row in wrapped(formula, width, "", "    ")]
    if len(rows) > ROWS:
        rows = [*rows[: ROWS - 1], _LONGER]
    return [*wrapped(sentence, width, ""), *rows]
