"""Build spec files: compile every one first, then write every package, so that a refused spec changes nothing.

What a plain build does not run, reports, pages and compilers, is imported where it is called.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import metrigen.caches  # noqa: F401  # before anything imports SymPy
from metrigen.backends.backends import BACKENDS
from metrigen.compiler import Compiled, Stage, compile_spec, layer_of
from metrigen.emit.derivation import derivation_markdown
from metrigen.emit.file import write_text
from metrigen.emit.manifest import NAME as MANIFEST
from metrigen.emit.package import package_files
from metrigen.emit.staging import staging
from metrigen.emit.swap import swap_in
from metrigen.emit.tree import Difference, compare_trees
from metrigen.emit.tree import write_packages as write_trees
from metrigen.errors import BuildError, InternalError, MetrigenError, SpecError, Warned, faults
from metrigen.layers.layer import Layer
from metrigen.package.notices import notices
from metrigen.spec.files import project_root
from metrigen.spec.load import Spec, line_of_system, load_spec, locate, raised_in_spec
from metrigen.spec.names import class_name

if TYPE_CHECKING:
    from metrigen.package.cost import Cost
    from metrigen.package.report import Report


@dataclass(frozen=True)
class Package:
    """A compiled spec and the place where its package belongs; ``files`` is complete, manifest included."""

    compiled: Compiled
    destination: Path
    files: dict[str, str]


def compile_file(
    path: Path,
    on_stage: Callable[[Stage], None],
    on_begin: Callable[[str], None] | None = None,
    out: Path | None = None,
) -> Compiled:
    """Load and compile one spec file; every error points into it. ``out``: where its package belongs."""
    start = time.perf_counter()
    spec = load_spec(path)
    if out is not None and project_root(path) is None:
        spec = _as_built(spec, out / spec.system.name)
    on_stage(Stage("load", time.perf_counter() - start, None, None, None))
    with located(spec):
        compiled = compile_spec(spec, on_stage, on_begin)
    for warned in compiled.warnings:
        locate(warned, spec)
    return compiled


def _as_built(spec: Spec, folder: Path) -> Spec:
    """Outside a project nothing says what the path of a spec is relative to: its package keeps the one that it has, if
    that ends in the name of the file."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["spec"]["path"]
    except (OSError, ValueError, KeyError, TypeError):
        return spec
    if not isinstance(found, str) or not found.isprintable():
        return spec
    path = PurePosixPath(found)
    keeps = path.name == PurePosixPath(spec.file).name and not path.is_absolute() and ".." not in path.parts
    return replace(spec, file=path.as_posix()) if keeps else spec


def warnings_of(report: Report) -> tuple[Warned, ...]:
    """What the author of a shown spec is to be told, each with the line of the spec."""
    found = notices(report.derivation, report.spec.declared)
    for warned in found:
        locate(warned, report.spec)
    return found


def report_file(path: Path, on_begin: Callable[[str], None] | None = None) -> Report:
    """Load one spec file and work out everything that can be shown of it; every error points into it."""
    from metrigen.package.report import report_of

    spec = load_spec(path)
    at = ["load"]

    def begin(stage: str) -> None:
        at.append(stage)
        if on_begin is not None:
            on_begin(stage)

    with located(spec), faults(stage=lambda: at[-1]):
        return report_of(spec, begin)


@contextmanager
def layer_file(path: Path, on_begin: Callable[[str], None] | None = None) -> Iterator[tuple[Layer, tuple[Warned, ...]]]:
    """The layer of a spec file, and what its author is to be told; errors inside point into the file."""
    spec = load_spec(path)
    with located(spec):
        layer = layer_of(spec, on_begin)
        warnings = notices(layer.source.derivation, spec.declared)
        for warned in warnings:
            locate(warned, spec)
        yield layer, warnings


@dataclass(frozen=True)
class Backed:
    """The operators of a layer, with why a backend does not implement one, empty where it does.

    reasons  (backend, operator) -> the reason, in the order of the backends
    """

    name: str
    operators: tuple[str, ...]
    backends: tuple[str, ...]
    reasons: Mapping[tuple[str, str], str]
    warnings: tuple[Warned, ...]


def backends_file(path: Path, on_begin: Callable[[str], None] | None = None) -> Backed:
    """Which backend implements which operator of a spec."""
    with layer_file(path, on_begin) as (layer, warnings):
        made = [backend(layer) for backend in BACKENDS]
        reasons = {(b.name, o.name): b.why_not(o) for b in made for o in layer.operators}
    operators = tuple(o.name for o in layer.operators)
    return Backed(layer.source.name, operators, tuple(b.name for b in made), reasons, warnings)


def report_markdown(report: Report) -> str:
    """The derivation of a report as Markdown with LaTeX."""
    return derivation_markdown(report.spec, report.derivation, report.laws)


def report_cost(report: Report, shape: tuple[int, ...] | None, bandwidth: float) -> Cost:
    """The cost of a layer at a shape; errors point into the spec."""
    with located(report.spec):
        return report.cost(shape, bandwidth)


def write_page(report: Report, file: Path | None, shape: tuple[int, ...] | None, bandwidth: float) -> Path:
    """Write the report as a page to ``file``, by default NAME.html here; the path. Raises BuildError."""
    from metrigen.package.page import page

    path = file if file is not None else Path(f"{report.spec.system.name}.html")
    cost = report_cost(report, shape, bandwidth) if report.lowered is not None else None
    write_text(path, page(report, cost))
    return path


