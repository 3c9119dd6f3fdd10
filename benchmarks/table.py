"""The arithmetic of the table: ratios, floors, verdicts. Pure; nothing here is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.races import BEST, EVERY_PEER, FLOOR, SCANS, Race, Target
from benchmarks.timing import Sample

OURS = "metrigen"


@dataclass(frozen=True)
class Result:
    """One contender of one race: its times, or why it has none."""

    name: str
    family: str
    gradients: bool
    sample: Sample | None
    error: str = ""


@dataclass(frozen=True)
class Verdict:
    """``met`` is None where what the target compares with was not measured in this run."""

    target: Target
    met: bool | None
    ratio: float | None

    def __str__(self) -> str:
        word = {True: "met", False: "not met", None: "not decided"}[self.met]
        return f"{self.target}: {word}" + ("" if self.ratio is None else f" ({self.ratio:.2f}x)")


@dataclass(frozen=True)
class Row:
    """A line of the table, times in milliseconds."""

    race: str
    shape: str
    contender: str
    median: float | None
    fastest: float | None
    spread: float | None
    against_best: float | None
    against_floor: float | None
    cold: float | None
    gradients: bool
    verdicts: tuple[Verdict, ...]
    note: str


def median_of(results: Sequence[Result], family: str) -> float | None:
    """The best median of a family; of two ways to write a peer the faster one counts."""
    found = [r.sample.median for r in results if r.family == family and r.sample is not None]
    return min(found, default=None)


def best_peer(results: Sequence[Result], race: Race) -> float | None:
    """The best median of the peers that compute the same thing."""
    found = [median_of(results, family) for family in race.peers if family in (*EVERY_PEER, *SCANS)]
    return min((x for x in found if x is not None), default=None)


def ours(results: Sequence[Result]) -> Result | None:
    """metrigen's fastest backend."""
    found = [r for r in results if r.family == OURS and r.sample is not None]
    return min(found, key=lambda r: r.sample.median if r.sample else 0.0, default=None)


def verdict(target: Target, race: Race, mine: float, results: Sequence[Result], floor: float | None) -> Verdict:
    """Decide one target. ``ahead`` fails against any peer that was measured; to be met it needs all of them."""
    named = tuple(x for name in target.of for x in (race.peers if name == BEST else (name,)))
    medians = [floor if name == FLOOR else median_of(results, name) for name in named]
    known = [x for x in medians if x is not None]
    if not known:
        return Verdict(target, None, None)
    if target.kind == "ahead":
        ratio = min(known) / mine
        good = ratio >= target.factor
    else:
        ratio = mine / min(known)
        good = ratio <= target.factor
    return Verdict(target, None if good and len(known) < len(medians) else good, ratio)


def rows(race: Race, results: Sequence[Result], floor: float | None, note: str = "") -> tuple[Row, ...]:
    """The lines of one race: metrigen first, then the peers from fast to slow, then those without a time."""
    best, first = best_peer(results, race), ours(results)
    decided = (
        ()
        if first is None or first.sample is None
        else tuple(verdict(t, race, first.sample.median, results, floor) for t in race.targets)
    )
    order = sorted(results, key=lambda r: (r.family != OURS, r.sample is None, r.sample.median if r.sample else 0.0))
    found = []
    for r in order:
        s = r.sample
        mine = r is first
        found.append(
            Row(
                race.name,
                race.shape,
                r.name,
                None if s is None else 1e3 * s.median,
                None if s is None else 1e3 * s.fastest,
                None if s is None else 1e3 * s.spread,
                None if s is None or best is None else best / s.median,
                None if s is None or floor is None else s.median / floor,
                None if s is None else s.cold,
                r.gradients,
                decided if mine else (),
                r.error or (note if mine else ""),
            )
        )
    return tuple(found)


HEADER = (
    "workload", "contender", "median ms", "min ms", "IQR ms", "best peer / this", "this / floor", "bandwidth",
    "cold s", "gradients", "target", "note",
)  # fmt: skip
# Columns that fit a screen; targets and notes follow it as lines.
SCREEN = len(HEADER) - 2


def _number(value: float | None, digits: int = 2, unit: str = "") -> str:
    return "" if value is None else f"{value:.{digits}f}{unit}"


def cells(row: Row) -> tuple[str, ...]:
    """The texts of a line, one a column of ``HEADER``."""
    return (
        row.race,
        row.contender,
        _number(row.median),
        _number(row.fastest),
        _number(row.spread),
        _number(row.against_best, 2, "x"),
        _number(row.against_floor, 1, "x"),
        "" if row.against_floor is None else f"{100 / row.against_floor:.0f}%",
        _number(row.cold, 1),
        "yes" if row.gradients else "no",
        "; ".join(map(str, row.verdicts)),
        row.note,
    )


def markdown(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; a bar in a text is escaped."""
    texts = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(x.replace("|", "\\|").replace("\n", " ") for x in line) + " |" for line in texts)
