"""A rotating delta rule: pairs of rows turn by angles that the token sets, as oscillators, between writes of its value.

|Q|^2 + |P|^2 generates the rotation theta of the rows (Q_k, P_k), and S = -F with the surprise of the pair,
F = beta |k.Q + j.P - v|^2/2 + lam (|Q|^2 + |P|^2)/2, is raised by the metric. A token turns by half of its angle, takes
the gated delta rule, and turns by the other half: a contraction of |Q|^2 + |P|^2 whatever the tokens are.

References: S. Yang, J. Kautz, A. Hatamizadeh (2025), Gated Delta Networks; T. K. Rusch, D. Rus (2025), Oscillatory
State-Space Models.
"""

from metrigen import Exponential, Field, Input, Sequence, System, contract

tokens = Sequence()
Q, P = (Field(name, tokens, axes=("key", "value")) for name in "QP")
k, j, q, p, theta = (Input(name, tokens, axes=("key",)) for name in ("k", "j", "q", "p", "theta"))
v, (beta, lam) = Input("v", tokens, axes=("value",)), (Input(n, tokens, nonnegative=True) for n in ("beta", "lam"))
surprise = beta * (contract(k, Q) + contract(j, P) - v) ** 2 / 2

system = System(
    name="rotating_delta_rule",
    domain=tokens,
    fields=(Q, P),
    hamiltonian=(Q**2 + P**2) / 2,
    entropy=-surprise - lam * (Q**2 + P**2) / 2,
    bracket=lambda F, G: theta * (F[Q] * G[P] - F[P] * G[Q]),
    metric=lambda F, G: F[Q] * G[Q] + F[P] * G[P],
    integrator=Exponential(),
    readout=contract(q, Q) + contract(p, P),
)
