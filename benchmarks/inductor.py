"""Bytes that torch.compile's code for a GPU would move, by inductor's own estimate, without a GPU.

A graph is lowered and its operations are fused by the rules of inductor's Triton backend. There, before any code is
written, inductor counts what its kernels read and write: each buffer once a kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch
from functorch.compile import make_boxed_func
from torch import Tensor
from torch._dynamo.backends.common import aot_autograd
from torch._functorch.partitioners import min_cut_rematerialization_partition
from torch._inductor import config
from torch._inductor.compile_fx import compile_fx_inner
from torch._inductor.decomposition import select_decomp_table
from torch._inductor.scheduler import NopKernelSchedulerNode, Scheduler
from torch._inductor.virtualized import V

Function = Callable[[dict[str, Tensor]], tuple[Tensor, ...]]


class _Counted(Exception):
    """The graph has been scheduled: nothing is compiled."""


class Estimate:
    """Bytes and kernels of the graphs that ``compiled`` functions were made of, forward and backward."""

    def __init__(self) -> None:
        self.bytes = 0
        self.kernels = 0

    def compiled(self, run: Function) -> Function:
        """``run``, whose graphs are counted as they are first called; it computes by plain PyTorch."""
        backend = aot_autograd(
            fw_compiler=self._count, bw_compiler=self._count, inference_compiler=self._count,
            partition_fn=min_cut_rematerialization_partition, decompositions=select_decomp_table(),
        )  # fmt: skip
        made: Function = torch.compile(run, fullgraph=True, dynamic=False, backend=backend)
        return made

    def _count(self, graph: Any, inputs: Any) -> Any:
        before = self.kernels
        counting = patch.object(Scheduler, "codegen", lambda scheduler: self._codegen(scheduler))
        with counting, config.patch(force_disable_caches=True, cpu_backend="triton"):
            try:
                compile_fx_inner(graph, inputs)
            except Exception:  # inductor wraps what it meets
                if self.kernels == before:
                    raise
        return make_boxed_func(graph.forward)

    def _codegen(self, scheduler: Any) -> None:
        """In the place of the scheduler's own."""
        self.bytes += V.graph.count_bytes()[0]
        self.kernels += sum(not isinstance(node, NopKernelSchedulerNode) for node in scheduler.nodes)
        raise _Counted
