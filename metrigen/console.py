"""What the command line prints: stages, laws, differences and errors, at 80 columns, with or without a terminal."""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import sys
import textwrap
import threading
import traceback
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

import metrigen
from metrigen.errors import InternalError, MetrigenError, Warned, short

if TYPE_CHECKING:
    from metrigen.compiler import Stage
    from metrigen.emit.tree import Difference
    from metrigen.physics.derivation import Law

_COLOURS = {"proved": "green", "conditional": "yellow", "sampled": "yellow", "failed": "red"}
_LABEL = 8


class _Console(Console):
    """A console that falls silent when nobody reads any more: ``metrigen build spec.py | head -3`` builds."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        stream = sys.stderr if self.stderr else sys.stdout
        with contextlib.suppress(OSError, ValueError):
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, stream.fileno())
            os.close(nothing)


def console(stderr: bool = False) -> Console:
    """A console that prints text as it is: no markup, no highlighting; colours only on a terminal without NO_COLOR."""
    return _Console(stderr=stderr, markup=False, highlight=False, emoji=False)


class Patience:
    """Names the stage that is at work once it has taken two seconds, on a terminal alone; wiped when it ends."""

    def __init__(self, out: Console, seconds: float = 2.0) -> None:
        self._out, self._seconds = out, seconds
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._shown = False

    def begin(self, stage: str) -> None:
        """A stage begins, and the one before it has ended."""
        self.end()
        if self._out.is_terminal:
            self._timer = threading.Timer(self._seconds, self._show, (stage,))
            self._timer.daemon = True
            self._timer.start()

    def end(self) -> None:
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None
            if self._shown:
                self._write("\r\x1b[K")
            self._shown = False

    def _show(self, stage: str) -> None:
        with self._lock:
            if self._timer is threading.current_thread():  # else the stage has ended meanwhile
                self._write(f"  {stage} ...")
                self._shown = True

    def _write(self, text: str) -> None:
        self._out.file.write(text)
        self._out.file.flush()


@contextlib.contextmanager
def patience() -> Iterator[Patience]:
    """On stderr, so that what is redirected stays as it is."""
    waiting = Patience(console(stderr=True))
    try:
        yield waiting
    finally:
        waiting.end()


def stage_line(stage: Stage) -> str:
    """``  derive      0.31 s    2 equations   ops 812 -> 345``, parts that a stage does not have left blank."""
    line = f"  {stage.name:<22}{stage.seconds:7.2f} s"
    if stage.equations is not None:
        line += f"  {stage.equations:>3} equation" + ("s" if stage.equations != 1 else " ")
    if stage.ops_after is not None:
        before = f"{stage.ops_before} -> " if stage.ops_before is not None else ""
        line = f"{line:<50}ops {before}{stage.ops_after}"
    return line


class Rows:
    """A table that is printed row by row, so that the first need not wait for the last: the widths are given."""

    def __init__(self, *columns: tuple[str, int], last: str = "") -> None:
        self._columns, self._last = columns, last
        self._begun = False

    def row(self, *cells: str | Text) -> Table:
        """The next row, the first below the titles."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_header=not self._begun)
        for title, width in self._columns:
            table.add_column(title, width=width, no_wrap=True)
        table.add_column(self._last, overflow="fold")
        table.add_row(*cells)
        self._begun = True
        return table


def laws_table(laws: Sequence[Law]) -> Table:
    """The laws with their verdicts; long reasons wrap inside their column."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("  law", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("how", overflow="fold")
    for law in laws:
        reason = "; ".join(text for text in (law.how, law.detail, law.witness) if text)
        table.add_row(f"  {law.name}", Text(law.verdict, style=_COLOURS[law.verdict]), reason)
    return table


def difference_lines(differences: Sequence[Difference]) -> str:
    return "\n".join(str(difference) for difference in differences)


def error_text(error: MetrigenError, width: int | None = None) -> Text:
    """``error: ...`` or ``warning: ...`` and its labelled rows, wrapped with a hanging indent if ``width`` is given."""
    word, style = ("warning: ", "bold yellow") if isinstance(error, Warned) else ("error: ", "bold red")
    return _text(word, style, error.what, error.rows(), width)


def _text(word: str, style: str, what: str, rows: Sequence[tuple[str, str]], width: int | None) -> Text:
    text = Text()
    text.append(word, style=style).append(_hang(what, "", width, len(word)))
    for label, content in rows:
        text.append(f"\n  {label:<{_LABEL}} ", style="dim")
        text.append(_hang(content, " " * (_LABEL + 3), width, 0))
    return text


def print_error(error: MetrigenError, debug: bool) -> None:
    """To stderr. Lines are wrapped on a terminal only: a log or a pipe gets each row whole."""
    if debug:
        traceback.print_exception(error)
    out = console(stderr=True)
    out.print(error_text(error, _width(out)), soft_wrap=True)


def print_warnings(warnings: Sequence[Warned]) -> None:
    """To stderr, at 80 columns where there is no terminal."""
    out = console(stderr=True)
    for warned in warnings:
        out.print(error_text(warned, out.width if out.is_terminal else 80), soft_wrap=True)


def print_unexpected(error: Exception) -> None:
    """A fault of the compiler itself: what is known of it, and a block to paste into a report."""
    out = console(stderr=True)
    fault = error if isinstance(error, InternalError) else InternalError(short(error))
    text = _text("error: ", "bold red", "internal error of metrigen, not of your spec", fault.rows(), _width(out))
    out.print(text, soft_wrap=True)
    out.print(f"\n{report_block(error)}", soft_wrap=True)
    sys.stderr.flush()


def report_block(error: BaseException) -> str:
    """Versions, platform, command and traceback, as Markdown between two lines of backticks."""
    from importlib.metadata import PackageNotFoundError, version

    def of(name: str) -> str:
        try:
            return f"{name} {version(name)}"
        except PackageNotFoundError:
            return f"{name} not installed"

    rows = [
        f"metrigen {metrigen.__version__}, {of('sympy')}, {of('torch')}",
        f"Python {platform.python_version()} on {platform.platform()}",
        f"command: metrigen {shlex.join(sys.argv[1:])}",
        "".join(traceback.format_exception(error)).rstrip(),
    ]
    return "\n".join(["```text", *rows, "```"])


def _width(out: Console) -> int | None:
    return out.width if out.is_terminal else None


def _hang(content: str, indent: str, width: int | None, used: int) -> str:
    lines = content.splitlines()
    if width is not None:
        room = max(width - max(len(indent), used), 20)
        lines = [part for line in lines for part in textwrap.wrap(line, room, break_on_hyphens=False) or [""]]
    return ("\n" + (indent or " " * used)).join(lines)
