"""Streaming bandwidth, measured in the same run: the physical floor is the bytes that must move divided by it.

The triad a = b + s c on arrays far beyond the caches. In C it runs with streaming stores, so that 12 bytes a site are
all that moves; without a compiler torch.add stands in, whose stores first read the line (16 bytes a site).
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.timing import clock

SITES = 1 << 24
ROUNDS = 9

TRIAD = """
#include <stdint.h>
#if defined(__AVX__)
#include <immintrin.h>
#endif
void triad(float *a, const float *b, const float *c, float s, int64_t n, int threads) {
  #pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t i = 0; i < n; i += 16) {
#if defined(__AVX512F__)
    __m512 v = _mm512_add_ps(_mm512_load_ps(b + i), _mm512_mul_ps(_mm512_set1_ps(s), _mm512_load_ps(c + i)));
    _mm512_stream_ps(a + i, v);
#elif defined(__AVX__)
    for (int k = 0; k < 16; k += 8)
      _mm256_stream_ps(a + i + k, _mm256_add_ps(_mm256_load_ps(b + i + k),
          _mm256_mul_ps(_mm256_set1_ps(s), _mm256_load_ps(c + i + k))));
#else
    for (int k = 0; k < 16; ++k) a[i + k] = b[i + k] + s * c[i + k];
#endif
  }
}
"""


@dataclass(frozen=True)
class Bandwidth:
    """Bytes a second, and how they were measured."""

    bytes_per_second: float
    how: str

    def seconds(self, moved: int) -> float:
        return moved / self.bytes_per_second


def measure(folder: Path, threads: int, device: str, sites: int = SITES) -> Bandwidth:
    """The best of the triads that this machine can run."""
    a, b, c = (torch.empty(sites + 64, device=device).fill_(x) for x in (0.0, 1.0, 2.0))
    if device == "cuda":

        def on_device() -> None:
            torch.add(b, c, alpha=0.5, out=a)
            torch.cuda.synchronize()

        return Bandwidth(12 * sites / _fastest(on_device), "torch triad on the GPU")
    found = [Bandwidth(16 * sites / _fastest(lambda: torch.add(b, c, alpha=0.5, out=a)), "torch triad")]
    native = _native(folder)
    if native is not None:
        at = [x[-x.data_ptr() % 64 // 4 :] for x in (a, b, c)]
        args = [ctypes.c_void_p(x.data_ptr()) for x in at]
        call = lambda: native(*args, ctypes.c_float(0.5), ctypes.c_int64(sites), ctypes.c_int(threads))
        found.append(Bandwidth(12 * sites / _fastest(call), "C triad, streaming stores"))
        if not bool((at[0][:sites] == 2.0).all()):
            raise RuntimeError("the C triad computed something else")
    return max(found, key=lambda one: one.bytes_per_second)


def _fastest(call: Callable[[], object]) -> float:
    """Bandwidth is a bound, so the fastest round counts."""
    call()
    return min(clock(call)[0] for _ in range(ROUNDS))


def _native(folder: Path) -> Callable[..., object] | None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    source, library = folder / "triad.c", folder / "triad.so"
    source.write_text(TRIAD)
    command = [compiler, "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC", str(source), "-o", str(library)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        return None
    function = ctypes.CDLL(str(library)).triad
    function.restype = None
    return function
