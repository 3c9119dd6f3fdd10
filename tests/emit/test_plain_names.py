"""Made names lose their double underscores, and get a number where something else has the plain name."""

import ast
import re

import pytest

from metrigen.backends.cpu.names import is_word
from metrigen.emit.plain_names import plain, plain_cpp, plain_python


@pytest.mark.parametrize(
    ("made", "wanted"), [("ok__", "ok"), ("phi__0_m1", "phi_0_m1"), ("a__b__bar2", "a_b_bar2"), ("x___0__3", "x_0_3")]
)
def test_plain(made: str, wanted: str) -> None:
    assert plain(made) == wanted


def test_a_name_that_is_free_is_plain() -> None:
    assert plain_python("def f(u__bar):\n    ok__ = u__bar\n    return ok__\n") == (
        "def f(u_bar):\n    ok = u_bar\n    return ok\n"
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("def f(ok, ok__):\n    return ok - ok__\n", "def f(ok, ok_2):\n    return ok - ok_2\n"),  # a name of the spec
        ("def f(sum__):\n    return sum(sum__)\n", "def f(sum_2):\n    return sum(sum_2)\n"),  # a word of Python
        (  # two would be one
            "def f(a__b, a__b__):\n    return a__b - a__b__\n",
            "def f(a_b_2, a_b_3):\n    return a_b_2 - a_b_3\n",
        ),
        (  # the first numbers are taken
            "def f(u, u__, u_2, u__3):\n    return u - u__\n",
            "def f(u, u_4, u_2, u_3):\n    return u - u_4\n",
        ),
    ],
)
def test_a_name_that_is_taken_gets_a_number(text: str, wanted: str) -> None:
    assert plain_python(text) == wanted


def test_functions_are_told_apart() -> None:
    text = "def f(at__):\n    return at__\n\n\ndef g(at, at__):\n    return at + at__\n"
    assert plain_python(text) == "def f(at):\n    return at\n\n\ndef g(at, at_2):\n    return at + at_2\n"


@pytest.mark.parametrize(
    ("text", "made", "name"),
    [
        ("def f(N__):\n    return N__\n\n\ndef g(N):\n    return f(N__=N)\n", "N__", "N_2"),  # a keyword
        ("def sign__(x):\n    return x\n\n\ndef g(sign):\n    return sign__(sign)\n", "sign__", "sign_2"),  # a function
        ("LAST__ = 1\n\n\ndef g(LAST):\n    return LAST__ + LAST\n", "LAST__", "LAST_2"),  # a constant of the module
        ('def f(C__):\n    return C__\n\n\ndef g(C):\n    return {"C__": C}\n', "C__", "C_2"),  # a key
        ("def f(N__):\n    return N__\n\n\ndef g(N, N_2, N__3):\n    return f(N__=N)\n", "N__", "N_4"),
    ],
)
def test_what_functions_share_has_one_name(text: str, made: str, name: str) -> None:
    assert plain_python(text) == re.sub(rf"\b{made}(?!\w)", name, text).replace("N__3", "N_3")


def test_an_attribute_takes_no_name() -> None:
    assert (
        plain_python("def f(x, last__):\n    return x.last + last__\n") == "def f(x, last):\n    return x.last + last\n"
    )


def test_the_computation_stays() -> None:
    text = 'def f(u__bar, N__):\n    v__0, ok__ = u__bar * 2, {"N__": N__}\n    return v__0 + ok__["N__"]\n'
    results = []
    for source in (text, plain_python(text)):
        scope: dict = {}
        exec(compile(ast.parse(source), "f", "exec"), scope)
        results.append(scope["f"](3.0, 4))
    assert results == [10.0, 10.0]
    assert "__" not in plain_python(text)


def test_cpp() -> None:
    text = '// row of u\nauto row__ = u__p1, x__ = x, not__ = LOG__ + 1; const char *name = "row";\n'
    wanted = '// row of u\nauto row = u_p1, x_2 = x, not_2 = LOG_2 + 1; const char *name = "row";\n'
    assert plain_cpp(text, is_word) == wanted  # a word of the file, one of C++, one in capitals
