"""Emitted Python is read before it is written: what does not parse, is not defined or is defined again is a fault."""

import pytest

from metrigen.emit.check import check_files
from metrigen.errors import InternalError

RIGHT = {
    "two functions": "def f():\n    return g()\n\n\ndef g():\n    return 1\n",
    "setter": "class A:\n    @property\n    def a(self):\n        return 1\n\n"
    "    @a.setter\n    def a(self, value):\n        pass\n",
    "overload": "from typing import overload\n\n\n@overload\ndef f(a: int): ...\n\n\ndef f(a):\n    return a\n",
    "either": "import sys\n\nif sys.argv:\n    def f():\n        return 1\nelse:\n    def f():\n        return 2\n",
    "inner": "def f():\n    def h():\n        return 1\n\n    return h\n\n\n"
    "def g():\n    def h():\n        return 2\n\n    return h\n",
    "declared": "def f():\n    global a\n    a = 1\n\n\ndef g():\n    return a\n",
    "comprehension": "def f(rows):\n    return [len(row) for row in rows], (lambda x: x)\n",
}
WRONG = {
    "does not parse": "def f(:\n    pass\n",
    "outside": "return 1\n",
    "defines 'f' twice, line 5": "def f():\n    return 1\n\n\ndef f():\n    return 1\n",
    "defines 'g' twice, line 5": "class A:\n    def g(self):\n        return 1\n\n    def g(self):\n        return 2\n",
    "uses 'b', which it does not define: f, line 1": "def f(a):\n    return a + b\n",
    "uses 'c', which it does not define: A, line 1": "class A:\n    x = c\n",
    "uses 'd', which it does not define: listcomp": "def f(a):\n    return [d for _ in a]\n",
    "uses 'e', which it does not define: top": "e()\n",
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_passes(name: str) -> None:
    check_files({"module.py": RIGHT[name], "kernels.cpp": "int main("})


@pytest.mark.parametrize("message", WRONG)
def test_what_is_wrong_is_named(message: str) -> None:
    with pytest.raises(InternalError, match=r"the emitted module\.py") as caught:
        check_files({"module.py": WRONG[message]})
    assert message in str(caught.value)
