"""Several image runs with equal data, order and epochs: the variants of an ablation, the models of a comparison.

A study is a list of runs that is kept in its folder before the first of them begins. What has a test record is not
trained again, so that going on with a study takes up where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lightning_fabric import Fabric
from rich.console import Console

from trainers.cifar_networks import VARIANTS, Stages, network_size
from trainers.cifar_options import Options, as_options
from trainers.cifar_training import Task, examine, train
from trainers.common import Display, ResumeError, Run, has_checkpoint
from trainers.durable import write_durably

STUDY = "study.json"
ABLATION, COMPARISON = "ablation", "comparison"
STEPS = (1, 2, 4, 8)  # of the full model, in an ablation
BASELINE_WIDTHS: Stages = (1, 2, 4)


@dataclass(frozen=True)
class Member:
    """One run of a study. Those that differ in the seed alone share their label."""

    label: str
    options: Options

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.label}-seed{self.options.seed}"


@dataclass(frozen=True)
class Study:
    """kind is "ablation" or "comparison"; the first label is what the others are compared with."""

    kind: str
    members: tuple[Member, ...]

    def groups(self) -> Iterator[tuple[str, list[Member]]]:
        """Every label with its members, in the order of the study."""
        for label in dict.fromkeys(member.label for member in self.members):
            yield label, [member for member in self.members if member.label == label]


def ablation(base: Options, seeds: Sequence[int], inputs: int, classes: int) -> Study:
    """Every variant of the field network, of as many parameters as the full one turns out to have, and the full one
    with other numbers of steps."""
    full = replace(base, model="field", variant="full")
    full = replace(full, parameters=network_size(full, inputs, classes))
    wanted = {variant: replace(full, variant=variant) for variant in VARIANTS}
    wanted |= {f"K{steps}": replace(full, steps=steps) for steps in STEPS if steps != base.steps}
    return _over_seeds(ABLATION, wanted, seeds)


def of_equal_size(base: Options, model: str, blocks: Stages, inputs: int, classes: int) -> Options:
    """A baseline has the usual widths w, 2 w, 4 w and ``blocks``, and as many parameters as the field network of
    ``base`` turns out to have."""
    field = replace(base, model="field")
    if model == "field":
        return field
    size = network_size(field, inputs, classes)
    return replace(base, model=model, widths=BASELINE_WIDTHS, blocks=blocks, parameters=size)


def comparison(
    base: Options, models: Sequence[str], rates: Mapping[str, float], blocks: Stages, seeds: Sequence[int],
    inputs: int, classes: int,
) -> Study:  # fmt: skip
    """Models side by side, of equal parameters; ``rates`` are learning rates that are not the common one."""
    wanted = {model: of_equal_size(base, model, blocks, inputs, classes) for model in models}
    wanted = {model: replace(options, lr=rates.get(model, base.lr)) for model, options in wanted.items()}
    return _over_seeds(COMPARISON, wanted, seeds)


def _over_seeds(kind: str, wanted: Mapping[str, Options], seeds: Sequence[int]) -> Study:
    members = [Member(label, replace(options, seed=seed)) for seed in seeds for label, options in wanted.items()]
    return Study(kind, tuple(members))


def is_study(folder: Path) -> bool:
    return (folder / STUDY).exists()


def read_study(folder: Path) -> Study:
    """The study that was begun in this folder."""
    kept = json.loads((folder / STUDY).read_text())
    return Study(kept["kind"], tuple(Member(label, as_options(options)) for label, options in kept["members"]))


def begin(fabric: Fabric, study: Study, folder: Path) -> None:
    """Keep the plan of a new study. Raises ResumeError where the folder has one."""
    if fabric.broadcast(is_study(folder)):
        raise ResumeError(f"{folder} holds a study: --resume {folder} goes on with it, another --name begins one")
    if fabric.global_rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        members = [(member.label, asdict(member.options)) for member in study.members]
        write_durably(folder / STUDY, (json.dumps({"kind": study.kind, "members": members}) + "\n").encode())


def run_study(fabric: Fabric, study: Study, task: Task, folder: Path, console: Console) -> None:
    """Train and test what has no test record yet, one after the other."""
    main_process = fabric.global_rank == 0
    for number, member in enumerate(study.members, 1):
        run = Run(folder / member.name, writes=main_process)
        if fabric.broadcast(bool(run.records("test"))):
            continue
        started = fabric.broadcast(has_checkpoint(run.folder))
        with Display(console, f"{number}/{len(study.members)} {member.name}", shown=main_process) as display:
            network = train(fabric, member.options, task, run, display, resume=started)
        if main_process:
            examine(network, member.options, task, run)
            right = run.records("test")[-1]["accuracy"]
            console.print(f"{member.name}: test accuracy {100 * right:.2f} %", soft_wrap=True, highlight=False)
        fabric.barrier()
