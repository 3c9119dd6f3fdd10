"""State space layer with one decay a head: a token lasts as long as it says, and decays and writes for that time.

S' = -a S + b x over a time delta, exactly: S_t = exp(-a delta_t) S_(t-1) + (1 - exp(-a delta_t))/a b_t x_t, read as
c_t.S_t. The published layer takes the first order of the write, delta_t b_t x_t, which is this one with
x = x_t a delta_t/(1 - exp(-a delta_t)); its skip x D is a linear layer beside.

Reference: T. Dao, A. Gu (2024), Transformers are SSMs: Generalized Models and Efficient Algorithms Through Structured
State Space Duality.
"""

from metrigen import Exponential, Field, Input, Param, Sequence, System, contract

tokens = Sequence()
S = Field("S", tokens, axes=("key", "value"))
b, c = Input("b", tokens, axes=("key",)), Input("c", tokens, axes=("key",))
x, delta = Input("x", tokens, axes=("value",)), Input("delta", tokens, positive=True)
a = Param("a", per="channel", positive=True, init=(1.0, 16.0))

system = System(
    name="scalar_decay_memory",
    domain=tokens,
    fields=(S,),
    hamiltonian=a * S**2 / 2 - contract(b, S) * x,
    metric=lambda F, G: F[S] * G[S],
    integrator=Exponential(dt=delta),
    readout=contract(c, S),
)
