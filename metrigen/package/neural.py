"""Learned functions in a package: arguments of the layer, what its programs are handed, and what a reader is told.

A custom operator cannot hold a module, so a package with learned functions runs the torch reference under autograd:
its gradients reach the weights of the modules as well as fields and parameters.
"""

from __future__ import annotations

from metrigen.ir.nodes import Program
from metrigen.ir.queries import learned_in
from metrigen.layers.layer import Layer
from metrigen.spec.neural import Head


def init_args(layer: Layer) -> list[str]:
    """One required keyword of the layer per learned function."""
    return [f"{head.name}: nn.Module" for head in layer.programs.learned]


def init_lines(layer: Layer) -> list[str]:
    """Every module is tried on a few entries, three an axis, before it is taken."""
    space = ", 3" * (layer.shape.axes - 2)
    return [
        f'self.{head.name} = reference.elementwise("{head.name}", {head.name}, '
        + ", ".join([f"(2, channels{space})"] * len(head.orders))
        + ")"
        for head in layer.programs.learned
    ]


def class_doc(layer: Layer) -> list[str]:
    return [f"{head.name:<9} torch module: {_arguments(head)} to a tensor of the same shape, elementwise"
            + ("; softplus is taken of its output" if head.sign else "")
            for head in layer.programs.learned]  # fmt: skip


def keywords(program: Program) -> str:
    """The learned functions that a function of the reference is called with: ", V=reference.Learned(...)"."""
    return "".join(f", {head.name}={_made(head)}" for head in learned_in(program))


def bound(name: str, program: Program) -> str:
    """A function of the reference with its learned functions filled in."""
    given = keywords(program)
    return f"partial(reference.{name}{given})" if given else f"reference.{name}"


def section(layer: Layer) -> list[tuple[str, str]]:
    """What DERIVATION.md says about them."""
    declared = _declared(layer)
    if not layer.programs.learned:
        return [("Learned functions", declared)] if declared else []
    rows = [f"- `{head.name}`: {_words(head)}" for head in layer.programs.learned]
    text = (
        "A torch module is given for each when the layer is made. The derivation holds for every smooth function, and "
        "the laws above say where they assume more. A prime, or the orders in brackets, is a derivative with respect "
        "to the argument; the layer takes it by autograd of the module. The layer runs the torch reference throughout: "
        "there are no kernels, since they could not call a module.\n\n"
    )
    return [("Learned functions", "\n\n".join(filter(None, (text + "\n".join(rows), declared))))]


def _declared(layer: Layer) -> str:
    """The networks of the spec, each once as a formula."""
    rows = []
    for head in layer.given.networks:
        assert head.network is not None
        inside = head.network.words(head.name, len(head.orders))
        value = f"softplus({inside})" if head.sign else inside
        whose = "the same weights for all channels" if head.network.per == "shared" else "weights for each channel"
        rows.append(f"- `{head.name}` = {value}; {whose}" + ("; every gain is above 0" if head.network.convex else ""))
    if not rows:
        return ""
    text = (
        "A network whose weights are parameters of the layer stands for each. The derivation holds for every smooth "
        "function; in the emitted code a value or a derivative is a sum over the hidden units of the network.\n\n"
    )
    return text + "\n".join(rows)


def _made(head: Head) -> str:
    sign = ", positive=True" if head.sign else ""
    return f'reference.Learned("{head.name}", self.{head.name}{sign})'


def _arguments(head: Head) -> str:
    count = len(head.orders)
    return "a tensor" if count == 1 else f"{count} tensors of one shape"


def _words(head: Head) -> str:
    words = [f"{_arguments(head)} to a tensor of the same shape, elementwise"]
    if head.sign:
        words.append(f"{head.name} = softplus(module), which is positive for every module")
    if head.convex:
        words.append("declared convex: a condition on the module, kept by nothing")
    return "; ".join(words)
