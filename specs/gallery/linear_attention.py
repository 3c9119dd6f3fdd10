"""Linear attention: every token writes the outer product of its key and its value, and nothing is forgotten.

S' = k v over a token, the flow of F = -v (k.S) down its slope: S_t = S_(t-1) + k_t v_t and o_t = q_t.S_t, with feature
maps of queries and keys, and a normalisation where one is wanted, computed before and after the layer.

Reference: A. Katharopoulos, A. Vyas, N. Pappas, F. Fleuret (2020), Transformers are RNNs.
"""

from metrigen import Exponential, Field, Input, Sequence, System, contract

tokens = Sequence()
S = Field("S", tokens, axes=("key", "value"))
k, q = Input("k", tokens, axes=("key",)), Input("q", tokens, axes=("key",))
v = Input("v", tokens, axes=("value",))

system = System(
    name="linear_attention",
    domain=tokens,
    fields=(S,),
    hamiltonian=-contract(k, S) * v,
    metric=lambda F, G: F[S] * G[S],
    integrator=Exponential(),
    readout=contract(q, S),
)
