"""Every emitted kernel compiles ahead of time for CUDA sm_80 and sm_90 and for AMD gfx942, without a GPU."""

from __future__ import annotations

import importlib
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

triton = pytest.importorskip("triton")
from benchmarks.device.ahead import TARGETS, resources  # noqa: E402
from metrigen.spec.load import load_spec  # noqa: E402
from tests.conftest import ROOT  # noqa: E402
from tests.kernels.ahead import launched, launched_planes, source, vector_registers  # noqa: E402
from tests.kernels.systems import rotating, wave  # noqa: E402
from tests.lattice.emitted import package  # noqa: E402
from tests.lengths import LONG  # noqa: E402
from tests.temperature.systems import wave as bath  # noqa: E402

pytestmark = pytest.mark.covering

PLANE = (32, 32)
ODD = (39, 39)
ON_CHIP = ("evolve_kernel", "evolve_adjoint_kernel", "conjugate_gradient_kernel", "monotone_kernel")
SHARED_LIMIT = 64 * 1024
REGISTER_LIMIT = 128
# What spills at the settings of its launch, and bytes of stack of a thread: (package, kernel, dtype, plane).
SPILLS = {
    ("maze", "conjugate_gradient_kernel", "fp32", (64, 64)): 24,
    ("maze", "monotone_kernel", "fp32", (64, 64)): 16,
    ("wave_periodic", "evolve_adjoint_kernel", "fp32", (64, 64)): 48,
    ("wave_zero", "evolve_adjoint_kernel", "fp32", (64, 64)): 72,
    ("navier_stokes", "evolve_adjoint_kernel", "fp32", (16, 16)): 6104,
}


def kernels_of(package: str) -> dict[str, object]:
    module = importlib.import_module(f"generated.{package}.kernels")
    return {name: fn for name, fn in vars(module).items() if name.endswith("_kernel")}


@pytest.mark.skipif(triton.knobs.runtime.interpret, reason="the interpreter does not compile")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("shipped", ["coupled_wave", "maze", "cifar"])
def test_kernels_compile_without_a_gpu(shipped: str, target: str, tmp_path: Path) -> None:
    """At the settings of ``launch``: no spills, few registers, shared memory within limits, and no double precision
    that was not asked for."""
    module = importlib.import_module(f"generated.{shipped}.kernels")
    for name, kernel in kernels_of(shipped).items():
        if name in ON_CHIP:
            continue
        for dtype in ("fp32", "bf16", "fp64") if name.startswith(("step_0", "apply")) else ("fp32",):
            sizes, options = launched(module, ODD, dtype)
            compiled = triton.compile(source(kernel, dtype, sizes), target=TARGETS[target], options=options)
            assert compiled.metadata.shared <= SHARED_LIMIT, name
            text = compiled.asm["ptx" if target.startswith("sm") else "amdgcn"]
            assert name in text
            if target.startswith("sm"):
                registers, stack = resources(compiled.asm["cubin"], tmp_path)
                assert stack == 0, f"{name} spills {stack} bytes"
                assert registers <= REGISTER_LIMIT, f"{name} takes {registers} registers"
            if dtype != "fp64" and target.startswith("sm"):
                assert ".f64" not in text, f"{name} computes in double precision"


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModuleType]:
    """Kernels of the shipped packages and of a wave whose channels are apart."""
    folder = tmp_path_factory.mktemp("ahead")
    for boundary in ("periodic", "zero"):
        package(wave(boundary), folder, f"chip_wave_{boundary}")
    package(rotating(8), folder, "ahead_rotating")
    names = {"rotating": "ahead_rotating", "coupled_wave": "generated.coupled_wave", "maze": "generated.maze"}
    names |= {f"wave_{b}": f"chip_wave_{b}" for b in ("periodic", "zero")}
    return {name: importlib.import_module(f"{module}.kernels") for name, module in names.items()}


@dataclass(frozen=True)
class Limits:
    """A kernel at 32x32 in float32 and what it may use: registers, gathers (stencil applications in its text)."""

    package: str
    kernel: str
    group: int
    registers: int
    gathers: int


