"""A function to stand for a learned one where a program is run without its module: the laws of a stencil hold for
every function, so they are tried on one that has no relation to any other and every derivative in closed form.

    f(a) = c + sum_k A_k sin(b_k . a + s_k)        c > sum |A_k| where a sign is declared
           + a^2/2                                 where it is declared convex, with sum |A_k| |b_k|^2 < 1
"""

from __future__ import annotations

from typing import Any

import numpy as np

from metrigen.spec.neural import Head

_WAVES = 2


def sample(head: Head, *arguments: Any) -> Any:
    """The value of the stand-in of ``head``, differentiated as the head says, at arrays of arguments."""
    rng = np.random.default_rng([7, *head.name.encode()])
    amplitudes = rng.uniform(0.2, 0.4, _WAVES)
    waves = rng.uniform(0.5, 1.0, (_WAVES, len(head.orders)))
    phases = rng.uniform(0, 2 * np.pi, _WAVES)
    value: Any = float(amplitudes.sum()) + 0.3 if head.sign and not head.order else 0.0
    for amplitude, wave, phase in zip(amplitudes, waves, phases, strict=True):
        angle = sum((b * a for b, a in zip(wave, arguments, strict=True)), start=phase + head.order * np.pi / 2)
        value = value + amplitude * np.prod(wave ** np.array(head.orders)) * np.sin(angle)
    if head.convex:
        (a,) = arguments
        value = value + (a**2 / 2, a, np.ones_like(a))[head.order] if head.order <= 2 else value
    return value
