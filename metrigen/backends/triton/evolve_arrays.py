"""What the fused kernels of a step read, keep and sum up."""

from __future__ import annotations

from metrigen.backends.triton.plane import Neighbours, plane_functions
from metrigen.backends.triton.units import unit_functions
from metrigen.ir.nodes import Accumulate, ChannelMatmul, ChannelSum, Kind, Outer, Program
from metrigen.passes.vary import bar


class Arrays:
    """The arrays of a step and of its variation, by what becomes of them."""

    def __init__(
        self,
        step: Program,
        adjoint: Program,
        fields: tuple[str, ...],
        neighbours: Neighbours,
        on_request: tuple[str, ...],
    ) -> None:
        self.on_request = on_request
        self.step, self.adjoint, self.fields, self.neighbours = step, adjoint, fields, neighbours
        self.grouped = any(isinstance(s, (ChannelMatmul, ChannelSum)) for s in step.body)
        self.functions = plane_functions(step, "step", neighbours)
        self.reverse = plane_functions(adjoint, "step_adjoint", neighbours)
        self.units = unit_functions(step, "step")
        self.reverse_units = unit_functions(adjoint, "step_adjoint")
        self.sizes_of = {a.name: a.units for a in step.inputs if a.kind is Kind.UNITS}
        self.kinds = {a.name: a.kind for a in step.inputs}
        self.fixed = tuple(a.name for a in step.inputs if a.name not in fields)
        self.driven = frozenset(a.name for a in step.inputs if a.driven)
        self.noise = frozenset(a.name for a in step.inputs if a.noise)
        self.helpers: set[str] = set()
        self.sizes = ["N__", *(f"N{axis}__" for axis in range(neighbours.rank)), "TILE__"]
        self.sizes += ["GROUP__"] if self.grouped else []
        everything = (*self.functions, *self.reverse)
        self.index_tiles = [f"neighbour__{k}" for k in range(len(neighbours.sets))]
        self.insides = [m.name for m in neighbours.inside if any(m.name in f.insides for f in everything)]

    @property
    def _saved(self) -> list[str]:
        """State arrays that the varied step reads."""
        read = {name for s in self.adjoint.body for name in s.reads}
        return [f for f in self.fields if f in read]

    @property
    def _flowing(self) -> dict[str, str]:
        """Field -> the name of the cotangent that flows into a step, an input of the varied step."""
        return dict(zip(self.fields, (bar(out) for out in self.step.outputs), strict=True))

    @property
    def _terms(self) -> dict[str, tuple[str, ...]]:
        """Fixed array -> the sums or outer products that make its cotangent; (itself,) for a site array."""
        sums = {s.out: s.terms for s in self.adjoint.body if isinstance(s, Accumulate)}
        return {n: (bar(n),) if self.kinds[n] is Kind.SITE else sums.get(bar(n), ()) for n in self.fixed}

    @property
    def _outers(self) -> dict[str, Outer]:
        return {s.out: s for s in self.adjoint.body if isinstance(s, Outer)}

    @property
    def _factors(self) -> list[str]:
        """Site arrays whose outer products torch sums at the end; one plane of each is kept per step."""
        return sorted({n for s in self._outers.values() for n in (s.left, s.right)} - set(self._saved))

    def _summed(self, kind: Kind) -> list[str]:
        return [n for n in self.fixed if self.kinds[n] is kind and self._terms[n]]

    def _partial(self) -> list[str]:
        return [*self._summed(Kind.CHANNEL), *self._summed(Kind.SCALAR)]

    def _added(self) -> list[str]:
        """Fixed fields whose cotangents are added up over the steps."""
        return [n for n in self._summed(Kind.SITE) if n not in self.driven]

    def _numbers(self, table: str) -> int:
        """Numbers of a channel in the weights of a network."""
        units, columns = self.sizes_of[table]
        return units * columns
