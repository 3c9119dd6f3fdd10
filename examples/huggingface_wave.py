"""A layer in a Hugging Face model: a classifier of signals whose features are the energy of a learned oscillator.

    pip install 'metrigen[examples]'
    python examples/huggingface_wave.py

`PreTrainedModel` around a layer, trained by `Trainer`, saved and read again. It prints the accuracy on unseen signals
of the model that was read: is a signal made of a slow tone or of a fast one, in noise of the same strength?
"""

from __future__ import annotations

import tempfile
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel, Trainer, TrainingArguments, set_seed
from transformers.modeling_outputs import SequenceClassifierOutput

import metrigen
from metrigen import Dissipation, Exponential, Field, Input, Param, Sequence, System, canonical, energy_density

tokens = Sequence()
q, p, force = Field("q", tokens), Field("p", tokens), Input("force", tokens)
w2 = Param("w2", per="channel", positive=True, init=(0.1, 1.5))  # a channel hears its own frequency
gamma = Param("gamma", per="channel", nonnegative=True, init=0.1)
system = System(
    name="resonators",
    domain=tokens,
    fields=(q, p),
    hamiltonian=(p**2 + w2 * q**2) / 2 - force * q,
    bracket=canonical((q, p)),
    metric=Dissipation((gamma, lambda F: F[p])),
    integrator=Exponential(dt=1.0),
    readout=energy_density(),
)


class ResonatorConfig(PretrainedConfig):
    model_type = "metrigen_resonators"

    def __init__(self, channels: int = 8, **more: Any) -> None:
        self.channels = channels
        super().__init__(**more)


class ResonatorModel(PreTrainedModel):
    """Signals (B, T) -> logits of two classes: the mean energy of every resonator, and a linear map."""

    config_class = ResonatorConfig

    def __init__(self, config: ResonatorConfig) -> None:
        super().__init__(config)
        self.layer: nn.Module = metrigen.layer(system)(config.channels)
        self.head = nn.Linear(self.layer.readout_channels, config.num_labels)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Layers have drawn their own numbers, by what the spec declares."""

    def forward(self, signal: Tensor, labels: Tensor | None = None) -> SequenceClassifierOutput:
        given = signal[:, None, :].expand(-1, self.config.channels, -1)
        states = self.layer(force=given)
        logits = self.head(self.layer.readout(states).clamp_min(1e-6).log().mean(-1))
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


class Tones(torch.utils.data.Dataset[dict[str, Tensor]]):
    """Tones of a random phase in noise: slow ones, 0, and fast ones, 1."""

    def __init__(self, count: int, seed: int) -> None:
        draw = torch.Generator().manual_seed(seed)
        self.labels = torch.randint(0, 2, (count,), generator=draw)
        frequency = torch.where(self.labels == 0, 0.5, 1.0)[:, None]
        phase = 6.28 * torch.rand(count, 1, generator=draw)
        self.signal = (frequency * torch.arange(64) + phase).sin() + torch.randn(count, 64, generator=draw)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> dict[str, Tensor]:
        return {"signal": self.signal[i], "labels": self.labels[i]}


def main() -> float:
    set_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        options = TrainingArguments(
            folder, num_train_epochs=4, per_device_train_batch_size=32, learning_rate=0.02, use_cpu=True,
            save_strategy="no", report_to=[], disable_tqdm=True, logging_strategy="no",
        )  # fmt: skip
        trainer = Trainer(ResonatorModel(ResonatorConfig()), options, train_dataset=Tones(512, seed=1))
        trainer.train()
        trainer.save_model(folder)
        model = ResonatorModel.from_pretrained(folder)
    unseen = Tones(256, seed=2)
    with torch.no_grad():
        said = model(unseen.signal).logits.argmax(-1)
    right = (said == unseen.labels).float().mean().item()
    print(f"{100 * right:.0f} % of unseen signals")
    return right


if __name__ == "__main__":
    main()
