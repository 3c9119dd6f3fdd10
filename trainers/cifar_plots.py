"""Pictures of image runs: learning curves, an ablation, fields and energy in a trained network, energy along depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn

from trainers.cifar_model import FieldBlock

Records = Sequence[Mapping[str, Any]]


def learning_curves(runs: Mapping[str, Sequence[Records]], path: Path) -> None:
    """Test accuracy against epochs and against seconds: a colour a name, a line a run, from "epoch" records."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True, constrained_layout=True)
    for k, (name, several) in enumerate(runs.items()):
        for number, records in enumerate(several):
            for ax, key in zip(axes, ("epoch", "seconds"), strict=True):
                ax.plot(
                    [r[key] for r in records], [100 * r["accuracy"] for r in records], color=f"C{k}",
                    marker=".", label=name if number == 0 else None,
                )  # fmt: skip
    axes[0].set(xlabel="epoch", ylabel="test accuracy, %")
    axes[1].set(xlabel="seconds of training")
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def ablation(variants: Mapping[str, Sequence[float]], steps: Mapping[int, Sequence[float]], path: Path) -> None:
    """Accuracy of every variant, and of the full model against its steps K: a dot a run, a bar or line the mean."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True, constrained_layout=True)
    for k, (name, found) in enumerate(variants.items()):
        axes[0].hlines(100 * fmean(found), k - 0.35, k + 0.35, color="C0")
        axes[0].plot([k] * len(found), [100 * value for value in found], "o", color="C0" if name == "full" else "C1")
    axes[0].set(ylabel="test accuracy, %")
    axes[0].set_xticks(range(len(variants)), list(variants), rotation=30, ha="right")
    counts = sorted(steps)
    axes[1].plot(counts, [100 * fmean(steps[k]) for k in counts], color="C0")
    for k in counts:
        axes[1].plot([k] * len(steps[k]), [100 * value for value in steps[k]], "o", color="C0")
    axes[1].set_xscale("log", base=2)
    axes[1].set(xlabel="steps K of the full model", xticks=counts, xticklabels=counts)
    figure.savefig(path, dpi=130)
    plt.close(figure)


@torch.no_grad()
def block_states(network: nn.Module, x: Tensor) -> list[dict[str, Tensor]]:
    """What every block did to images (B, channels, H, W): field, momentum and amplitude sqrt(T00) (B, C, h, w)."""
    states: list[dict[str, Tensor]] = []

    def look(block: FieldBlock, given: tuple[Tensor], _: Tensor) -> None:
        u = block.norm(given[0])
        phi, pi = (mixing(u) for mixing in block.configure)
        state = block.physics(phi, pi)
        tensor = block.physics.readout(state)
        amplitude = tensor[:, : phi.shape[1]]
        states.append({"phi": state[0].cpu(), "pi": state[-1].cpu(), "amplitude": amplitude.cpu()})

    hooks = [m.register_forward_hook(look) for m in network.modules() if isinstance(m, FieldBlock)]
    network(x)
    for hook in hooks:
        hook.remove()
    return states


def fields(network: nn.Module, images: Tensor, pixels: Tensor, path: Path) -> None:
    """The image, then for the first block of every resolution the strongest field and the amplitude sqrt(T00)."""
    states = block_states(network, images)
    sizes = {s["phi"].shape[-1]: s for s in reversed(states)}
    chosen = [sizes[n] for n in sorted(sizes, reverse=True)]
    figure, axes = plt.subplots(
        len(images), 1 + 2 * len(chosen), figsize=(1.5 * (1 + 2 * len(chosen)), 1.55 * len(images)),
        squeeze=False, constrained_layout=True,
    )  # fmt: skip
    for row, (ax, picture) in enumerate(zip(axes, pixels, strict=True)):
        shown = picture.permute(1, 2, 0)
        ax[0].imshow((shown if shown.shape[-1] == 3 else shown[..., 0]).numpy(), cmap="gray")
        for k, state in enumerate(chosen):
            phi = state["phi"][row]
            strongest = int(phi.square().mean((1, 2)).argmax())
            reach = float(phi[strongest].abs().max()) or 1.0
            ax[1 + 2 * k].imshow(phi[strongest].numpy(), cmap="RdBu_r", vmin=-reach, vmax=reach)
            ax[2 + 2 * k].imshow(state["amplitude"][row].mean(0).numpy(), cmap="inferno")
            if row == 0:
                n = phi.shape[-1]
                ax[1 + 2 * k].set_title(f"phi, {n} x {n}", fontsize=8)
                ax[2 + 2 * k].set_title("sqrt(T00)", fontsize=8)
        for one in ax:
            one.axis("off")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def energy_along_depth(network: nn.Module, images: Tensor, path: Path) -> None:
    """Mean amplitude sqrt(T00) of every block after its steps, over channels, sites and images: 10, 50 and 90 %."""
    states = block_states(network, images)
    levels = torch.tensor([0.1, 0.5, 0.9])
    amplitudes = [s["amplitude"].mean((2, 3)).flatten().float() for s in states]
    found = torch.stack([torch.quantile(one, levels) for one in amplitudes]).numpy()
    figure, ax = plt.subplots(figsize=(5, 3), constrained_layout=True)
    depth = range(1, len(states) + 1)
    ax.fill_between(depth, found[:, 0], found[:, 2], alpha=0.25, linewidth=0, label="10 to 90 % of channels")
    ax.plot(depth, found[:, 1], marker="o", label="median")
    ax.set(xlabel="block", ylabel="mean of sqrt(T00)", xticks=list(depth), yscale="log")
    ax.legend(frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)
