"""The symbols of a spec: time, fields, inputs, parameters and the linear maps between channels.

All of them are SymPy objects and carry their meaning with them; nothing is registered anywhere. Every field is a
multiplet of C channels and a product is elementwise in the channel; only ``mix`` and ``total`` couple channels.
"""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef, UndefinedFunction

from metrigen.errors import SpecError
from metrigen.spec.domain import Domain, Index, Support
from metrigen.spec.names import check_name
from metrigen.spec.numbers import check_number

t = sp.Symbol("t", real=True)
PER = ("scalar", "channel", "site", "edge", "sample")


def Field(name: str, domain: Domain, *, axes: tuple[str, ...] = ()) -> AppliedUndef:
    """A dynamical field: the SymPy function ``name(t, *axes)``, the same object as a plain applied function.

    axes  on a ``Sequence``: names of the axes of a matrix that every channel keeps, as ("key", "value")
    """
    _check_domain("Field", name, domain, Domain)
    named = _named_axes(name, domain, axes)
    return sp.Function(check_name(name, "field"), real=True)(t, *domain.axes, *named)


def momentum(u: AppliedUndef) -> AppliedUndef:
    """The field conjugate to ``u``: pi_u = dL/d(u_t). Two calls give equal objects."""
    if not isinstance(u, AppliedUndef):
        raise SpecError(
            f"momentum() takes a field, not {u!r}",
            why=f"a {type(u).__name__} has no momentum",
            fix=f"{u} = Field({str(u)!r}, domain), or momentum() of a field"
            if isinstance(u, sp.Symbol)
            else 'u = Field("u", domain), and momentum(u)',
            see="domain",
        )
    return sp.Function(f"pi_{u.func.__name__}", real=True)(*u.args)


class InputFunction(AppliedUndef):
    """A prescribed field: handed to ``forward``, never evolved."""


def Input(
    name: str,
    domain: Support,
    *,
    positive: bool = False,
    nonnegative: bool = False,
    time_dependent: bool = False,
    axes: tuple[str, ...] = (),
) -> AppliedUndef:
    """A prescribed field ``name(*axes)``, or ``name(t, *axes)`` if ``time_dependent``: source, conductivity, wall.

    On a ``Sequence`` it has one value a token, and so depends on the time, or a vector along named ``axes`` of a
    matrix memory; on ``graph.edges`` one value an edge.
    """
    _check_domain("Input", name, domain, Support)
    named = _named_axes(name, domain, axes)
    assumptions = {"real": True, **_signs(positive, nonnegative)}
    function = UndefinedFunction(check_name(name, "input"), bases=(InputFunction,), role="input", **assumptions)
    return function(*domain.input_arguments(t, time_dependent), *named)


def _named_axes(name: str, domain: Support, axes: object) -> tuple[Index, ...]:
    """The axes of a matrix memory by their names. Raises SpecError for what is no tuple of names."""
    if axes == ():
        return ()
    if not (isinstance(domain, Domain) and domain.tokens):
        raise SpecError(
            f"{name!r} has axes= on a {type(domain).__name__}",
            part=name,
            why="named axes are those of a matrix that the channels of a Sequence keep",
            fix="tokens = Sequence(), or leave axes= out: a Lattice has axes of its own",
            see="memory",
        )
    if not isinstance(axes, (tuple, list)) or not all(isinstance(a, str) for a in axes) or len(set(axes)) != len(axes):
        raise SpecError(
            f"{name!r}: axes={axes!r} is no tuple of names, each once",
            part=name,
            fix='axes=("key", "value") for a matrix, axes=("key",) for a vector',
            see="memory",
        )
    return tuple(Index(check_name(a, "axis")) for a in axes)


def _check_domain(word: str, name: object, domain: object, kind: type[Support]) -> None:
    if isinstance(domain, kind):
        return
    axis = isinstance(domain, sp.Symbol)
    raise SpecError(
        f"{word}({name!r}, ...) takes a domain, not {domain!r}",
        part=str(name),
        why=f"{domain} is {'a symbol: it can be an axis of a domain' if axis else 'a ' + type(domain).__name__}",
        fix=f"grid = Lattice({domain if axis else 'x, y'}), and {word}({name!r}, grid)",
        see="domain",
    )


def declared_name(item: object) -> str | None:
    """The name of what a spec declares to be used: a parameter, an input; None for anything else."""
    if isinstance(item, Param):
        return str(item.name)
    return str(item.func.__name__) if isinstance(item, InputFunction) else None


