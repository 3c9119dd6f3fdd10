"""A whole solve in one Triton kernel: one program owns one plane of an operator that couples no channels.

The iteration is that of the reference, plane by plane: conjugate gradient with the diagonal as preconditioner and a
check against the true residual, or the monotone fixed point. Every plane stops by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from metrigen.backends.triton.evolution import ChipKernel
from metrigen.backends.triton.plane import Neighbours, PlaneFunction, plane_functions
from metrigen.ir.nodes import Kind, Map, Program


@dataclass(frozen=True)
class Solve:
    """Plane functions of the operator and the kernels of its solvers.

    monotone  whether the monotone fixed point is one of them
    order     which of the operator's coefficients the kernels take first, in order
    """

    functions: tuple[PlaneFunction, ...]
    solvers: tuple[ChipKernel, ...]
    monotone: bool
    order: tuple[int, ...]


def print_solve(programs: Mapping[str, Program], unknown: str, neighbours: Neighbours, monotone: bool) -> Solve:
    """The kernels of ``weights``, ``apply``, ``gather`` and ``diagonal``."""
    return _Writer(programs, unknown, neighbours, monotone).solve()


class _Writer:
    def __init__(self, programs: Mapping[str, Program], unknown: str, neighbours: Neighbours, monotone: bool) -> None:
        self.programs, self.unknown, self.neighbours, self.monotone = programs, unknown, neighbours, monotone
        names = ("weights", "apply", *(("gather",) if monotone else ()), "diagonal")
        self.function = {name: plane_functions(programs[name], name, neighbours)[0] for name in names}
        weights = programs["weights"]
        self.kinds = {a.name: a.kind for a in weights.inputs}
        read = {name for s in weights.body for name in s.reads}
        self.fixed = tuple(a.name for a in programs["operator"].inputs if a.name != unknown)
        order = (Kind.SITE, Kind.CHANNEL, Kind.SCALAR)
        self.read = [n for kind in order for n in self.fixed if n in read and self.kinds[n] is kind]

    def solve(self) -> Solve:
        solvers = [self._conjugate_gradient()] + ([self._monotone()] if self.monotone else [])
        order = tuple(self.fixed.index(n) for n in self.read)
        return Solve(tuple(self.function.values()), tuple(solvers), self.monotone, order)

    def _start(self) -> list[str]:
        """The plane, the operator and its diagonal; 1 on the diagonal of the padding."""
        needed = [n for f in self.function.values() for n in (*f.index_tiles, *f.insides)]
        load = {
            Kind.SITE: "{n} = _load_plane({n}_ptr, base__, ok__, ACC)",
            Kind.CHANNEL: "{n} = tl.load({n}_ptr + channel__).to(ACC)",
            Kind.SCALAR: "{n} = tl.load({n}_ptr).to(ACC)",
        }
        weights = self.function["weights"]
        return [
            "plane__ = tl.program_id(0).to(tl.int64)",
            *(["channel__ = plane__ % C__"] if any(self.kinds[n] is Kind.CHANNEL for n in self.read) else []),
            "at__ = tl.arange(0, TILE__)",
            "ok__ = at__ < N__",
            "base__ = plane__ * N__ + at__",
            *self.neighbours.lines(needed),
            *(load[self.kinds[n]].format(n=n) for n in self.read),
            "b__ = _load_plane(b___ptr, base__, ok__, ACC)",
            f"{', '.join(weights.results)} = {weights.call()}",
            *(f"{n} = tl.where(ok__, {n}, 0.0)" for n in weights.results),
            f"pivot__ = tl.where(ok__, {self.function['diagonal'].call()}, 1.0)",
            "unit__, scale__ = _unit(tl.max(tl.abs(b__)), ACC)",
            "rtol__ = tl.load(rtol___ptr).to(ACC)",
        ]

    def _image(self, of: str) -> str:
        return self.function["apply"].call(rename={self.unknown: of})

    def _scaled_start(self) -> list[str]:
        """b, the start and its residual in the unit of b; a start whose residual would lose its square is zero."""
        return [
            "# In its unit every plane is near 1, and the numbers of the solve are the same.",
            "b__ *= scale__",
            "square__ = tl.sum(b__ * b__)",
            "# Of a plane that is no number there is no solution.",
            "unit__ = tl.where(square__ < float('inf'), unit__, float('nan'))",
            "tolerance__ = tl.maximum(rtol__ * tl.sqrt(square__), tl.load(atol___ptr).to(ACC) * scale__)",
            "x__ = _load_plane(start___ptr, base__, ok__, ACC) * scale__",
            f"far__ = tl.where(square__ == 0.0, 0.0, {2.0**766!r} if ACC == tl.float64 else {2.0**94!r}).to(ACC)",
            "x__ = tl.where(tl.abs(x__) > far__, 0.0, x__)",
            f"image__ = {self._image('x__')}",
            "r__ = b__ - image__",
            f"lost__ = tl.sum(r__ * r__) > ({2.0**511!r} if ACC == tl.float64 else {2.0**63!r}) * square__",
            "x__ = tl.where(lost__, 0.0, x__)",
            "r__ = b__ - tl.where(lost__, 0.0, image__)",
        ]

    def _conjugate_gradient(self) -> ChipKernel:
        lines = [
            *self._start(),
            *self._scaled_start(),
            "z__ = r__ / pivot__",
            "p__ = z__",
            "rz__ = tl.sum(r__ * z__)",
            "active__ = tl.sqrt(tl.sum(r__ * r__)) > tolerance__",
            "indefinite__ = 0",
            "iterations__ = 0",
            "stalls__ = 0",
            'best__ = tl.sum(tl.full([1], float("inf"), ACC))',
            "while active__ & (iterations__ < max_iter__):",
            f"    q__ = {self._image('p__')}",
            "    curvature__ = tl.sum(p__ * q__)",
            "    if curvature__ > 0:",
            "        iterations__ += 1",
            "        alpha__ = rz__ / curvature__",
            "        x__ += alpha__ * p__",
            "        r__ -= alpha__ * q__",
            "        looks__ = tl.sqrt(tl.sum(r__ * r__)) <= tolerance__",
            "        if looks__:",
            "            # It looks converged: go on from the true residual unless that agrees.",
            f"            r__ = b__ - {self._image('x__')}",
            "            left__ = tl.sqrt(tl.sum(r__ * r__))",
            "            stalls__ = tl.where(left__ > 0.9 * best__, stalls__ + 1, 0)",
            "            active__ = (left__ > tolerance__) & (stalls__ < PATIENCE__)",
            "            best__ = tl.minimum(best__, left__)",
            "        z__ = r__ / pivot__",
            "        fresh__ = tl.sum(r__ * z__)",
            "        beta__ = tl.where(looks__, 0.0, fresh__ / tl.where(rz__ == 0.0, 1.0, rz__))",
            "        p__ = z__ + beta__ * p__",
            "        rz__ = fresh__",
            "    else:",
            "        indefinite__ = 1",
            "        active__ = active__ & False",
            f"r__ = b__ - {self._image('x__')}",
            "left__ = tl.sqrt(tl.sum(r__ * r__))",
            "_store_plane(x___ptr, base__, x__ * unit__, ok__)",
            "tl.store(iterations___ptr + plane__, iterations__)",
            "tl.store(residual___ptr + plane__, left__ * unit__)",
            "tl.store(failed___ptr + plane__, tl.where((left__ <= tolerance__) & (unit__ > 0.0), 0, 1))",
            "tl.store(indefinite___ptr + plane__, indefinite__)",
        ]
        pointers = (*self.read, "b__", "start__", "rtol__", "atol__", "x__", "iterations__", "residual__", "failed__",
                    "indefinite__")  # fmt: skip
        doc = "Conjugate gradient, preconditioned by the diagonal, until ||b - A x|| <= tolerance."
        return self._kernel("conjugate_gradient", doc, pointers, lines, ("PATIENCE__",))

    def _monotone(self) -> ChipKernel:
        neighbours = self.function["gather"].call(rename={self.unknown: "u__"})

        def fixed_point(sign: str) -> list[str]:
            return [
                "active__ = plane__ >= 0",
                "count__ = 0",
                "while active__ & (count__ < max_iter__):",
                f"    new__ = (source__ + {neighbours}) / pivot__",
                "    moving__ = tl.abs(new__ - u__) > rtol__ * tl.abs(new__)",
                "    active__ = tl.max((ok__ & moving__).to(tl.int32)) > 0",
                "    u__ = tl.where(ok__, new__, 0.0)",
                "    count__ += 1",
                f"x__ {sign}= u__",
                "iterations__ = tl.maximum(iterations__, count__)",
                "failed__ = tl.maximum(failed__, active__.to(tl.int32))",
            ]

        lines = [
            *self._start(),
            "start__ = _load_plane(start___ptr, base__, ok__, ACC)",
            "x__ = tl.zeros([TILE__], ACC)",
            "iterations__ = 0",
            "failed__ = 0",
            "source__ = tl.where(b__ < 0.0, 0.0, b__)",
            "u__ = tl.where(start__ < 0.0, 0.0, start__)",
            *fixed_point("+"),
            "if tl.load(negative___ptr) != 0:",
            "    source__ = tl.where(b__ > 0.0, 0.0, -b__)",
            "    u__ = tl.where(start__ > 0.0, 0.0, -start__)",
            *(f"    {line}" for line in fixed_point("-")),
            f"r__ = (b__ - {self._image('x__')}) * scale__",
            "left__ = tl.sqrt(tl.sum(r__ * r__))",
            "_store_plane(x___ptr, base__, x__, ok__)",
            "tl.store(iterations___ptr + plane__, iterations__)",
            "tl.store(residual___ptr + plane__, left__ * unit__)",
            "tl.store(failed___ptr + plane__, tl.where(left__ < float('inf'), failed__, 1))",
        ]
        pointers = (*self.read, "b__", "start__", "rtol__", "x__", "iterations__", "residual__", "failed__",
                    "negative__")  # fmt: skip
        doc = "The fixed point u <- (b + sum w u_nb) / (m + sum w) of the positive and of the negative part of b."
        return self._kernel("monotone", doc, pointers, lines, ())

    def _kernel(
        self, name: str, doc: str, pointers: tuple[str, ...], lines: list[str], extra: tuple[str, ...]
    ) -> ChipKernel:
        sizes = ["N__", *(f"N{axis}__" for axis in range(self.neighbours.rank)), *extra, "TILE__"]
        constants = [f"{n}: tl.constexpr" for n in (*sizes, "ACC")]
        return ChipKernel(
            f"{name}_kernel", doc, (*(f"{p}_ptr" for p in pointers), "C__", "max_iter__", *constants), tuple(lines)
        )


def solvable(programs: Mapping[str, Program]) -> bool:
    """Whether the operator has the form m u + sum_s w_s (u - u[n + s]), each program one ``Map``."""
    names = ("weights", "apply", "gather", "diagonal")
    return all(n in programs and len(programs[n].body) == 1 and isinstance(programs[n].body[0], Map) for n in names)
