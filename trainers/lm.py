"""Train a byte-level language model of damped oscillators and matrix memories, and a GPT of the same size beside it.

    python -m trainers.lm                      the published run, on the source of the Python standard library
    python -m trainers.lm --data text.txt      on any text
    python -m trainers.lm --ablate             what the parts of the physics are worth
    python -m trainers.lm --smoke              seconds; the path through the program, not a result
    python -m trainers.lm --resume runs/lm/X   go on where X stopped, bit for bit
    torchrun --nproc-per-node 2 -m trainers.lm data parallel

All models of a run have equal parameters within 2 %, optimiser, schedule, tokens and order of tokens; only the peak
learning rate is each one's own. Everything a run writes lies in runs/lm/<name>/: learning.png, comparison.jsonl, and a
folder a model with metrics.jsonl, checkpoint.safetensors, weights.safetensors and sample.txt.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from lightning_fabric import Fabric
from rich.console import Console
from torch import nn
from torch.nn.functional import cross_entropy

from trainers.command_line import Accelerator, Devices, Name, Out, Resume, Smoke, make_console, run_folder, told
from trainers.common import (
    CHECKPOINT,
    ROOT,
    Display,
    ResumeError,
    Run,
    begin,
    gather,
    has_checkpoint,
    interruption,
    make_fabric,
    read_meta,
    save_checkpoint,
    spec_hash,
)
from trainers.lm_data import SPLITS, Corpus, DataError, load_corpus, windows
from trainers.lm_report import examine, report
from trainers.lm_score import bits_per_byte, score_text
from trainers.lm_variants import ABLATIONS, DEFAULT, PACKAGES, VARIANTS, Sizes, build
from trainers.sizes import parameters
from trainers.weights import save_weights

WARM_UP = 0.05  # of the steps
DECAY = 0.1  # weight decay of matrices
BETAS = (0.9, 0.99)
LOGGED = 10  # steps between two lines of metrics.jsonl
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class Options:
    """What determines the result of a run; kept in the checkpoints.

    models   names in VARIANTS                 data, dataset   of the text, see lm_data.py
    tokens   bytes to train on                 context, batch  bytes of a window, windows a step and process
    stretch  windows that a stream reads in a row
    lr       peak learning rate of AdamW       gpt_lr          the same for the GPT
    width, layers, oscillators, modes, rank, memories, key, heads   see lm_variants.py
    seed     of weights and streams            every           tokens between two validations and checkpoints
    scored   bytes of the validation split that they look at
    tested   bytes of the test split, None for all
    sample   bytes of text to write at the end
    """

    models: tuple[str, ...] = DEFAULT
    data: str | None = None
    dataset: str | None = None
    tokens: int = 1_500_000
    context: int = 128
    batch: int = 4
    stretch: int = 4
    lr: float = 3e-3
    gpt_lr: float = 2.5e-3
    width: int = 96
    layers: int = 3
    oscillators: int = 64
    modes: int = 43
    rank: int = 32
    memories: int = 4
    key: int = 24
    heads: int = 4
    seed: int = 0
    every: int = 75_000
    scored: int = 65_536
    tested: int | None = None
    sample: int = 500

    @property
    def sizes(self) -> Sizes:
        return Sizes(
            self.width, self.layers, self.oscillators, self.modes, self.rank, self.memories, self.key, self.heads
        )


SMOKE: dict[str, Any] = {
    "tokens": 6144, "context": 32, "batch": 4, "width": 32, "layers": 2, "oscillators": 24, "modes": 16, "rank": 8,
    "memories": 2, "key": 8, "heads": 2, "every": 2048, "scored": 2048, "tested": 4096, "sample": 40,
}  # fmt: skip


def adamw(model: nn.Module, lr: float) -> torch.optim.AdamW:
    """Weight decay for matrices, none for gains and the like."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=lr, betas=BETAS, fused=True)


def rate(step: int, steps: int) -> float:
    """Warm-up, then half a cosine to zero, as a fraction of the peak."""
    return min(1.0, (step + 1) / (WARM_UP * steps)) * (1 + math.cos(math.pi * step / steps)) / 2


