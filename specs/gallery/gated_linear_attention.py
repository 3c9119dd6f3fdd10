"""Gated linear attention: every token says of every key how much of its row is forgotten.

F = lam |S|^2/2 - v (k.S) with lam along the keys: S_t = exp(-lam_t) S_(t-1) + k_t v_t, row by row, for the gate
alpha_t = exp(-lam_t) and the layer's k = k_t lam_t/(1 - exp(-lam_t)), as a write is held over the token and fades.

Reference: S. Yang, B. Wang, Y. Shen, R. Panda, Y. Kim (2024), Gated Linear Attention Transformers with
Hardware-Efficient Training.
"""

from metrigen import Exponential, Field, Input, Sequence, System, contract

tokens = Sequence()
S = Field("S", tokens, axes=("key", "value"))
k, q = Input("k", tokens, axes=("key",)), Input("q", tokens, axes=("key",))
v = Input("v", tokens, axes=("value",))
lam = Input("lam", tokens, axes=("key",), nonnegative=True)

system = System(
    name="gated_linear_attention",
    domain=tokens,
    fields=(S,),
    hamiltonian=lam * S**2 / 2 - contract(k, S) * v,
    metric=lambda F, G: F[S] * G[S],
    integrator=Exponential(),
    readout=contract(q, S),
)
