"""What a formula on the command line may be: arithmetic, comparisons, numbers, names, functions of SymPy. No Python."""

from __future__ import annotations

import ast

import sympy as sp

_NODES = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Call, ast.Tuple, ast.Name, ast.Constant,
          ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context)  # fmt: skip
_PLAIN = ("abs", "sqrt", "cbrt", "root", "real_root")  # functions of Python that give expressions


def check_formula(text: str) -> None:
    """Raise ValueError where a text is more than a formula, for it is evaluated, and SyntaxError where it is less."""
    for node in ast.walk(ast.parse(text.strip(), mode="eval")):
        if not isinstance(node, _NODES):
            raise ValueError(f"{ast.unparse(node)} is no part of a formula")
        if isinstance(node, ast.Constant) and not isinstance(node.value, (bool, int, float)):
            raise ValueError(f"{node.value!r} is no number")
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and _is_function(node.func.id)):
            raise ValueError(f"{ast.unparse(node.func)} is no function of SymPy")
        if isinstance(node, ast.Call) and node.keywords:
            raise ValueError(f"{ast.unparse(node)} has keywords")


def _is_function(name: str) -> bool:
    found = getattr(sp, name, None)
    return name in _PLAIN or (isinstance(found, type) and issubclass(found, sp.Basic))
