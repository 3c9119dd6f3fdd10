"""The backends of a package, in the order in which a device is offered to them."""

from metrigen.backends.base import Backend
from metrigen.backends.cpu.backend import Cpu
from metrigen.backends.torch.backend import Torch
from metrigen.backends.triton.backend import Triton

BACKENDS: tuple[type[Backend], ...] = (Triton, Cpu, Torch)
