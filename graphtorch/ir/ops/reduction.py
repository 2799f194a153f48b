"""Reductions: an accumulator, an initial value, and a dimension less.

`dims` is a sorted tuple of non-negative dimensions; the result drops them.  Integers are summed in
their own dtype: PyTorch's promotion to int64 is a `cast` that the frontend puts before.

    meta["combine"]   the scalar target's method that joins two accumulators ("argmax": by value)
    meta["init"]      DType -> the accumulator's first value
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..op import Op, declare
from ..types import DType, TensorType, bool_, int64
from .creation import full
from .inference import REALS, kept, require, require_dim, require_dims, require_kind, without
from .kernels import Array, Kernel, widened
from .pointwise import cast, div, eq, where
from .region import concat
from .samples import Case, between, flags, integers, normal
from .view import expand, permute, reshape
from .view import slice as slice_

NUMBERS = "fiu"


def restored(v: Any, shape: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    """Bring back the dimensions a reduction dropped, filled by repetition."""
    return expand(reshape(v, shape=kept(shape, dims)), shape=tuple(shape))


def lowest(dtype: DType) -> Any:
    """The value every other is at least as large as."""
    if dtype.kind == "b":
        return False
    return -float("inf") if dtype.kind == "f" else int(np.iinfo(dtype.numpy).min)


def highest(dtype: DType) -> Any:
    """The value every other is at most as large as."""
    if dtype.kind == "b":
        return True
    return float("inf") if dtype.kind == "f" else int(np.iinfo(dtype.numpy).max)


def _infer(
    name: str, kinds: str, *, nonempty: bool = False, out: DType | None = None
) -> Callable[..., TensorType]:
    def infer(x: TensorType, *, dims: tuple[int, ...]) -> TensorType:
        require_dims(name, x, dims)
        require_kind(name, x, kinds)
        if nonempty:
            require(
                0 not in [x.shape[d] for d in dims],
                f"{name}(): Expected reduction dim to have non-zero size",
                x=x,
            )
        return TensorType(out or x.dtype, without(x.shape, dims))

    return infer


def _sum(x: Array, *, dims: tuple[int, ...]) -> Any:
    # a product with ones keeps several partial sums at a time, and beats NumPy's loops
    if x.dtype.kind == "f" and x.flags.c_contiguous and x.ndim > 1 and x.size > 4096:
        if dims == tuple(range(x.ndim - 1)):
            rows = x.reshape(-1, x.shape[-1])
            return np.ones(rows.shape[0], x.dtype) @ rows
        if dims == (x.ndim - 1,):
            return (x.reshape(-1, x.shape[-1]) @ np.ones(x.shape[-1], x.dtype)).reshape(
                x.shape[:-1]
            )
    return np.add.reduce(x, axis=dims, dtype=x.dtype)


def _prod(x: Array, *, dims: tuple[int, ...]) -> Any:
    return np.multiply.reduce(x, axis=dims, dtype=x.dtype)


def _reducer(ufunc: np.ufunc) -> Kernel:
    return lambda x, *, dims: ufunc.reduce(x, axis=dims)


def _extreme_rule(g: Any, x: Any, y: Any, dims: tuple[int, ...]) -> Any:
    """Equal extremes share the cotangent evenly."""
    shape = tuple(x.shape)
    chosen = cast(eq(x, restored(y, shape, dims)), dtype=x.dtype)
    share = div(g, sum(chosen, dims=dims))
    return restored(share, shape, dims) * chosen


def _others(x: Any) -> Any:
    """For x[m, n] the product of all other elements of a row; exact with zeros, any derivative.

    A tree of pairwise products going down, the partners' products coming back up.
    """
    m, n = x.shape
    if n == 1:
        return full(shape=(m, 1), value=1.0, dtype=x.dtype)
    if n % 2:
        x = concat(x, full(shape=(m, 1), value=1.0, dtype=x.dtype), dim=1)
    half = (n + 1) // 2
    pairs = reshape(x, shape=(m, half, 2))

    def side(i: int) -> Any:
        part = slice_(pairs, starts=(0, 0, i), stops=(m, half, i + 1), steps=(1, 1, 1))
        return reshape(part, shape=(m, half))

    a, b = side(0), side(1)
    rest = _others(a * b)
    both = [reshape(rest * partner, shape=(m, half, 1)) for partner in (b, a)]
    joined = reshape(concat(*both, dim=2), shape=(m, 2 * half))
    return slice_(joined, starts=(0, 0), stops=(m, n), steps=(1, 1)) if n % 2 else joined


def _prod_rule(g: Any, x: Any, dims: tuple[int, ...]) -> Any:
    shape = tuple(x.shape)
    rest = tuple(d for d in range(len(shape)) if d not in dims)
    order = (*rest, *dims)
    moved = permute(x, dims=order)
    n = int(np.prod([shape[d] for d in dims], dtype=int))
    if n == 0 or 0 in shape:
        return full(shape=shape, value=0.0, dtype=x.dtype)
    m = int(np.prod([shape[d] for d in rest], dtype=int))
    others = reshape(_others(reshape(moved, shape=(m, n))), shape=tuple(moved.shape))
    back = permute(others, dims=tuple(int(i) for i in np.argsort(order)))
    return restored(g, shape, dims) * back


def _samples() -> list[Case]:
    x = normal(3, 4, 5)
    return [
        ((x,), {"dims": (0,)}),
        ((x,), {"dims": (1,)}),
        ((x,), {"dims": (2,)}),
        ((x,), {"dims": (0, 2)}),
        ((x,), {"dims": (0, 1, 2)}),
        ((x,), {"dims": ()}),
        ((normal(2, 37),), {"dims": (0,)}),
        ((integers(-5, 5, 3, 4),), {"dims": (1,)}),
        ((normal(),), {"dims": ()}),
    ]


def _empty() -> list[Case]:
    return [
        ((np.zeros((0, 3), np.float32),), {"dims": (0,)}),
        ((np.zeros((3, 0), np.float32),), {"dims": (1,)}),
    ]


def _products() -> list[Case]:
    x = between(0.5, 1.5, 3, 4, 5)
    zeros = x.copy()
    zeros[0, 0, 0] = zeros[1, :2, 0] = 0
    return [
        ((a,), {"dims": d}) for a in (x, zeros) for d in ((0,), (2,), (0, 2), (0, 1, 2))
    ] + _empty()


def _booleans() -> list[Case]:
    return [((flags(3, 4),), {"dims": d}) for d in ((0,), (1,), (0, 1))] + [
        ((np.zeros((0, 3), bool),), {"dims": (0,)})
    ]


def _meta(combine: str, init: Callable[[DType], Any]) -> dict[str, Any]:
    return {"combine": combine, "init": init}


def _row(
    name: str,
    kinds: str,
    numpy: Kernel,
    rule: Callable[..., Any] | None,
    meta: dict[str, Any],
    **row: Any,
) -> Op:
    infer = _infer(name, kinds, nonempty=row.pop("nonempty", False), out=row.pop("out", None))
    vjp = None if rule is None else (rule,)
    return declare(name, "reduction", "x", infer, widened(numpy), vjp=vjp, meta=meta, **row)


def _sum_rule(g: Any, x_type: TensorType, dims: tuple[int, ...]) -> Any:
    return restored(g, x_type.shape, dims)


# fmt: off
sum  = _row("sum",  NUMBERS, _sum,                  _sum_rule,     _meta("add", lambda d: 0),               samples=lambda: _samples() + _empty())
prod = _row("prod", NUMBERS, _prod,                 _prod_rule,    _meta("mul", lambda d: 1),               samples=_products)
amax = _row("amax", REALS,   _reducer(np.maximum),  _extreme_rule, _meta("max", lowest),  nonempty=True,    samples=_samples)
amin = _row("amin", REALS,   _reducer(np.minimum),  _extreme_rule, _meta("min", highest), nonempty=True,    samples=_samples)
any  = _row("any",  REALS,   _reducer(np.logical_or),  None,       _meta("logical_or", lambda d: False), out=bool_,  samples=_booleans)
all  = _row("all",  REALS,   _reducer(np.logical_and), None,       _meta("logical_and", lambda d: True), out=bool_, samples=_booleans)
# fmt: on


def _arg_infer(name: str) -> Callable[..., TensorType]:
    def infer(x: TensorType, *, dim: int) -> TensorType:
        require_dim(name, x, dim)
        require_kind(name, x, REALS)
        if x.shape[dim] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {dim} to have non-zero size.")
        return TensorType(int64, without(x.shape, (dim,)))

    return infer


def _arg_row(name: str, combine: str, init: Callable[[DType], Any], numpy: Kernel) -> Op:
    """The first extreme's position along `dim`; a NaN counts as the extreme."""
    return declare(
        name, "reduction", "x", _arg_infer(name), widened(lambda x, *, dim: numpy(x, axis=dim)),
        meta=_meta(combine, init), samples=_arg_samples,
    )  # fmt: skip


