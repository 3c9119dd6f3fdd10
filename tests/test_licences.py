"""The licence of every dependency is on its page, and is what the installed package says of itself.

``python -m tests.test_licences`` writes the page: what is installed says its own, rows of what is not stay.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

try:
    import tomllib
except ImportError:  # Python 3.10: pip has one
    import pip._vendor.tomli as tomllib  # type: ignore[no-redef]

PAGE = ROOT / "docs/licences.md"
ROW = re.compile(r"^\| `([\w.-]+)` \| ([^|]+) \| ([^|]+) \|$", re.M)
# By classifier or by the words of packages that state no SPDX expression.
SPDX = {
    "MIT License": "MIT",
    "BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache": "Apache-2.0",
    "BSD": "BSD-3-Clause",
}
HEAD = """# Licences

metrigen is under Apache-2.0. What it depends on directly, and under which licence, by its own metadata: `build` is
needed by every command, an extra is installed where it is asked for, `pip install 'metrigen[plot]'`. `pystencils` is a
peer of the benchmarks alone.

| dependency | needed for | licence |
| --- | --- | --- |
"""


def dependencies() -> dict[str, list[str]]:
    """Name of a dependency -> what needs it: ``build``, or the extras."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"build": project["dependencies"], **project["optional-dependencies"]}
    found: dict[str, list[str]] = {}
    for group, wanted in groups.items():
        for text in wanted:
            name = re.match(r"[\w.-]+", text)[0].lower()
            if name != "metrigen":
                found.setdefault(name, []).append(group)
    return found


def licence(name: str) -> str:
    """What an installed package says of itself, as SPDX; nothing where it is not installed."""
    try:
        found = metadata(name)
    except PackageNotFoundError:
        return ""
    if stated := found.get("License-Expression"):
        return str(stated)
    classified = [c.rpartition(" :: ")[2] for c in found.get_all("Classifier") or () if c.startswith("License")]
    words = [*(c for c in classified if c in SPDX), found.get("License") or ""]
    return SPDX.get(words[0], words[0].splitlines()[0] if words[0] else "")


def rows() -> dict[str, tuple[str, str]]:
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    return {name: (groups, stated) for name, groups, stated in ROW.findall(text)}


def test_every_dependency_has_a_row_that_says_what_it_says_itself() -> None:
    there, wanted = rows(), dependencies()
    assert there.keys() >= wanted.keys(), sorted(wanted.keys() - there.keys())
    for name, groups in wanted.items():
        assert there[name][0] == ", ".join(groups), name
        assert licence(name) in ("", there[name][1]), f"{name}: to write it anew: python -m tests.test_licences"
        assert there[name][1], name


def test_a_licence_that_changed_is_found() -> None:
    assert licence("pytest") == "MIT"
    assert licence("sympy") == "BSD-3-Clause"
    assert licence("no-such-package") == ""


def write(page: Path = PAGE) -> None:
    there, wanted = rows(), dependencies()
    table = {
        name: (", ".join(groups), licence(name) or there.get(name, ("", ""))[1]) for name, groups in wanted.items()
    }
    page.write_text(HEAD + "".join(f"| `{n}` | {g} | {t} |\n" for n, (g, t) in sorted(table.items())), encoding="utf-8")


if __name__ == "__main__":
    write()
