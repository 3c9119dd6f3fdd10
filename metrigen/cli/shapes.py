"""Shapes and sizes as options write them."""

from __future__ import annotations

import typer


def shape_of(text: str | None, least: int = 1, option: str = "--shape") -> tuple[int, ...] | None:
    """``32,64,32,32`` as numbers, ``least`` of them or more."""
    if text is None:
        return None
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = ()
    if len(sizes) < least or min(sizes) < 1:
        raise typer.BadParameter(f"{option} takes {least} or more positive numbers, as 32,64,32,32, not {text!r}")
    return sizes
