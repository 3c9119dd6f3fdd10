"""Let a trained language model write, byte after byte, each at the same cost.

python -m trainers.lm_generate                                  the shipped weights, from a line of their own
python -m trainers.lm_generate --prompt "def main(" --bytes 2000
python -m trainers.lm_generate --weights runs/lm/X/physics/weights.safetensors
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from trainers.command_line import make_console, told
from trainers.common import ROOT, spec_hash
from trainers.lm_score import stream
from trainers.lm_variants import PACKAGES, VARIANTS, Sizes, build
from trainers.weights import read_weights

WEIGHTS = ROOT / "trainers" / "checkpoints" / "lm.safetensors"
PROMPT = "MENENIUS:\n"


def load_model(path: Path = WEIGHTS) -> Any:
    """The model of a file of weights. Raises ResumeError without a file, for damage and another spec."""
    tensors, meta = read_weights(path, spec_hash(*PACKAGES))
    network = build(VARIANTS[meta["model"]], Sizes(**meta["sizes"]))
    network.load_state_dict({name: x.float() for name, x in tensors.items()})
    return network.eval()


def written(
    model: Any, prompt: str, count: int, *, temperature: float = 0.8, seed: int = 0, context: int = 128
) -> Iterator[str]:
    """What the model goes on with after ``prompt``, character after character; what is no UTF-8 shows as U+FFFD.

    prompt   text of at least one byte       count    bytes to write
    context  bytes that a model without a state looks back
    """
    return decoded(stream(model, prompt.encode(), count, context=context, temperature=temperature, seed=seed))


def decoded(drawn: Iterable[int]) -> Iterator[str]:
    """Characters as soon as their bytes are complete."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    for byte in drawn:
        text = decoder.decode(bytes([byte]))
        if text:
            yield text
    rest = decoder.decode(b"", final=True)
    if rest:
        yield rest


def main(
    weights: Annotated[Path, typer.Option(help="of a run of trainers.lm")] = WEIGHTS,
    prompt: Annotated[str, typer.Option(help="text to go on from")] = PROMPT,
    count: Annotated[int, typer.Option("--bytes", help="to write", min=0)] = 500,
    temperature: Annotated[float, typer.Option(help="below one: likelier bytes")] = 0.8,
    seed: Annotated[int, typer.Option(help="of what is drawn")] = 0,
) -> None:
    """Let a trained language model write, byte after byte, each at the same cost."""
    if not prompt:
        raise typer.BadParameter("a model goes on from at least one byte", param_hint="--prompt")
    if not temperature > 0:
        raise typer.BadParameter("must be positive", param_hint="--temperature")
    console = make_console()
    with told(console, weights):
        model = load_model(weights)
        print(prompt, end="", flush=True)
        for text in written(model, prompt, count, temperature=temperature, seed=seed):
            print(text, end="", flush=True)
        print()


if __name__ == "__main__":
    typer.run(main)