LIMITS = (
    Limits("wave_periodic", "evolve_kernel", 1, 56, 1),
    Limits("wave_zero", "evolve_kernel", 1, 72, 1),
    Limits("wave_periodic", "evolve_adjoint_kernel", 1, 112, 3),
    Limits("rotating", "evolve_kernel", 8, 128, 8),
    Limits("coupled_wave", "evolve_kernel", 4, 128, 4),
    Limits("coupled_wave", "evolve_kernel", 8, 128, 8),
    Limits("coupled_wave", "evolve_adjoint_kernel", 2, 128, 6),
    Limits("maze", "conjugate_gradient_kernel", 1, 112, 5),
    Limits("maze", "monotone_kernel", 1, 112, 4),
)


@pytest.mark.skipif(triton.knobs.runtime.interpret, reason="the interpreter does not compile")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("limits", LIMITS, ids=lambda case: f"{case.package}-{case.kernel}-{case.group}")
def test_planes_stay_on_chip(modules: dict[str, ModuleType], limits: Limits, target: str, tmp_path: Path) -> None:
    """No spills, no layout conversion; one gather serves all neighbours with two barriers; forward no shuffle."""
    module = modules[limits.package]
    kernel = getattr(module, limits.kernel)
    sizes, options = launched_planes(module, limits.kernel, PLANE, limits.group, target)
    compiled = triton.compile(source(kernel, "fp32", sizes), target=TARGETS[target], options=options)
    assert compiled.metadata.shared == 4 * sizes["TILE"], "one plane is exchanged at a time"
    middle = compiled.asm["ttgir"]
    assert middle.count("tt.gather") == limits.gathers
    assert "convert_layout" not in middle
    if not target.startswith("sm"):
        registers, spilled = vector_registers(compiled.asm["amdgcn"])
        assert spilled == 0
        assert registers <= 256
        return
    text = compiled.asm["ptx"]
    registers, stack = resources(compiled.asm["cubin"], tmp_path)
    # ptxas may park one word outside the loop where that lets one more program run at a time.
    assert stack <= 8, f"spills {stack} bytes"
    assert registers <= limits.registers, f"takes {registers} registers"
    assert ".f64" not in text
    if limits.kernel == "evolve_kernel":
        assert len(re.findall(r"bar(?:rier\.cta)?\.sync", text)) == 2 * limits.gathers
        assert "shfl" not in text


@pytest.mark.skipif(triton.knobs.runtime.interpret, reason="the interpreter does not compile")
@pytest.mark.parametrize("dtype", ["bf16", "fp64"])
def test_planes_in_other_precisions(modules: dict[str, ModuleType], dtype: str, tmp_path: Path) -> None:
    for kernel in ("evolve_kernel", "evolve_adjoint_kernel"):
        sizes, options = launched_planes(modules["wave_periodic"], kernel, PLANE, 1, "sm_90")
        made = source(getattr(modules["wave_periodic"], kernel), dtype, sizes)
        compiled = triton.compile(made, target=TARGETS["sm_90"], options=options)
        assert (".f64" in compiled.asm["ptx"]) == (dtype == "fp64")
        assert resources(compiled.asm["cubin"], tmp_path)[1] == 0


@pytest.mark.skipif(triton.knobs.runtime.interpret, reason="the interpreter does not compile")
@pytest.mark.parametrize("group", [3, 5, 6, 7])
def test_groups_that_are_no_power_of_two(modules: dict[str, ModuleType], group: int, tmp_path: Path) -> None:
    """Three coupled channels have kernels of their own, which compile and do not spill."""
    sizes, options = launched_planes(modules["coupled_wave"], "evolve_kernel", (16, 16), group, "sm_90")
    made = source(modules["coupled_wave"].evolve_kernel, "fp32", sizes)
    compiled = triton.compile(made, target=TARGETS["sm_90"], options=options)
    assert resources(compiled.asm["cubin"], tmp_path)[1] == 0


