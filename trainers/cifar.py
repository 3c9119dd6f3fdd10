"""Train an image classifier whose space and nonlinearity are emitted physics, beside a ResNet of the same size.

    python -m trainers.cifar                                 8 x 8 digits: no download, a few minutes
    python -m trainers.cifar --data uoft-cs/cifar10          a Hugging Face dataset, or a folder with parquet files
    python -m trainers.cifar --model resnet                  the baseline: same parameters, optimiser, data order
    python -m trainers.cifar --ablate                        what the parts of the physics are worth
    python -m trainers.cifar --compare --seeds 0,1,2         field network, ResNet and ConvNeXt at equal parameters
    python -m trainers.cifar --profile                       where time and memory of a training step go
    python -m trainers.cifar --smoke                         seconds; the path through the program, not a result
    python -m trainers.cifar --resume runs/cifar/X           go on where X stopped, bit for bit
    torchrun --nproc-per-node 2 -m trainers.cifar            data parallel

Everything a run writes lies in runs/cifar/<name>/: metrics.jsonl, checkpoint.safetensors, learning.png, and for the
physics fields.png and energy.png. An ablation or comparison has a folder a run, and beside them study.json, its
figures as JSON lines and its picture.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from trainers.cifar_networks import MODELS, VARIANTS, UnknownNetwork
from trainers.cifar_options import SMOKE, Options, models_of, rates_of, seeds_of, stages_of, stored_options
from trainers.cifar_profile import profile_table, side_by_side
from trainers.cifar_report import report
from trainers.cifar_studies import ABLATION, COMPARISON, ablation, begin, comparison, is_study, read_study, run_study
from trainers.cifar_training import Task, examine, train
from trainers.command_line import (
    Accelerator,
    Devices,
    Name,
    Out,
    Resume,
    Smoke,
    make_console,
    run_folder,
    tell_file,
    told,
)
from trainers.common import METRICS, ROOT, Display, Run, make_fabric
from trainers.images import DIGITS, DataError
from trainers.memory import keep_freed_memory


def main(
    data: Annotated[str, typer.Option(help="digits, a folder with parquet files, or a Hugging Face name")] = DIGITS,
    model: Annotated[str, typer.Option(help=", ".join(MODELS))] = Options.model,
    ablate: Annotated[bool, typer.Option(help="the variants, and the full model with other numbers of steps")] = False,
    compare: Annotated[bool, typer.Option(help="the models of --models, at equal parameters")] = False,
    profile: Annotated[bool, typer.Option(help="where time and memory of a step go, beside a ResNet; no run")] = False,
    seeds: Annotated[str | None, typer.Option(help="of --ablate and --compare, e.g. 0,1,2; default: --seed")] = None,
    models: Annotated[str, typer.Option(help="of --compare")] = ",".join(MODELS),
    lrs: Annotated[str, typer.Option(help="rates of --compare that are not --lr, e.g. field=3e-3,resnet=1e-3")] = "",
    baseline_blocks: Annotated[str, typer.Option(help="of the baselines of --compare and --profile")] = "2",
    variant: Annotated[str, typer.Option(help="of the field network: " + ", ".join(VARIANTS))] = Options.variant,
    parameters: Annotated[int, typer.Option(help="the width comes as close to this as it can")] = Options.parameters,
    widths: Annotated[str, typer.Option(help="ratio of the three stages, e.g. 1,2,4")] = "1,2,4",
    blocks: Annotated[str, typer.Option(help="of every stage, or of each of the three, e.g. 1,2,3")] = "2",
    steps: Annotated[int, typer.Option(help="of the time integrator in every block")] = Options.steps,
    epochs: Annotated[int, typer.Option(help="times through the training images")] = Options.epochs,
    seconds: Annotated[float | None, typer.Option(help="train that long in place of --epochs")] = None,
    images: Annotated[int | None, typer.Option(help="train on the first ones only")] = None,
    batch: Annotated[int, typer.Option(help="images a step and process")] = Options.batch,
    lr: Annotated[float, typer.Option(help="peak learning rate of AdamW")] = Options.lr,
    decay: Annotated[float, typer.Option(help="of the weights")] = Options.decay,
    crop: Annotated[int, typer.Option(help="pixels that an image may move")] = Options.crop,
    flip: Annotated[bool, typer.Option(help="mirror every other image")] = Options.flip,
    cutout: Annotated[int, typer.Option(help="side of the square that is cut out")] = Options.cutout,
    mixup: Annotated[float, typer.Option(help="alpha of the weights of two images")] = Options.mixup,
    seed: Annotated[int, typer.Option(help="of weights, order and augmentation")] = Options.seed,
    name: Name = None,
    out: Out = ROOT / "runs" / "cifar",
    resume: Resume = None,
    smoke: Smoke = False,
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    precision: Annotated[str, typer.Option(help="of the mixing; the fields are float32")] = "32-true",
) -> None:
    """Train an image classifier whose space and nonlinearity are emitted physics, or a baseline."""
    console = make_console()
    options = Options(data, model, variant, parameters, stages_of(widths, "--widths"), stages_of(blocks, "--blocks"),
                      steps, epochs, seconds, images, batch, lr, decay, crop, flip, cutout, mixup, seed)  # fmt: skip
    if data == DIGITS:
        # A digit is no digit any more when it is mirrored, and 8 pixels wide.
        options = replace(options, flip=False, crop=min(crop, 1))
    if smoke:
        options = replace(options, **SMOKE)
    if ablate + compare + profile > 1:
        raise typer.BadParameter("one at a time", param_hint="--ablate, --compare, --profile")
    every_seed = (seed,) if seeds is None else seeds_of(seeds, "--seeds")
    names, rates = models_of(models, "--models"), rates_of(lrs, "--lrs")
    usual = SMOKE["blocks"] if smoke else stages_of(baseline_blocks, "--baseline-blocks")
    kind = ABLATION if ablate else COMPARISON if compare else options.model
    folder = resume or run_folder(out, name, f"{kind}-seed{options.seed}")
    with told(console, folder, DataError, UnknownNetwork):
        if profile:
            console.print(profile_table(side_by_side(options, usual, accelerator, precision), options.batch))
            return
        study = read_study(folder) if resume is not None and is_study(folder) else None
        if study is not None:
            options = study.members[0].options
        elif resume is not None:
            options = stored_options(folder)
        keep_freed_memory()
        fabric = make_fabric(accelerator, devices, precision)
        main_process = fabric.global_rank == 0
        task = Task.load(options, fabric.device)
        if study is None and resume is None and (ablate or compare):
            channels, classes = task.train.pixels.shape[1], task.train.classes
            study = (
                ablation(options, every_seed, channels, classes) if ablate
                else comparison(options, names, rates, usual, every_seed, channels, classes)
            )  # fmt: skip
            begin(fabric, study, folder)
        if study is not None:
            run_study(fabric, study, task, folder, console)
            if main_process:
                table, written = report(study, folder)
                console.print(table)
                for path in written:
                    tell_file(console, "wrote", path)
        else:
            run = Run(folder, writes=main_process)
            with Display(console, "train", shown=main_process) as display:
                network = train(fabric, options, task, run, display, resume=resume is not None)
            if main_process:
                written = examine(network, options, task, run)
                found = run.records("test")[-1]
                right, images = found["accuracy"], found["images"]
                console.print(f"test accuracy {100 * right:.2f} % of {images} images", highlight=False)
                for path in (*written, run.folder / METRICS):
                    tell_file(console, "wrote", path)
        fabric.barrier()


if __name__ == "__main__":
    typer.run(main)