def _arg_samples() -> list[Case]:
    ties = np.array([[1, 3, 3], [2, 2, 0]], np.float32)
    nan = np.array([[1, np.nan, 5, np.nan]], np.float32)
    return [
        ((ties,), {"dim": 0}),
        ((ties,), {"dim": 1}),
        ((nan,), {"dim": 1}),
        ((integers(0, 9, 4, 5),), {"dim": 0}),
    ]


argmax = _arg_row("argmax", "argmax", lowest, np.argmax)
argmin = _arg_row("argmin", "argmin", highest, np.argmin)


# ---- composites over reductions


def count(shape: tuple[int, ...], dims: tuple[int, ...]) -> int:
    """How many elements go into one result."""
    return int(np.prod([shape[d] for d in dims], dtype=int))


def _mean(x: Array, *, dims: tuple[int, ...]) -> Any:
    n = count(x.shape, dims)
    total = np.asarray(_sum(x, dims=dims))
    return total / total.dtype.type(n) if n else total * np.nan


def _mean_decomposed(x: Any, *, dims: tuple[int, ...]) -> Any:
    n = count(tuple(x.shape), dims)
    return sum(x, dims=dims) * float("nan") if n == 0 else sum(x, dims=dims) / float(n)


_mean_type = _infer("mean", "f")