@pytest.mark.skipif(triton.knobs.runtime.interpret, reason="the interpreter does not compile")
@pytest.mark.parametrize("target", TARGETS)
def test_noise_is_made_on_chip(target: str, tmp_path: Path) -> None:
    """Of hashes in double precision, its constants too, without spills; numbers that are handed in as they are."""
    name = package(bath(2, "zero"), tmp_path, "ahead_bath").__name__
    module = importlib.import_module(f"{name}.kernels")
    for kernel in ("evolve_kernel", "evolve_adjoint_kernel"):
        sizes, options = launched_planes(module, kernel, PLANE, 1, target)
        for pointer in ("*i64", "*fp32"):
            made = source(getattr(module, kernel), "fp32", sizes)
            made.signature["noise_ptr"] = pointer
            compiled = triton.compile(made, target=TARGETS[target], options=options)
            if not target.startswith("sm"):
                assert vector_registers(compiled.asm["amdgcn"])[1] == 0
                continue
            assert resources(compiled.asm["cubin"], tmp_path)[1] == 0
            text = compiled.asm["ptx"].lower()
            assert (".f64" in text) == (pointer == "*i64")
            sixths = (struct.pack(">d", x).hex() for x in (1 / 6, -1 / 6))  # of the series of the sine
            assert any(f"0d{x}" in text for x in sixths) == (pointer == "*i64")


def gallery(name: str, folder: Path) -> ModuleType:
    """The kernels of a package of the gallery, under a name of its own."""
    system = load_spec(ROOT / "specs" / "gallery" / f"{name}.py").system
    return importlib.import_module(f"{package(system, folder, f'ahead_{name}').__name__}.kernels")


SWEPT = [
    (package, kernel, dtype, size)
    for package, kernels in (
        ("maze", ("readout_adjoint_0_kernel", "conjugate_gradient_kernel", "monotone_kernel")),
        ("wave_periodic", ("readout_adjoint_0_kernel", "evolve_kernel", "evolve_adjoint_kernel")),
        ("wave_zero", ("evolve_kernel", "evolve_adjoint_kernel")),
    )
    for kernel in kernels
    for dtype in ("fp32", "fp64")
    for size in ((16, 16), (64, 64))
    if dtype == "fp32" or kernel not in ON_CHIP
] + [("navier_stokes", "evolve_adjoint_kernel", "fp32", (16, 16))]


@pytest.mark.skipif(triton.knobs.runtime.interpret, reason="the interpreter does not compile")
@pytest.mark.parametrize("case", SWEPT, ids=lambda c: f"{c[0]}-{c[1].removesuffix('_kernel')}-{c[2]}-{c[3][0]}")
def test_spills_are_those_that_are_known(
    modules: dict[str, ModuleType], case: tuple[str, str, str, tuple[int, int]], tmp_path: Path
) -> None:
    """The table of spills is whole: what is listed spills, no more than is said, and nothing else does."""
    owner, name, dtype, size = case
    if owner not in modules and not LONG:
        pytest.skip("built and compiled in a long run")
    module = modules[owner] if owner in modules else gallery(owner, tmp_path)
    if name in ON_CHIP:
        sizes, options = launched_planes(module, name, size, 1, "sm_90")
    else:
        sizes, options = launched(module, size, dtype)
    compiled = triton.compile(source(getattr(module, name), dtype, sizes), target=TARGETS["sm_90"], options=options)
    stack = resources(compiled.asm["cubin"], tmp_path)[1]
    if case in SPILLS:
        assert 0 < stack <= SPILLS[case], f"the table says {SPILLS[case]} bytes, there are {stack}"
    else:
        assert stack == 0, f"spills {stack} bytes, which the table does not know"


def test_the_table_of_spills_is_looked_at() -> None:
    assert set(SPILLS) <= set(SWEPT)


def test_every_address_is_64_bit(modules: dict[str, ModuleType]) -> None:
    """Planes times sites of a large batch overflow 32 bits."""
    for module in modules.values():
        text = Path(module.__file__).read_text()
        assert "tl.program_id(0)" in text
        assert not re.search(r"^ *(plane__|planes__) = (?!.*\.to\(tl\.int64\))", text, re.MULTILINE)
