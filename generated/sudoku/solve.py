# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""(B^T w B + m) u = b on a graph: by Cholesky factors where the matrix is dense and small, else by conjugate gradient.

Gradients are those of the solution, of every order: with lam = (B^T w B + m)^-1 ubar

    db = lam,   dm_n = -lam_n u_n,   dw_e = -(B lam)_e (B u)_e
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .base import NotConverged, readable
from .graph import Dense, Sparse

Graph = Dense | Sparse
Tensors = tuple[Tensor, ...]
Solved = tuple[Tensor, Tensor, Tensor, Tensor]
CONVERGED, GAVE_UP, NOT_POSITIVE = 0, 1, -1
PATIENCE = 10  # restarts in a row without a tenth of progress
LARGEST = 256  # nodes of a dense graph up to which its matrix is factorised


@dataclass(frozen=True)
class Options:
    """When an iteration stops: at ||r|| <= max(rtol ||b||, atol), or after max_iter; ``bwd_rtol`` in the reverse. Of a
    ``derivative`` no state tells the status: there a solve that fails warns by itself."""

    rtol: float
    bwd_rtol: float
    atol: float
    max_iter: int
    derivative: bool = False


def solve(graph: Graph, m: Tensor, w: Tensor, b: Tensor, start: Tensor, solver: str, options: Options) -> Solved:
    """u (B, C, N) of (B^T w B + m) u = b; iterations, ||r|| and status of every sample, (B,).

    m broadcasts to b, and w to the edge arrays that go with it. What is the same for all samples has a first axis of
    one (or one that was expanded), and then the matrix of a channel is factorised once for all samples.
    """
    m, w = told_apart(m, w)
    direct = is_direct(graph, solver)
    method = "cholesky" if direct else "cg"
    if isinstance(graph, Dense) and direct and torch.compiler.is_dynamo_compiling():
        # Dynamo does not trace a rule for gradients that solves again.
        u, iterations, residual, status = by_factor(graph, options, b, start, factorised(graph, m, w))
        return u, iterations, residual.detach(), status
    made = METHODS[method].prepare(graph, m.detach(), w.detach())
    return _Equilibrium.apply(method, graph, options, m, w, b, start.detach(), *made)