def train(
    fabric: Fabric,
    options: Options,
    name: str,
    corpus: Corpus,
    run: Run,
    display: Display,
    *,
    resume: bool = False,
    stop_after: int | None = None,
) -> nn.Module:
    """Train one model; returns it. ``stop_after`` ends the loop early at that step, as an interruption would.

    Raises ResumeError when the checkpoint belongs to another spec, other text or another number of processes.
    """
    variant = VARIANTS[name]
    torch.manual_seed(options.seed)
    network: Any = build(variant, options.sizes)
    peak = options.gpt_lr if variant.gpt else options.lr
    adam = adamw(network, peak)
    model, optimizer = fabric.setup(network, adam)
    origin: dict[str, Any] = {"package": PACKAGES[0], "spec": spec_hash(*PACKAGES), "options": asdict(options),
              "model": name, "text": corpus.hash, "processes": fabric.world_size}  # fmt: skip

    def check(meta: Mapping[str, Any]) -> None:
        for key, what in (("text", "on other text"), ("processes", "by another number of processes")):
            if meta[key] != origin[key]:
                raise ResumeError(f"{run.folder} was trained {what}: give the same, or start a new run")

    start = begin(run, display, origin["spec"], network, adam, resume=resume, check=check)
    carried = None if start.kept is None else start.kept.more.get("carried")
    done, state = start.step, None if carried is None else carried[fabric.global_rank].to(fabric.device)
    tokens = options.context * options.batch * fabric.world_size  # of a step
    steps, every = max(1, options.tokens // variant.share // tokens), max(1, options.every // tokens)
    if done == 0:
        run.log("start", step=0, **origin, parameters=parameters(network), device=str(fabric.device))
    began = time.monotonic() - start.elapsed
    validation = corpus.validation[: options.scored]

    def keep() -> None:
        """All processes come here together: the states of all go into the checkpoint."""
        more = {} if state is None else {"carried": gather(fabric, state)}
        if run.writes:
            meta = {**origin, "step": done, "elapsed": time.monotonic() - began}
            save_checkpoint(run.folder, network, adam, meta, more)

    def validate() -> None:
        if run.writes:
            network.eval()
            bits = score_text(network, validation, options.context)
            run.log("validation", step=done, tokens=done * tokens, bits=bits)
            network.train()

    with interruption() as stopped:
        while done < steps and done != stop_after and not fabric.broadcast(stopped()):
            clock = time.monotonic()
            for group in optimizer.param_groups:
                group["lr"] = peak * rate(done, steps)
            window = windows(
                corpus.train, seed=options.seed, step=done, batch=options.batch, context=options.context,
                stretch=options.stretch, rank=fabric.global_rank, world=fabric.world_size,
            ).to(fabric.device)  # fmt: skip
            logits, state = model(window[:, :-1], None if done % options.stretch == 0 else state)
            state = None if state is None else state.detach()
            loss = cross_entropy(logits.flatten(0, 1), window[:, 1:].flatten())
            optimizer.zero_grad()
            fabric.backward(loss)
            fabric.clip_gradients(model, optimizer, max_norm=1.0)
            optimizer.step()
            done += 1
            bits = bits_per_byte(float(loss.detach()), 1)
            speed = round(tokens / (time.monotonic() - clock))
            if done % LOGGED == 0 or done == steps:
                run.log("train", step=done, tokens=done * tokens, bits=bits, lr=peak * rate(done - 1, steps),
                        tokens_per_second=speed)  # fmt: skip
            display.update(done / steps, step=done, loss=bits * math.log(2), **{"bits/byte": bits, "tokens/s": speed})
            if done % every == 0 or done == steps:
                validate()
                keep()
    if fabric.broadcast(stopped()):
        keep()
        raise KeyboardInterrupt
    if done != steps:
        keep()
    run.log("trained", step=done, seconds=round(time.monotonic() - began, 1))
    result: nn.Module = network
    return result


def stored_options(folder: Path) -> Options:
    """What a run folder was started with. Raises ResumeError where no model has a checkpoint yet."""
    for name in VARIANTS:
        if has_checkpoint(folder / name):
            options: dict[str, Any] = read_meta(folder / name)["options"]
            return Options(**(options | {"models": tuple(options["models"])}))
    raise ResumeError(f"no {CHECKPOINT} in {folder}/<model>")


def weights_meta(options: Options, name: str, corpus: Corpus) -> dict[str, Any]:
    """What a file of weights says of itself."""
    return {"package": PACKAGES[0], "spec": spec_hash(*PACKAGES), "model": name, "sizes": asdict(options.sizes),
            "tokens": options.tokens, "seed": options.seed, "text": corpus.hash}  # fmt: skip


def run_all(fabric: Fabric, options: Options, folder: Path, console: Console, *, resume: bool) -> None:
    """Train and test every model of the run, then compare them."""
    main_process = fabric.global_rank == 0
    corpus = load_corpus(options.data, options.dataset)
    corpus.require(options.context)
    if main_process:
        sizes = ", ".join(f"{len(getattr(corpus, split))} {split}" for split in SPLITS)
        console.print(f"{corpus.name}: bytes {sizes}", soft_wrap=True, highlight=False)
    for name in options.models:
        run = Run(folder / name, writes=main_process)
        started = resume and has_checkpoint(run.folder)
        with Display(console, name, shown=main_process) as display:
            network = train(fabric, options, name, corpus, run, display, resume=started)
        if main_process:
            save_weights(run.folder / WEIGHTS, network, weights_meta(options, name, corpus))
            with console.status(f"{name}: test"):
                examine(network, corpus.test[: options.tested], run, options.context, options.sample, options.seed)
        fabric.barrier()
    if main_process:
        report(folder, options.models, corpus.name, console)


def main(
    model: Annotated[
        list[str] | None, typer.Option(help=f"of {', '.join(VARIANTS)}; may be repeated; default {', '.join(DEFAULT)}")
    ] = None,
    ablate: Annotated[bool, typer.Option(help=f"the models {', '.join(ABLATIONS)}")] = False,
    data: Annotated[str | None, typer.Option(help="a text file; default: the standard library's source")] = None,
    dataset: Annotated[str | None, typer.Option(help="a Hugging Face name, owner/name or owner/name:config")] = None,
    tokens: Annotated[int, typer.Option(help="bytes to train on")] = Options.tokens,
    context: Annotated[int, typer.Option(help="bytes of a window")] = Options.context,
    batch: Annotated[int, typer.Option(help="windows a step and process")] = Options.batch,
    stretch: Annotated[int, typer.Option(help="windows that a stream reads in a row")] = Options.stretch,
    lr: Annotated[float, typer.Option(help="peak learning rate of the oscillator models")] = Options.lr,
    gpt_lr: Annotated[float, typer.Option(help="peak learning rate of the GPT")] = Options.gpt_lr,
    width: Annotated[int, typer.Option(help="of the residual stream")] = Options.width,
    layers: Annotated[int, typer.Option(help="of all models")] = Options.layers,
    oscillators: Annotated[int, typer.Option(help="a layer")] = Options.oscillators,
    modes: Annotated[int, typer.Option(help="combinations of oscillators, a layer")] = Options.modes,
    rank: Annotated[int, typer.Option(help="of the map from text to theta and lam")] = Options.rank,
    memories: Annotated[int, typer.Option(help="heads of memory, a layer")] = Options.memories,
    key: Annotated[int, typer.Option(help="rows and columns of a head's matrix")] = Options.key,
    heads: Annotated[int, typer.Option(help="of the GPT's attention")] = Options.heads,
    seed: Annotated[int, typer.Option(help="of weights and streams")] = Options.seed,
    every: Annotated[int, typer.Option(help="tokens between two validations and checkpoints")] = Options.every,
    scored: Annotated[int, typer.Option(help="bytes of the validation split they look at")] = Options.scored,
    tested: Annotated[int | None, typer.Option(help="bytes of the test split; default: all")] = Options.tested,
    sample: Annotated[int, typer.Option(help="bytes of text to write at the end")] = Options.sample,
    name: Name = None,
    out: Out = ROOT / "runs" / "lm",
    resume: Resume = None,
    smoke: Smoke = False,
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    precision: Annotated[str, typer.Option(help="of Fabric")] = "32-true",
) -> None:
    """Train a language model of damped oscillators on bytes, and a GPT of the same size beside it."""
    console = make_console()
    models = ABLATIONS if ablate else tuple(model or DEFAULT)
    unknown = [variant for variant in models if variant not in VARIANTS]
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}; known are {', '.join(VARIANTS)}", param_hint="--model")
    options = Options(models, data, dataset, tokens, context, batch, stretch, lr, gpt_lr, width, layers, oscillators,
                      modes, rank, memories, key, heads, seed, every, scored, tested, sample)  # fmt: skip
    if smoke:
        options = replace(options, **SMOKE)
    folder = resume or run_folder(out, name, f"seed{options.seed}")
    with told(console, folder, DataError):
        if resume is not None:
            options = stored_options(resume)
        fabric = make_fabric(accelerator, devices, precision)
        torch.set_flush_denormal(True)
        run_all(fabric, options, folder, console, resume=resume is not None)


if __name__ == "__main__":
    typer.run(main)
