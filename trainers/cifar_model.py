"""The image network: an encoder sets up fields, emitted physics moves them, the stress-energy tensor is read out.

What is physics and what is not, in every block:

    configure   batch norm and a 1 x 1 convolution: the fields phi and their momenta pi            learned, no physics
    evolve      K Strang steps of the damped, coupled wave equation                                generated package
    read out    [a, T01/a, T02/a, (T11 - T22)/2a, T12/a] with a = sqrt(T00 + eps)                  generated package
    mix         1 x 1 convolution of the readout and of the fields, batch norm, added to the input learned, no physics

The stem is a 3 x 3 convolution; two stages end in a mean over 2 x 2 pixels. No other convolution acts over space, and
there is no other activation: neighbours meet in the wave equation, and the tensor is the nonlinearity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from trainers.mixing import Mixing

Physics = Callable[[int], nn.Module]
READOUTS = ("tensor", "fields")


class FieldBlock(nn.Module):
    """x + mix(T(evolve(configure(x)))) on (B, width, H, W).

    readout     "tensor": the stress-energy tensor and the fields; "fields": the fields alone, with GELU in its place
    components  of the tensor that ``physics`` reads out
    """

    def __init__(self, width: int, fields: int, physics: Any, readout: str = "tensor", components: int = 5) -> None:
        super().__init__()
        if readout not in READOUTS:
            raise ValueError(f"readout={readout!r}; one of {READOUTS}")
        self.readout = readout
        self.norm = nn.BatchNorm2d(width)
        self.configure = nn.ModuleList([Mixing(width, fields), Mixing(width, fields)])
        self.physics = physics
        self.mix = Mixing((2 + (components if readout == "tensor" else 0)) * fields, width)
        self.out = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        u = self.norm(x)
        phi, pi = (mixing(u) for mixing in self.configure)
        if self.readout == "fields":
            read = [nn.functional.gelu(f) for f in self.physics(phi, pi)]
        else:
            state, tensor = self.physics.forward_readout(phi, pi)
            read = [tensor, *state]
        result: Tensor = x + self.out(self.mix(*read))
        return result


class FieldNet(nn.Module):
    """Stem, a stage of field blocks for every width, each at half the resolution before, mean, linear.

    blocks   of every stage
    physics  builds the generated module for a number of channels
    fields   of a block, as a fraction of its width, rounded to blocks of 8 channels
    """

    def __init__(
        self, inputs: int, classes: int, widths: Sequence[int], blocks: Sequence[int], physics: Physics, *,
        readout: str = "tensor", components: int = 5, fields: float = 0.875,
    ) -> None:  # fmt: skip
        super().__init__()
        self.stem = nn.Conv2d(inputs, widths[0], 3, 1, 1, bias=False)
        stages: list[nn.Module] = []
        for k, width in enumerate(widths):
            if k:
                stages.append(nn.Sequential(nn.AvgPool2d(2), Mixing(widths[k - 1], width)))
            count = max(8, 8 * round(fields * width / 8))
            stages += [FieldBlock(width, count, physics(count), readout, components) for _ in range(blocks[k])]
        self.stages = nn.Sequential(*stages)
        self.norm = nn.BatchNorm2d(widths[-1])
        self.classify = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.classify(self.norm(self.stages(self.stem(x))).mean((2, 3)))
        return result

    def shares(self) -> Mapping[str, int]:
        """Parameters of the physics, of the mixing between channels, of the stem and of the rest."""
        counts = {"physics": 0, "mixing": 0, "stem": 0, "rest": 0}
        for name, p in self.named_parameters():
            part = "physics" if ".physics." in name else "stem" if name.startswith("stem") else None
            counts[part or ("mixing" if name.endswith("weight") and p.dim() == 2 else "rest")] += p.numel()
        return counts
