"""Which backend runs which operator of every shipped spec: ``python -m website.backends`` writes
``docs/reference/backends.md``.

What ``metrigen show SPEC --backends`` says of one spec, for all of them. The page is kept in the repository since it
takes minutes; ``tests/test_website.py`` compares rows of it with what a layer says of itself.
"""

from __future__ import annotations

from pathlib import Path

from metrigen.build import Backed, backends_file

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "backends.md"
HEAD = """# Which backend runs what

Every operator of the shipped specs and of the gallery on every backend: `all`, or the operators that it runs, and its
own reason where it does not run the others. What no backend has kernels for runs in plain torch, which has every
operator; `layer.last_backend` says what ran, and a backend that is asked for by name refuses what it cannot run.
`metrigen show SPEC --backends` prints the same for a spec of yours. Written by `python -m website.backends`.

"""


def specs() -> list[Path]:
    """The specs that are shipped, then those of the gallery."""
    return [*sorted((ROOT / "specs").glob("*.py")), *sorted((ROOT / "specs" / "gallery").glob("*.py"))]


def row(backed: Backed) -> str:
    """A row of the table: name, operators, and for each backend what it runs and why not the rest."""
    cells = [_cell(backed, backend) for backend in columns(backed)]
    return f"| {backed.name} | {', '.join(backed.operators)} | {' | '.join(cells)} |"


def columns(backed: Backed) -> list[str]:
    """The backends by name, but for the one that runs everything."""
    return sorted(b for b in backed.backends if b != "torch")


def _cell(backed: Backed, backend: str) -> str:
    reasons = {o: backed.reasons[backend, o] for o in backed.operators}
    runs = [o for o, why in reasons.items() if not why]
    if len(runs) == len(reasons):
        return "all"
    why = "; ".join(dict.fromkeys(f"it {why}" for why in reasons.values() if why))
    return f"{', '.join(runs) or 'none'}: {why}".replace("|", "\\|")


def page() -> str:
    """The page; every spec is derived for it."""
    found = [backends_file(file) for file in specs()]
    names = columns(found[0])
    rows = [f"| spec | operators | {' | '.join(names)} |", f"| --- | --- | {' | '.join('---' for _ in names)} |"]
    return HEAD + "\n".join([*rows, *(row(backed) for backed in found)]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
