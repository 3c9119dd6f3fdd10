"""A channel map with a sign or a number, read by another channel map, has it once and not twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from metrigen import RK4, Field, Lattice, Param, System, energy_density, mix
from metrigen.ir.interpreter import run
from metrigen.ir.nodes import Array, ChannelMatmul, ChannelSum, Kind, Load, Map, Program
from metrigen.passes.channels import merge_channel_maps
from tests.lattice.emitted import layer_class, package

LEAF = {name: Load(name, ()) for name in ("u", "k", "x", "y", "z")}
VALUES = {
    "u": np.arange(6.0).reshape(1, 2, 3) ** 2, "A": np.array([[0.0, 1.0], [-1.0, 0.0]]),
    "M": np.array([[1.0, 2.0], [3.0, 5.0]]),
}  # fmt: skip


def store(name: str, number: object, of: str) -> Map:
    return Map(stores=((name, number * LEAF[of]),))  # type: ignore[operator]


CHAINS = {
    "a number between": (ChannelMatmul("k", "A", "u", True), store("x", 2, "k"), ChannelMatmul("y", "M", "x")),
    "none between": (ChannelMatmul("k", "A", "u", True), ChannelMatmul("y", "M", "k")),
    "three": (
        ChannelMatmul("k", "A", "u", True),
        ChannelMatmul("x", "A", "k", True),
        ChannelMatmul("y", "A", "x", True),
    ),
    "twice the same": (ChannelMatmul("k", "M", "u"), ChannelMatmul("x", "M", "u"), ChannelMatmul("y", "A", "x", True)),
    "a sum over channels": (ChannelMatmul("k", "A", "u", True), store("x", -3, "k"), ChannelSum("y", "x")),
}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("read", ["in a kernel", "put out"])
def test_chains(name: str, read: str) -> None:
    inputs = (Array("u", Kind.SITE), Array("A", Kind.MATRIX, symmetry=-1), Array("M", Kind.MATRIX))
    last = (store("z", 1, "y"),) if read == "in a kernel" else ()
    program = Program("p", inputs, (*CHAINS[name], *last), ("z",) if last else ("y",))
    (found,), (expected,) = (run(p, VALUES).values() for p in (merge_channel_maps(program), program))
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_a_bracket_of_channel_maps(tmp_path: Path) -> None:
    """H = u A v, {F, G} = F_u K G_v - G_u K F_v with A^T = -A, K^T = K: u_t = K A^T u, v_t = -K A v."""
    line = Lattice()
    u, v = Field("u", line), Field("v", line)
    A, K = Param("A", shape=("C", "C"), antisymmetric=True), Param("K", shape=("C", "C"), symmetric=True)
    system = System(
        name="rotated", domain=line, fields=(u, v), hamiltonian=u * mix(A, v), readout=energy_density(),
        bracket=lambda F, G: F[u] * mix(K, G[v]) - G[u] * mix(K, F[v]), integrator=RK4(steps=1, dt=0.1),
    )  # fmt: skip
    torch.manual_seed(0)
    layer = layer_class(package(system, tmp_path, "channel_maps_with_a_sign"))(3, backend="torch").double()
    with torch.no_grad():
        for raw in layer.parameters():
            raw.normal_()
    start = torch.randn(2, 3, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64)
    state = layer(*start)
    for field, x, rate in ((state.u, start[0], layer.K @ layer.A.T), (state.v, start[1], -layer.K @ layer.A)):
        exact = x
        for k in (4, 3, 2, 1):  # Horner's form of the polynomial that RK4 is on a linear equation
            exact = x + 0.1 / k * exact @ rate.T
        torch.testing.assert_close(field, exact, rtol=1e-13, atol=1e-13)