def packages_of(compiled: Sequence[Compiled], out: Path) -> tuple[Package, ...]:
    """The packages of compiled specs under ``out``; SpecError if two of them claim the same folder."""
    packages: dict[str, Package] = {}
    for one in compiled:
        name = one.spec.system.name
        other = packages.get(name.casefold())
        if other is not None:
            same = other.compiled.spec.system.name == name
            raise SpecError(
                f"two specs are called {name!r}" + ("" if same else " but for the case of letters"),
                where=one.spec.path,
                why=f"{other.compiled.spec.path} has the same name, and so the same package"
                + ("" if same else " where a file system ignores case"),
                fix="give one of them another name=",
                see="same-name",
            )
        with located(one.spec), faults(stage="check what is printed"):
            packages[name.casefold()] = Package(one, out / name, package_files(one))
    return tuple(packages.values())


def write_packages(packages: Sequence[Package]) -> tuple[bool, ...]:
    """Write all of them or none; whether each one changed."""
    for package in packages:
        _check_case(package)
    return write_trees({package.destination: package.files for package in packages})


@dataclass(frozen=True)
class Kernels:
    """Compiled kernels of a package, in a folder from which they are put into its folder ``place``."""

    package: Package
    folder: Path
    names: tuple[str, ...]
    place: str = "compiled"


def compile_kernels(
    packages: Sequence[Package], target: str | None, shapes: Sequence[tuple[int, ...]], dtypes: Sequence[str],
    cleaning: ExitStack,
) -> tuple[str, tuple[Kernels, ...]]:  # fmt: skip
    """Compile the kernels of packages, before any of them is written, into folders that ``cleaning`` removes; the name
    of the baseline, and those that have kernels. Raises BuildError: no such baseline, no compiler, another number of
    axes, or no package has kernels."""
    from metrigen.backends.cpu import ahead

    goal = ahead.target(target)
    if not any(ahead.has_kernels(package.files) for package in packages):
        raise BuildError(
            "there is nothing to compile: no CPU kernels",
            component=", ".join(package.destination.name for package in packages),
            why="metrigen show SPEC --backends says why",
            fix="build without --compile: it runs in plain torch",
            see="compiled-ahead",
        )
    made = []
    for package in packages:
        if ahead.has_kernels(package.files):
            parts = [ahead.libraries(package.files, shape, dtype) for shape in shapes for dtype in dtypes]
            folder = _staged(package, cleaning)
            names = ahead.compile_ahead(package.files, [d for part in parts for d in part], goal, folder)
            made.append(Kernels(package, folder, names))
    return goal.name, tuple(made)


def _staged(package: Package, cleaning: ExitStack) -> Path:
    """An empty folder beside a package, which ``cleaning`` removes. Raises BuildError."""
    place = package.destination.parent
    try:
        place.mkdir(parents=True, exist_ok=True)
        folder = cleaning.enter_context(staging(place, package.destination.name)) / "new"
        folder.mkdir()
    except OSError as error:
        raise BuildError(
            "the package cannot be written",
            component=str(place),
            why=str(error),
            fix="--out with a folder that can be written",
            see="compiled-ahead",
        ) from error
    return folder


def register_in_cpp(
    packages: Sequence[Package], target: str | None, shapes: Sequence[tuple[int, ...]], dtypes: Sequence[str],
    cleaning: ExitStack,
) -> tuple[str, tuple[Kernels, ...]]:  # fmt: skip
    """Write and compile the registration of packages in C++, as ``compile_kernels`` does their kernels. Raises
    BuildError where a package has none, too."""
    from metrigen.backends.cpu import ahead, library, registration

    goal = ahead.target(target)
    for package in packages:
        if why := registration.why_not(package.files):
            raise BuildError(
                "the operators of the package are not registered in C++",
                component=package.destination.name,
                why=why,
                fix='build without --cpp, and export the layer with backend="torch" where torch.export takes it',
                see="registered-in-cpp",
            )
    made = []
    for package in packages:
        wanted = [d for shape in shapes for dtype in dtypes for d in ahead.libraries(package.files, shape, dtype)]
        folder, title = _staged(package, cleaning), class_name(package.compiled.spec.system.name)
        made.append(Kernels(package, folder, library.build(package.files, title, wanted, goal, folder), "cpp"))
    return goal.name, tuple(made)


def place_kernels(made: Sequence[Kernels]) -> None:
    """Put compiled kernels into their packages, which are there. Raises BuildError."""
    for kernels in made:
        place = kernels.package.destination / kernels.place
        try:
            swap_in(kernels.folder, place)
        except OSError as error:
            raise BuildError(
                "the compiled kernels cannot be written",
                component=str(place),
                why=error.strerror or str(error),
                fix="the package is there and compiles its kernels where it runs; make room and build again",
                see="compiled-ahead",
            ) from error


def _check_case(package: Package) -> None:
    """Refuse a package beside another one whose name differs by case alone: one folder on many machines."""
    folder, name = package.destination.parent, package.destination.name
    try:
        beside = os.listdir(folder)
    except OSError:  # it is still to be made
        return
    for other in sorted(beside):
        if other != name and other.casefold() == name.casefold():
            raise BuildError(
                "the place of the package is taken on file systems that ignore case",
                component=str(package.destination),
                why=f"{folder / other} is beside it",
                fix="give the system another name=, or move the other one away",
                see="place-taken",
            )


def differences(package: Package) -> list[Difference]:
    """What would change if the package was written."""
    return compare_trees(package.files, package.destination)


@contextmanager
def located(spec: Spec) -> Iterator[None]:
    """Let errors raised inside point at the line of the spec that is to blame, faults of the compiler at the system."""
    try:
        yield
    except MetrigenError as error:
        locate(error, spec)
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        foreign = (error.__cause__ or error) if isinstance(error, InternalError) else error
        mine = raised_in_spec(foreign, spec)
        if mine is not None:
            raise mine from foreign
        if isinstance(error, InternalError):
            error.where = error.where or line_of_system(spec)
        raise
