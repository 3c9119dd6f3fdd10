"""What a notebook shows of a system and of a law; derivations are in ``test_waves``, layers in ``surface``."""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from metrigen import RK4, Field, Lattice, SteadyState, System, derive, friction, grad, momentum
from metrigen.physics.display import STATEMENTS, statement
from metrigen.spec.symbols import Param
from tests.conftest import ROOT
from tests.memory.systems import oscillator, wave

x = sp.Symbol("x", real=True)


def test_a_system_shows_its_densities_brackets_and_integrator() -> None:
    shown = oscillator(damping=0.25)._repr_latex_()
    rows = shown.split(r" \\ ")
    assert rows[0].startswith(r"$\displaystyle \begin{aligned}\mathcal{L} &= ")
    assert rows[1] == r"\{F, G\} &= - F_{\pi_{q}} G_{q} + F_{q} G_{\pi_{q}}"
    assert rows[2] == r"(F, G) &= 0.25 F_{\pi_{q}} G_{\pi_{q}}"
    assert rows[3] == r"&\text{Strang, 2 steps of } 0.1\end{aligned}$"
    gamma = Param("gamma", nonnegative=True)
    field = momentum(Field("phi", wave().domain))
    damped = replace(wave(), metric=friction(gamma, field), integrator=RK4(steps=2, dt=0.1))
    assert r"(F, G) &= \int \left(\gamma F_{\pi_{\phi}} G_{\pi_{\phi}}\right) dx" in damped._repr_latex_()


def test_a_system_shows_what_it_is_solved_by_and_what_cannot_be_evaluated() -> None:
    u = Field("u", Lattice(x))
    free = grad(u).square / 2 + u**2 / 2
    system = System("still", Lattice(x), fields=(u,), hamiltonian=free, metric=friction(1, u), integrator=SteadyState())
    assert r"\mathcal{H} &= " in system._repr_latex_()
    assert r"&\text{SteadyState, solver cg}" in system._repr_latex_()
    broken = replace(system, metric=lambda F, G: 1 / 0)
    assert r"(F, G) &= \int \left(\text{not evaluated: ZeroDivisionError}\right) dx" in broken._repr_latex_()


def test_a_law_says_what_it_states_and_its_witness() -> None:
    laws = derive(oscillator(damping=0.25)).laws
    shown = {law.name: law._repr_markdown_().split("  \n") for law in laws}
    assert shown["jacobi"][1] == r"$\{F, \{G, K\}\} + \{G, \{K, F\}\} + \{K, \{F, G\}\} = 0$"
    assert replace(laws[0], witness="q=1")._repr_markdown_().endswith("  \nwitness: q=1")
    assert statement("lattice_jacobi") == f"{statement('jacobi')} on the emitted stencil"
    page = (ROOT / "docs/concepts/laws.md").read_text(encoding="utf-8")
    table = page[page.index("| law | statement |") :]
    assert {row.split("`")[1] for row in table.split("\n\n")[0].splitlines()[2:]} == STATEMENTS.keys()
