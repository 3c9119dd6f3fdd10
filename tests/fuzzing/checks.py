"""What must hold for every package. Each check yields a sentence for every thing that does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy as sp
import torch

from metrigen import Graph, Sequence, derive
from metrigen.discretise.arrays import dynamics
from metrigen.ir.interpreter import run
from metrigen.passes.vary import bar
from tests.fuzzing.chain import Chain
from tests.graph.systems import all_pairs, incidence

Faults = Iterator[str]
PLACES = ("latti", "graph")  # where laws of the stencil begin
_STABLE = 1e3  # largest value after steps that did not leave their limit


def gap(a: torch.Tensor | np.ndarray, b: torch.Tensor | np.ndarray) -> float:
    """max |a - b| / (1 + max |b|), infinite where one is not finite."""
    a, b = (x.detach().numpy() if torch.is_tensor(x) else np.asarray(x) for x in (a, b))
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    return float(np.abs(a - b).max(initial=0) / (1 + np.abs(b).max(initial=0)))


def outputs(chain: Chain, layer: torch.nn.Module, state: tuple, inputs: dict) -> list[torch.Tensor]:
    """Fields, energy and readout of one call."""
    end = chain.call(layer, state, inputs)
    fields = [x for name, x in zip(end._fields, end, strict=True) if name not in ("iterations", "residual", "status")]
    if isinstance(chain.system.domain, Sequence):
        return [*fields, layer.energy(end), layer.readout(end)]
    return [*fields, layer.energy(end, **inputs), layer.readout(end, **inputs)]


def backends(chain: Chain, names: tuple[str, ...]) -> Faults:
    """Values and gradients of every backend are those of the torch reference. The gradients are of sines of the results
    in units of their size: the sine of 1e11 knows no digit that two orders of summation share."""
    found: dict[str, tuple[list[torch.Tensor], list[torch.Tensor]]] = {}
    for name in ("torch", *names):
        layer = chain.layer(name)
        state = tuple(x.clone().requires_grad_() for x in chain.state)
        inputs = {n: x.clone().requires_grad_() for n, x in chain.inputs.items()}
        out = outputs(chain, layer, state, inputs)
        sizes = [x.detach().abs().max().clamp(min=1) if x.numel() else 1 for x in (found["torch"][0] if found else out)]
        loss = sum(((x / n).sin() if x.is_floating_point() else 0 * x).sum() for x, n in zip(out, sizes, strict=True))
        leaves = [*state, *inputs.values(), *layer.parameters()]
        grads = torch.autograd.grad(loss, leaves, allow_unused=True)
        found[name] = (out, [torch.zeros_like(x) if g is None else g for x, g in zip(leaves, grads, strict=True)])
    for name in names:
        for what, tolerance, (a, b) in (("values", 1e-9, (0, 0)), ("gradients", 1e-7, (1, 1))):
            worst = max(gap(x, y) for x, y in zip(found[name][a], found["torch"][b], strict=True))
            if worst > tolerance:
                yield f"{what} on {name} differ from the reference by {worst:.1e}"
    if not all(torch.isfinite(x).all() for part in found["torch"] for x in part):
        yield "a value or a gradient of the reference is not finite"


def told(chain: Chain, names: tuple[str, ...]) -> Faults:
    """Every backend says of the same samples that it did not solve their steps."""
    found = {name: statuses(chain, name) for name in ("torch", *names)}
    for name in names:
        if not torch.equal(found[name], found["torch"]):
            yield f"the status on {name} is {found[name].tolist()}, that of the reference {found['torch'].tolist()}"


def statuses(chain: Chain, backend: str = "torch") -> torch.Tensor:
    """The status of every sample after implicit steps, empty for what has none. A state that makes the metric negative
    has a rate that grows without bound, which may leave an equation without a solution: then only this is checked."""
    if chain.steady or isinstance(chain.system.domain, Sequence):
        return torch.zeros(0)
    end = chain.call(chain.layer(backend), chain.state, chain.inputs)
    return getattr(end, "status", torch.zeros(0))


def slopes(chain: Chain) -> Faults:
    """The gradient along a random direction is the difference quotient."""
    layer = chain.layer("torch")
    generator = torch.Generator().manual_seed(3)
    leaves = (*chain.state, *chain.inputs.values())
    along = [torch.randn(x.shape, dtype=x.dtype, generator=generator) for x in leaves]
    for at, name in enumerate(chain.inputs, start=len(chain.state)):
        if _on_edges(chain, name):  # a conductance is a symmetric matrix
            along[at] = along[at] + along[at].mT

    def loss(e: float) -> torch.Tensor:
        moved = [(x + e * a).detach().requires_grad_() for x, a in zip(leaves, along, strict=True)]
        state, rest = tuple(moved[: len(chain.state)]), moved[len(chain.state) :]
        out = outputs(chain, layer, state, dict(zip(chain.inputs, rest, strict=True)))
        loss.moved = moved  # type: ignore[attr-defined]
        loss.largest = max(x.detach().abs().max().item() for x in out if x.numel())  # type: ignore[attr-defined]
        return sum((x.sin()).sum() for x in out if x.is_floating_point())

    middle = loss(0.0)
    if not loss.largest < _STABLE:  # type: ignore[attr-defined]  # steps above their limit: no difference quotient holds
        return
    grads = torch.autograd.grad(middle, loss.moved, allow_unused=True)  # type: ignore[attr-defined]
    exact = sum((g * a).sum() for g, a in zip(grads, along, strict=True) if g is not None)
    h = 1e-5
    measured = (8 * (loss(h) - loss(-h)) - (loss(2 * h) - loss(-2 * h))) / (12 * h)
    size = 1 + sum((g * a).abs().sum().item() for g, a in zip(grads, along, strict=True) if g is not None)
    if abs(measured.item() - float(exact)) > 1e-5 * size:
        yield f"the gradient along a direction is {float(exact):.6g}, the difference quotient {measured.item():.6g}"


def interpreted(chain: Chain) -> Faults:
    """K steps, the energy and the readout in the numpy interpreter; a steady state has no force."""
    lowered = chain.lowered
    if lowered is None or lowered.dynamics.derivation.constraints:
        return
    layer, probe = chain.layer("torch"), _Probe.of(chain)
    values, modules, graph = probe.values, probe.modules, probe.graph
    end = chain.call(layer, chain.state, chain.inputs)
    if chain.steady:
        at = values | {name: np.asarray(getattr(end, name).detach()) for name in chain.fields}
        force = run(lowered.dynamics.gradient(chain.derivation.hamiltonian), at, **graph)
        worst = max(np.abs(f).max() for f in force.values())
        if not worst < 1e-6:
            yield f"the steady state feels a force of {worst:.1e}"
    else:
        for _ in range(layer.steps):
            out = run(lowered.step.whole, values, modules, **graph)
            values |= {name: out[f"{name}__next"] for name in chain.fields}
        worst = max(gap(getattr(end, name), values[name]) for name in chain.fields)
        if worst > (1e-7 if any("Root" in type(s).__name__ for s in lowered.step.whole) else 1e-10):
            yield f"the interpreter's steps differ by {worst:.1e}"
    at = values | {name: np.asarray(getattr(end, name).detach()) for name in chain.fields}
    density = run(lowered.values["energy"], at, modules, **graph)["energy__density"]
    spacing = float(getattr(chain.system.domain, "spacing", 1)) ** len(chain.system.domain.axes)
    total = spacing * density.sum(axis=tuple(range(1, density.ndim)))
    if gap(layer.energy(end, **chain.inputs), total) > 1e-9:
        yield "the energy is not the sum of its density"


def _on_edges(chain: Chain, name: str) -> bool:
    if chain.lowered is None:  # of a sequence, which has no edges
        return False
    d = chain.lowered.dynamics
    return any(a.name == name and a.kind.name == "EDGE" for a in (*d.inputs, *d.params))


def _module(module: torch.nn.Module):  # type: ignore[no-untyped-def]
    """V and its derivatives on numpy arrays."""

    def value(orders: tuple[int, ...], *arguments: np.ndarray) -> np.ndarray:
        given = [torch.tensor(np.real(a), requires_grad=True) for a in arguments]
        out = module(*given)
        for at, order in enumerate(orders):
            for _ in range(order):
                (out,) = torch.autograd.grad(out.sum(), given[at], create_graph=True)
        return out.detach().numpy()

    return value


def forces(chain: Chain) -> Faults:
    """What the step goes down is the slope of the energy that is reported, by the complex step."""
    lowered = chain.lowered
    if lowered is None or lowered.dynamics.derivation.constraints or chain.cell.feature in ("functions", "learned"):
        return  # absolute values and modules know no complex numbers
    probe = _Probe.of(chain)
    along, _ = probe.covectors()
    force = run(lowered.dynamics.gradient(chain.derivation.hamiltonian), probe.values, probe.modules, **probe.graph)
    terms = [force[bar(n)] * along[n] for n in chain.fields]
    moved = probe.values | {n: probe.values[n] + 1e-40j * along[n] for n in chain.fields}
    slope = run(lowered.values["energy"], moved, probe.modules, **probe.graph)["energy__density"].imag.sum() / 1e-40
    if abs(slope - sum(t.sum() for t in terms)) > 1e-10 * (1 + sum(np.abs(t).sum() for t in terms)):
        yield f"the energy rises by {slope:.6g} along a direction, the force says {sum(t.sum() for t in terms):.6g}"


def split_steps(chain: Chain) -> Faults:
    """K steps are one step after K - 1 steps."""
    if chain.steady or isinstance(chain.system.domain, Sequence):
        return
    layer = chain.layer("torch")
    whole = chain.call(layer, chain.state, chain.inputs)
    first, last = chain.layer("torch", steps=layer.steps - 1), chain.layer("torch", steps=1)
    middle = chain.call(first, chain.state, chain.inputs)
    count = len(chain.state)
    again = chain.call(last, tuple(middle[:count]), chain.inputs)
    worst = max(gap(a, b) for a, b in zip(whole[:count], again[:count], strict=True))
    if worst > 1e-8:
        yield f"steps in two calls differ by {worst:.1e}"


def batch_and_layout(chain: Chain) -> Faults:
    """A sample alone, and memory in another order, give the same numbers."""
    layer = chain.layer("torch" if chain.seed % 2 else "auto")
    whole = outputs(chain, layer, chain.state, chain.inputs)
    alone = outputs(chain, layer, tuple(x[1:] for x in chain.state), {n: x[1:] for n, x in chain.inputs.items()})
    worst = max(gap(a, b[1:]) for a, b in zip(alone, whole, strict=True))
    if worst > 1e-9:
        yield f"a sample alone differs from the same in a batch by {worst:.1e}"
    other = [x.transpose(0, -1).contiguous().transpose(0, -1) for x in (*chain.state, *chain.inputs.values())]
    state, rest = tuple(other[: len(chain.state)]), other[len(chain.state) :]
    strided = outputs(chain, layer, state, dict(zip(chain.inputs, rest, strict=True)))
    worst = max(gap(a, b) for a, b in zip(strided, whole, strict=True))
    if worst > 1e-9:
        yield f"strided memory changes the result by {worst:.1e}"


def shifts(chain: Chain) -> Faults:
    """A periodic lattice does not know where it begins; a sequence does not see the future."""
    domain, layer = chain.system.domain, chain.layer("torch")
    if isinstance(domain, Sequence):
        later = {n: x.clone() for n, x in chain.inputs.items()}
        for x in later.values():
            x[..., -1] += 0.1
        a, b = layer(**chain.inputs), layer(**later)
        if any(gap(x[..., :-1], y[..., :-1]) > 1e-12 for x, y in zip(a, b, strict=True)):
            yield "a state depends on a later token"
        return
    if isinstance(domain, Graph) or chain.cell.wall != "periodic" or not domain.axes or chain.cell.feature == "site":
        return
    moved = outputs(
        chain, layer, tuple(x.roll(2, 2) for x in chain.state), {n: x.roll(2, 2) for n, x in chain.inputs.items()}
    )
    still = outputs(chain, layer, chain.state, chain.inputs)
    worst = max(gap(a, b.roll(2, 2) if b.ndim > 2 else b) for a, b in zip(moved, still, strict=True))
    if worst > 1e-8:
        yield f"a shift of the state is not a shift of the result: {worst:.1e}"


def rewritten(chain: Chain) -> Faults:
    """The energy multiplied out gives the same force."""
    if chain.lowered is None or isinstance(chain.system.domain, Graph):
        return
    system = chain.system
    part = "lagrangian" if system.lagrangian is not None else "hamiltonian"
    density = sp.expand(getattr(system, part))
    if density == getattr(system, part) or chain.lowered.dynamics.derivation.constraints:
        return
    other = derive(replace(system, **{part: density}))
    layer = chain.layer("torch")
    values, modules = chain.values(layer), {n: _module(m) for n, m in layer.named_children()}
    found = []
    for one, lowered in ((chain.derivation, chain.lowered.dynamics), (other, dynamics(other))):
        found.append(run(lowered.gradient(one.hamiltonian), values, modules))
    worst = max(gap(found[1][n], found[0][n]) for n in found[0])
    if worst > 1e-9:
        yield f"multiplied out, the energy gives another force: {worst:.1e}"


def proved_laws(chain: Chain) -> Faults:
    """What a law of the stencil calls proved, at random states."""
    lowered = chain.lowered
    proved = {law.name.split("_", 1)[-1] for law in chain.laws if law.verdict == "proved" and law.name[:5] in PLACES}
    if lowered is None or not proved or lowered.dynamics.derivation.constraints:
        return
    probe = _Probe.of(chain)
    bracket, metric = chain.derivation.bracket, chain.derivation.metric
    f, g = probe.covectors()
    if "antisymmetry" in proved and bracket is not None:
        (ab, size), (ba, _) = (probe.acting(bracket, "bracket", *pair) for pair in ((f, g), (g, f)))
        if abs(ab + ba) > 1e-10 * (1 + size):
            yield f"the bracket is proved skew and f.Jg + g.Jf = {ab + ba:.1e}"
    if "metric_symmetry" in proved and metric is not None:
        (ab, size), (ba, _) = (probe.acting(metric, "metric", *pair) for pair in ((f, g), (g, f)))
        if abs(ab - ba) > 1e-10 * (1 + size):
            yield f"the metric is proved symmetric and f.Mg - g.Mf = {ab - ba:.1e}"
    for a in (f, g) if "metric_psd" in proved and metric is not None else ():
        value, size = probe.acting(metric, "metric", a, a)
        if value < -1e-10 * (1 + size):
            yield f"the metric is proved positive and f.Mf = {value:.1e}"
    if bracket is not None:
        yield from _of_the_bracket(chain, probe, bracket, proved)
    if "energy" in proved and "power" in lowered.values:
        power = run(lowered.values["power"], probe.values, probe.modules, **probe.graph)["power__density"]
        total, size = power.sum(), 1 + np.abs(power).sum()
        kept = metric is None or chain.system.entropy is not None
        if total > 1e-10 * size or (kept and total < -1e-10 * size):
            yield f"the energy law is proved and dH/dt = {total:.1e}"


def _of_the_bracket(chain: Chain, probe: _Probe, bracket: Any, proved: set[str]) -> Faults:
    """J dS = 0, and the cyclic sum of the slope of g.J k along J f is zero."""
    assert chain.lowered is not None
    f, g = probe.covectors()
    entropy = chain.system.entropy
    if "entropy_degeneracy" in proved and entropy is not None:
        slope = run(chain.lowered.dynamics.gradient(entropy, "S", "entropy"), probe.values, **probe.graph)
        value, size = probe.acting(bracket, "bracket", f, {n: slope[bar(n)] for n in chain.fields})
        if abs(value) > 1e-10 * (1 + size):
            yield f"the bracket is proved to leave the entropy alone and f.J dS = {value:.1e}"
    if "jacobi" in proved:
        k = {n: np.roll(f[n] + g[n] ** 2, 1, axis=-1) for n in chain.fields}
        terms = [probe.slope_of(bracket, *turn) for turn in ((f, g, k), (g, k, f), (k, f, g))]
        if abs(sum(terms)) > 1e-6 * (1 + sum(map(abs, terms))):
            yield f"the Jacobi identity is proved and its cyclic sum is {sum(terms):.1e}"


@dataclass(frozen=True)
class _Probe:
    """A random state of a chain, as programs of the interpreter read it."""

    chain: Chain
    values: dict[str, np.ndarray]
    modules: dict[str, Any]
    graph: dict[str, np.ndarray]

    @classmethod
    def of(cls, chain: Chain) -> _Probe:
        layer = chain.layer("torch")
        values, graph = chain.values(layer), {}
        if isinstance(chain.system.domain, Graph):
            pairs = all_pairs(chain.space[0])
            graph = {"incidence": incidence(pairs, chain.space[0])}
            values = {n: v[..., pairs[0], pairs[1]] if _on_edges(chain, n) else v for n, v in values.items()}
        return cls(chain, values, {n: _module(m) for n, m in layer.named_children()}, graph)

    def covectors(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        rng = np.random.default_rng(self.chain.seed)
        first, second = ({n: rng.normal(size=self.values[n].shape) for n in self.chain.fields} for _ in range(2))
        return first, second

    def acting(self, form: Any, part: str, a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> tuple[float, float]:
        """a . Op b and the sum of its |terms|."""
        image = self.image(form, part, b)
        terms = [a[n] * image[n] for n in self.chain.fields]
        return float(sum(t.sum() for t in terms)), float(sum(np.abs(t).sum() for t in terms))

    def image(self, form: Any, part: str, b: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Op b."""
        assert self.chain.lowered is not None
        covectors = {f"{n}__right": v for n, v in b.items()} | {f"{n}__left": 0 * v for n, v in b.items()}
        operator = self.chain.lowered.dynamics.operator(form, part)
        out = run(operator, self.values | covectors, self.modules, **self.graph)
        return {n: out[bar(f"{n}__left")] for n in self.chain.fields}

    def slope_of(self, form: Any, f: dict, g: dict, k: dict) -> float:
        """The slope of g . J k along J f, by a central difference of brackets that are smooth in the state."""
        along, step = self.image(form, "bracket", f), 1e-4
        ahead, behind = (
            replace(self, values={**self.values, **{n: self.values[n] + e * along[n] for n in self.chain.fields}})
            for e in (step, -step)
        )
        return (ahead.acting(form, "bracket", g, k)[0] - behind.acting(form, "bracket", g, k)[0]) / (2 * step)


ANYWHERE = (forces, rewritten, proved_laws)  # whatever becomes of the steps
CHECKS = (slopes, interpreted, forces, split_steps, batch_and_layout, shifts, rewritten, proved_laws)
