"""Every word of the emitted text as a name of a spec: the same numbers as with any other name, or a refusal by name."""

from __future__ import annotations

import inspect
import re
import shutil
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from string import ascii_lowercase

import pytest
import torch

from tests.lattice.emitted import files_of, imported, layer_class
from tests.lengths import LONG
from tests.modules import Network
from tests.names.capture import MARK
from tests.names.local_words import KINDS, at_once, is_free, system_of, words_of
from tests.names.test_names import syntax_of

NODES = 5
BESIDE = ("warm_start", "steps", "dt", "t0", "generator", "noise", "state", "edge_index")
PICKED = (("point", "step", 40), ("graph_steady", "input", 40), ("memory", "axes", 2))
CELLS = [(k, r, 240) for k, kind in KINDS.items() for r in kind.roles] if LONG else PICKED
OURS = {"dt", "t", "x", "y", "z", "key", "value"}  # what these systems call something themselves
RANKS = {"plane": 2, "plane_monotone": 2, "space": 3}


def harmless(count: int) -> list[str]:
    return [f"{MARK}{a}{b}" for a, b in product(ascii_lowercase, repeat=2)][:count]


def result(kind: str, role: str, names: Sequence[str], folder: Path, name: str) -> torch.Tensor:
    """The state after a call of the layer of such a system, whose kernels are C++ that compiles."""
    files = files_of(system_of(kind, role, names, name))
    made = layer_class(imported(files, folder, name))
    if "kernels.cpp" in files and shutil.which("g++"):
        syntax_of(folder / name / "kernels.cpp")
    known = inspect.signature(made).parameters
    space = (NODES,) * RANKS.get(kind, 0 if kind.startswith("point") else 1)
    axes = list(names) if role == "axes" else ["key", "value"]
    sizes = dict(zip(axes, (2, 3), strict=False)) if kind == "memory" else {}
    options = {"backend": "torch", "nodes": NODES, "sites": space, **sizes}
    modules = {w: Network(1) for w in names} if role == "learned" else {}
    layer = made(2, **modules, **{k: v for k, v in options.items() if k in known}).double()
    given = {n: values(n, kind, role, names, space) for n in taken(layer, names)}
    with torch.no_grad():
        end = layer(**given, **({"generator": torch.Generator().manual_seed(1)} if kind == "line_noise" else {}))
    found = end._asdict() if hasattr(end, "_asdict") else dict(enumerate(end))
    # In the order of the names, each with its momentum: the layer has an order of its own.
    inner = [found.pop(n) for name in names for n in (name, f"pi_{name}") if n in found]
    return torch.cat([x.double().flatten() for x in (*inner, *found.values()) if torch.is_tensor(x)])


def taken(layer: torch.nn.Module, names: Sequence[str]) -> list[str]:
    """What a call is given: fields and inputs, momenta aside."""
    of_spec = (n for n in inspect.signature(layer.forward).parameters if n in names or n not in BESIDE)
    return [n for n in of_spec if n in names or not n.startswith("pi")]


def values(name: str, kind: str, role: str, names: Sequence[str], space: tuple[int, ...]) -> torch.Tensor:
    """Numbers that depend on the place of a name among ``names``, not on the name."""
    place = names.index(name) if name in names else 1000 + sum(map(ord, name))
    shape: tuple[int, ...] = (2, 2, *space)
    if kind == "memory":
        of = {f"{MARK}k": 2, f"{MARK}q": 2, f"{MARK}v": 3}.get(name)
        of = (2, 2, 3)[place] if role == "input" and name in names else of
        shape = (2, 2, NODES, *(() if of is None else (of,)))
    elif name == f"{MARK}w":
        shape = (2, 2, NODES, NODES)
    elif role == "step" and name in names:
        shape = (2, 2, 1 if kind.endswith("implicit") else 2, *space)
    drawn = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(place)) / 9
    return drawn + drawn.mT if name == f"{MARK}w" else drawn


@pytest.mark.parametrize(("kind", "role", "most"), CELLS, ids=lambda value: str(value))
def test_a_word_of_the_emitted_text_is_a_name_like_any_other(kind: str, role: str, most: int, tmp_path: Path) -> None:
    count = at_once(kind, role) if kind == "memory" or role in ("field", "learned") else most
    plain = files_of(system_of(kind, role, harmless(min(count, 3)), f"{MARK}_words"))
    words = sorted(w for w in words_of(plain) if is_free(w) and w not in OURS and not w.startswith("ENTRY_"))
    locals_ = [w for w in words if re.fullmatch(r"[a-z]\w?\w?", w)]  # short ones first: k, rows, at, i
    chosen = [*locals_, *(w for w in words if w not in locals_)] if LONG else [*locals_, *words[::9]][: max(count, 8)]
    wanted = result(kind, role, harmless(count), tmp_path, f"{kind}_{role}_plain")
    for at in range(0, len(chosen) - len(chosen) % count or len(chosen), count):
        part = chosen[at : at + count]
        found = result(kind, role, part, tmp_path, f"{kind}_{role}_{at}")
        assert (found - wanted).abs().max() < 1e-12, part