def told_apart(m: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """m with three axes, and both with one sample where all are the same."""
    return _first(m.reshape((1,) * (3 - m.dim()) + m.shape)), _first(w)


def is_direct(graph: Graph, solver: str) -> bool:
    """Whether matrices are factorised."""
    return solver == "cholesky" or (solver == "auto" and isinstance(graph, Dense) and graph.nodes <= LARGEST)


def plain_solve(
    graph: Graph, m: Tensor, w: Tensor, b: Tensor, start: Tensor, direct: bool, rtol: float, atol: float, max_iter: int
) -> Solved:
    """``solve``, as an operator is handed it."""
    return solve(graph, m, w, b, start, "cholesky" if direct else "cg", Options(rtol, rtol, atol, max_iter))


def plain_adjoint(
    graph: Graph, cotangent: Tensor, u: Tensor, m: Tensor, w: Tensor, direct: bool, rtol: float, max_iter: int
) -> Tensors:
    """Cotangents of b, m and w, differentiable by autograd."""
    options = Options(rtol, rtol, 0.0, max_iter, derivative=True)
    method = "cholesky" if direct else "cg"
    made = METHODS[method].prepare(graph, m.detach(), w.detach())
    start = torch.zeros_like(cotangent)
    lam, *_ = _Equilibrium.apply(method, graph, options, m, w, cotangent, start, *made)
    return lam, -(lam * u).sum_to_size(m.shape), -graph.slopes(lam, u, w.shape)


def tell_unsolved(status: Tensor, max_iter: int) -> None:
    """A warning where a solve of a gradient failed: no state tells of it."""
    if readable(status) and bool((status != 0).any()):
        text = f"the solve of a gradient did not converge (max_iter={max_iter})"
        warnings.warn(text, NotConverged, stacklevel=2)


class Method(NamedTuple):
    """What is computed once for an operator, and the solution of one equation with it."""

    prepare: Callable[[Any, Tensor, Tensor], Tensors]  # of the graphs that the method is for
    solve: Callable[[Graph, Options, Tensor, Tensor, Tensors], Solved]


class _Equilibrium(torch.autograd.Function):
    @staticmethod
    def forward(
        method: str, graph: Graph, options: Options, m: Tensor, w: Tensor, b: Tensor, start: Tensor, *made: Tensor
    ) -> Solved:
        solved = METHODS[method].solve(graph, options, b, start, made)
        if options.derivative:
            tell_unsolved(solved[3], options.max_iter)
        return solved

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.method, ctx.graph, options, m, w, _, _, *made = inputs
        ctx.options = replace(options, rtol=options.bwd_rtol, atol=0.0, derivative=True)
        ctx.count = len(made)
        ctx.save_for_backward(m, w, output[0], *made)
        ctx.save_for_forward(m, w, output[0], *made)
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, *_: Any) -> tuple[Tensor | None, ...]:
        if grad is None:
            return (None,) * (7 + ctx.count)
        m, w, u, *made = ctx.saved_tensors
        with torch.autocast(grad.device.type, enabled=False):
            lam, *_ = _Equilibrium.apply(ctx.method, ctx.graph, ctx.options, m, w, grad, torch.zeros_like(grad), *made)
            back_m = -(lam * u).sum_to_size(m.shape) if ctx.needs_input_grad[3] else None
            back_w = -ctx.graph.slopes(lam, u, w.shape) if ctx.needs_input_grad[4] else None
        return None, None, None, back_m, back_w, lam, None, *[None] * ctx.count

    @staticmethod
    def jvp(
        ctx: Any, _method: Any, _graph: Any, _options: Any, along_m: Tensor | None, along_w: Tensor | None,
        along_b: Tensor | None, *_: Any,
    ) -> tuple[Tensor | None, ...]:  # fmt: skip
        """du = A^-1 (db - dm u - B^T dw B u)."""
        m, w, u, *made = ctx.saved_tensors
        right = torch.zeros_like(u) if along_b is None else along_b
        if along_m is not None:
            right = right - along_m * u
        if along_w is not None:
            right = right - ctx.graph.flows(along_w, u)
        moved, *_ = _Equilibrium.apply(ctx.method, ctx.graph, ctx.options, m, w, right, torch.zeros_like(u), *made)
        return moved, None, None, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[Any, ...], method: str, graph: Graph, options: Options, *tensors: Tensor
    ) -> tuple[Tensors, tuple[int, ...]]:
        """One solve after the other; what ``prepare`` made is of all of them already."""
        each = [
            [x if d is None else x.select(d, i) for x, d in zip(tensors, in_dims[3:])] for i in range(info.batch_size)
        ]
        found = zip(*(_Equilibrium.apply(method, graph, options, *own) for own in each))
        return tuple(map(torch.stack, found)), (0, 0, 0, 0)


def factorised(graph: Dense, m: Tensor, w: Tensor) -> Tensors:
    """A = L L^T of every matrix that differs, (Bo, Co, N, N), Bo and Co one where samples or channels share it: A, L,
    and whether A is not positive definite."""
    w = graph.matrix(w, m)
    diagonal = (m + w.sum(-1)).expand(*torch.broadcast_shapes(m.shape[:2], w.shape[:2]), graph.nodes)
    matrix = torch.diag_embed(diagonal) - w
    factor, info = torch.linalg.cholesky_ex(matrix)
    return matrix, factor, info.amax(1) != 0 if info.shape[1] else info.sum(1) != 0


