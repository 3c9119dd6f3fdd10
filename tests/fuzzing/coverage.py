"""The coverage of a run as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tests.fuzzing.cells import cells


def table(records: Iterable[Mapping[str, Any]]) -> str:
    """Specs that ran by place x method, by feature and by backend; cells without one; refusals; the slowest."""
    records = list(records)
    ran = [r for r in records if not r["refused"]]
    places = sorted({(c.domain, c.wall) for c in cells()})
    methods = sorted({c.method for c in cells()})
    possible = {(c.domain, c.wall, c.method) for c in cells()}
    count = Counter((r["cell"][0], r["cell"][1], r["cell"][2]) for r in ran)
    width = max(len(" ".join(p)) for p in places)
    lines = [" " * width + " " + " ".join(f"{m[:6]:>6}" for m in methods)]
    for place in places:
        row = [str(count[(*place, m)]) if (*place, m) in possible else "." for m in methods]
        lines.append(f"{' '.join(place):<{width}} " + " ".join(f"{n:>6}" for n in row))
    features = Counter(r["cell"][3] for r in ran)
    lines.append("features  " + ", ".join(f"{name} {features[name]}" for name in sorted({c.feature for c in cells()})))
    backends = Counter(name for r in ran for name in r["backends"])
    lines.append("backends  " + ", ".join(f"{name} {number}" for name, number in sorted(backends.items())))
    seen = {tuple(r["cell"]) for r in records}
    empty = sum((c.domain, c.wall, c.method, c.feature) not in seen for c in cells())
    lines.append(f"cells     {len(cells()) - empty} of {len(cells())} tried")
    refusals = Counter(r["refused"] for r in records if r["refused"])
    lines += [f"refused   {number} x {text[:66]}" for text, number in refusals.most_common()]
    slowest = max(records, key=lambda r: r["seconds"], default=None)
    if slowest is not None:
        lines.append(f"slowest   {slowest['seconds']:.1f} s, seed {slowest['seed']}: {' '.join(slowest['cell'])}")
    lines.append(f"{len(records)} specs, {sum(len(r['faults']) > 0 for r in records)} with faults")
    return "\n".join(lines)
