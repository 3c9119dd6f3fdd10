"""``metrigen cite``."""

from __future__ import annotations

from metrigen.catalogue.outline import UNKNOWN, outline
from metrigen.cli.options import Debug, Json, Quiet, Spec
from metrigen.cli.session import session
from metrigen.spec.files import read, shown_path

EXAMPLES = """
    metrigen cite specs/maze.py                 BibTeX of its methods
    metrigen cite specs/cifar.py > methods.bib
"""


def cite(spec: Spec, as_json: Json = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """Print BibTeX of the methods that a spec uses: form, method, solver, means, tensor."""
    with session("cite", as_json, quiet, debug) as s:
        told = outline(read(spec, shown_path(spec)).decode("utf-8-sig", errors="replace"))
        known = "" if told is None or told.name == UNKNOWN else told.name
        if known:
            s.say(_head(known))
        from metrigen import references as r
        from metrigen.spec.load import load_spec

        loaded = load_spec(spec)
        if known != loaded.system.name:
            s.say(_head(loaded.system.name))
        s.say(r.bibtex(loaded), end="")
        s.give(
            name=loaded.system.name,
            references=r.own_references(loaded),
            entries=[
                {"key": c.publication.key, "kind": c.publication.kind, **dict(c.publication.fields), "for": c.reasons}
                for c in r.citations(loaded)
            ],
        )


def _head(name: str) -> str:
    """The first line, a comment of BibTeX; printed before SymPy is imported where the text of the file has the name."""
    return f"% {name}: the methods that this spec uses, by metrigen"
