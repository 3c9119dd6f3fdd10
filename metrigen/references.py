"""The publications behind the methods of metrigen: their one home, and which of them a spec uses."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from metrigen.spec.load import Spec
from metrigen.spec.readout import StressEnergy


@dataclass(frozen=True)
class Publication:
    """An entry of BibTeX: its kind, and its fields in order."""

    key: str
    kind: str
    fields: tuple[tuple[str, str], ...]

    def bibtex(self) -> str:
        width = max(len(name) for name, _ in self.fields)
        rows = [f"  {name:<{width}} = {{{text}}}" for name, text in self.fields]
        return "\n".join([f"@{self.kind}{{{self.key},", ",\n".join(rows), "}"])


def _article(key: str, author: str, title: str, journal: str, volume: int, pages: str, year: int) -> Publication:
    fields = {"author": author, "title": title, "journal": journal, "volume": str(volume), "pages": pages,
              "year": str(year)}  # fmt: skip
    return Publication(key, "article", tuple((name, text) for name, text in fields.items() if text))


def _book(key: str, author: str, title: str, publisher: str, year: int, **more: str) -> Publication:
    fields = {"author": author, "title": title, "publisher": publisher, **more, "year": str(year)}
    return Publication(key, "book", tuple(fields.items()))


_HLW = "Hairer, Ernst and Lubich, Christian and Wanner, Gerhard"
PUBLICATIONS: tuple[Publication, ...] = (
    _article("Morrison1986", "Morrison, Philip J.", "A paradigm for joined {Hamiltonian} and dissipative systems",
             "Physica D", 18, "410--419", 1986),
    _article("Kaufman1984", "Kaufman, Allan N.", "Dissipative {Hamiltonian} systems: a unifying principle",
             "Physics Letters A", 100, "419--422", 1984),
    _article("GrmelaOttinger1997", 'Grmela, Miroslav and {\\"O}ttinger, Hans Christian', "Dynamics and thermodynamics "
             "of complex fluids. {I}. {D}evelopment of a general formalism", "Physical Review E", 56, "6620--6632",
             1997),
    _article("MorrisonUpdike2024", "Morrison, Philip J. and Updike, Michael H.", "Inclusive curvaturelike framework "
             "for describing dissipation: metriplectic 4-bracket dynamics", "Physical Review E", 109, "045202", 2024),
    _article("Morrison1998", "Morrison, Philip J.", "Hamiltonian description of the ideal fluid",
             "Reviews of Modern Physics", 70, "467--521", 1998),
    Publication("Noether1918", "article", (
        ("author", "Noether, Emmy"), ("title", "Invariante {Variationsprobleme}"), ("journal", "Nachrichten von der "
         'Gesellschaft der Wissenschaften zu G{\\"o}ttingen, Mathematisch-Physikalische Klasse'),
        ("pages", "235--257"), ("year", "1918"))),
    _article("CallenWelton1951", "Callen, Herbert B. and Welton, Theodore A.", "Irreversibility and generalized noise",
             "Physical Review", 83, "34--40", 1951),
    _article("Strang1968", "Strang, Gilbert", "On the construction and comparison of difference schemes",
             "SIAM Journal on Numerical Analysis", 5, "506--517", 1968),
    _article("Verlet1967", "Verlet, Loup", "Computer ``experiments'' on classical fluids. {I}. {T}hermodynamical "
             "properties of {Lennard-Jones} molecules", "Physical Review", 159, "98--103", 1967),
    _book("HairerLubichWanner2006", _HLW, "Geometric Numerical Integration: Structure-Preserving Algorithms for "
          "Ordinary Differential Equations", "Springer", 2006, edition="2nd"),
    _article("Suzuki1990", "Suzuki, Masuo", "Fractal decomposition of exponential operators with applications to "
             "many-body theories and {Monte Carlo} simulations", "Physics Letters A", 146, "319--323", 1990),
    _article("KahanLi1997", "Kahan, William and Li, Ren-Cang", "Composition constants for raising the orders of "
             "unconventional schemes for ordinary differential equations", "Mathematics of Computation", 66,
             "1089--1099", 1997),
    _article("QuispelMcLaren2008", "Quispel, G. R. W. and McLaren, D. I.", "A new class of energy-preserving numerical "
             "integration methods", "Journal of Physics A: Mathematical and Theoretical", 41, "045206", 2008),
    _article("CohenHairer2011", "Cohen, David and Hairer, Ernst", "Linear energy-preserving integrators for {Poisson} "
             "systems", "BIT Numerical Mathematics", 51, "91--101", 2011),
    _article("Gonzalez1996", "Gonzalez, Oscar", "Time integration and discrete {Hamiltonian} systems",
             "Journal of Nonlinear Science", 6, "449--467", 1996),
    _article("ItohAbe1988", "Itoh, Toshiaki and Abe, Kanji", "Hamiltonian-conserving discrete canonical equations "
             "based on variational difference quotients", "Journal of Computational Physics", 76, "85--102", 1988),
    _article("McLachlanQuispelRobidoux1999", "McLachlan, Robert I. and Quispel, G. R. W. and Robidoux, Nicolas",
             "Geometric integration using discrete gradients", "Philosophical Transactions of the Royal Society A", 357,
             "1021--1045", 1999),
    _article("Ottinger2018", '{\\"O}ttinger, Hans Christian', "{GENERIC} integrators: structure preserving time "
             "integration for thermodynamic systems", "Journal of Non-Equilibrium Thermodynamics", 43, "", 2018),
    _article("Kutta1901", "Kutta, Wilhelm", 'Beitrag zur n{\\"a}herungsweisen {Integration} totaler '
             "{Differentialgleichungen}", 'Zeitschrift f{\\"u}r Mathematik und Physik', 46, "435--453", 1901),
    _book("HairerNorsettWanner1993", 'Hairer, Ernst and N{\\o}rsett, Syvert P. and Wanner, Gerhard',
          "Solving Ordinary Differential Equations {I}: Nonstiff Problems", "Springer", 1993, edition="2nd"),
    _article("HestenesStiefel1952", "Hestenes, Magnus R. and Stiefel, Eduard", "Methods of conjugate gradients for "
             "solving linear systems", "Journal of Research of the National Bureau of Standards", 49, "409--436", 1952),
    _article("KnollKeyes2004", "Knoll, D. A. and Keyes, D. E.", "Jacobian-free {Newton--Krylov} methods: a survey of "
             "approaches and applications", "Journal of Computational Physics", 193, "357--397", 2004),
    _book("Varga1962", "Varga, Richard S.", "Matrix Iterative Analysis", "Prentice-Hall", 1962),
    _book("Patankar1980", "Patankar, Suhas V.", "Numerical Heat Transfer and Fluid Flow", "Hemisphere", 1980),
    _article("Maas2011", "Maas, Jan", "Gradient flows of the entropy for finite {Markov} chains",
             "Journal of Functional Analysis", 261, "2250--2292", 2011),
    Publication("Blelloch1990", "techreport", (
        ("author", "Blelloch, Guy E."), ("title", "Prefix sums and their applications"), ("institution", "School of "
         "Computer Science, Carnegie Mellon University"), ("number", "CMU-CS-90-190"), ("year", "1990"))),
    Publication("Meurer2017", "article", (
        ("author", "Meurer, Aaron and others"), ("title", "{SymPy}: symbolic computing in {Python}"),
        ("journal", "PeerJ Computer Science"), ("volume", "3"), ("pages", "e103"), ("year", "2017"))),
)  # fmt: skip

# Name of a method -> the keys of what is to be cited for it.
METHODS: dict[str, tuple[str, ...]] = {
    "ExplicitEuler": ("HairerNorsettWanner1993",),
    "SymplecticEuler": ("HairerLubichWanner2006",),
    "Leapfrog": ("Verlet1967", "HairerLubichWanner2006"),
    "Strang": ("Strang1968", "HairerLubichWanner2006"),
    "Composed": ("Suzuki1990", "KahanLi1997"),
    "Exponential": ("HairerLubichWanner2006",),
    "ImplicitMidpoint": ("HairerLubichWanner2006",),
    "AverageVectorField": ("QuispelMcLaren2008", "CohenHairer2011"),
    "DiscreteGradient": ("Gonzalez1996", "ItohAbe1988", "McLachlanQuispelRobidoux1999", "Ottinger2018"),
    "RK4": ("Kutta1901",),
}
SOLVERS: dict[str, tuple[str, ...]] = {
    "cg": ("HestenesStiefel1952",),
    "monotone": ("Varga1962",),
    "newton": ("KnollKeyes2004", "HestenesStiefel1952"),
}
# Word of the vocabulary that a spec calls -> (keys, what for).
WORDS: dict[str, tuple[tuple[str, ...], str]] = {
    "kulkarni_nomizu": (("MorrisonUpdike2024",), "the metric from a Kulkarni-Nomizu product"),
    "logmean": (("Maas2011",), "the logarithmic mean"),
}


@dataclass(frozen=True)
class Citation:
    """A publication, and what of the spec it stands behind."""

    publication: Publication
    reasons: tuple[str, ...]


def citations(spec: Spec) -> tuple[Citation, ...]:
    """The publications behind a spec, each once, in the order of a derivation."""
    known = {p.key: p for p in PUBLICATIONS}
    found: dict[str, list[str]] = {}
    for keys, reason in _uses(spec):
        for key in keys:
            if reason not in (reasons := found.setdefault(key, [])):
                reasons.append(reason)
    return tuple(Citation(known[key], tuple(reasons)) for key, reasons in found.items())


def bibtex(spec: Spec) -> str:
    """The entries of a spec, each under a comment that says what it is cited for; comments are skipped by BibTeX."""
    own = [f"% The spec refers to: {line}" for line in own_references(spec)]
    entries = [f"% {'; '.join(c.reasons)}\n{c.publication.bibtex()}" for c in citations(spec)]
    return "\n".join([*own, "", "\n\n".join(entries)]) + "\n"


def own_references(spec: Spec) -> tuple[str, ...]:
    """What the docstring of a spec says behind ``Reference:``."""
    text = ast.get_docstring(ast.parse(spec.source)) or ""
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    return tuple(p.partition(":")[2].strip() for p in paragraphs if p.startswith(("Reference:", "References:")))


def _uses(spec: Spec) -> Iterator[tuple[tuple[str, ...], str]]:
    system = spec.system
    yield ("Meurer2017",), "the derivation is done in SymPy"
    yield from _form(system)
    if isinstance(system.readout, StressEnergy) or system.symmetries:
        yield ("Noether1918",), "the stress-energy tensor and the currents are those of Noether"
    for word in sorted(_called(spec.source)):
        if word in WORDS:
            yield WORDS[word]
    if getattr(system.domain, "average", None) == "harmonic":
        yield ("Patankar1980",), "harmonic means of coefficients at the edges"
    if system.temperature is not None:
        yield ("CallenWelton1951",), "noise and friction balance at a temperature"
    if system.constraints:
        yield SOLVERS["cg"], "elliptic constraints by conjugate gradient"
    if system.domain.tokens:
        yield ("Blelloch1990",), "the scan along the tokens"
    yield from _method(system.integrator)


def _form(system: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    if system.metric is not None and system.entropy is not None:
        yield ("GrmelaOttinger1997", "Morrison1986"), "z_t = {z, H} + (z, S): energy is kept, entropy grows"
    elif system.metric is not None and (system.bracket is not None or system.lagrangian is not None):
        yield ("Morrison1986", "Kaufman1984"), "z_t = {z, H} - (z, H): a Poisson and a dissipative bracket"
    if system.bracket is not None and system.lagrangian is None:
        yield ("Morrison1998",), "a Poisson bracket of its own"


def _method(method: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    if method is None:
        return
    name = type(method).__name__
    if name == "SteadyState":
        yield SOLVERS.get(method.solver, ()), f"the steady state by {method.solver}"
    yield METHODS.get(name, ()), f"time steps by {name}"
    inner = [getattr(method, part, None) for part in ("method", "bracket", "metric")]
    for part in inner:
        part_name = part.__name__ if isinstance(part, type) else type(part).__name__
        yield METHODS.get(part_name, ()), f"its part {part_name}"


def _called(source: str) -> set[str]:
    """The names that a text calls."""
    calls = [node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return {str(getattr(f, "id", getattr(f, "attr", ""))) for f in calls}