def by_factor(graph: Graph, options: Options, b: Tensor, start: Tensor, made: Tensors) -> Solved:
    """u of A u = b by the factors of A."""
    matrix, factor, failed = made
    columns = _columns(b, factor)
    u = torch.cholesky_solve(columns, factor)
    residual = _row_norm(_fields(columns - matrix @ u, b, factor).flatten(1))
    status = torch.where(residual.isfinite(), CONVERGED, GAVE_UP)
    status = torch.where(failed.expand(status.shape), NOT_POSITIVE, status)
    return _fields(u, b, factor), torch.zeros_like(status), residual, status


def _columns(b: Tensor, factor: Tensor) -> Tensor:
    """Samples and channels with one matrix side by side, (Bo, Co, N, K)."""
    x = b.unsqueeze(-1)
    x = x.permute(3, 1, 2, 0) if factor.shape[0] == 1 else x
    return x.permute(0, 2, 1, 3).flatten(2).unsqueeze(1) if factor.shape[1] == 1 else x


def _fields(x: Tensor, like: Tensor, factor: Tensor) -> Tensor:
    """The inverse of ``_columns``."""
    if factor.shape[1] == 1:
        x = x.squeeze(1).unflatten(2, (like.shape[1], -1)).permute(0, 2, 1, 3)
    x = x.permute(3, 1, 2, 0) if factor.shape[0] == 1 else x
    return x.squeeze(-1).contiguous()


def weighted(graph: Graph, m: Tensor, w: Tensor) -> Tensors:
    """m, the weights of the edges and the sum of them at every node."""
    if isinstance(graph, Dense):
        w = graph.matrix(w, m)
        return m, w, w.sum(-1)
    w = w.expand(*w.shape[:2], graph.count)
    return m, w, 2 * graph.share(w)


def by_iteration(graph: Graph, options: Options, b: Tensor, start: Tensor, made: Tensors) -> Solved:
    """Conjugate gradient with the diagonal as preconditioner; every plane stops by itself."""
    m, w, degree = made

    def apply(x: Tensor) -> Tensor:
        """(B^T w B + m) x."""
        return m * x + (graph.laplacian(w, degree, x) if isinstance(graph, Dense) else graph.flows(w, x))

    atol = options.atol / max(b.shape[1], 1) ** 0.5
    u, iterations, indefinite, r, left, tolerance = solve_scaled(
        apply, b, start, m + degree, options.rtol, atol, options.max_iter
    )
    failed = (~(left <= tolerance)).any(1)
    status = torch.where(indefinite.any(1), NOT_POSITIVE, torch.where(failed, GAVE_UP, CONVERGED))
    most = iterations.amax(1) if iterations.shape[1] else iterations.sum(1)
    return u, most, _row_norm(r.flatten(1)), status


METHODS = {"cholesky": Method(factorised, by_factor), "cg": Method(weighted, by_iteration)}


def _first(x: Tensor) -> Tensor:
    """One sample where all are the same by construction."""
    return x[:1] if x.shape[0] > 1 and x.stride(0) == 0 else x


def _dot(x: Tensor, y: Tensor) -> Tensor:
    """Inner product of each plane (of each sample where channels are coupled)."""
    return (x * y).flatten(2).sum(-1)


def _plane(value: Tensor, like: Tensor) -> Tensor:
    return value.reshape(*value.shape, *[1] * (like.dim() - value.dim()))


def _unit(rows: Tensor) -> Tensor:
    """A power of two near the largest number of each row, 1 for a row of zeros or with what is no number. To divide by
    it changes no digit, and the squares of what is left neither underflow nor overflow."""
    sizes, tiny = rows.abs(), torch.finfo(rows.dtype).tiny
    largest = sizes.amax(-1) if sizes.numel() else sizes.sum(-1)
    held = largest.clamp(tiny, 0.5 / tiny)
    return torch.where((largest > 0) & largest.isfinite(), held / torch.frexp(held).mantissa, 1)


def _row_norm(rows: Tensor) -> Tensor:
    """||x|| of each row, of numbers of any size."""
    unit = _unit(rows)
    return unit * torch.linalg.vector_norm(rows / unit.unsqueeze(-1), dim=-1)


