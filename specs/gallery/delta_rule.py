"""The delta rule: a token moves what the memory answers to its key towards its value, down the slope of the surprise.

F = beta |k.S - v|^2/2: k.S closes in on v as exp(-beta |k|^2), and what is at right angles to k stays, for keys of any
length. The published step S_t = S_(t-1) - b_t k_t (k_t.S_(t-1) - v_t) is this one with
beta = -log(1 - b_t |k_t|^2)/|k_t|^2, wherever b_t |k_t|^2 < 1; no step of this one can overshoot.

References: I. Schlag, K. Irie, J. Schmidhuber (2021), Linear Transformers Are Secretly Fast Weight Programmers;
S. Yang, B. Wang, Y. Zhang, Y. Shen, Y. Kim (2024), Parallelizing Linear Transformers with the Delta Rule.
"""

from metrigen import Exponential, Field, Input, Sequence, System, contract

tokens = Sequence()
S = Field("S", tokens, axes=("key", "value"))
k, q = Input("k", tokens, axes=("key",)), Input("q", tokens, axes=("key",))
v, beta = Input("v", tokens, axes=("value",)), Input("beta", tokens, nonnegative=True)

system = System(
    name="delta_rule",
    domain=tokens,
    fields=(S,),
    hamiltonian=beta * (contract(k, S) - v) ** 2 / 2,
    metric=lambda F, G: F[S] * G[S],
    integrator=Exponential(),
    readout=contract(q, S),
)
