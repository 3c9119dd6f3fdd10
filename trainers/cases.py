"""A run of several cases: a folder, a model and a test each, one after the other, none of them twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from lightning_fabric import Fabric
from rich.console import Console

from trainers.common import CHECKPOINT, Display, ResumeError, Run, has_checkpoint, read_meta


class Case(Protocol):
    """What is trained and tested in a folder of its own within that of the run."""

    @property
    def folder(self) -> Path: ...


C = TypeVar("C", bound=Case)
N = TypeVar("N")


def stored_options(folder: Path, layout: str) -> dict[str, Any]:
    """The options that a run folder was started with, lists as tuples.

    Raises ResumeError where no case has a checkpoint yet; ``layout`` says where that would be.
    """
    for place in sorted(folder.glob("*/*")):
        if has_checkpoint(place):
            stored: dict[str, Any] = read_meta(place)["options"]
            return {key: tuple(v) if isinstance(v, list) else v for key, v in stored.items()}
    raise ResumeError(f"no {CHECKPOINT} in {folder}/{layout}")


def run_cases(
    fabric: Fabric,
    cases: Iterable[C],
    folder: Path,
    console: Console,
    train: Callable[[C, Run, Display, bool], N],
    examine: Callable[[N, C, Run], None],
    restored: Callable[[C, Path], N],
    *,
    resume: bool,
) -> dict[C, N]:
    """Train and test every case that has no test yet; the models of all cases, on the main process alone.

    train      a case, its run, its display, and whether to go on with its checkpoint -> the model
    examine    logs the test of a trained model
    restored   the model of a case that was tested before the run was stopped, from its folder
    """
    main_process, networks = fabric.global_rank == 0, dict[C, N]()
    for case in cases:
        run = Run(folder / case.folder, writes=main_process)
        tested = resume and fabric.broadcast(bool(run.records("test")))
        if not tested:
            with Display(console, str(case.folder), shown=main_process) as display:
                network = train(case, run, display, resume and fabric.broadcast(has_checkpoint(run.folder)))
            if main_process:
                examine(network, case, run)
                networks[case] = network
        elif main_process:
            networks[case] = restored(case, run.folder)
        fabric.barrier()
    return networks
