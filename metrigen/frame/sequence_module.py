"""The text of ``module.py`` of a package on a sequence."""

from __future__ import annotations

from metrigen.emit.render import render
from metrigen.frame.base import with_imports
from metrigen.frame.checks import declarations
from metrigen.frame.ops import double_backward, first, returns, tuple_of
from metrigen.frame.sequence import SequenceEmission
from metrigen.frame.settings import helpers_of
from metrigen.frame.tag import unsigned


def sequence_module_text(emission: SequenceEmission, header: str, *, cpu: bool, triton: bool) -> str:
    scan = emission.scan
    fields, tokens = scan.fields, scan.tokens
    read = emission.reads(scan.readout)
    backends = ("auto", *(("triton",) if triton else ()), *(("cpu",) if cpu else ()), "torch")
    insists = " and ".join(f'"{b}"' for b in backends[1:-1])
    text = render(
        "sequence_module.py.j2",
        header=header,
        without_triton=not triton,
        title=emission.class_name,
        class_name=emission.class_name,
        tag=unsigned(emission.name),
        cpu=cpu,
        triton=triton,
        backends=backends,
        insists=f"{insists} insist{'s' * (insists.count('and') == 0)}; " if insists else "",
        fields=fields,
        **declarations(emission, tokens),
        tokens=tokens,
        token_keywords=", ".join(f"{n}={n}" for n in tokens),
        components=repr(scan.components),
        parameters=emission.parameters,
        matrices=emission.matrices,
        rotation=() if scan.rotation is None else tuple(a.name for a in scan.rotation.inputs),
        coupled=bool(scan.rotations),
        helpers=helpers_of(emission.parameters),
        dt=emission.learned_step,
        number_step=_number(emission),
        spec_hash=emission.spec.sha256[:16],
        prologue=_prologue(emission),
        coefficients_tuple=tuple_of(emission.channelwise),
        fixed=_fixed(emission),
        step_fixed=_chosen(emission, emission.reads(scan.step)),
        readout_fixed=_of(emission, read),
        readout_passed=f", {_chosen(emission, read)}" if read else "",
        energy_fixed=_chosen(emission, emission.reads(scan.energy)),
        readout_doc=f"The readout at every token, (B, R*C, T): {', '.join(scan.components)}.",
        ops=[*_readout_ops(emission, cpu, triton), *_scan_ops(emission, cpu, triton)],
    )
    return with_imports(text)


def _number(emission: SequenceEmission) -> str:
    """The time step where it is a number, else nothing."""
    dt = emission.spec.system.stepper.dt
    return repr(float(dt)) if dt.is_number else ""


def _prologue(emission: SequenceEmission) -> dict[str, tuple[str, ...]]:
    prologue = emission.scan.prologue
    if prologue is None:
        return {}
    return {"outputs": prologue.outputs, "inputs": tuple(a.name for a in prologue.inputs)}


def _fixed(emission: SequenceEmission) -> str:
    """The call that makes the coefficients of a scan."""
    channelwise, rotations = "self._coefficients(tokens__[0])", "self._rotations(tokens__[0])"
    if not emission.scan.rotations:
        return channelwise
    return f"(*{channelwise}, *{rotations})" if emission.channelwise else rotations


def _chosen(emission: SequenceEmission, names: tuple[str, ...]) -> str:
    """Coefficients of a method by their place, to be written out in a call."""
    return ", ".join(f"fixed__[{emission.scan.coefficients.index(n)}]" for n in names)


def _of(emission: SequenceEmission, names: tuple[str, ...]) -> str:
    return tuple_of([f"fixed__[{emission.scan.coefficients.index(n)}]" for n in names])


def _typed(*groups: tuple[str, ...]) -> str:
    return ", ".join(f"{n}: Tensor" for group in groups for n in group)


def _op(
    emission: SequenceEmission, name: str, groups: tuple[tuple[str, ...], ...], count: int, doc: str, check: str,
    call: str, own: bool, fake: str, backward: list[str], setup: list[str], cpu: bool, triton: bool,
) -> str:  # fmt: skip
    everything = tuple_of([n for group in groups for n in group])

    def of(module: str) -> str:
        text = f"{module}.{call}"
        return first(f"unshared({text}, {everything})", count) if own else f"torch.cat({text}, 2)"

    return render(
        "op.py.j2", name=name, signature=_typed(*groups), returns=returns(count), doc=doc,
        check=check, reference=of("reference"), kernel=of("kernels" if triton else "reference"),
        cpu=of("cpu") if cpu else "", fake=fake, setup=setup, backward=backward,
    )  # fmt: skip


