"""The gated delta rule: the memory closes in on the token's value at its key, and fades everywhere.

F = beta |k.S - v|^2/2 + lam |S|^2/2, over a token exactly the exponential of scalar plus rank one. The published step
S_t = a_t (1 - b_t k_t k_t^T) S_(t-1) + b_t k_t v_t is this one with n = |k_t|^2, lam = -log a_t,
beta = -log(1 - b_t n)/n and v = v_t b_t (lam + beta n)/(beta (1 - exp(-lam - beta n))).

Reference: S. Yang, J. Kautz, A. Hatamizadeh (2025), Gated Delta Networks: Improving Mamba2 with Delta Rule.
"""

from metrigen import Exponential, Field, Input, Sequence, System, contract

tokens = Sequence()
S = Field("S", tokens, axes=("key", "value"))
k, q = Input("k", tokens, axes=("key",)), Input("q", tokens, axes=("key",))
v = Input("v", tokens, axes=("value",))
beta, lam = Input("beta", tokens, nonnegative=True), Input("lam", tokens, nonnegative=True)

system = System(
    name="gated_delta_rule",
    domain=tokens,
    fields=(S,),
    hamiltonian=beta * (contract(k, S) - v) ** 2 / 2 + lam * S**2 / 2,
    metric=lambda F, G: F[S] * G[S],
    integrator=Exponential(),
    readout=contract(q, S),
)
