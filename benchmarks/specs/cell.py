"""Oscillator whose angle, decay and drive are chosen by the tokens of a sequence; no readout beside the state.

q' = theta (p - f_p) - lam (q - f_q),  p' = -theta (q - f_q) - lam (p - f_p)  over every token, exactly.
"""

from metrigen import Exponential, Field, Input, Sequence, System

tokens = Sequence()
q, p = Field("q", tokens), Field("p", tokens)
theta, lam = Input("theta", tokens), Input("lam", tokens, nonnegative=True)
f_q, f_p = Input("f_q", tokens), Input("f_p", tokens)

system = System(
    name="cell",
    domain=tokens,
    fields=(q, p),
    hamiltonian=(q**2 + p**2) / 2 - f_q * q - f_p * p,
    bracket=lambda F, G: theta * (F[q] * G[p] - F[p] * G[q]),
    metric=lambda F, G: lam * (F[q] * G[q] + F[p] * G[p]),
    integrator=Exponential(),
)
