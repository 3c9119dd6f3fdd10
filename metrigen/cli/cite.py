"""``metrigen cite``."""

from __future__ import annotations

from metrigen.cli.options import Debug, Json, Quiet, Spec
from metrigen.cli.session import session

EXAMPLES = """
    metrigen cite specs/maze.py                 BibTeX of its methods
    metrigen cite specs/cifar.py > methods.bib
"""


def cite(spec: Spec, as_json: Json = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """Print BibTeX of the methods that a spec uses: form, method, solver, means, tensor."""
    with session("cite", as_json, quiet, debug) as s:
        from metrigen import references as r
        from metrigen.spec.load import load_spec

        loaded = load_spec(spec)
        s.say(r.bibtex(loaded), end="")
        s.give(
            name=loaded.system.name,
            references=r.own_references(loaded),
            entries=[
                {"key": c.publication.key, "kind": c.publication.kind, **dict(c.publication.fields), "for": c.reasons}
                for c in r.citations(loaded)
            ],
        )