# mean(x, dims=)
mean = declare(
    "mean", "composite", "x", _mean_type, widened(_mean), decompose=_mean_decomposed,
    vjp=(lambda g, x_type, dims: restored(g / float(max(count(x_type.shape, dims), 1)), x_type.shape, dims),),
    samples=lambda: [c for c in _samples() if c[0][0].dtype.kind == "f"] + _empty(),
)  # fmt: skip


def _var(x: Array, *, dims: tuple[int, ...], correction: float = 1) -> Any:
    n = count(x.shape, dims)
    mean = np.asarray(_sum(x, dims=dims)).reshape(kept(x.shape, dims)) / x.dtype.type(max(n, 1))
    centred = np.asarray(x - mean)
    total = _sum(np.square(centred, out=centred), dims=dims)
    return np.asarray(total) / x.dtype.type(max(n - correction, 0))


def _var_infer(x: TensorType, *, dims: tuple[int, ...], correction: float = 1) -> TensorType:
    return _mean_type(x, dims=dims)


def _var_decomposed(x: Any, *, dims: tuple[int, ...], correction: float = 1) -> Any:
    shape = tuple(x.shape)
    centred = x - restored(mean(x, dims=dims), shape, dims)
    divisor = max(count(shape, dims) - correction, 0)
    total = sum(centred * centred, dims=dims)
    return total / float(divisor) if divisor else total * float("nan")


def _var_rule(g: Any, x: Any, dims: tuple[int, ...], correction: float = 1) -> Any:
    shape = tuple(x.shape)
    divisor = max(count(shape, dims) - correction, 0)
    centred = x - restored(mean(x, dims=dims), shape, dims)
    scaled = g * (2.0 / divisor if divisor else float("nan"))
    return centred * restored(scaled, shape, dims)


# var(x, dims=, correction=1): mean squared distance from the mean, over n - correction
var = declare(
    "var", "composite", "x", _var_infer, widened(_var), decompose=_var_decomposed, vjp=(_var_rule,),
    samples=lambda: [
        ((normal(3, 4, 5),), {"dims": d, "correction": c}) for d in ((1,), (0, 2), (0, 1, 2)) for c in (0, 1)
    ],
)  # fmt: skip


def _logsumexp(x: Array, *, dims: tuple[int, ...]) -> Any:
    top = np.maximum.reduce(x, axis=dims, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, x.dtype.type(0))
    shifted = np.asarray(x - top)
    np.exp(shifted, out=shifted)
    return np.log(np.add.reduce(shifted, axis=dims)) + top.reshape(without(x.shape, dims))


def _logsumexp_decomposed(x: Any, *, dims: tuple[int, ...]) -> Any:
    from .pointwise import exp, isfinite, log
    from .view import stop_gradient

    if 0 in x.shape:
        return log(sum(exp(x), dims=dims))
    top = stop_gradient(amax(x, dims=dims))
    top = where(isfinite(top), top, 0)
    return log(sum(exp(x - restored(top, tuple(x.shape), dims)), dims=dims)) + top


def _logsumexp_rule(g: Any, y: Any, x: Any, dims: tuple[int, ...]) -> Any:
    from .pointwise import exp

    shape = tuple(x.shape)
    return restored(g, shape, dims) * exp(x - restored(y, shape, dims))


# logsumexp(x, dims=): log(sum(exp(x))), safe from overflow
logsumexp = declare(
    "logsumexp", "composite", "x", _infer("logsumexp", "f"), widened(_logsumexp),
    decompose=_logsumexp_decomposed, vjp=(_logsumexp_rule,),
    samples=lambda: [((100 * normal(3, 4),), {"dims": (1,)}), ((normal(3, 4, 2),), {"dims": (0, 2)})],
)  # fmt: skip