def _norm_of(x: Tensor) -> Tensor:
    """||x|| of each plane, of numbers of any size."""
    unit = _unit(x.flatten(2))
    x = x / _plane(unit, x)
    return unit * _dot(x, x).sqrt()


def solve_scaled(
    apply: Callable[[Tensor], Tensor],
    b: Tensor,
    start: Tensor,
    diagonal: Tensor | None,
    rtol: float,
    atol: float,
    max_iter: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """A x = b by ``conjugate_gradient`` to ||b - A x|| <= max(rtol ||b||, atol), each plane in a unit of its own: A is
    linear, so that the numbers are those of a right-hand side near 1. A plane of b that is no number has no solution.
    Returns x, iterations, the flags and b - A x; then, in the units, the norm of that and where a plane stops."""
    unit = _unit(b.flatten(2))
    b, start = b / _plane(unit, b), start / _plane(unit, b)
    norm = _dot(b, b).sqrt()
    far = (norm != 0).to(b.dtype) * torch.finfo(b.dtype).tiny ** -0.75
    start = torch.where(start.abs() > _plane(far, start), 0, start)
    tolerance = torch.maximum(rtol * norm, atol / unit)
    x, iterations, indefinite = conjugate_gradient(apply, b, start, diagonal, tolerance, max_iter)
    x = x + 0 * _plane(norm, x)
    r = b - apply(x)
    unit = _plane(unit, x)
    return unit * x, iterations, indefinite, unit * r, _dot(r, r).sqrt(), tolerance


def conjugate_gradient(
    apply: Callable[[Tensor], Tensor],
    b: Tensor,
    start: Tensor,
    diagonal: Tensor | None,
    tolerance: Tensor,
    max_iter: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Jacobi-preconditioned conjugate gradient; every plane stops by itself at ||b - A x|| <= tolerance.

    The recurrence for the residual drifts from the true one in finite precision: a plane that looks converged is
    checked against b - A x and restarted from it if it is not, and given up where restarts gain nothing any more: the
    end of the precision. A start so far off that squares of residuals run out of range gives way to zero. Returns x,
    iterations and a flag per plane that is set where p.Ap <= 0 showed A not to be positive definite.
    """
    x = start.clone()
    r = b - apply(x)
    lost = _plane(_dot(r, r) > torch.finfo(b.dtype).tiny ** -0.5 * _dot(b, b), x)
    x, r = torch.where(lost, 0, x), torch.where(lost, b, r)
    z = r if diagonal is None else r / diagonal
    p, rz = z.clone(), _dot(r, z)
    iterations = torch.zeros_like(tolerance, dtype=torch.int64)
    indefinite = torch.zeros_like(tolerance, dtype=torch.bool)
    active = _dot(r, r).sqrt() > tolerance
    best, stalls = torch.full_like(tolerance, float("inf")), torch.zeros_like(iterations)
    for _ in range(max_iter):
        if not bool(active.any()):
            break
        q = apply(p)
        curvature = _dot(p, q)
        bad = active & ~(curvature > 0)
        indefinite |= bad
        active &= ~bad
        iterations += active
        alpha = _plane(torch.where(active, rz / torch.where(active, curvature, 1), 0), x)
        x = x + alpha * p
        r = r - alpha * q
        looks = active & (_dot(r, r).sqrt() <= tolerance)
        if bool(looks.any()):
            true = b - apply(x)
            r = torch.where(_plane(looks, x), true, r)
            left = _dot(true, true).sqrt()
            stalls = torch.where(looks & (left > 0.9 * best), stalls + 1, torch.where(looks, 0, stalls))
            active &= ~(looks & (left <= tolerance) | (stalls >= PATIENCE))
            best = torch.where(looks, torch.minimum(best, left), best)
        z = r if diagonal is None else r / diagonal
        fresh = _dot(r, z)
        beta = torch.where(looks | ~active, 0, fresh / torch.where(rz == 0, 1, rz))
        p = z + _plane(beta, x) * p
        rz = fresh
    return x, iterations, indefinite
