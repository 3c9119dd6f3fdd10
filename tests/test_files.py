"""Packages of a build are written all or not at all, whatever a disk, a spec or another build does."""

from __future__ import annotations

import inspect
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from metrigen.build import compile_file, packages_of, write_packages
from metrigen.emit import staging, swap, tree
from metrigen.emit.manifest import with_manifest
from metrigen.emit.tree import compare_trees
from metrigen.emit.tree import write_packages as write_trees
from metrigen.errors import BuildError, SpecError
from metrigen.spec.load import Spec, load_spec, project_path

SPEC = '''"""A point."""
from metrigen import *
point = Lattice()
u = Field("u", point)
{extra}
system = System(name="{name}", domain=point, lagrangian=u.diff(t)**2/2 - u**2/2, integrator=Leapfrog(steps=1, dt=0.1),
    readout=energy_density())
{after}
'''
Trees = dict[Path, dict[str, str]]


def spec(folder: Path, name: str = "a", extra: str = "", after: str = "", file: str | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (file or f"{name}.py")
    path.write_text(SPEC.format(name=name, extra=extra, after=after), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Spec:
    return load_spec(spec(tmp_path_factory.mktemp("spec")))


def trees(loaded: Spec, out: Path, mark: str) -> Trees:
    return {
        out / name: with_manifest(loaded, {f"{k}.py": f"{name} = '{mark}'\n" for k in range(2)}, {}, {})
        for name in ("one", "two", "three")
    }


# -------------------------------------------------------------------------------------- all of them or none


def failing_at(n: int, code: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The n-th call that changes the disk fails; returns the count of calls."""
    calls = [0]

    def counted(function: Callable[..., object]) -> Callable[..., object]:
        def call(*given: object, **named: object) -> object:
            calls[0] += 1
            if calls[0] == n:
                raise OSError(code, os.strerror(code))
            return function(*given, **named)

        return call

    for name in ("fsync", "rename", "mkdir"):
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    monkeypatch.setattr(tree, "open", counted(open), raising=False)
    monkeypatch.setattr(staging.tempfile, "mkdtemp", counted(staging.tempfile.mkdtemp))
    exchange = swap._exchange
    monkeypatch.setattr(swap, "_exchange", counted(lambda one, other: exchange(one, other)))
    return calls


@pytest.mark.parametrize(("before", "code"), [("", 30), ("old", 28)], ids=["new, read-only", "replaced, full"])
def test_a_disk_that_fails_at_any_call_leaves_all_packages_or_none(
    loaded: Spec, tmp_path: Path, before: str, code: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        calls = failing_at(0, code, patch)
        write_trees(trees(loaded, tmp_path / "count", "new"))
    assert calls[0] > 20
    for n in range(1, calls[0] + 8):
        out = tmp_path / f"out{n}"
        old, new = trees(loaded, out, before), trees(loaded, out, "new")
        if before:
            write_trees(old)
        told = "nothing was changed"
        with pytest.MonkeyPatch.context() as patch:
            failing_at(n, code, patch)
            try:
                write_trees(new)
                wanted: Trees | None = new
            except BuildError as error:
                told = str(error.fix)
                wanted = old if before else None
        assert "nothing was changed" in told
        for place in new:
            assert compare_trees(wanted[place], place) == [] if wanted else not place.exists(), f"{n}: {place}"
        assert not list(out.glob(".*")), n


def test_a_swap_that_cannot_be_taken_back_is_told(
    loaded: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = trees(loaded, tmp_path, "old"), trees(loaded, tmp_path, "new")
    write_trees(old)
    true, calls = tree.swap_in, [0]

    def swap_in(one: Path, other: Path) -> None:
        calls[0] += 1
        if calls[0] > 1:
            raise OSError(5, "Input/output error")
        true(one, other)

    monkeypatch.setattr(tree, "swap_in", swap_in)
    with pytest.raises(BuildError) as caught:
        write_trees(new)
    assert str(tmp_path / "one") in str(caught.value.fix)
    assert "nothing was changed" not in str(caught.value.fix)


KILLED = """
import os, signal, sys
from pathlib import Path
from metrigen.emit import tree
from metrigen.emit.manifest import with_manifest
from metrigen.spec.load import load_spec
loaded, out, n = load_spec(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
calls = 0
def dying(function):
    def call(*given, **named):
        global calls
        calls += 1
        if calls == n:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*given, **named)
    return call
os.fsync, os.rename, tree.swap_in = dying(os.fsync), dying(os.rename), dying(tree.swap_in)
tree.write_packages({out / name: with_manifest(loaded, {f"{k}.py": f"{name} = 'new'\\n" for k in range(2)}, {}, {})
                     for name in ("one", "two", "three")})
"""


@pytest.mark.parametrize("n", [1, 9, 14, 16, 18])
def test_a_killed_build_leaves_whole_packages_and_what_it_staged_is_removed(
    loaded: Spec, tmp_path: Path, root: Path, n: int
) -> None:
    out = tmp_path / "out"
    old, new = trees(loaded, out, "old"), trees(loaded, out, "new")
    write_trees(old)
    command = [sys.executable, "-c", KILLED, str(spec(tmp_path)), str(out), str(n)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(root)}, check=False)
    assert done.returncode == -signal.SIGKILL
    for place in old:
        assert [] in (compare_trees(old[place], place), compare_trees(new[place], place))
    assert list(out.glob(".*.tmp"))
    for folder in out.glob(".*.tmp"):
        os.utime(folder, (1, 1))
    write_trees(trees(loaded, out, "next"))
    assert not list(out.glob(".*"))


def test_what_another_build_stages_is_left_alone(loaded: Spec, tmp_path: Path) -> None:
    with staging.staging(tmp_path, "one") as folder:
        (folder / "new").mkdir()
        os.utime(folder, (1, 1))
        write_trees(trees(loaded, tmp_path, "new"))
        assert folder.exists()
    (tmp_path / ".mine.tmp").mkdir()
    (tmp_path / ".notes.of.mine.tmp").mkdir()
    (tmp_path / ".notes.of.mine.tmp/diary").write_text("dear diary")
    os.utime(tmp_path / ".mine.tmp", (1, 1))
    write_trees(trees(loaded, tmp_path, "newer"))
    assert {path.name for path in tmp_path.glob(".*")} == {".mine.tmp", ".notes.of.mine.tmp"}


@pytest.mark.parametrize("mine", ["notes/", "__pycache__/diary.txt"])
def test_empty_folders_and_files_in_caches_are_the_users(loaded: Spec, tmp_path: Path, mine: str) -> None:
    write_trees(trees(loaded, tmp_path, "old"))
    path = tmp_path / "two" / mine
    path.parent.mkdir(exist_ok=True)
    path.mkdir() if mine.endswith("/") else path.write_text("dear diary")
    with pytest.raises(BuildError, match="did not write"):
        write_trees(trees(loaded, tmp_path, "new"))
    assert path.exists()
    assert compare_trees(trees(loaded, tmp_path, "old")[tmp_path / "one"], tmp_path / "one") == []


def build(*files: Path, out: Path) -> None:
    write_packages(packages_of([compile_file(file, lambda _: None) for file in files], out))


def test_names_that_differ_by_case_are_one_folder_elsewhere(tmp_path: Path) -> None:
    small, large = spec(tmp_path, "wave"), spec(tmp_path, "Wave", file="other.py")
    with pytest.raises(SpecError, match="case of letters"):
        build(small, large, out=tmp_path / "out")
    build(small, out=tmp_path / "out")
    with pytest.raises(BuildError, match="ignore case"):
        build(large, out=tmp_path / "out")


# ------------------------------------------------------------------------------------------------ where from


def test_the_bytes_do_not_depend_on_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = spec(tmp_path / "project/specs/deep")
    (tmp_path / "project/pyproject.toml").touch()
    found = []
    for k, (folder, given) in enumerate([("project", "specs/deep/a.py"), ("project/specs", "deep/a.py"), (".", file)]):
        monkeypatch.chdir(tmp_path / folder)
        (package,) = packages_of([compile_file(Path(given), lambda _: None)], tmp_path / str(k))
        found.append(package.files)
    assert found[0] == found[1] == found[2]
    assert "# Rebuild: metrigen build specs/deep/a.py\n" in found[0]["module.py"]
    assert project_path(spec(tmp_path / "nowhere")) == "a.py"


def test_a_spec_cannot_move_the_output(
    tmp_path: Path, metrigen: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    first = spec(tmp_path, "a", after=f"import os; os.chdir({str(tmp_path / 'elsewhere')!r})")
    second = spec(tmp_path, "b")
    done = metrigen("build", first.name, second.name, "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a", "b"}
    assert not list((tmp_path / "elsewhere").iterdir())


# ----------------------------------------------------------------------------------------- what a spec may do

DISTURBING = """
import builtins, os, sys, warnings
warnings.simplefilter("error")
sys.setrecursionlimit(5000)
sys.stdout.close()
sys.stdout = sys.stderr = None
builtins.open = None
os.chdir("/")
"""


def test_what_a_spec_changes_is_put_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import builtins
    import warnings

    before = (
        os.getcwd(),
        list(warnings.filters),
        sys.getrecursionlimit(),
        sys.stdout,
        sys.stderr,
        builtins.open,
        os._exit,
    )
    load_spec(spec(tmp_path, after=DISTURBING))
    assert before == (
        os.getcwd(),
        list(warnings.filters),
        sys.getrecursionlimit(),
        sys.stdout,
        sys.stderr,
        builtins.open,
        os._exit,
    )
    print("still open")
    assert capsys.readouterr().out == "still open\n"


@pytest.mark.parametrize(
    "line",
    [
        "class Odd(BaseException): pass\nraise Odd('no')",
        "raise GeneratorExit",
        "import os; os._exit(0)",
        "raise SystemExit(0)",
        "import sys; sys.setrecursionlimit(50); f = lambda: f(); f()",
    ],
)
def test_whatever_a_spec_raises_is_an_error_of_the_spec(tmp_path: Path, line: str) -> None:
    with pytest.raises(SpecError, match=r"raised an exception|nested too deeply") as caught:
        load_spec(spec(tmp_path, extra=line))
    assert "a.py:" in str(caught.value.where)


def test_a_spec_may_leave_hardly_a_call(tmp_path: Path) -> None:
    """Whichever limit it sets, and at whatever depth it is loaded, what it ran into is told with its line."""

    def loaded_at(depth: int, path: Path) -> None:
        if depth:
            loaded_at(depth - 1, path)
        else:
            load_spec(path)

    here = len(inspect.stack())
    limit = sys.getrecursionlimit()
    for left in range(8, 40):
        path = spec(tmp_path, extra=f"import sys; sys.setrecursionlimit({here + 30}); f = lambda: f(); f()")
        with pytest.raises(SpecError, match=r"raised an exception|nested too deeply") as caught:
            loaded_at(40 - left, path)
        assert "a.py:" in str(caught.value.where), left
        assert sys.getrecursionlimit() == limit


def test_ctrl_c_passes(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        load_spec(spec(tmp_path, extra="raise KeyboardInterrupt"))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.py")
    assert stat.S_ISFIFO((tmp_path / "a.py").stat().st_mode)
    with pytest.raises(SpecError, match="no regular file"):
        load_spec(tmp_path / "a.py")
    with pytest.raises(SpecError, match="cannot be read"):
        load_spec(tmp_path / ("a" * 300 + ".py"))


def test_a_build_that_nobody_reads_writes_its_package(tmp_path: Path, root: Path) -> None:
    file = spec(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "metrigen", "build", str(file), "--out", str(tmp_path / "out")],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.wait(timeout=120) == 0
    assert process.stderr.read() == b""
    assert (tmp_path / "out/a/module.py").is_file()


def test_two_builds_at_once(tmp_path: Path, root: Path) -> None:
    files = [spec(tmp_path / side, name, after=f"side = '{side}'") for side in ("x", "y") for name in ("a", "b")]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "metrigen", "build", str(tmp_path / side), "--out", str(tmp_path / "out")],
            env={**os.environ, "PYTHONPATH": str(root)},
            stdout=subprocess.DEVNULL,
        )
        for side in ("x", "y")
    ]
    assert [process.wait(timeout=300) for process in running] == [0, 0]
    for name in ("a", "b"):
        wanted = [packages_of([compile_file(f, lambda _: None)], tmp_path)[0].files for f in files if f.stem == name]
        assert [] in [compare_trees(text, tmp_path / "out" / name) for text in wanted]
    assert not list((tmp_path / "out").glob(".*"))
