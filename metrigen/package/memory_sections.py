"""What DERIVATION.md and the head of a package say of a matrix memory: the form of a token, the scan, the cost."""

from __future__ import annotations

from metrigen.emit.notation import text
from metrigen.integrators.memory import CHUNK, EVERY
from metrigen.layers.layer import Layer
from metrigen.package.assembly import Package
from metrigen.package.notices import notices


def memory_sections(package: Package) -> list[tuple[str, str]]:
    """(title, Markdown) in reading order."""
    layer = package.layer
    return [("One token", _token(layer)), ("Scan", _scan(package)), ("Cost", memory_cost(layer) + ".")]


def memory_guarantees(package: Package) -> list[str]:
    """One line a law."""
    layer = package.layer
    lines = [f"{law.name}: {law.verdict}" + (f" ({law.detail})" if law.detail else "") for law in layer.source.laws]
    lines += [f"WARNING: {w.what}" for w in notices(layer.source.derivation, layer.source.spec.declared)]
    return [*lines, f"Exponential: {layer.source.derivation.law('token').how}"]


def memory_cost(layer: Layer) -> str:
    """Vectors that a token moves, and what of the states is kept."""
    names = layer.lowered.memory.coefficients
    return (
        f"a token of a head moves {len(names)} vectors ({', '.join(names)}) and what is read, each once; of the states "
        f"one in {EVERY} is kept for the adjoint"
    )


def _token(layer: Layer) -> str:
    memory, token = layer.lowered.memory, layer.lowered.memory.token
    rows = [f"D of {u} = {text(d)}" for u, d in zip(memory.fields, token.decay, strict=True)]
    rows += [f"theta = {text(token.rotate)}"] if memory.rotates else []
    rows += [f"beta = {text(token.beta)}"] if token.ranked else []
    rows += [f"k of {u} = {text(k)}" for u, k in zip(memory.fields, token.along, strict=False)]
    if token.writes:
        gain = "" if token.gain == 1 else f"{text(token.gain)} times "
        rows += [f"a of {u} = {gain}{text(a)}" for u, a in zip(memory.fields, token.write, strict=True)]
        rows += [f"b = {text(token.content)}"]
    rows += [f"q of {u} = {text(q)}" for u, q in zip(memory.fields, memory.query, strict=True)] + [
        f"h = {text(memory.dt)}"
    ]
    density = f"T00 = {text(layer.source.derivation.hamiltonian)}"
    beside = (
        "" if not memory.energy.there else f", and its energy {density}, summed over both axes, of the state before it"
    )
    how = layer.source.derivation.law("token").how
    return (
        f"A head keeps {' and '.join(memory.fields)}, a matrix ({memory.key}, {memory.value}) each. Over a token "
        "S' = -D S - beta k (k.S) + a b (and theta rotates the pair), with everything held; the step is "
        f"{how}. What is read is q.S after it{beside}.\n\n```text\n" + "\n".join(rows) + "\n```"
    )


def _scan(package: Package) -> str:
    chunks = f"The reference sums up {CHUNK} tokens at a time by matrix products, where there are more than that."
    chunked = [chunks] if package.layer.lowered.memory.chunked else []
    missing = [f"Backend {name} {why}." for name, why in package.without.items()]
    return " ".join(
        [
            "Every token is brought to S <- M S - u (w.S) + p b, o = q.S, and the tokens are scanned one by one: a "
            "state depends on tokens up to its own alone. Backward, states are made again from those that were saved, "
            "and the cotangent of the state goes against the time.",
            *chunked,
            *missing,
        ]
    )
