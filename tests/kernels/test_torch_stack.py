"""What a layer of each family can do in torch, row by row: each is right, or refused by a message that says why.

The table of docs/concepts/torch.md has these rows: ``REFUSED`` here is what it says is not to be had.
"""

from __future__ import annotations

import copy
import io
import os
import pickle
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from tests.conftest import ROOT
from tests.kernels import test_distributed
from tests.kernels.stack import FAMILIES, Family, called, function
from tests.lengths import LONG

pytestmark = [
    pytest.mark.covering,
    pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="the same with Triton's kernels"),
]

# Rows that a family has not, and words of the message that it has instead.
REFUSED = {
    ("export", "learned"): "torch.export cannot record",
    **{(row, "steady"): "a steady state has no torch.func transforms" for row in ("vmap", "jvp", "func.grad")},
}
SLOW = {("compile", name) for name in ("explicit", "steady", "point", "graph")}  # others take the same operators


@pytest.fixture(autouse=True)
def few_kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels to be compiled where a layer does another thing without them; else the reference behind the operators."""
    own = getattr(request.node, "callspec", None)
    wanted = own is not None and own.params.get("name") == "implicit"
    monkeypatch.setenv("METRIGEN_CPU_KERNELS", "1" if wanted else "0")


def gradients(made: nn.Module, value: Tensor, leaves: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return torch.autograd.grad(value.square().sum(), (*leaves, *made.parameters()), allow_unused=True)


def close(found: tuple[Tensor | None, ...], expected: tuple[Tensor | None, ...]) -> None:
    for a, b in zip(found, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def value_and_gradients(made: nn.Module, family: Family) -> tuple[Tensor, ...]:
    value, leaves = called(made, family, grad=True)
    return value, *gradients(made, value, leaves)


def row_compile(family: Family) -> None:
    torch.compiler.reset()
    made = family.layer()
    faster = torch.compile(made, fullgraph=True, backend="aot_eager")
    value, leaves = called(faster, family, grad=True)
    close((value, *gradients(made, value, leaves)), value_and_gradients(made, family))


def row_export(family: Family) -> None:
    made, file = family.layer(), io.BytesIO()
    given, named = family.call()
    torch.export.save(torch.export.export(made, given, named, strict=False), file)
    file.seek(0)
    again = torch.export.load(file).module()(*given, **named)
    assert type(again) is type(made(*given, **named))
    close((again[0],), (made(*given, **named)[0],))


def row_autocast(family: Family) -> None:
    for backend in ("auto", "torch"):
        made = family.layer(backend=backend)
        expected = called(made, family)[0]
        with torch.autocast("cpu", torch.bfloat16):
            value = called(made, family)[0]
        assert torch.equal(value, expected)


def row_double_backward(family: Family) -> None:
    made = family.layer()
    of, values = function(made.double(), family)
    values = tuple(v[:1].double().requires_grad_() if v.shape[0] == 3 else v.double().requires_grad_() for v in values)
    assert torch.autograd.gradgradcheck(of, values, fast_mode=True, atol=1e-4)


def row_vmap(family: Family) -> None:
    made = family.layer()
    of, values = function(made, family)
    both = tuple(torch.stack((v, 1.1 * v)) for v in values)
    found = torch.func.vmap(of)(*both)
    close(tuple(found), tuple(of(*(v[i] for v in both)) for i in range(2)))


def row_jvp(family: Family) -> None:
    made = family.layer().double()
    of, values = function(made, family)
    values = tuple(v.double() for v in values)
    along = tuple(torch.cos(3 * v) for v in values)
    _, moved = torch.func.jvp(of, values, along)
    step = 1e-4
    ahead, back = (of(*(v + s * a for v, a in zip(values, along, strict=True))) for s in (step, -step))
    close((moved,), ((ahead - back) / (2 * step),))


def row_func_grad(family: Family) -> None:
    made = family.layer()
    of, values = function(made, family)
    found = torch.func.grad(lambda *v: of(*v).square().sum(), tuple(range(len(values))))(*values)
    close(found, value_and_gradients(made, family)[1 : 1 + len(values)])


def row_checkpoint(family: Family) -> None:
    made = family.layer()
    given, named = family.call()
    leaves = tuple(v.requires_grad_() for v in (*given, *named.values()) if v.is_floating_point())
    value = checkpoint(made, *given, use_reentrant=False, **named)[0]
    close(gradients(made, value, leaves), value_and_gradients(made, family)[1:])


def row_saved_tensors_on_the_cpu(family: Family) -> None:
    made = family.layer()
    with torch.autograd.graph.save_on_cpu():
        found = value_and_gradients(made, family)
    close(found, value_and_gradients(made, family))


def row_hooks(family: Family) -> None:
    """Hooks on the layer and on every module inside, a learned function among them."""
    made = family.layer()
    expected = value_and_gradients(made, family)
    seen: list[str] = []
    for module in made.modules():
        module.register_forward_hook(lambda m, *_: seen.append(type(m).__name__))
        module.register_full_backward_hook(lambda m, *_: seen.append(f"back {type(m).__name__}"))
    close(value_and_gradients(made, family), expected)
    assert {type(m).__name__ for m in made.modules()} <= {*seen}
    assert f"back {type(made).__name__}" in seen


def row_flop_counter(family: Family) -> None:
    made = family.layer()
    with FlopCounterMode(display=False) as counter:  # which does not go with torch.autograd.grad, whatever the module
        called(made, family, grad=True)[0].square().sum().backward()
    assert counter.get_total_flops() >= 0


def row_meta(family: Family) -> None:
    """On the device that has shapes alone, and on fake tensors."""
    made = family.layer()
    expected = called(made, family)[0].shape
    given, named = family.call()
    away = family.layer().to("meta")
    assert away(*(v.to("meta") for v in given), **{k: v.to("meta") for k, v in named.items()})[0].shape == expected
    with FakeTensorMode(allow_non_fake_inputs=True):
        value, leaves = called(family.layer(), family, grad=True)
        assert value.shape == expected
        gradients(made, value, leaves)


def row_copies(family: Family) -> None:
    made = family.layer()
    value = called(made, family)[0]
    for again in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert torch.equal(called(again, family)[0], value)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            again.load_state_dict(made.state_dict())
    other = type(made).from_config(made.config, **{k: v for k, v in family.make().items() if isinstance(v, nn.Module)})
    other.load_state_dict(made.state_dict())
    assert torch.equal(called(other, family)[0], value)


ROWS: dict[str, Callable[[Family], None]] = {
    "compile": row_compile,
    "export": row_export,
    "autocast": row_autocast,
    "double backward": row_double_backward,
    "vmap": row_vmap,
    "jvp": row_jvp,
    "func.grad": row_func_grad,
    "checkpoint": row_checkpoint,
    "save_on_cpu": row_saved_tensors_on_the_cpu,
    "hooks": row_hooks,
    "FlopCounterMode": row_flop_counter,
    "meta": row_meta,
    "copies": row_copies,
}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_right_or_refused(row: str, name: str) -> None:
    if (row, name) in SLOW and not LONG:
        pytest.skip("METRIGEN_LONG=1")
    if (row, name) not in REFUSED:
        ROWS[row](FAMILIES[name])
        return
    with pytest.raises(Exception, match=REFUSED[row, name]):
        ROWS[row](FAMILIES[name])


# Families of the columns of the page, and rows by how they begin, but for the two that other files show.
COLUMNS = ("explicit coupled", "implicit", "steady", "point", "learned", "graph", "graph steady", "sequence")
SHOWN = {
    "`torch.compile(": ["compile"],
    "`torch.export`": ["export"],
    "autocast": ["autocast"],
    "gradients of gradients": ["double backward"],
    "`torch.func.vmap`": ["vmap", "func.grad", "jvp"],
    "`checkpoint`": ["checkpoint", "save_on_cpu"],
    "hooks": ["hooks", "FlopCounterMode"],
    "meta": ["meta"],
    "`deepcopy`": ["copies"],
}
ONNX = [True, False, False, True, False, True, False, True]  # tests/surface/test_onnx.py


def test_the_page_says_what_is_tested_here() -> None:
    text = (ROOT / "docs/concepts/torch.md").read_text(encoding="utf-8")
    lines = text[text.index("| | lattice") :].partition("\n\n")[0].splitlines()[2:]
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    said = {row[0]: [cell != "no" for cell in row[1:]] for row in table}
    families = [[name] if name in FAMILIES else name.split() for name in COLUMNS]
    assert {name for names in families for name in names} == FAMILIES.keys()
    assert {row for rows in SHOWN.values() for row in rows} == ROWS.keys()
    for title, cells in said.items():
        rows = next((rows for start, rows in SHOWN.items() if title.startswith(start)), [])
        if title.startswith("`torch.onnx`"):
            assert cells == ONNX
        elif title.startswith("DDP"):
            assert cells == [set(names) & {*test_distributed.NAMES} != set() for names in families]
        else:
            assert rows, title
            assert cells == [all((row, name) not in REFUSED for row in rows for name in names) for names in families]
    assert len(said) == len(SHOWN) + 2
