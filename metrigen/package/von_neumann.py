"""The von Neumann analysis of a report: exact symbols, numbers at the declared start, one sentence for what is missing.

Printed numbers are rounded twice: first far below their own precision, where the last bits of two machines differ,
then to the digits shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp

from metrigen.discretise.dynamics import Dynamics
from metrigen.discretise.rates import rates_program
from metrigen.emit.notation import latex, text
from metrigen.ir.nodes import Offset, Program
from metrigen.package.fourier import (
    Numbers,
    StepMap,
    Symbols,
    chosen_dt,
    dt_name,
    eigenvalues,
    limit_value,
    matrices,
    numbers_of,
    step_map,
    symbols_of,
)
from metrigen.package.linear import Unlinearised
from metrigen.physics.derivation import Derivation

_QUARTERS = (0.25, 0.5, 0.75, 1.0)
_LONGEST = 150  # operations beyond which a symbol is not printed
_SWEEP = 61


@dataclass(frozen=True)
class WaveReport:
    """symbols, numbers, step, sweep: None where ``notes`` says why; ``sweep`` holds many step sizes, ``step`` one."""

    symbols: Symbols | None = None
    numbers: Numbers | None = None
    step: StepMap | None = None
    sweep: StepMap | None = None
    dt: float | None = None
    limit: float | None = None
    notes: tuple[str, ...] = ()
    dt_name: str = ""

    @property
    def rank(self) -> int:
        return len(self.symbols.axes) if self.symbols else 0

    def state_sentence(self) -> str:
        """Where the numbers are taken: the constant state and the parameters."""
        assert self.numbers is not None
        shown = {n: v for n, v in self.numbers.values.items() if n != self.dt_name}
        state = ", ".join(f"{n} = {shown[n]:g}" for n in self.numbers.fields)
        rest = ", ".join(f"{n} = {v:g}" for n, v in sorted(shown.items()) if n not in self.numbers.fields)
        at = f"at {state}" + (f"; {rest}" if rest else "") + ("" if self.dt is None else f"; dt = {self.dt:g}")
        calm = "" if self.numbers.at_rest else " This state is not at rest: its slopes are frozen there."
        return f"Numbers in one channel {at}.{calm}"

    def spectrum(self, k: np.ndarray, continuum: bool) -> np.ndarray:
        """Eigenvalues of A(k), (wave vectors, fields); k in 1/length."""
        assert self.symbols is not None
        assert self.numbers is not None
        entries = self.symbols.continuum if continuum else self.symbols.lattice
        size, h = len(self.symbols.names), float(self.symbols.spacing)
        return eigenvalues(matrices(entries or {}, size, k, self.numbers.values, h, continuum))


def wave_report(derivation: Derivation, layer: Dynamics | None, step: Program | None, why: str = "") -> WaveReport:
    """Linearise what can be linearised; ``layer`` is None where there is no lattice form, for the reason ``why``."""
    if layer is None:
        return WaveReport(notes=(f"No waves are shown: {why or 'there is no lattice form'}.",))
    notes: list[str] = []
    try:
        rates = rates_program(layer)
        symbols, numbers = symbols_of(derivation, layer, rates), numbers_of(layer, rates)
    except Unlinearised as error:
        return WaveReport(notes=(f"No waves are shown: {error}.",))
    if symbols.continuum is None:
        notes.append(f"The continuum is left out: {symbols.why}.")
    found = WaveReport(symbols, numbers, notes=tuple(notes), dt_name=dt_name(layer))
    if derivation.system.solves:
        note = "A steady state has no steps and no frequencies: its operator dF/du is shown instead."
        return WaveReport(symbols, numbers, notes=(*notes, note))
    dt = chosen_dt(derivation)
    if step is None or dt is None:
        return WaveReport(symbols, numbers, notes=(*notes, "Without an integrator there is no step to judge."))
    limit = limit_value(derivation, numbers.values)
    try:
        one = step_map(step, layer, numbers, [dt])
        many = step_map(step, layer, numbers, _sizes(dt, limit)) if found.dt_name else None
    except Unlinearised as error:
        why = f"No amplification factor is shown: {error}."
        return WaveReport(symbols, numbers, None, None, dt, limit, (*notes, why), found.dt_name)
    return WaveReport(symbols, numbers, one, many, dt, limit, tuple(notes), found.dt_name)


def _sizes(dt: float, limit: float | None) -> list[float]:
    top = max(1.3 * limit, 1.1 * dt) if limit is not None else 4 * dt
    return [top * (i + 1) / _SWEEP for i in range(_SWEEP)]


def directions(rank: int) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """Along the first axis, and along the diagonal of all axes."""
    if rank == 0:
        return (("", ()),)
    first = ("along the first axis" if rank > 1 else "", (1.0, *[0.0] * (rank - 1)))
    return (first, ("along the diagonal", (1.0,) * rank))[: 1 + (rank > 1)]


def wave_vectors(fractions: Sequence[float], direction: Sequence[float], spacing: float) -> np.ndarray:
    """k = fraction * direction * pi/h; one empty vector where there is no axis."""
    if not direction:
        return np.zeros((1, 0))
    return np.outer(np.asarray(fractions), np.asarray(direction)) * np.pi / spacing


# Exact formulas --------------------------------------------------------------------------------------------------


def wave_symbol(at: Offset, symbols: Symbols) -> list[tuple[sp.Symbol, int]]:
    return [(sp.Symbol(f"{symbols.vector}_{x}", real=True), n) for x, n in zip(symbols.axes, at, strict=True)]


def continuum_entry(row: Mapping[Offset, sp.Expr], symbols: Symbols) -> sp.Expr:
    """sum_alpha c_alpha (ik)^alpha."""
    return sp.Add(*(c * sp.Mul(*((sp.I * k) ** n for k, n in wave_symbol(o, symbols))) for o, c in row.items()))


def lattice_entry(row: Mapping[Offset, sp.Expr], symbols: Symbols) -> sp.Expr:
    """sum_o c_o exp(i k.o h), with the two ends of a symmetric pair as a cosine, of a skew pair as a sine."""
    terms: list[sp.Expr] = []
    for o, c in row.items():
        phase = symbols.spacing * sp.Add(*(k * n for k, n in wave_symbol(o, symbols)))
        other = row.get(tuple(-n for n in o))
        if not any(o):
            terms.append(c)
        elif other == c:
            terms.append(c * sp.cos(phase))
        elif other is not None and other == sp.expand(-c):
            terms.append(sp.I * c * sp.sin(phase))
        else:
            terms.append(c * sp.exp(sp.I * phase))
    return sp.Add(*terms)


def formulas(symbols: Symbols) -> Iterator[tuple[str, str, str, sp.Expr | None]]:
    """(latex, text, where, expression) of every entry of A(k) that does not vanish; None where it is too long."""
    for where, entries in (("continuum", symbols.continuum), ("lattice", symbols.lattice)):
        for (i, j), row in (entries or {}).items():
            a, b = symbols.names[i], symbols.names[j]
            exact = where == "continuum"
            e = continuum_entry(row, symbols) if exact else lattice_entry(row, symbols)
            name = symbols.matrix
            left = rf"{latex(sp.Symbol(name))}_{{{latex(sp.Symbol(a))}, {latex(sp.Symbol(b))}}}"
            yield left, f"{name}[{a}, {b}]", where, e if sp.count_ops(e) <= _LONGEST else None


def wave_markdown(report: WaveReport) -> str:
    """The section of DERIVATION.md: the symbols as formulas, a table of eigenvalues and amplification factors."""
    if report.symbols is None:
        return "\n\n".join(report.notes)
    name, k = (latex(sp.Symbol(c)) for c in (report.symbols.matrix, report.symbols.vector))
    subject = (
        rf"The operator dF/du of the steady state, acting on $\hat{{z}} e^{{i {k} \cdot x}}$, is ${name}({k})$"
        if report.symbols.steady
        else rf"A plane wave $z + \hat{{z}} e^{{i {k} \cdot x}}$ about a constant state $z$ obeys "
        rf"$\partial_t \hat{{z}} = {name}({k}) \hat{{z}}$"
    )
    blocks = [f"{subject}; entries that vanish are left out, and a channel matrix stands for one of its eigenvalues."]
    for where in ("continuum", "lattice"):
        rows = [(left, e) for left, _, at, e in formulas(report.symbols) if at == where]
        if rows:
            blocks.append(f"{where.capitalize()}:")
            blocks += [f"$$\n{left} = {latex(e)}\n$$" for left, e in rows if e is not None]
            if any(e is None for _, e in rows):
                blocks.append("Longer entries are not written out.")
    blocks += report.notes
    blocks.append(report.state_sentence())
    header, rows_ = wave_table(report)
    blocks.append("\n".join(f"| {' | '.join(r)} |" for r in (header, ["---"] * len(header), *rows_)))
    return "\n\n".join(blocks)


def wave_table(report: WaveReport) -> tuple[list[str], list[list[str]]]:
    """Eigenvalues of A(k) as growth rate + i frequency, the same of one step (log G / dt), and the largest |G|."""
    assert report.symbols is not None
    header = [f"{report.symbols.vector} h / pi"] if report.rank else []
    header += ["continuum"] * (report.symbols.continuum is not None) + ["lattice"]
    header += ["one step", "amplification"] if report.step is not None else []
    rows: list[list[str]] = []
    for _, direction in directions(report.rank):
        k = wave_vectors(_QUARTERS, direction, float(report.symbols.spacing))
        columns = [[_modes(s) for s in report.spectrum(k, True)]] if report.symbols.continuum is not None else []
        columns.append([_modes(s) for s in report.spectrum(k, False)])
        if report.step is not None and report.dt is not None:
            factors = report.step.factors(k)[0]
            with np.errstate(all="ignore"):
                columns.append([_modes(np.log(f) / report.dt) for f in factors])
            columns.append([_shown(float(np.abs(f).max())) for f in factors])
        labels = [[_vector(q, direction)] for q in _QUARTERS] if direction else [[]]
        rows += [[*label, *row] for label, row in zip(labels, zip(*columns, strict=True), strict=True)]
    return header, rows


def _vector(fraction: float, direction: Sequence[float]) -> str:
    parts = [f"{fraction * d:g}" for d in direction]
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


def _modes(values: np.ndarray) -> str:
    """Distinct eigenvalues with frequency >= 0, the fastest first."""
    if not np.isfinite(values.real).all() and not np.isneginf(values.real).any():
        return "not finite"
    pairs = sorted({(_rounded(abs(float(v.imag))), _rounded(float(v.real))) for v in values}, reverse=True)
    return ", ".join(_shown(re) if im == 0 else f"{_shown(re)} + {_shown(im)}i" for im, re in pairs)


def _rounded(v: float) -> float:
    if not np.isfinite(v):
        return v
    return round(round(v, 10), 4) + 0.0


def _shown(v: float) -> str:
    if not np.isfinite(v):
        return "-inf" if v < 0 else "inf"
    return f"{_rounded(v):.4f}" if abs(v) < 1e4 else f"{round(v, 6):.4e}"


def wave_text(report: WaveReport) -> list[str]:
    """The same for a terminal: a sentence, then a formula a line."""
    if report.symbols is None:
        return list(report.notes)
    name, k = report.symbols.matrix, report.symbols.vector
    lines = [
        f"The operator dF/du multiplies a plane wave exp(i {k}.x) by {name}({k}):"
        if report.symbols.steady
        else f"A plane wave z exp(i {k}.x) about a constant state obeys z_t = {name}({k}) z:"
    ]
    for where in ("continuum", "lattice"):
        found = [f"{left} = {text(e)}" for _, left, at, e in formulas(report.symbols) if at == where and e is not None]
        lines += [f"{where}, {line}" for line in found]
    return [*lines, *report.notes]