def _signs(positive: bool, nonnegative: bool) -> dict[str, bool]:
    if positive:
        return {"positive": True}
    return {"nonnegative": True} if nonnegative else {}


class Param(sp.Symbol):
    """A learned parameter: one SymPy symbol that appears unchanged in every result.

    per            "scalar" (one number), "channel" (C numbers), "site" (C numbers at every site or node), "edge"
                   (C numbers on every edge of a graph) or "sample": no parameter of the layer, but handed to every call
                   by keyword, (B,) or (B, C), the same at every site; what is declared of it is a condition then, and
                   init= what reports take for it
    shape          ("C", "C") for a matrix that couples channels through ``mix``
    block          with a matrix: block-diagonal with blocks of this many channels
    positive, nonnegative, symmetric, antisymmetric
                   kept for every value of the weights by the emitted parametrisation
    below          an upper bound of a positive or nonnegative number, kept the same way: what a step limit needs
    init           starting value: a number, or a range (low, high) that every one is drawn from, which tells channels
                   apart; a layer takes others, and functions of the number of channels
    """

    __slots__ = ("antisymmetric", "below", "block", "init", "per", "shape", "symmetric")

    per: str
    shape: tuple[str, ...] | None
    block: int | None
    symmetric: bool
    antisymmetric: bool
    below: float | None
    init: float | tuple[float, float] | None

    def __new__(
        cls,
        name: str,
        per: str = "scalar",
        *,
        shape: tuple[str, ...] | None = None,
        block: int | None = None,
        positive: bool = False,
        nonnegative: bool = False,
        symmetric: bool = False,
        antisymmetric: bool = False,
        below: float | None = None,
        init: float | tuple[float, float] | None = None,
    ) -> Param:
        check_name(name, "parameter")
        _check_param(name, per, shape, block, positive or nonnegative, symmetric, antisymmetric)
        _check_bound(name, below, (positive or nonnegative) and not shape)
        _check_init(name, init, positive, nonnegative, antisymmetric, below)
        # The uncached constructor: SymPy's symbol cache is keyed without our declarations, and two specs in one
        # process may declare the same name differently.
        self: Param = sp.Symbol.__xnew__(cls, name, real=True, **_signs(positive, nonnegative))
        self.per, self.shape, self.block = per, tuple(shape) if shape else None, block
        self.symmetric, self.antisymmetric = symmetric, antisymmetric
        self.below, self.init = below, init
        return self

    @property
    def is_matrix(self) -> bool:
        return self.shape is not None

    def _declaration(self) -> dict[str, Any]:
        return {
            "per": self.per,
            "shape": self.shape,
            "block": self.block,
            "positive": bool(self.is_positive),
            "nonnegative": bool(self.is_nonnegative) and not self.is_positive,
            "symmetric": self.symmetric,
            "antisymmetric": self.antisymmetric,
            "below": self.below,
            "init": self.init,
        }

    def _hashable_content(self) -> tuple[Any, ...]:
        return (*super()._hashable_content(), repr(self._declaration()))

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _rebuild_param, (self.name, self._declaration())


def _rebuild_param(name: str, declaration: dict[str, Any]) -> Param:
    return Param(name, **declaration)


def _check_param(
    name: str, per: str, shape: object, block: object, signed: bool, symmetric: bool, antisymmetric: bool
) -> None:
    def refuse(what: str, fix: str) -> SpecError:
        return SpecError(f"parameter {name!r}: {what}", part=name, fix=fix, see="parameter")

    if per not in PER:
        fix = "one of " + ", ".join(map(repr, PER))
        raise refuse(f"unknown per={per!r}", f'{fix}; a matrix of the channels is shape=("C", "C") instead')
    if shape is not None and tuple(shape) != ("C", "C"):  # type: ignore[arg-type]
        raise refuse(f"unknown shape={shape!r}", 'shape=("C", "C") for a channel matrix; leave it out for numbers')
    if shape is None and (symmetric or antisymmetric or block is not None):
        raise refuse("symmetric, antisymmetric and block speak of a matrix", 'add shape=("C", "C")')
    if per == "sample" and shape is not None:
        raise refuse("a channel matrix is the same for all samples", 'per="sample" for numbers; leave shape= out')
    if symmetric and antisymmetric:
        raise refuse("both symmetric and antisymmetric is zero", "choose one")
    if antisymmetric and signed:
        raise refuse("an antisymmetric matrix has entries of both signs", "drop positive= or nonnegative=")
    if block is not None and (not isinstance(block, int) or block < 1):
        raise refuse(f"block={block!r} is not a positive integer", "block=8, for instance")


