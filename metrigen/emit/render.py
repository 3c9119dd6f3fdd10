"""Render a template. Templates hold the shape of a file and nothing else; a name they do not get is an error."""

from __future__ import annotations

import importlib.resources
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from metrigen.emit.template_cache import TemplateCache

if TYPE_CHECKING:
    from importlib.abc import Traversable

_OPTIONS: dict[str, Any] = {
    "trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True, "autoescape": False,
}  # fmt: skip


def render(name: str, /, **context: Any) -> str:
    """The text of template ``name`` (as "module.py.j2") with ``context`` filled in.

    Raises jinja2.UndefinedError if the template asks for a name that is not in ``context``.
    """
    return _environment().get_template(name).render(**context)


def templates() -> Traversable | Path:
    """The folder of the templates: inside an installed package, else that of the checkout."""
    installed = importlib.resources.files("metrigen") / "_templates"
    return installed if installed.is_dir() else Path(__file__).resolve().parents[2] / "templates"


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    folder = templates()

    def source(name: str) -> str | None:
        file = folder / name
        return file.read_text(encoding="utf-8") if file.is_file() else None

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(source),
        bytecode_cache=TemplateCache(_OPTIONS),
        undefined=jinja2.StrictUndefined,
        **_OPTIONS,
    )
    environment.filters |= {"tensors": _tensors, "returned": _returned}
    return environment


def _tensors(names: Sequence[str]) -> str:
    """The names as parameters of a function; nothing where there are none."""
    return ", ".join(f"{name}: Tensor" for name in names)


def _returned(names: Sequence[str]) -> str:
    """The names as the tuple that a function returns, which may be the empty one."""
    return f"({', '.join(names)},)" if names else "()"


def tuple_text(names: Sequence[str]) -> str:
    """The text of a tuple of expressions."""
    return f"({', '.join(names)}{',' if len(names) == 1 else ''})"
