"""At a point a sum over the sites is the value, and J is written down from J v: every value stays."""

from __future__ import annotations

import numpy as np
import sympy as sp

from metrigen.ir.implicit import SiteSum
from metrigen.ir.interpreter import run
from metrigen.ir.nodes import Array, Kind, Load, Map, Program
from metrigen.passes.points import at_a_point, jacobian

x, y, p, q, total = (Load(name, ()) for name in ("x", "y", "p", "q", "total"))
GIVEN = {"x": np.array([[0.3, -1.2]]), "y": np.array([[0.5, 2.0]])}


def test_sums_over_the_sites_are_the_value() -> None:
    """Those over the channels are not."""
    sites = (Array("x", Kind.SITE),)
    for channels in (False, True):
        body = (SiteSum("total", "x", channels), Map(stores=(("end", total + x),)))
        before = Program("sum", sites, body, ("end",))
        after = at_a_point(before)
        assert any(isinstance(s, SiteSum) for s in after.body) == channels
        assert np.array_equal(run(after, GIVEN)["end"], run(before, GIVEN)["end"])
        assert at_a_point(after) == after


def test_the_matrix_of_a_product() -> None:
    """Column by column, with a value that is named and an array that is made on the way."""
    named = sp.Symbol("named", real=True)
    body = (
        Map(lets=((named, sp.cos(x) * p),), stores=(("m", named * y + q), ("first", named - 3 * q))),
        Map(stores=(("second", Load("m", ()) * x),)),
    )
    inputs = tuple(Array(n, Kind.SITE) for n in ("x", "y", "p", "q"))
    product = Program("tangent", inputs, body, ("first", "second"))
    matrix = jacobian(product, 2)
    assert [a.name for a in matrix.inputs] == ["x", "y"]
    entries = run(matrix, GIVEN)
    for k, along in enumerate(("p", "q")):
        unit = {n: np.full((1, 2), float(n == along)) for n in ("p", "q")}
        column = run(product, GIVEN | unit)
        for i, name in enumerate(("first", "second")):
            assert np.allclose(entries[matrix.outputs[2 * k + i]], column[name], rtol=0, atol=1e-15)
