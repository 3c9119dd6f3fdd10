"""A spec as a revision of git has it: ``specs/maze.py@HEAD``."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from metrigen.errors import SpecError

_FILES = "give two files: metrigen diff A.py B.py"


@contextmanager
def spec_at(given: str) -> Iterator[Path]:
    """The path of a spec: a file, or ``FILE@REVISION`` written out beside the Python files of its folder, which it may
    import. Raises SpecError where git does not have it."""
    path = Path(given)
    if path.exists() or "@" not in given:
        yield path
        return
    name, _, revision = given.rpartition("@")
    file = Path(name)
    if not revision or revision.startswith("-"):
        raise SpecError(
            f"{given} names no revision", fix=f"{name}@HEAD, or a tag or a commit behind the @", see="revision"
        )
    with tempfile.TemporaryDirectory(prefix="metrigen-") as folder:
        with tarfile.open(fileobj=io.BytesIO(_archive(file, revision))) as archive:
            for member in archive.getmembers():
                _extract(archive, member, Path(folder))
        found = Path(folder, file.name)
        if not found.is_file():
            raise SpecError(
                f"{revision} has no {name}", fix=f"git log -- {name} lists the revisions that have it", see="revision"
            )
        yield found


def file_of(given: str) -> str:
    """The file that ``FILE@REVISION`` names; ``given`` itself where it names no revision."""
    return given if Path(given).exists() or "@" not in given else given.rpartition("@")[0]


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Write one plain file of the archive, which git made and which leaves its folder nowhere."""
    stream = archive.extractfile(member) if member.isfile() else None
    if stream is not None and ".." not in Path(member.name).parts:
        place = folder / member.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(stream.read())


def _archive(file: Path, revision: str) -> bytes:
    """The Python files of the folder of ``file``, as a tar of git."""
    folder = next((parent for parent in file.absolute().parents if parent.is_dir()), Path.cwd())
    command = ["git", "-C", str(folder), "archive", "--format=tar", revision, "--", "*.py"]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        raise SpecError(
            "git is not installed",
            why=f"{file}@{revision} is a revision of it",
            fix=_FILES,
            see="revision",
        ) from None
    if done.returncode:
        why = done.stderr.decode("utf-8", errors="replace").strip().splitlines()
        fix = "a revision that `git log` shows, of a file that is in git"
        if any("not a git repository" in line for line in why):
            fix = _FILES
        raise SpecError(f"git has no {file}@{revision}", why=why[-1] if why else "", fix=fix, see="revision")
    return done.stdout