def _scan_ops(emission: SequenceEmission, cpu: bool, triton: bool) -> list[str]:
    scan = emission.scan
    fields, tokens, fixed = scan.fields, scan.tokens, scan.coefficients
    flat = tuple_of(emission.channelwise)
    turned = f", {tuple_of(scan.rotations)}" if scan.rotations else ""
    start = tuple(f"{f}__start" for f in fields)
    out = tuple(f"{f}__out" for f in fields)
    n, given = len(fields), (*start, *tokens, *fixed)
    check = f"_check({tuple_of(start)}, {tuple_of(tokens)}, {flat}{turned})"
    reads = f"{tuple_of(start)}, {tuple_of(tokens)}, {tuple_of(fixed)}"
    forward = _op(
        emission, "scan", (start, tokens, fixed), n, "The state after every token.", check, f"scan({reads})", True,
        first(f"_empty_like({', '.join([tokens[0]] * n)})", n),
        ["saved = ctx.saved_tensors",
         f"flowed = _scan_adjoint(*_zeros_for(grads, saved[:{n}]), *saved)",
         f"return {'(flowed,)' if len(given) == 1 else 'flowed'}"],
        [f"ctx.save_for_backward({'output' if n == 1 else '*output'}, *inputs)"], cpu, triton,
    )  # fmt: skip
    back = f"{tuple_of(out)}, {tuple_of(fields)}, {reads}"
    arguments = (*out, *fields, *given)
    adjoint_check = f"_check({tuple_of(start)}, {tuple_of((*tokens, *out, *fields))}, {flat}{turned})"
    reverse = _op(
        emission, "scan_adjoint", (out, fields, start, tokens, fixed), len(given),
        "Cotangents of everything that ``scan`` reads, by the scan of the transposed steps.", adjoint_check,
        f"scan_adjoint({back})", True, first(f"_empty_like{tuple_of(given)}", len(given)),
        [f"def adjoint({', '.join(arguments)}):",
         f"    return {first(f'reference.scan_adjoint({back})', len(given))}",
         "", *double_backward(len(given), f"saved[{2 * n}:]", 0)],
        ["ctx.save_for_backward(*inputs)"], cpu, triton,
    )  # fmt: skip
    return [reverse, forward]


def _readout_ops(emission: SequenceEmission, cpu: bool, triton: bool) -> list[str]:
    scan = emission.scan
    fields, read = scan.fields, emission.reads(scan.readout)
    start = tuple(f"{f}__start" for f in fields)
    given, r = (*start, *fields, *read), len(scan.components)
    check = f"_check({tuple_of(start)}, {tuple_of(fields)}, {tuple_of(read)})"
    reads = f"{tuple_of(start)}, {tuple_of(fields)}, {tuple_of(read)}"
    size = f"*{fields[0]}.shape[:2], {r} * {fields[0]}.shape[2]"
    forward = _op(
        emission, "readout", (start, fields, read), 1,
        "The readout at every token, its components one after the other along the channels.", check,
        f"readout_scan({reads})", False, f"{fields[0]}.new_empty(({size}))",
        ["return _readout_adjoint(*grads, *ctx.saved_tensors)"], ["ctx.save_for_backward(*inputs)"], cpu, triton,
    )  # fmt: skip
    split = f"grad__.chunk({r}, 2)"
    m = len(given)
    reverse = _op(
        emission, "readout_adjoint", (("grad__",), start, fields, read), m,
        "Cotangents of everything that ``readout`` reads.", check, f"readout_scan_adjoint({split}, {reads})", True,
        first(f"_empty_like{tuple_of(given)}", m),
        [f"def adjoint(grad__, {', '.join(given)}):",
         f"    return {first(f'reference.readout_scan_adjoint({split}, {reads})', m)}",
         "", *double_backward(m, "saved[1:]", 0)],
        ["ctx.save_for_backward(*inputs)"], cpu, triton,
    )  # fmt: skip
    return [reverse, forward]
