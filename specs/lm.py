"""Oscillator cell of a language model: the tokens set its frequency, its damping and its drive.

q' = theta (p - f_p) - lam (q - f_q),  p' = -theta (q - f_q) - lam (p - f_p)  over every token, exactly: the state turns
by the angle theta about the point f and closes in on it as exp(-lam). With H = |x|^2/2 - f.x and the dependence on the
tokens in bracket and metric, every step is a contraction in one norm, whatever the tokens are. The readout is the
energy of each oscillator and the two invariants that it forms with the token before.
"""

from metrigen import Exponential, Field, Input, Sequence, System, stress_energy

tokens = Sequence()
q, p = Field("q", tokens), Field("p", tokens)
theta, lam = Input("theta", tokens), Input("lam", tokens, nonnegative=True)
f_q, f_p = Input("f_q", tokens), Input("f_p", tokens)

system = System(
    name="lm",
    domain=tokens,
    fields=(q, p),
    hamiltonian=(q**2 + p**2) / 2 - f_q * q - f_p * p,
    bracket=lambda F, G: theta * (F[q] * G[p] - F[p] * G[q]),
    metric=lambda F, G: lam * (F[q] * G[q] + F[p] * G[p]),
    integrator=Exponential(),
    readout=stress_energy(),
)
