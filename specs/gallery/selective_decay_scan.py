"""Selective state space with a real decay: x' = -a (x - u) over a time delta that every token chooses for itself.

x_t = u_t + exp(-a delta_t) (x_(t-1) - u_t): a gate that is nearly shut for a small delta and forgets for a large one.
It is the gradient flow of |x|^2/2 - u x; with the drive held over the token the step is exact.

Reference: A. Gu, T. Dao (2023), Mamba: Linear-Time Sequence Modeling with Selective State Spaces.
"""

from metrigen import Dissipation, Exponential, Field, Input, Param, Sequence, System, stress_energy

tokens = Sequence()
x, u = Field("x", tokens), Input("u", tokens)
delta = Input("delta", tokens, positive=True)
a = Param("a", per="channel", nonnegative=True, init=1.0)

system = System(
    name="selective_decay_scan",
    domain=tokens,
    fields=(x,),
    hamiltonian=x**2 / 2 - u * x,
    metric=Dissipation((a, lambda F: F[x])),
    integrator=Exponential(dt=delta),
    readout=stress_energy(),
)
