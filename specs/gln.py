"""One neuron of a gated linear network: logistic regression whose data choose when it learns.

H = g (log(1 + exp(a)) - target a),  a = sum over channels of w z: the log loss of the forecast sigmoid(a), convex in
the weights w. Its gradient flow is w' = -(sum of g) (sigmoid(a) - target) z, and an explicit step is the online update
of a gated linear network. A channel is an input z of the neuron, a step is an observation; the gate g is zero while the
data are outside of the neuron's region, and its sum over the channels is the weight of an observation inside.

Reference: J. Veness et al. (2021), Gated Linear Networks, AAAI 35, 10015-10023.
"""

import sympy as sp

from metrigen import ExplicitEuler, Field, Input, Lattice, System, energy_density, total

neuron = Lattice()
w = Field("w", neuron)
z, target = Input("z", neuron, time_dependent=True), Input("target", neuron, time_dependent=True)
g = Input("g", neuron, nonnegative=True, time_dependent=True)
a = total(w * z)

system = System(
    name="gln",
    domain=neuron,
    fields=(w,),
    hamiltonian=g * (sp.log(1 + sp.exp(a)) - target * a),
    metric=lambda F, G: F[w] * G[w],
    integrator=ExplicitEuler(steps=1, dt=0.1),
    readout=energy_density(),
)
