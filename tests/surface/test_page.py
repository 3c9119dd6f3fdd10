"""The page on the surface of a layer: its blocks run, one after the other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any


def test_the_blocks_of_the_page_run(root: Path) -> None:
    text = (root / "docs/layer-surface.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    assert len(blocks) >= 8
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/layer-surface.md", "exec"), names)
    assert names["layer"].readout_channels == 40
