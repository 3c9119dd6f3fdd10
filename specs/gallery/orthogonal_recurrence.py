"""Orthogonal recurrence with gates: oscillators that turn one another, at frequencies and rates that the tokens set.

q and p of a block of channels turn alike, by the Cayley transform of an antisymmetric matrix, about the point that the
token drives them to. Where all channels share their tokens these are oscillators in a frame that turns.

Reference: K. Helfrich, D. Willmott, Q. Ye (2018), Orthogonal Recurrent Neural Networks with Scaled Cayley Transform.
"""

from metrigen import Exponential, Field, Input, Param, Sequence, System, mix, stress_energy

tokens = Sequence()
q, p, f = Field("q", tokens), Field("p", tokens), Input("f", tokens)
omega, lam = Input("omega", tokens), Input("lam", tokens, nonnegative=True)
B = Param("B", shape=("C", "C"), block=8, antisymmetric=True)

system = System(
    name="orthogonal_recurrence",
    domain=tokens,
    fields=(q, p),
    hamiltonian=(q**2 + p**2) / 2 - f * q,
    bracket=lambda F, G: omega * (F[q] * G[p] - F[p] * G[q]) + F[q] * mix(B, G[q]) + F[p] * mix(B, G[p]),
    metric=lambda F, G: lam * (F[q] * G[q] + F[p] * G[p]),
    integrator=Exponential(),
    readout=stress_energy(),
)
