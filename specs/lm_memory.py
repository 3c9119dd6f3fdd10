"""Memory of a language model: a matrix per head, to which every byte writes what it has to say under a key.

F = beta |k.S - v|^2/2 + lam |S|^2/2. Over a byte the memory follows the exact gradient flow of F: what it answers to k
closes in on v as exp(-beta |k|^2), and everything in it fades as exp(-lam). For |k| = 1 and beta = softplus(x) that is
the gated delta rule with the share sigmoid(x) of a write. The readout is the answer to the query.

Reference: S. Yang, J. Kautz, A. Hatamizadeh (2025), Gated Delta Networks: Improving Mamba2 with Delta Rule.
"""

from metrigen import Exponential, Field, Input, Sequence, System, contract

tokens = Sequence()
S = Field("S", tokens, axes=("key", "value"))
k, q = Input("k", tokens, axes=("key",)), Input("q", tokens, axes=("key",))
v = Input("v", tokens, axes=("value",))
beta, lam = Input("beta", tokens, nonnegative=True), Input("lam", tokens, nonnegative=True)

system = System(
    name="lm_memory",
    domain=tokens,
    fields=(S,),
    hamiltonian=beta * (contract(k, S) - v) ** 2 / 2 + lam * S**2 / 2,
    metric=lambda F, G: F[S] * G[S],
    integrator=Exponential(),
    readout=contract(q, S),
)
