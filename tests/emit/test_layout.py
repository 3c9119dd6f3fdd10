"""Statements laid out by hand and at random: as the formatter leaves them, and the same once more."""

from __future__ import annotations

import ast
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metrigen.emit.layout import layout, layout_cpp
from metrigen.emit.style.tokens import tokens
from tests.emit.expressions import statements
from tests.emit.formatter import formatted
from tests.lengths import LONG

A, B, C = "a" * 50, "b" * 50, "c" * 50

BY_HAND = {
    "arguments on one line": (f"x = f({A}, {B}, c, d, e)", f"x = f({A}, {B}, c, d, e)"),
    "arguments on a line of their own": (
        f"phi__next = step({A}, {B}, ccccc)",
        f"phi__next = step(\n    {A}, {B}, ccccc\n)",
    ),
    "arguments one a line": (f"x = f({A}, {B}, {C})", f"x = f(\n    {A},\n    {B},\n    {C},\n)"),
    "an argument alone has no comma": (f"x = f({A} + {B} + {C})", f"x = f(\n    {A}\n    + {B}\n    + {C}\n)"),
    "values one a line": (f"x = ({A}, {B}, cccc + dddd)", f"x = (\n    {A},\n    {B},\n    cccc + dddd,\n)"),
    "a sum in parentheses": (f"x = {A} * a - {B} + {C}", f"x = (\n    {A} * a\n    - {B}\n    + {C}\n)"),
    "a sum that ends with a call": (
        f"return gained - f({A}, {B}, {C})[0].sum(1)",
        f"return gained - f(\n    {A},\n    {B},\n    {C},\n)[0].sum(1)",
    ),
    "a chain of calls": (
        f"return f({A}, {B}, ccccc)[0].flatten(1).sum(1)",
        f"return (\n    f({A}, {B}, ccccc)[0]\n    .flatten(1)\n    .sum(1)\n)",
    ),
    "a choice": (f"x = {A} if {B} else {C}", f"x = (\n    {A}\n    if {B}\n    else {C}\n)"),
    "parameters": (
        f"def f({A}: T, {B}: T) -> Tensors:\n    pass",
        f"def f(\n    {A}: T, {B}: T\n) -> Tensors:\n    pass",
    ),
    "targets one a line": (
        f"{A}, {B}, {C} = f(x)",
        f"(\n    {A},\n    {B},\n    {C},\n) = f(x)",
    ),
    "a target of one": ("x, = f(y)", "(x,) = f(y)"),
    "a comma too many": ("return (a, b, )", "return (a, b)"),
    "a tuple of one": ("return a,", "return (a,)"),
    "quotes": ("x = f('a', \"b\", 'say \"c\"', f'{d}')", "x = f(\"a\", \"b\", 'say \"c\"', f\"{d}\")"),
    "parentheses too many": ("x = ((a + b) % c)", "x = (a + b) % c"),
    "powers": ("x = ( a**2 + f(b)**2 - c** -1)", "x = a**2 + f(b) ** 2 - c**-1"),
    "slices": ("x = (a[1 :, : -2, len(b):])", "x = a[1:, :-2, len(b) :]"),
    "exponents": ("x = 1.5e+30", "x = 1.5e30"),
    "lines that fit are put together": ("x = f(\n    a,\n    b,\n)", "x = f(a, b)"),
    "a comment stays": ("x = {\n    # of a\n    'a': 1,\n}", "x = {\n    # of a\n    'a': 1,\n}"),
    "a string stays": ('x = """\n a,  b\n"""', 'x = """\n a,  b\n"""'),
    "a long comment": (f"# {A} {B} {C}", f"# {A} {B}\n# {C}"),
    "a long docstring": (f'"""{A} {B} {C}"""', f'"""{A} {B}\n{C}"""'),
    "names of an import": (
        f"from .base import ({A}, {B}, {C})",
        f"from .base import (\n    {A},\n    {B},\n    {C},\n)",
    ),
    "lines between functions": (
        "x = 1\ndef f():\n\n    y = 2\n\n\n\n    return y\nz = 3\n\n\n\n\n@g\n\ndef h(): ...",
        "x = 1\n\n\ndef f():\n    y = 2\n\n    return y\n\n\nz = 3\n\n\n@g\ndef h(): ...",
    ),
    "lines between methods": (
        'class A:\n    """Doc."""\n\n    x = 1\n    # of f\n    def f(self): ...\n    y = 2',
        'class A:\n    """Doc."""\n\n    x = 1\n\n    # of f\n    def f(self): ...\n\n    y = 2',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name: str) -> None:
    before, after = BY_HAND[name]
    assert layout(before) == f"{after}\n"
    assert layout(layout(before)) == layout(before)
    if "stays" not in name:
        assert formatted(layout(before)) == layout(before)


@settings(max_examples=150 if LONG else 8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(statements, min_size=15, max_size=15), st.integers(1, 3))
def test_statements_at_random_are_as_formatted(given_ones: list[str], depth: int) -> None:
    opening = "def f():\n" + "".join(f"{'    ' * d}if a:\n" for d in range(1, depth))
    found = [f"{'    ' * depth}{line}\n" for s in given_ones if _parses(s) for line in s.splitlines()]
    text = opening + "".join(found) + "    " * depth + "return\n"
    assert layout(text) == formatted(text)
    assert layout(layout(text)) == layout(text)


def _parses(statement: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a call of a number, an index of one
        try:
            ast.parse("def f():\n" + "\n".join(f"    {line}" for line in statement.splitlines()))
        except SyntaxError:
            return False
    return True


def test_what_is_no_token_is_no_statement() -> None:
    assert tokens("x = $") is None
    assert tokens("x = 'a") is None
    assert layout("x = f('a' $)") == "x = f('a' $)\n"
    assert tokens("rb'a' + f'{b}' # 'c'") == ['rb"a"', "+", 'f"{b}"', "# 'c'"]


def test_a_long_line_of_a_docstring_goes_on_with_the_next() -> None:
    words = "word " * 25
    text = f'def f():\n    """First {words}\n    and the end\n    of it.\n\n    {words}end."""\n    return 1\n'
    lines = layout(text).splitlines()
    assert max(map(len, lines)) <= 120
    assert " ".join(" ".join(lines).split()) == " ".join(text.split())
    assert lines[2] == "    and the end" or lines[2].endswith("and the end"), lines
    assert lines[3] == "    of it."
    assert lines[-1] == "    return 1"


def test_what_is_said_behind_a_long_line_of_cpp_stands_above_it() -> None:
    numbers = ", ".join(map(str, range(100, 140)))
    found = layout_cpp(
        f"    constexpr long PLACES[40] = {{ {numbers} }};  // of an array among those of its kind\n"
    ).splitlines()
    assert found[0] == "    // of an array among those of its kind"
    assert " ".join(line.strip() for line in found[1:]) == f"constexpr long PLACES[40] = {{ {numbers} }};"
    assert max(map(len, found)) <= 120
