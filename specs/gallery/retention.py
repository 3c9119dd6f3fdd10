"""Retention: linear attention in which every head forgets at a rate of its own, and pairs of keys turn by an angle.

With theta turned off it is S_t = g S_(t-1) + k_t v_t for g = exp(-lam) and k = k_t lam/(1 - exp(-lam)) in the layer, as
a write is held over the token; lam = 0 is linear attention. The rotation of queries and keys by their place is that of
the state: with Q and P the two halves of the pairs, half of the angle is taken before the write and half after it.

Reference: Y. Sun, L. Dong, S. Huang et al. (2023), Retentive Network: A Successor to Transformer.
"""

from metrigen import Exponential, Field, Input, Param, Sequence, System, contract

tokens = Sequence()
Q, P = (Field(name, tokens, axes=("key", "value")) for name in "QP")
k, j, q, p = (Input(name, tokens, axes=("key",)) for name in "kjqp")
v, theta = Input("v", tokens, axes=("value",)), Input("theta", tokens, axes=("key",))
lam = Param("lam", per="channel", nonnegative=True, init=(0.005, 0.1))

system = System(
    name="retention",
    domain=tokens,
    fields=(Q, P),
    hamiltonian=(Q**2 + P**2) / 2,
    entropy=(contract(k, Q) + contract(j, P)) * v - lam * (Q**2 + P**2) / 2,
    bracket=lambda F, G: theta * (F[Q] * G[P] - F[P] * G[Q]),
    metric=lambda F, G: F[Q] * G[Q] + F[P] * G[P],
    integrator=Exponential(),
    readout=contract(q, Q) + contract(p, P),
)
