"""Statements at random, of the Python that is emitted, each on one line and spaced as it is written."""

from __future__ import annotations

from hypothesis import strategies as st

names = st.sampled_from(("u", "phi", "dt", "phi__bar", "T00__density__bar2", "dV_dphi__bar9__m1_0", "self.c1", "n"))
atoms = st.one_of(names, st.sampled_from(("0.5", "2", "1e-05", '"channel"', "()", "[]", "{}", "None")))
OPERATORS = (" + ", " - ", " * ", " / ", " // ", " % ", " < ", " == ", " and ", " or ", " | ", " & ", " in ")


def _inside(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Something made of ``parts``, each of which may stand anywhere."""
    some = st.lists(parts, min_size=1, max_size=7).map(", ".join)
    starred = st.tuples(st.sampled_from(("*", "key=", "dim=")), parts).map("".join)
    given = st.lists(st.one_of(parts, parts, starred), max_size=7).map(_in_order)
    call = st.tuples(st.sampled_from(("f", "torch.where", "reference.readout", "_step_adjoint_0")), given).map(_call)
    sums = st.lists(st.tuples(st.sampled_from(OPERATORS), parts), min_size=1, max_size=5)
    return st.one_of(
        call,
        call,
        st.tuples(parts, sums).map(lambda p: f"({p[0]}{''.join(op + x for op, x in p[1])})"),
        st.tuples(call, st.sampled_from((".sum(1)", "[0]", "[0].flatten(1)", ".to(ACC)", ".shape"))).map("".join),
        st.tuples(names, some).map(lambda p: f"{p[0]}[{p[1]}]"),
        some.map(lambda x: f"[{x}]"),
        some.map(lambda x: f"({x}, u)"),
        st.lists(parts, min_size=1, max_size=5).map(
            lambda x: "{" + ", ".join(f'"{i}": {p}' for i, p in enumerate(x)) + "}"
        ),
        st.tuples(parts, parts).map(lambda p: f"[{p[0]} for x in {p[1]}]"),
        st.tuples(parts, parts).map(lambda p: f"tuple({p[0]} for x, y in {p[1]} if x)"),
    )


def _in_order(parts: list[str]) -> str:
    """Arguments with those that have a keyword at the end, each keyword once."""
    keywords = {p.split("=")[0]: p for p in parts if p.startswith(("key=", "dim="))}
    return ", ".join([*(p for p in parts if not p.startswith(("key=", "dim="))), *keywords.values()])


def _call(parts: tuple[str, str]) -> str:
    return f"{parts[0]}({parts[1]})"


values = st.recursive(atoms, _inside, max_leaves=25)
sums = st.lists(st.tuples(st.sampled_from(OPERATORS[:4]), values), max_size=6)
whole = st.tuples(values, sums).map(lambda p: p[0] + "".join(op + x for op, x in p[1]))
HEADS = ("phi__next = {}", "phi, pi = {}", "x[0] = {}", "total += {}", "return {}", "x: Tensor = {}")
BLOCKS = ("if {}:\n    pass", "while {}:\n    pass", "for x, y in {}:\n    pass", "f({})")
statements = st.tuples(st.sampled_from((*HEADS, *BLOCKS)), whole).map(lambda p: p[0].format(p[1]))
