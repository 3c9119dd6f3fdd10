"""LaTeX of our own printers as presentation MathML, which browsers typeset without a script.

One notation, two renderings: what is read here is the small vocabulary that ``emit.notation`` writes. A command that is
not in it becomes its own name in upright letters, so that a page is never lost for a symbol.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.sax.saxutils import escape

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[{}^_&]|\d+(?:\.\d+)?|\s+|.", re.S)

_LETTERS = dict(
    zip(
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi "
        "omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega varepsilon varphi".split(),
        "α β γ δ ε ζ η θ ι κ λ μ ν ξ π ρ σ τ υ φ χ ψ ω Γ Δ Θ Λ Ξ Π Σ Υ Φ Ψ Ω ε φ".split(),
        strict=True,
    )
)
_OPERATORS = {
    r"\Rightarrow": "⇒", r"\cdot": "·", r"\times": "×", r"\leq": "≤", r"\geq": "≥", r"\neq": "≠", r"\sum": "∑",
    r"\int": "∫", r"\to": "→", r"\in": "∈", r"\wedge": "∧", r"\vee": "∨", r"\{": "{", r"\}": "}", r"\|": "‖",
    r"\langle": "⟨", r"\rangle": "⟩", r"\lfloor": "⌊", r"\rfloor": "⌋", r"\infty": "∞", r"\mid": "|", r"\pm": "±",
    r"\lvert": "|", r"\rvert": "|", r"\infinity": "∞",
}  # fmt: skip
_SPACES = {r"\quad": "1em", r"\qquad": "2em", r"\,": "0.17em", r"\;": "0.28em", r"\:": "0.22em", r"\ ": "0.25em"}
_SCRIPT = {"L": "ℒ", "H": "ℋ", "F": "ℱ", "S": "𝒮"}
_SILENT = frozenset((r"\displaystyle", r"\limits", r"\!", r"\big", r"\Big", r"\bigg"))
_ACCENTS = {r"\hat": "^", r"\bar": "¯", r"\tilde": "~", r"\vec": "→", r"\dot": "˙", r"\ddot": "¨"}


def mathml(latex: str, display: bool = True) -> str:
    """A ``<math>`` element. ``alttext`` holds the LaTeX, for readers that do not see it."""
    reader = _Reader([t for t in _TOKEN.findall(latex) if not t.isspace()])
    body = reader.row()
    kind = ' display="block"' if display else ""
    alt = escape(latex, {'"': "&quot;", "\n": " "})
    return f'<math{kind} alttext="{alt}">{body}</math>'


@dataclass
class _Reader:
    tokens: list[str]
    at: int = 0

    def row(self, *ends: str) -> str:
        """Items up to a token of ``ends`` (left unread) or the end, as one ``<mrow>``."""
        items: list[str] = []
        while self.at < len(self.tokens) and self.tokens[self.at] not in ends:
            items.append(self._scripted())
        return f"<mrow>{''.join(items)}</mrow>"

    def _scripted(self) -> str:
        base = "<mrow></mrow>" if self.tokens[self.at] in "^_" else self._item()
        scripts: dict[str, str] = {}
        while self.at < len(self.tokens) and self.tokens[self.at] in ("^", "_"):
            mark = self.tokens[self.at]
            if mark in scripts:
                break
            self.at += 1
            scripts[mark] = self._argument()
        if len(scripts) == 2:
            return f"<msubsup>{base}{scripts['_']}{scripts['^']}</msubsup>"
        for mark, tag in (("_", "msub"), ("^", "msup")):
            if mark in scripts:
                return f"<{tag}>{base}{scripts[mark]}</{tag}>"
        return base

    def _argument(self) -> str:
        """A group in braces, or one item."""
        if self.at >= len(self.tokens):
            return "<mrow></mrow>"
        return self._group() if self.tokens[self.at] == "{" else self._item()

    def _group(self) -> str:
        self.at += 1
        inner = self.row("}")
        self.at += 1
        return inner

    def _words(self) -> str:
        """The bare text of the next argument."""
        start = self.at
        self._argument()
        return "".join(t for t in self.tokens[start : self.at] if t not in ("{", "}")).replace("\\", "")

    def _item(self) -> str:
        token = self.tokens[self.at]
        if token == "{":
            return self._group()
        self.at += 1
        if token[0].isdigit():
            return f"<mn>{token}</mn>"
        if token.startswith("\\"):
            return self._command(token)
        if token.isalpha():
            return f"<mi>{token}</mi>"
        return f"<mo>{escape('−' if token == '-' else token)}</mo>"

    def _command(self, token: str) -> str:
        if token in (r"\left", r"\right"):
            return self._fenced() if token == r"\left" else ""
        if token in (r"\frac", r"\dfrac", r"\tfrac"):
            return f"<mfrac>{self._argument()}{self._argument()}</mfrac>"
        if token == r"\sqrt":
            return self._root()
        if token == r"\mathcal":
            word = self._words()
            return f"<mi>{_SCRIPT.get(word, word)}</mi>"
        if token in (r"\mathrm", r"\operatorname", r"\text", r"\mathbf"):
            return f'<mi mathvariant="normal">{escape(self._words())}</mi>'
        if token in _ACCENTS:
            return f'<mover accent="true">{self._argument()}<mo>{_ACCENTS[token]}</mo></mover>'
        if token == r"\partial":
            return '<mi mathvariant="normal">∂</mi>'
        if token in _OPERATORS:
            return f"<mo>{_OPERATORS[token]}</mo>"
        if token in _SPACES:
            return f'<mspace width="{_SPACES[token]}"/>'
        if token in _SILENT:
            return ""
        name = token[1:]
        return f"<mi>{_LETTERS[name]}</mi>" if name in _LETTERS else f'<mi mathvariant="normal">{escape(name)}</mi>'

    def _fenced(self) -> str:
        opening = self._fence()
        inner = self.row(r"\right")
        self.at += 1
        closing = self._fence() if self.at < len(self.tokens) else ""
        return f"<mrow>{opening}{inner}{closing}</mrow>"

    def _fence(self) -> str:
        token = self.tokens[self.at]
        self.at += 1
        shown = _OPERATORS.get(token, token)
        return "" if shown == "." else f'<mo stretchy="true">{escape(shown)}</mo>'

    def _root(self) -> str:
        if self.at < len(self.tokens) and self.tokens[self.at] == "[":
            self.at += 1
            index = self.row("]")
            self.at += 1
            return f"<mroot>{self._argument()}{index}</mroot>"
        return f"<msqrt>{self._argument()}</msqrt>"
