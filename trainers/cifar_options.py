"""What determines the result of an image run, and how its flags are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from trainers.cifar_networks import MODELS, Stages
from trainers.common import read_meta
from trainers.images import DIGITS, Augmentation


@dataclass(frozen=True)
class Options:
    """What determines the result of a run; kept in the checkpoint.

    data        "digits", a folder with parquet files, or the name of a Hugging Face dataset
    model       "field", "resnet" or "convnext", each at the width that comes closest to ``parameters``
    variant     of the field network, see ``cifar_networks.VARIANTS``
    widths      ratio of the widths of the three stages, at resolutions n, n/2, n/4
    blocks      of every stage
    images      of the training set, from its start; all for None
    seconds     a time limit in the place of ``epochs``: the learning rate follows the clock
    steps       of the time integrator in every block
    """

    data: str = DIGITS
    model: str = "field"
    variant: str = "full"
    parameters: int = 200_000
    widths: Stages = (1, 2, 4)
    blocks: Stages = (2, 2, 2)
    steps: int = 2
    epochs: int = 20
    seconds: float | None = None
    images: int | None = None
    batch: int = 64
    lr: float = 3e-3
    decay: float = 0.05
    crop: int = 4
    flip: bool = True
    cutout: int = 0
    mixup: float = 0.0
    seed: int = 0

    @property
    def augmentation(self) -> Augmentation:
        return Augmentation(self.crop, self.flip, self.cutout, self.mixup)


SMOKE: dict[str, Any] = {"parameters": 20_000, "blocks": (1, 1, 1), "epochs": 2, "images": 256, "batch": 32}


def stages_of(text: str, flag: str) -> Stages:
    """Three positive numbers separated by commas; one number stands for three equal ones."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3) or min(numbers) < 1:
        raise typer.BadParameter(f"{text!r} is not one or three positive whole numbers", param_hint=flag)
    first, second, third = numbers * 3 if len(numbers) == 1 else numbers
    return first, second, third


def seeds_of(text: str, flag: str) -> tuple[int, ...]:
    """Different whole numbers separated by commas."""
    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError:
        seeds = ()
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise typer.BadParameter(f"{text!r} is not a list of different seeds like 0,1,2", param_hint=flag)
    return seeds


def models_of(text: str, flag: str) -> tuple[str, ...]:
    """Different names of models separated by commas."""
    models = tuple(text.split(","))
    if any(model not in MODELS for model in models) or len(set(models)) < len(models):
        raise typer.BadParameter(f"{text!r} is not a list of some of {', '.join(MODELS)}", param_hint=flag)
    return models


def rates_of(text: str, flag: str) -> dict[str, float]:
    """Learning rates by model, written field=3e-3,resnet=1e-3; an empty text names none."""
    rates: dict[str, float] = {}
    for part in text.split(",") if text else []:
        model, _, rate = part.partition("=")
        try:
            rates[model] = float(rate)
        except ValueError:
            rates[model] = 0.0
        if not rates[model] > 0 or model not in MODELS:
            raise typer.BadParameter(f"{part!r} is not a model and its rate like field=3e-3", param_hint=flag)
    return rates


def as_options(kept: Mapping[str, Any]) -> Options:
    """Options from JSON, which knows no tuples."""
    return Options(**{**kept, "widths": tuple(kept["widths"]), "blocks": tuple(kept["blocks"])})


def stored_options(folder: Path) -> Options:
    """What the run in a folder was started with. Raises ResumeError where there is no checkpoint."""
    return as_options(read_meta(folder)["options"])
