"""All steps of a plane in one Triton kernel, forward and in reverse.

One program owns one (sample, channel) plane, or the planes of a group of channels that a matrix couples; the state
stays in registers over the steps. The reverse computes the states once more, keeps what the varied step reads of
them, and goes back. Sums over sites leave one partial per program: the same bits at every run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from metrigen.backends.triton.evolution import ChipKernel, Evolution
from metrigen.backends.triton.evolve_arrays import Arrays
from metrigen.backends.triton.plane import Neighbours, PlaneFunction
from metrigen.backends.triton.printer import asked
from metrigen.backends.triton.units import rows, sums_of, unit_call
from metrigen.ir.nodes import Accumulate, ChannelMatmul, ChannelSum, Kind, Map, Outer, Program, Statement, Units
from metrigen.ir.statement import unknown
from metrigen.passes.vary import bar


def print_evolution(
    step: Program, adjoint: Program, fields: tuple[str, ...], neighbours: Neighbours, on_request: tuple[str, ...] = ()
) -> Evolution:
    """The kernels of ``step`` and of its variation; ``on_request`` are numbers whose cotangents are summed where they
    are asked for."""
    return _Writer(step, adjoint, fields, neighbours, on_request).evolution()


class _Writer(Arrays):
    def evolution(self) -> Evolution:
        step, evolve, adjoint = self._step(), self._evolve(), self._adjoint()
        return Evolution(
            self.grouped, (*self.functions, *self.units, *self.reverse, *self.reverse_units), step, evolve, adjoint,
            tuple(self._launch()), tuple(self._launch_adjoint()), frozenset(self.helpers),
        )  # fmt: skip

    # What both kernels share.

    def _read(self, program: Program, kind: Kind) -> list[str]:
        """Fixed arrays of a kind that a program reads."""
        read = {name for s in program.body for name in s.reads}
        return [n for n in self.fixed if self.kinds[n] is kind and n in read]

    def _place(self, program: Program) -> list[str]:
        """Which planes the kernel of a program owns, and their sites."""
        lines = ["plane__ = tl.program_id(0).to(tl.int64)"]
        if self.grouped:
            lines = [
                "plane__ = tl.program_id(0).to(tl.int64) * GROUP__",
                "first__ = plane__ % C__",
            ]
        elif self._read(program, Kind.CHANNEL) or self._read(program, Kind.UNITS):
            lines.append("channel__ = plane__ % C__")
        return [*lines, "at__ = tl.arange(0, TILE__)", "ok__ = at__ < N__", "base__ = plane__ * N__ + at__"]

    def _load(self, name: str, pointer: str = "", base: str = "base__") -> str:
        source = pointer or f"{name}_ptr"
        helper = "load_planes" if self.grouped else "load_plane"
        self.helpers.add(helper)
        group = ", N__, GROUP__" if self.grouped else ""
        return f"{name} = _{helper}({source}, {base}, ok__{group}, ACC)"

    def _noise(self, name: str, step: str, base: str) -> str:
        """The noise of a step: loaded, or made of the hashes of the planes."""
        self.helpers |= {"noise", "load_plane", *(["load_planes"] if self.grouped else [])}
        group = ", N__, GROUP__" if self.grouped else ""
        return f"{name} = _noise({name}_ptr, {base}, plane__ + {step} * planes__, at__, ok__{group}, ACC)"

    def _store(self, name: str, pointer: str, base: str = "base__", helper: str = "") -> str:
        helper = helper or ("store_planes" if self.grouped else "store_plane")
        self.helpers.add(helper)
        group = ", N__, GROUP__" if self.grouped else ""
        return f"_{helper}({pointer}, {base}, {name}, ok__{group})"

    def _load_fixed(self, program: Program) -> list[str]:
        lines = [self._load(n) for n in self._read(program, Kind.SITE) if n not in self.driven]
        if not self.grouped:
            channels = self._read(program, Kind.CHANNEL)
            lines += [f"{n} = tl.load({n}_ptr + channel__).to(ACC)" for n in channels]
            tables = self._read(program, Kind.UNITS)
            lines += [f"{rows(n)} = {n}_ptr + channel__ * {self._numbers(n)}" for n in tables]
        scalars = [n for n in self._read(program, Kind.SCALAR) if n not in self.driven]
        return lines + [f"{n} = tl.load({n}_ptr).to(ACC)" for n in scalars]

    def _load_driven(self, program: Program, step: str, base: str) -> list[str]:
        """What a step reads of what has a value for every step."""
        sites = [n for n in self._read(program, Kind.SITE) if n in self.driven]
        lines = [self._noise(n, step, base) if n in self.noise else self._load(n, base=base) for n in sites]
        scalars = [n for n in self._read(program, Kind.SCALAR) if n in self.driven]
        return lines + [f"{n} = tl.load({n}_ptr + {step}).to(ACC)" for n in scalars]

    def _whole(self) -> list[str]:
        """How many numbers a field has: so far apart are the values of one step and the next."""
        many = "planes__ = tl.num_programs(0).to(tl.int64)"
        return [f"{many} * GROUP__" if self.grouped else many, "stride__ = planes__ * N__"]

    def _needed(self, functions: tuple[PlaneFunction, ...]) -> list[str]:
        """Index tiles and indicators that the functions take."""
        names = {n for f in functions for n in (*f.index_tiles, *f.insides)}
        return [n for n in (*self.index_tiles, *self.insides) if n in names]

    def _pointers(self, program: Program) -> list[str]:
        kinds = (Kind.SITE, Kind.CHANNEL, Kind.SCALAR, Kind.MATRIX, Kind.UNITS)
        return [n for kind in kinds for n in self._read(program, kind)]

    # One step.

    def _step_parameters(self) -> list[str]:
        tiles = [*self.fields, *self._read(self.step, Kind.SITE), *self._needed(self.functions)]
        channels = self._read(self.step, Kind.CHANNEL)
        numbers = [f"{n}_ptr" if self.grouped else n for n in channels] + self._read(self.step, Kind.SCALAR)
        tables = self._read(self.step, Kind.UNITS)
        matrices = self._read(self.step, Kind.MATRIX)
        group = [*(f"{m}_ptr" for m in (*matrices, *tables)), "first__", "C__"] if self.grouped else map(rows, tables)
        return [*tiles, *numbers, *group]

    def _step_call(self) -> str:
        constants = ["TILE__", *(["GROUP__"] if self.grouped else []), "ACC"]
        targets = ", ".join(self.fields)
        return f"{targets} = _step({', '.join([*self._step_parameters(), *constants])})"

    def _step(self) -> ChipKernel:
        lines = self._statements(self.step.body, self.functions, {})
        if self.grouped:
            lines = ["# Keeps loads in the loop: lifted out, every matrix entry would take a register.",
                     "tl.debug_barrier()", *lines]  # fmt: skip
        lines.append(f"return {', '.join(self.step.outputs)}")
        what = "the planes of a group" if self.grouped else "a plane"
        constants = ["TILE__: tl.constexpr", *(["GROUP__: tl.constexpr"] if self.grouped else []), "ACC: tl.constexpr"]
        return ChipKernel("_step", f"One step of {what} in registers.", (*self._step_parameters(), *constants),
                          tuple(lines))  # fmt: skip

    def _statements(
        self, body: tuple[Statement, ...], functions: tuple[PlaneFunction, ...], memory: Mapping[str, str]
    ) -> list[str]:
        """The statements on tiles; ``Outer`` and ``Accumulate`` are for the adjoint kernel. Arrays with an address in
        ``memory`` are loaded at every use."""
        lines: list[str] = []
        ready, units = iter(functions), iter(self.reverse_units if functions is self.reverse else self.units)
        for statement in body:
            if isinstance(statement, Map):
                function = next(ready)
                lines += self._map(function, memory)
                lines += self._collect(function) if functions is self.reverse else []
            elif isinstance(statement, ChannelMatmul):
                helper = "mix_transposed" if statement.transpose else "mix"
                self.helpers.add(helper)
                source = self._planes(statement.src, memory)
                given = f"{statement.matrix}_ptr, {source}, first__, C__, GROUP__, ACC"
                lines.append(f"{statement.out} = _{helper}({given})")
            elif isinstance(statement, Units):
                lines += self._units(statement, next(units), memory)
            elif isinstance(statement, ChannelSum):
                self.helpers.add("total")
                lines.append(f"{statement.out} = _total({self._planes(statement.src, memory)}, GROUP__)")
            elif not isinstance(statement, (Outer, Accumulate)):
                raise unknown(statement, "the Triton printer of steps")
        return lines

    def _planes(self, name: str, memory: Mapping[str, str]) -> str:
        return f"_load_planes({memory[name]}, ok__, N__, GROUP__, ACC)" if name in memory else name

    def _map(self, function: PlaneFunction, memory: Mapping[str, str]) -> list[str]:
        if not self.grouped:
            return [f"{', '.join(function.results)} = {function.call()}"]
        targets = ", ".join(f"{n}__c" for n in function.results)
        return [
            *(f"{n} = ()" for n in function.results),
            "for c__ in tl.static_range(GROUP__):",
            f"    {targets} = {function.call_in_group(memory)}",
            *(f"    {n} += ({n}__c,)" for n in function.results),
        ]

    def _units(self, statement: Units, function: PlaneFunction, memory: Mapping[str, str]) -> list[str]:
        """A sum over units: of a plane, or of one plane of a group after the other."""
        self.helpers |= {"load_plane"} if memory else set()
        return unit_call(statement, function, self._numbers(statement.table), self.grouped, memory)

    # Forward.

    def _evolve(self) -> ChipKernel:
        lines = [*self._place(self.step), *self.neighbours.lines(self._needed(self.functions))]
        lines += [self._load(f) for f in self.fields]
        lines += self._load_fixed(self.step)
        taken = self._load_driven(self.step, "k__", "base__ + k__ * stride__")
        lines += self._whole() if taken else []
        lines += [f"for {'k__' if taken else '_'} in range(K__):", *(f"    {x}" for x in (*taken, self._step_call()))]
        lines += [self._store(f, f"{f}__out_ptr") for f in self.fields]
        pointers = [*self.fields, *self._pointers(self.step), *(f"{f}__out" for f in self.fields)]
        return self._kernel("evolve", "``K__`` steps: the state stays on chip.", pointers, lines)

    def _kernel(self, name: str, doc: str, pointers: list[str], lines: list[str]) -> ChipKernel:
        sizes = [f"{n}: tl.constexpr" for n in self.sizes]
        parameters = (*(f"{p}_ptr" for p in pointers), "C__", "K__", *sizes, "ACC: tl.constexpr")
        return ChipKernel(f"{name}_kernel", doc, parameters, tuple(lines))

    def _launch(self) -> list[str]:
        args = [*self.fields, *self._pointers(self.step), *(f"{f}__out" for f in self.fields)]
        return [
            *(f"{f}__out = _new({f})" for f in self.fields),
            f"_launch_planes(evolve_kernel, {self.fields[0]}, group__, steps, {', '.join(args)}{self._constants})",
            f"return ({', '.join(f'{f}__out' for f in self.fields)},)",
        ]

    @property
    def _constants(self) -> str:
        return ", GROUP__=group__" if self.grouped else ""

    # Reverse.

    def _adjoint(self) -> ChipKernel:
        read = _joined(self.step, self.adjoint) if self._saved else self.adjoint
        lines = [*self._place(read), *self.neighbours.lines(self._needed((*self.functions, *self.reverse)))]
        if self._saved or self._factors or self.grouped or self.driven:
            lines += self._whole()
        lines += self._load_fixed(read)
        if self._saved:
            lines += [self._load(f) for f in self.fields]
            lines += ["# The states once more, kept as far as the variation reads them."]
            lines += ["for k__ in range(K__ - 1):"]
            lines += [f"    {self._store(f, f'{f}__saved_ptr', 'base__ + k__ * stride__')}" for f in self._saved]
            lines += [f"    {x}" for x in self._load_driven(self.step, "k__", "base__ + k__ * stride__")]
            lines += [f"    {self._step_call()}"]
            lines += [self._store(f, f"{f}__saved_ptr", "base__ + (K__ - 1) * stride__") for f in self._saved]
            lines += ["tl.debug_barrier()"]
        lines += [self._load(self._flowing[f], f"{f}__out_bar_ptr") for f in self.fields]
        lines += self._zeros()
        if not self.grouped:
            tables = self._summed(Kind.UNITS)
            lines += [f"{sums_of(n)} = {bar(n)}_ptr + plane__ * {self._numbers(n)}" for n in tables]
        lines += ["for back__ in range(K__):"]
        body = []
        if self._saved or self._factors or self.driven:
            body.append("at_step__ = base__ + (K__ - 1 - back__) * stride__")
        memory: dict[str, str] = {}
        if self.grouped:
            body.append("tl.debug_barrier()")
            memory = {f: f"{f}__saved_ptr, at_step__" for f in self._saved}
            sites = [n for n in self._read(self.adjoint, Kind.SITE) if n not in self.noise]
            memory |= {n: f"{n}_ptr, {'at_step__' if n in self.driven else 'base__'}" for n in sites}
            self.helpers |= {"load_plane", "load_planes"}
        else:
            body += [self._load(f, f"{f}__saved_ptr", "at_step__") for f in self._saved]
        body += self._load_driven(self.adjoint, "(K__ - 1 - back__)", "at_step__")
        body += self._statements(self.adjoint.body, self.reverse, memory)
        body += [self._store(n, f"{n}__saved_ptr", "at_step__") for n in self._factors]
        body.append(f"{', '.join(self._flowing.values())} = {', '.join(bar(f) for f in self.fields)}")
        lines += [f"    {line}" for line in body]
        lines += [self._store(self._flowing[f], f"{bar(f)}_ptr") for f in self.fields]
        lines += self._finish()
        doc = "The variation of ``K__`` steps: cotangents flow from ``*__out_bar`` to ``*__bar``."
        made = self._kernel("evolve_adjoint", doc, self._adjoint_pointers(), lines)
        more = ("VARIED__: tl.constexpr",) if self.on_request else ()
        return replace(made, parameters=(*made.parameters, *more))

    def _adjoint_pointers(self) -> list[str]:
        program = _joined(self.step, self.adjoint) if self._saved else self.adjoint
        state = list(self.fields) if self._saved else []
        saved = [f"{n}__saved" for n in (*self._saved, *self._factors)]
        tables = self._summed(Kind.UNITS)
        out = [bar(n) for n in (*self.fields, *self._summed(Kind.SITE), *self._partial(), *tables)]
        return [*state, *self._pointers(program), *(f"{f}__out_bar" for f in self.fields), *saved, *out]

    def _zeros(self) -> list[str]:
        """Sums over the steps, lane by lane. A group keeps those of its channels in memory: see ``_add``."""
        zero = "tl.zeros([TILE__], ACC)"
        if not self.grouped:
            sums = (*self._added(), *self._partial())
            return [x for n in sums for x in asked(f"{bar(n)}__sum = {zero}", n in self.on_request)]
        if self._added():
            self.helpers.add("zero_planes")
        lines = [f"{bar(n)}__sum = _zero_planes(TILE__, GROUP__, ACC)" for n in self._added()]
        scalars = self._summed(Kind.SCALAR)
        return lines + [x for n in scalars for x in asked(f"{bar(n)}__sum = {zero}", n in self.on_request)]

    def _collect(self, function: PlaneFunction) -> list[str]:
        """What the sums of one ``Map`` add to the cotangents of the fixed arrays, at once: they need not be kept."""
        lines = []
        for n in (*self._summed(Kind.SITE), *self._partial()):
            for at, term in enumerate(self._terms[n]):
                if term in function.results:
                    lines += asked(self._add(n, at, term), n in self.on_request)
        return lines

    def _add(self, n: str, at: int, term: str) -> str:
        if n in self.noise:
            self.helpers |= {"load_plane", *(["load_planes"] if self.grouped else [])}
            return self._store(term, f"{bar(n)}_ptr", "at_step__", "store_noise")
        if n in self.driven:
            return self._store(term, f"{bar(n)}_ptr", "at_step__")
        if not self.grouped:
            return f"{bar(n)}__sum += {term}"
        if self.kinds[n] is Kind.SCALAR:
            self.helpers.add("add_all")
            return f"{bar(n)}__sum = _add_all({bar(n)}__sum, {term}, GROUP__)"
        if self.kinds[n] is Kind.SITE:
            self.helpers.add("add_planes")
            return f"{bar(n)}__sum = _add_planes({bar(n)}__sum, {term}, GROUP__)"
        self.helpers.add("add_lanes")
        row = f" + {at} * stride__" if at else ""
        return f"_add_lanes({bar(n)}_ptr, base__{row}, {term}, ok__, N__, GROUP__)"

    def _finish(self) -> list[str]:
        lines = [self._store(f"{bar(n)}__sum", f"{bar(n)}_ptr") for n in self._added()]
        for n in self._partial():
            if self.kinds[n] is Kind.SCALAR or not self.grouped:
                at = "tl.program_id(0)" if self.grouped else "plane__"
                stored = f"tl.store({bar(n)}_ptr + {at}, tl.sum(tl.where(ok__, {bar(n)}__sum, 0.0), axis=0))"
                lines += asked(stored, n in self.on_request)
        return lines

    def _launch_adjoint(self) -> list[str]:
        first = self.fields[0]
        lines = []
        saved = [*self._saved, *self._factors]
        if saved:
            lines.append(f"keep__ = (steps, *{first}.shape)")
        lines += [f"{n}__saved = _new({first}, keep__, _accumulator({first}))" for n in saved]
        lines += [f"{bar(n)} = _new({first})" for n in (*self.fields, *self._added())]
        lines += [f"{bar(n)} = {n}.new_zeros({n}.shape)" for n in self._summed(Kind.SITE) if n in self.driven]
        for n in self._summed(Kind.CHANNEL):
            shape, acc = f"({len(self._terms[n])}, *{first}.shape)", f"_accumulator({first})"
            apart = f"_new({first}, {first}.shape[:2], {acc})"
            lines.append(f"{bar(n)} = " + (f"{first}.new_zeros({shape}, dtype={acc})" if self.grouped else apart))
        count = f"{first}.shape[0] * {first}.shape[1] // group__"
        for n in self._summed(Kind.SCALAR):
            zeros = f"{first}.new_zeros({count}, dtype=_accumulator({first}))"
            lines.append(
                f"{bar(n)} = {zeros if n in self.on_request else f'_new({first}, ({count},), _accumulator({first}))'}"
            )
        for n in self._summed(Kind.UNITS):
            shape = f"(*{first}.shape[:2], {', '.join(map(str, self.sizes_of[n]))})"
            lines.append(f"{bar(n)} = {first}.new_zeros({shape}, dtype=_accumulator({first}))")
        args = ", ".join(self._adjoint_pointers())
        constants = self._constants + (", VARIED__=varied" if self.on_request else "")
        lines.append(f"_launch_planes(evolve_adjoint_kernel, {first}, group__, steps, {args}{constants})")
        over = f"{(0, 1, *range(3, 3 + self.neighbours.rank))}" if self.grouped else "0"
        lines += [f"{bar(n)} = {bar(n)}.sum({over}).to({first}.dtype)" for n in self._summed(Kind.CHANNEL)]
        lines += [f"{bar(n)} = {bar(n)}.sum().to({first}.dtype)" for n in self._summed(Kind.SCALAR)]
        lines += [f"{bar(n)} = {bar(n)}.sum(0).to({first}.dtype)" for n in self._summed(Kind.UNITS)]
        for n in self.fixed:
            if self.kinds[n] is Kind.MATRIX and self._terms[n]:
                pairs = [self._outers[t] for t in self._terms[n]]
                saved = [", ".join(f"{side}__saved.flatten(0, 1)" for side in (s.left, s.right)) for s in pairs]
                text = " + ".join(f"_outer({both}, TOGETHER__).to({first}.dtype)" for both in saved)
                lines.append(f"{bar(n)} = {text}")
            elif not self._terms[n]:
                lines.append(f"{bar(n)} = torch.zeros_like({n})")
        return [*lines, f"return ({', '.join(bar(n) for n in (*self.fields, *self.fixed))},)"]


def _joined(step: Program, adjoint: Program) -> Program:
    """Both bodies, to ask what either reads."""
    return Program("joined", step.inputs, (*step.body, *adjoint.body), (), step.periodic)
