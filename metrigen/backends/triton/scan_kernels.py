"""``kernels.py`` of a package on a sequence: what surrounds the loops of ``metrigen.backends.triton.scan``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metrigen.backends.triton.scan import BACKWARD_AT_ONCE, TOKENS_AT_ONCE, Pointwise, loops, print_pointwise
from metrigen.backends.triton.sequential_kernels import block, load_numbers, sequential_text
from metrigen.emit.render import render
from metrigen.integrators.scan import Scan
from metrigen.layers.docs import docstring, token_docs
from metrigen.layers.layer import Layer


def sequence_kernels_text(layer: Layer, header: str) -> str:
    """The text of ``kernels.py``."""
    scan = layer.lowered.scan
    read, readouts = scan.reads(scan.readout), (scan.readout, scan.readout_adjoint)
    moving, parts = sequential_text(scan) if scan.rotations else _chunked(scan)
    pointwise = [*moving, *(print_pointwise(p) for p in readouts)]
    text = "\n".join(line for f in pointwise for line in f.lines)
    return render(
        "sequence_kernels.py.j2",
        header=header.rstrip("\n"),
        title=layer.source.class_name,
        docs={name: docstring(doc) for name, doc in token_docs(layer).items()},
        coupled=bool(scan.rotations),
        stumpff="_damped_stumpff(" in text,
        pointwise=pointwise,
        components=len(scan.components),
        **parts,
        **_pointers(scan.fields, scan.tokens, scan.coefficients, read),
        load_read=block(load_numbers(read)),
        **_reading(scan),
    )


def _chunked(scan: Scan) -> tuple[list[Pointwise], dict[str, Any]]:
    """The pointwise parts of a token, and what the template of the chunks reads."""
    fields, tokens, fixed = scan.fields, scan.tokens, scan.coefficients
    moves, step = scan.reads(scan.propagator), scan.reads(scan.step)
    n = len(fields)
    return [print_pointwise(p) for p in (scan.propagator, scan.step, scan.step_adjoint)], {
        "at_once": TOKENS_AT_ONCE,
        "backward_at_once": BACKWARD_AT_ONCE,
        "loops": loops(fields, tokens, moves, step, step),
        "load_moves": block(load_numbers(moves)),
        "load_step": block(load_numbers(step)),
        **_chunks(fields),
        "zero_sums": block(f"{c}__sum = tl.zeros([BLOCK], ACC)" for c in step),
        "store_sums": block([
            *(f"tl.store({c}__sum_ptr + {_PART}, {c}__sum, mask=ok__)" for c in step),
            *(f"tl.store({c}__sum_ptr + {_PART}, tl.zeros([BLOCK], ACC), mask=ok__)" for c in fixed if c not in step),
            *(f"tl.store(begin_ptr + {_place('chunk__', i, n)}, {u}__x, mask=ok__)" for i, u in enumerate(fields)),
        ]),
    }  # fmt: skip


_PART = "(sample__ * chunks__ + chunk__) * C__ + channel__"


def _place(chunk: str, i: int, count: int) -> str:
    return f"((sample__ * chunks__ + {chunk}) * {count} + {i}) * C__ + channel__"


def _pointers(
    fields: Sequence[str], tokens: Sequence[str], fixed: Sequence[str], read: Sequence[str]
) -> dict[str, str]:
    """Arguments of the kernels; those that may be missing end in a comma."""

    def joined(names: Sequence[str]) -> str:
        return ", ".join(f"{n}_ptr" for n in names)

    def maybe(names: Sequence[str]) -> str:
        return "".join(f"{n}_ptr, " for n in names)

    return {
        "tokens_ptr": joined(tokens),
        "fields_ptr": joined(fields),
        "fixed_ptr": maybe(fixed),
        "read_ptr": maybe(read),
        "out_ptr": joined([f"{u}__out" for u in fields]),
        "start_ptr": joined([f"{u}__start" for u in fields]),
        "bars_ptr": joined([f"{n}__bar" for n in tokens]),
        "sums_ptr": maybe([f"{n}__sum" for n in fixed]),
        "state_bars_ptr": joined([f"{u}__bar" for u in fields]),
        "begin_ptrs": joined([f"{u}__begin" for u in fields]),
        "read_sums_ptr": maybe([f"{n}__sum" for n in read]),
    }


def _chunks(fields: Sequence[str]) -> dict[str, str]:
    """The state of a scan and the map of a chunk: how they begin, and where they are kept."""
    n = len(fields)
    pairs = [(i * n + j, u, w) for i, u in enumerate(fields) for j, w in enumerate(fields)]
    places = list(enumerate(fields))
    loads = [
        f"{u}__{w}__M = tl.load(map_ptr + {_place('chunk__', k, n * n)}, mask=ok__, other=0.0)" for k, u, w in pairs
    ]
    ends = [f"{u}__end = tl.load(end_ptr + {_place('chunk__', i, n)}, mask=ok__, other=0.0)" for i, u in places]
    kept = [f"tl.store(carry_ptr + {_place('chunk__', i, n)}, {u}__x, mask=ok__)" for i, u in places]
    moved = [f"{u}__new = " + " + ".join(f"{u}__{w}__M * {w}__x" for w in fields) + f" + {u}__end" for u in fields]
    renew = [f"{u}__x = {u}__new" for u in fields]
    whole = [f"(sample__ * {n} + {i}) * C__ + channel__" for i, _ in places]
    return {
        "unit_map": block([
            *(f"{u}__x = tl.zeros([BLOCK], ACC)" for u in fields),
            *(f"{u}__{w}__M = tl.full([BLOCK], {1.0 if u == w else 0.0}, ACC)" for _, u, w in pairs),
        ]),
        "store_map": block([
            *(f"tl.store(map_ptr + {_place('chunk__', k, n * n)}, {u}__{w}__M, mask=ok__)" for k, u, w in pairs),
            *(f"tl.store(end_ptr + {_place('chunk__', i, n)}, {u}__x, mask=ok__)" for i, u in places),
        ]),
        "load_first": block(f"{u}__x = tl.load(first_ptr + {whole[i]}, mask=ok__, other=0.0)" for i, u in places),
        "carry_body": "\n".join(f"        {line}" for line in [*kept, *loads, *ends, *moved, *renew]),
        "store_last": block(f"tl.store(last_ptr + {whole[i]}, {u}__x, mask=ok__)" for i, u in places),
        "load_carry": block(
            f"{u}__x = tl.load(carry_ptr + {_place('chunk__', i, n)}, mask=ok__, other=0.0).to(ACC)" for i, u in places
        ),
    }  # fmt: skip


def _reading(scan: Scan) -> dict[str, str]:
    """The lines of the readout and of its adjoint."""
    fields, read, names = scan.fields, scan.reads(scan.readout), scan.components
    r = len(names)
    pair = []
    for u in fields:
        pair.append(f"{u} = tl.load({u}_ptr + row__ * C__ + channel__, mask=ok__, other=0.0).to(ACC)")
        pair.append(
            f"{u}__before = tl.load({u}_ptr + (row__ - 1) * C__ + channel__, mask=later__, other=0.0).to(ACC)"
            f" + tl.load({u}__start_ptr + sample__ * C__ + channel__, mask=first__, other=0.0).to(ACC)"
        )
    results = [f"{name}__value" for name in names]
    given = ", ".join([*(f"{u}__before" for u in fields), *fields, *read])
    stores = [f"{', '.join(results)}, = _readout({given})"]
    at = [f"(row__ * {r} + {i}) * C__ + channel__" for i in range(r)]
    stores += [
        f"tl.store(out_ptr + {at[i]}, {v}.to(out_ptr.dtype.element_ty), mask=ok__)" for i, v in enumerate(results)
    ]
    next_at = [f"((row__ + 1) * {r} + {i}) * C__ + channel__" for i in range(r)]
    back = [f"{name}__g = tl.load(grad_ptr + {at[i]}, mask=ok__, other=0.0).to(ACC)" for i, name in enumerate(names)]
    back += [f"{n}__h = tl.load(grad_ptr + {next_at[i]}, mask=after__, other=0.0).to(ACC)" for i, n in enumerate(names)]
    back += [
        f"{u}__after = tl.load({u}_ptr + (row__ + 1) * C__ + channel__, mask=after__, other=0.0).to(ACC)"
        for u in fields
    ]
    bars = [*(f"{u}__back" for u in fields), *(f"{u}__own" for u in fields), *(f"{n}__into" for n in read)]
    back.append(f"{', '.join(bars)}, = _readout_adjoint({given}, {', '.join(f'{n}__g' for n in names)})")
    later = ", ".join([*fields, *(f"{u}__after" for u in fields), *read, *(f"{n}__h" for n in names)])
    skipped = [f"{u}__x" for u in fields] + [f"{n}__x" for n in read]
    back.append(f"{', '.join([*(f'{u}__come' for u in fields), *skipped])}, = _readout_adjoint({later})")
    for u in fields:
        store = f"({u}__own + tl.where(after__, {u}__come, 0.0)).to({u}_ptr.dtype.element_ty)"
        back.append(f"tl.store({u}__bar_ptr + row__ * C__ + channel__, {store}, mask=ok__)")
        back.append(
            f"tl.store({u}__begin_ptr + sample__ * C__ + channel__, {u}__back.to({u}_ptr.dtype.element_ty), "
            "mask=first__)"
        )
    back += [f"tl.store({n}__sum_ptr + row__ * C__ + channel__, {n}__into, mask=ok__)" for n in read]
    return {"load_pair": block(pair), "store_readout": block(stores), "readout_adjoint_body": block(back)}