def _check_bound(name: str, below: object, fits: bool) -> None:
    if below is None:
        return
    if not fits:
        raise SpecError(
            f"parameter {name!r}: below= bounds numbers that are positive or nonnegative",
            part=name,
            fix=f"Param({name!r}, positive=True, below=1.0)",
            see="parameter",
        )
    if isinstance(below, bool) or not isinstance(below, (int, float)) or not 0 < below < float("inf"):
        raise SpecError(
            f"parameter {name!r}: below={below!r} is not a positive number", part=name, fix="below=1.0", see="parameter"
        )


def _check_init(
    name: str, init: object, positive: bool, nonnegative: bool, antisymmetric: bool, below: float | None
) -> None:
    """A start is a finite real number, and in the range that the declaration keeps; so are both ends of a range."""
    if init is None:
        return
    if isinstance(init, tuple):
        if len(init) != 2:
            fix = f"Param({name!r}, init=(0.1, 0.5)); one value for each channel is set on the layer"
            raise SpecError(
                f"parameter {name!r}: init={init!r} is not a range (low, high)", part=name, fix=fix, see="parameter"
            )
        for end in init:
            _check_init(name, end, positive, nonnegative, False, below)
        if not init[0] <= init[1]:
            raise SpecError(f"parameter {name!r}: init={init!r} ends below its beginning", part=name,
                            fix=f"init=({init[1]}, {init[0]})", see="parameter")  # fmt: skip
        return

    def refuse(why: str, fix: str) -> SpecError:
        return SpecError(f"parameter {name!r}: init={init!r} is not {why}", part=name, fix=fix, see="parameter")

    check_number(init, f"parameter {name!r}: init", name, f"Param({name!r}, init=0.1); tensors are set on the layer")
    if positive and not init > 0:  # type: ignore[operator]
        raise refuse("positive", "a start above 0, or drop positive=")
    if nonnegative and not init >= 0:  # type: ignore[operator]
        raise refuse("nonnegative", "a start of 0 or above, or drop nonnegative=")
    if below is not None and not init < below:  # type: ignore[operator]
        raise refuse(f"below {below}", "a smaller init=, or a larger below=")
    if antisymmetric and init != 0:
        raise refuse("0, the one number that fills an antisymmetric matrix", "leave init= out, set the layer's matrix")


class transposed(sp.Function):
    """The transpose of a channel matrix, as the first argument of ``mix``."""

    nargs = 1
    is_real = True


class mix(sp.Function):
    """Channel mixing (K f)_c = sum_d K_cd f_d at every site: linear in f, commutes with every derivative."""

    nargs = 2
    is_real = True

    @classmethod
    def eval(cls, matrix: sp.Expr, f: sp.Expr) -> sp.Expr | None:
        if not isinstance(matrix, transposed) and not (isinstance(matrix, Param) and matrix.is_matrix):
            raise SpecError(
                f"mix() takes a channel matrix first, not {matrix}",
                fix='declare Param(..., shape=("C", "C"))',
                see="channel-matrix",
            )
        return sp.S.Zero if f.is_zero else None

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        return mix(self.args[0], self.args[1].diff(s))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        matrix, f = self.args
        head = printer._print(matrix.args[0]) + r"^{T}" if isinstance(matrix, transposed) else printer._print(matrix)
        body = printer._print(f)
        text = f"{head} {body}" if f.is_Atom or isinstance(f, AppliedUndef) else rf"{head} \left({body}\right)"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"


class total(sp.Function):
    """Channel sum (total f)_c = sum_d f_d at every site, the same for every channel c: linear and symmetric."""

    nargs = 1
    is_real = True

    @classmethod
    def eval(cls, f: sp.Expr) -> sp.Expr | None:
        return sp.S.Zero if f.is_zero else None

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        return total(self.args[0].diff(s))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = rf"\sum_{{c}} \left({printer._print(self.args[0])}\right)"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"


def mix_transposed(matrix: sp.Expr, f: sp.Expr) -> sp.Expr:
    """K^T f, written with K itself where its declared symmetry allows."""
    if isinstance(matrix, transposed):
        return mix(matrix.args[0], f)
    if matrix.symmetric:
        return mix(matrix, f)
    if matrix.antisymmetric:
        return -mix(matrix, f)
    return mix(transposed(matrix), f)
