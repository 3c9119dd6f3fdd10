"""The texts of a package, file by file: what every layer has, and what its family says of it."""

from __future__ import annotations

from metrigen.backends.base import Backend
from metrigen.emit.derivation import derivation_markdown
from metrigen.emit.header import header
from metrigen.emit.layout import layout
from metrigen.emit.render import render
from metrigen.layers.layer import Layer
from metrigen.package.assembly import Package, assemble
from metrigen.package.expressions import expressions_text
from metrigen.package.families import family_of
from metrigen.package.index import index_section
from metrigen.package.module import module_text
from metrigen.package.operators import files_of, operators_text, wide
from metrigen.package.runtime import runtime, shared


def package_texts(layer: Layer, backends: tuple[type[Backend], ...]) -> dict[str, str]:
    """Relative name -> text of every file but the manifest."""
    package, family = assemble(layer, backends), family_of(layer)
    head = header(layer.source.spec, family.guarantees(package), family.cost(layer))
    brief = header(layer.source.spec, (), None).rstrip("\n")
    reference, kernels = package.reference.files(head), {b.name: b.files(head) for b in package.used}
    told = [*family.sections(package), *index_section(layer, reference, kernels)]
    return {
        **reference,
        **{name: text for files in kernels.values() for name, text in files.items()},
        **shared(bool(layer.given.parameters)),
        **family.runtime(layer),
        **_operators(package, brief),
        "expressions.py": expressions_text(layer, brief),
        "py.typed": "",
        "__init__.py": render("__init__.py.j2", header=brief, class_name=layer.source.class_name),
        "module.py": layout(module_text(package, family.module(package), brief)),
        "DERIVATION.md": derivation_markdown(layer.source.spec, layer.source.derivation, layer.source.laws, told),
    }


def _operators(package: Package, brief: str) -> dict[str, str]:
    if not package.registered:
        return {}
    names = (*files_of(package), *(["wide"] if wide(package) else []))
    return {"operators.py": layout(operators_text(package, brief)), **runtime(*names)}
