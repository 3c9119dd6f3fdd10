"""The library of the CPU kernels: the cache and what damages it, the compiler, and a backend that insists."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from tests import processes
from tests.kernels.ladder import system
from tests.lattice.emitted import layer_class, package

pytestmark = pytest.mark.skipif(
    os.environ.get("TRITON_INTERPRET") == "1" or shutil.which("g++") is None,
    reason="operators on the CPU run the Triton kernels here, or there is no compiler",
)
TEXT = 'extern "C" long threads() { return 7; }\n'  # the cache does not care what is in a library


@pytest.fixture(scope="module")
def package_of(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return package(system("explicit", "periodic", 0), tmp_path_factory.mktemp("library"), "library_of_kernels")


@pytest.fixture
def cpu(package_of: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """The loader with nothing remembered and a cache of its own."""
    found = importlib.import_module(f"{package_of.__name__}.cpu")
    monkeypatch.setenv("METRIGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CXX", raising=False)
    forget(found)
    yield found
    forget(found)


def forget(cpu: ModuleType) -> None:
    for cached in (cpu._opened, cpu._trial, cpu._warn, cpu._tell_of_cache, cpu._machine):
        cached.cache_clear()


def kept(cpu: ModuleType) -> Path:
    (path,) = cpu.cache_folder().glob("*.so")
    return path


def damages(whole: bytes) -> dict[str, bytes]:
    """What a disk that was full, a machine that lost power, or a copy that was cut off leaves behind."""
    page = len(whole) // 2 // 4096 * 4096
    cut = {f"{share} %": whole[: len(whole) * share // 100] for share in (0, 10, 50, 90, 99)}
    return cut | {"21 bytes": whole[:21], "garbage": b"\x7fELF" + bytes(500), "one bit": whole[:-1] + b"\1",
                  "a page": whole[:page] + bytes(4096) + whole[page + 4096 :]}  # fmt: skip


def test_a_damaged_library_is_made_again(cpu: ModuleType) -> None:
    """Found before it is opened, which could end the process, and without a word: nothing is lost."""
    assert cpu._load("tiny", TEXT, ()).threads() == 7
    path = kept(cpu)
    whole = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for what, damaged in damages(whole).items():
            path.unlink()  # what was opened above stays whole
            path.write_bytes(damaged)
            assert cpu._load("tiny", TEXT, ()).threads() == 7, what
            assert kept(cpu).read_bytes() == whole, what


def test_a_kept_library_is_not_made_again(cpu: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu._load("tiny", TEXT, ())
    before = kept(cpu).stat()
    monkeypatch.setattr(cpu.subprocess, "run", lambda *a, **k: pytest.fail("compiled again"))
    cpu._load("tiny", TEXT, ())
    assert kept(cpu).stat().st_mtime_ns == before.st_mtime_ns
    assert sorted(p.name for p in cpu.cache_folder().iterdir()) == [kept(cpu).name]


@pytest.mark.parametrize("where", ["/dev/null/x", "file/x"])
def test_a_cache_that_cannot_be_written(
    cpu: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str
) -> None:
    """The kernels run; one warning names the folder, the reason and the variable, at the line that called the layer."""
    (tmp_path / "file").write_text("")
    folder = Path(where) if where.startswith("/") else tmp_path / where
    monkeypatch.setenv("METRIGEN_CACHE", str(folder))
    layer = layer_class(sys.modules[cpu.__package__])(1).double()
    given = {n: torch.ones(1, 1, dtype=torch.float64) for n in ("u", "kappa")}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        end = layer(**given)
    told = [w for w in caught if w.category.__name__ in ("NoCache", "NoCompiler")]
    assert [w.category for w in told] == [cpu.NoCache]
    assert told[0].filename == __file__
    for word in (str(folder), "Not a directory", "METRIGEN_CACHE"):
        assert word in str(told[0].message)
    expected = layer_class(sys.modules[cpu.__package__])(1, backend="torch").double()(**given)
    torch.testing.assert_close(end.u, expected.u)
    assert layer_class(sys.modules[cpu.__package__])(1, backend="cpu").backend == "cpu"


def test_no_home_folder(cpu: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Usual in containers: neither HOME nor an entry for the user."""

    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(cpu.Path, "home", nowhere)
    monkeypatch.delenv("METRIGEN_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with pytest.warns(cpu.NoCache, match=r"home folder \(Could not determine home directory\).*METRIGEN_CACHE"):
        assert cpu._load("tiny", TEXT, ()).threads() == 7


def test_an_empty_variable_is_an_unset_one(cpu: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("METRIGEN_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("CXX", " ")
    monkeypatch.chdir(tmp_path)
    assert cpu.cache_folder() == tmp_path / "xdg" / "metrigen"
    assert cpu._load("tiny", TEXT, ()).threads() == 7
    assert [p.name for p in tmp_path.iterdir()] == ["xdg"]


def test_a_folder_that_is_not_absolute(cpu: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A name without a folder in front would be looked for in the folders of the system's libraries."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("METRIGEN_CACHE", ".")
    assert cpu._load("tiny", TEXT, ()).threads() == 7


def test_a_compiler_of_several_words(cpu: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As CXX="ccache g++"; and a path with a space in it is one word."""
    monkeypatch.setenv("CXX", f"env {shutil.which('g++')} -DWORDS=3")
    assert cpu.compiler()[0] == shutil.which("env")
    assert cpu._load("words", 'extern "C" long words() { return WORDS; }\n', ()).words() == 3
    spaced = tmp_path / "a folder" / "g++"
    spaced.parent.mkdir()
    spaced.symlink_to(str(shutil.which("g++")))
    monkeypatch.setenv("CXX", str(spaced))
    assert cpu.compiler() == (str(spaced),)
    assert cpu._load("tiny", TEXT, ()).threads() == 7


@pytest.mark.parametrize(
    ("wish", "reason"), [("no-such-compiler -O1", "no-such-compiler"), ('"', "No closing quotation")]
)
def test_a_compiler_that_is_not_there_is_named(
    cpu: ModuleType, monkeypatch: pytest.MonkeyPatch, wish: str, reason: str
) -> None:
    """It is not replaced by another one: the reference runs, with one warning at the line that called the layer."""
    monkeypatch.setenv("CXX", wish)
    kind = layer_class(sys.modules[cpu.__package__])
    assert not cpu.available()
    with pytest.raises(ValueError, match=f'backend="cpu" insists.*{reason}'):
        kind(1, backend="cpu")
    with pytest.warns(cpu.NoCompiler, match=f"(?s)the torch reference runs instead.*CXX=.*{reason}") as caught:
        kind(1)(torch.ones(1, 1), kappa=torch.ones(1, 1))
    assert {w.filename for w in caught if w.category is cpu.NoCompiler} == {__file__}


def test_platforms_that_are_stated(cpu: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Apple's clang, which has no OpenMP, and Windows: the reference runs, and one warning says why."""
    apple = tmp_path / "clang++"
    apple.write_text(
        '#!/bin/sh\ncase " $* " in\n*" -fopenmp "*) echo "error: unsupported option -fopenmp" >&2; exit 1;;\nesac\n'
    )
    apple.chmod(0o755)
    monkeypatch.setenv("CXX", str(apple))
    kind = layer_class(sys.modules[cpu.__package__])
    given = {n: torch.ones(1, 1) for n in ("u", "kappa")}
    with pytest.warns(cpu.NoCompiler, match="unsupported option -fopenmp"):
        kind(1)(**given)
    with pytest.raises(ValueError, match="unsupported option -fopenmp"):
        kind(1, backend="cpu")
    monkeypatch.delenv("CXX")
    forget(cpu)
    monkeypatch.setattr(cpu.sys, "platform", "win32")
    assert not cpu.available()
    with pytest.raises(ValueError, match="no CPU kernels for Windows"):
        kind(1, backend="cpu")


def test_a_library_of_another_processor_is_another_library(cpu: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """-march=native makes an illegal instruction of it elsewhere: a cache folder may be shared by machines."""
    cpu._load("tiny", TEXT, ())
    read = cpu.Path.read_text

    def fewer(path: Path, *more: object) -> str:
        return "flags\t: fpu sse2\n" if path == Path("/proc/cpuinfo") else read(path, *more)

    monkeypatch.setattr(cpu.Path, "read_text", fewer)
    cpu._load("tiny", TEXT, ())
    assert len(list(cpu.cache_folder().glob("*.so"))) == 1  # what the machine has is looked up once
    forget(cpu)
    cpu._load("tiny", TEXT, ())
    assert len(list(cpu.cache_folder().glob("*.so"))) == 2


def test_the_backend_cpu_insists(cpu: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is the true one, known when the layer is made, when it is called, or when its kernels are compiled;
    a layer that does not insist goes on with the reference."""
    kind = layer_class(sys.modules[cpu.__package__])
    given = {n: torch.ones(1, 1) for n in ("u", "kappa")}
    layer = kind(1, backend="cpu")
    monkeypatch.setenv("METRIGEN_CPU_KERNELS", "0")
    for call in (lambda: kind(1, backend="cpu"), lambda: layer(**given)):
        with pytest.raises(ValueError, match="METRIGEN_CPU_KERNELS=0 switches off"):
            call()
    monkeypatch.setenv("METRIGEN_CPU_KERNELS", "1")
    source = cpu.SOURCE.with_name("broken.cpp")
    source.write_text("#error these kernels do not compile\n")
    monkeypatch.setattr(cpu, "SOURCE", source)
    with pytest.raises(RuntimeError, match=r'(?s)backend="cpu" insists.*these kernels do not compile'):
        layer(**given)
    forget(cpu)
    with pytest.warns(cpu.NoCompiler, match="these kernels do not compile"):
        kind(1)(**given)
    forget(cpu)
    monkeypatch.setattr(cpu, "FLAGS", (*cpu.FLAGS, "--no-such-flag"))
    with pytest.raises(ValueError, match="no-such-flag"):
        kind(1, backend="cpu")
    with pytest.warns(cpu.NoCompiler, match="no-such-flag"):  # an insistence in vain binds nobody
        kind(1)(**given)


def test_a_layer_that_insists_in_a_compiled_graph(cpu: ModuleType) -> None:
    layer = layer_class(sys.modules[cpu.__package__])(1, backend="cpu")
    given = {n: torch.ones(1, 1) for n in ("u", "kappa")}
    run = torch.compile(layer, backend="aot_eager", fullgraph=True)
    assert torch.equal(run(**given).u, layer(**given).u)


def test_many_processes_compile_at_once(package_of: ModuleType, tmp_path: Path) -> None:
    """Every one of them gets a whole library; one file stays."""
    folder = Path(str(package_of.__file__)).parents[1]
    code = f"import {package_of.__name__}.cpu as cpu; assert cpu._load('tiny', {TEXT!r}, ()).threads() == 7"
    done = processes.together(3, "-c", code, METRIGEN_CACHE=str(tmp_path), PYTHONPATH=str(folder))
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.iterdir())) == 1
