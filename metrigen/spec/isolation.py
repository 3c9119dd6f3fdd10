"""A spec is Python and runs with the user's rights; what it changes of the interpreter is put back after it."""

from __future__ import annotations

import builtins
import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any, NoReturn


class _Lent:
    """A stream that a spec may write to, and not close."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def close(self) -> None:
        self._stream.flush()


def _no_exit(status: int) -> NoReturn:
    raise SystemExit(f"os._exit({status}) would end the build without a word")


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Working folder, search path, streams, builtins, warning filters: as before, whatever happens.

    What a spec prints goes to stderr: stdout is what the command says, JSON at times.
    """
    path, bytecode = list(sys.path), sys.dont_write_bytecode
    streams = {name: getattr(sys, name) for name in ("stdin", "stdout", "stderr")}
    own, leave, folder = dict(vars(builtins)), os._exit, _folder()
    sys.dont_write_bytecode = True
    os._exit = _no_exit
    for name, stream in (*streams.items(), ("stdout", streams["stderr"])):
        if stream is not None:
            setattr(sys, name, _Lent(stream))
    try:
        with warnings.catch_warnings():
            yield
    finally:
        vars(builtins).update(own)
        os._exit = leave
        sys.path[:], sys.dont_write_bytecode = path, bytecode
        for name, stream in streams.items():
            setattr(sys, name, stream)
        if folder is not None and _folder() != folder:
            os.chdir(folder)


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return None
