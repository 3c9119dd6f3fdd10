r"""Plain characters for the LaTeX of a DERIVATION.md, in the notation of ``metrigen diff``: ``c2*phi_xx``, F[u].

All that is left of an older package is its LaTeX, which one printer wrote: a small grammar reads it. What it does not
know it leaves without backslashes and braces.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\s+|.", re.S)
_TENSOR = re.compile(r"(\w)\^\{(\w+)\}\{\}_\{(\w+)\}")
_UPRIGHT = (r"\mathrm", r"\mathcal", r"\operatorname", r"\text")
_FUNCTIONS = frozenset(
    ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "log", "max", "min", "arctan", "erf", "asin", "acos", "atan")
)
_SIGNS = {"+": " + ", "-": " - ", "=": " = ", ",": ", ", "<": " < ", ">": " > ", r"\Rightarrow": " => ", "/": "/"}


def plain(latex: str) -> str:
    r"""``\frac{c_{2} \left(\partial_{x} u\right)^{2}}{2}`` as ``c2*u_x**2/2``."""
    latex = re.sub(r"\|(\w)\|", r"\\left|\1\\right|", latex.replace(r"\tfrac12", r"\frac{1}{2}"))
    latex = latex.replace(r"\Delta t_", r"\mathrm{dt}_")
    found = _Reader(_TENSOR.sub(r"\\mathrm{\1[\2,\3]}", latex)).sum().removeprefix("+")
    return re.sub(r"[\\{}]", "", found) if "\\" in found else found


def _grouped(text: str) -> str:
    """A factor, in brackets where it is more than one."""
    return text if re.fullmatch(r"[\w.^]+|\w*\([^()]*\)|\w+\[\w+\]", text) else f"({text})"


class _Reader:
    """Goes through the tokens of a formula from left to right."""

    def __init__(self, latex: str) -> None:
        self._tokens: list[str] = [token for token in _TOKEN.findall(latex) if not token.isspace()]
        self._at = 0

    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def sum(self, end: str = "") -> str:
        """Everything up to ``end``, which is taken too: factors that stand side by side are a product."""
        parts: list[str] = []
        factor = False
        while (token := self._next()) and token != end:
            if token in _SIGNS:
                lead = token in "+-" and (not parts or parts[-1] in _SIGNS.values())
                parts.append(self._take() if lead else _SIGNS[self._take()])
                factor = False
            elif token in (r"\cdot", r"\quad"):
                self._take()
            else:
                parts += ["*"] * factor + [self._factor()]
                factor = True
        self._at += bool(end)
        return "".join(parts)

    def _group(self) -> str:
        """What stands between braces, or one token."""
        if self._next() == "{":
            self._take()
            return self.sum("}")
        return self._factor()

    def _factor(self) -> str:
        token = self._take()
        if token == r"\partial":
            return self._derivative() if self._next() == "_" else f"d{self._factor()}"
        if token == r"\frac":
            return self._power(self._fraction())
        if token == r"\sqrt":
            return self._power(f"sqrt({self._group()})")
        if token in (r"\left", r"\{", "(", "["):
            opened = self._take().removeprefix("\\") if token == r"\left" else token.removeprefix("\\")
            inner = self.sum({r"\left": r"\right", r"\{": r"\}", "(": ")", "[": "]"}[token])
            closed = self._take().removeprefix("\\") if token == r"\left" and self._next() else ""
            return self._bracket(opened, inner, closed or {"{": "}", "(": ")", "[": "]"}.get(opened, ""))
        if token == "{":
            return self._power(self.sum("}"))
        name = self._raw() if token in _UPRIGHT else token.removeprefix("\\")
        name = self._subscript(name)
        return self._function(name) if name in _FUNCTIONS or self._next() in ("{", "(") else self._power(name)

    def _bracket(self, opened: str, inner: str, closed: str) -> str:
        if opened == "|":
            return self._power(f"Abs({inner})")
        single = opened == "(" and re.fullmatch(r"\w+", inner)
        return self._power(inner if single else f"{opened}{inner}{closed}")

    def _raw(self) -> str:
        """The letters between braces."""
        self._take()
        found = ""
        while self._next() not in ("}", ""):
            found += self._take().removeprefix("\\").replace(",", ", ")
        self._at += 1
        return found

    def _subscript(self, name: str) -> str:
        """A name with what stands below it: c2, pi_q."""
        if self._next() != "_":
            return name
        self._take()
        below = self._raw() if self._next() == "{" else self._take()
        return f"{name}{'' if below.isdigit() else '_'}{below}"

    def _power(self, base: str) -> str:
        if self._next() != "^":
            return base
        self._take()
        return f"{_grouped(base)}**{_grouped(self._group())}"

    def _function(self, name: str) -> str:
        power = ""
        if self._next() == "^":
            self._take()
            power = f"**{_grouped(self._group())}"
        argument = self._group() if self._next() in ("{", "(", r"\left") else ""
        return f"{name}({argument.removeprefix('(').removesuffix(')') if argument[:1] == '(' else argument}){power}"

    def _fraction(self) -> str:
        above, below = self._group(), self._group()
        functional, field = above.removeprefix("delta*"), below.removeprefix("delta*")
        if functional != above and field != below:
            return f"{functional}[{field}]"
        above = f"({above})" if re.search(r" [+-] ", re.sub(r"\([^()]*\)", "", above)) else above
        return f"{above}/{_grouped(below)}"

    def _derivative(self) -> str:
        r"""``\partial_{x}^{2} \partial_{y} u`` as u_xxy; of what is no name as d_x(...)."""
        along = ""
        self._at -= 1
        while self._next() == r"\partial":
            self._take()
            self._take()
            axis, count = self._raw(), "1"
            if self._next() == "^":
                self._take()
                count = self._raw()
            along += axis * int(count)
        inner = self._factor()
        return f"{inner}_{along}" if re.fullmatch(r"\w+", inner) else f"d_{along}({inner.strip('()')})"
