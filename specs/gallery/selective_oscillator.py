"""Oscillator cell of a sequence model: the tokens set its frequency, its damping and its drive, never its energy norm.

q' = omega p, p' = -omega (q - f) - lam p with H = |x|^2/2 - f q: the matrix A of the linear part has
A + A^T = -2 diag(0, lam) <= 0 for every token, so every product of steps is a contraction. A token is the exact
exponential: oscillating (lam < 2 |omega|), overdamped, or on the border between.

References: T. K. Rusch, D. Rus (2025), Oscillatory State-Space Models; A. Gu, T. Dao (2023), Mamba: Linear-Time
Sequence Modeling with Selective State Spaces.
"""

from metrigen import Dissipation, Exponential, Field, Input, Sequence, System, stress_energy

tokens = Sequence()
q, p = Field("q", tokens), Field("p", tokens)
omega, f = Input("omega", tokens), Input("f", tokens)
lam = Input("lam", tokens, nonnegative=True)

system = System(
    name="selective_oscillator",
    domain=tokens,
    fields=(q, p),
    hamiltonian=(q**2 + p**2) / 2 - f * q,
    bracket=lambda F, G: omega * (F[q] * G[p] - F[p] * G[q]),
    metric=Dissipation((lam, lambda F: F[p])),
    integrator=Exponential(),
    readout=stress_energy(normalise="amplitude"),
)
