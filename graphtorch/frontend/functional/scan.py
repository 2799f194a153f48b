"""Running sums, products and extremes; differences of neighbours."""

from __future__ import annotations

from typing import Any

from ...ir import ops
from ...ir.types import DType, int64
from .. import promotion, return_types
from ..size import wrap_dim
from ..tensor import Tensor
from .reduction import amax
from .splitting import part
from .wrapping import accepts_out, check_tensor, into


def _scan(name: str, op_name: str) -> Any:
    def function(
        input: Tensor, dim: int, *, dtype: DType | None = None, out: Tensor | None = None
    ) -> Tensor:
        check_tensor(name, input)
        if dtype is not None:
            input = promotion.cast(input, dtype)
        elif input._array.dtype.kind in "iub":
            input = promotion.cast(input, int64)
        dim = wrap_dim(dim, input._array.ndim)
        result = getattr(ops, op_name)(input, dim=dim) if input._array.ndim else input
        return result if out is None else into(out, result)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The running {'sum' if name == 'cumsum' else 'product'} along `dim`."
    return function


cumsum, cumprod = _scan("cumsum", "cumsum"), _scan("cumprod", "cumprod")


def _running(name: str, op_name: str) -> Any:
    kind = getattr(return_types, name)

    def function(input: Tensor, dim: int) -> Any:
        dim = wrap_dim(dim, input._array.ndim)
        if not input._array.ndim:
            return kind(input, ops.full(shape=(), value=0, dtype=int64))
        _, indices = getattr(ops, op_name)(input, dim=dim)
        return kind(ops.gather(input, indices, dim=dim), indices)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The running {name[3:]}imum along `dim` and where it was found."
    return accepts_out(function)


cummax, cummin = _running("cummax", "cummax"), _running("cummin", "cummin")


@accepts_out
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """log of the running sum of exp along `dim`."""
    dim = wrap_dim(dim, input._array.ndim)
    top = amax(input.detach(), dim, keepdim=True)
    top = ops.expand(ops.where(ops.isfinite(top), top, 0.0), shape=input._array.shape)
    return ops.add(ops.log(ops.cumsum(ops.exp(ops.sub(input, top)), dim=dim)), top)


@accepts_out
def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """Differences of neighbours along `dim`, n times."""
    from .joining import cat

    pieces = [x for x in (prepend, input, append) if x is not None]
    x = cat(pieces, dim) if len(pieces) > 1 else input
    dim = wrap_dim(dim, x._array.ndim)
    for _ in range(n):
        size = x._array.shape[dim]
        if size == 0:
            break
        later, earlier = part(x, dim, 1, size), part(x, dim, 0, size - 1)
        x = (
            ops.logical_xor(later, earlier)
            if x._array.dtype.kind == "b"
            else ops.sub(later, earlier)
        )
    return x


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1.0, dim: int = -1) -> Tensor:
    """The integral along `dim` by the trapezoid rule."""
    dim = wrap_dim(dim, y._array.ndim)
    size = y._array.shape[dim]
    pair_sum = ops.add(part(y, dim, 1, size), part(y, dim, 0, size - 1))
    if x is None:
        return ops.mul(ops.sum(pair_sum, dims=(dim,)), dx / 2)
    steps = promotion.operands(diff(x, dim=-1 if x._array.ndim == 1 else dim), pair_sum)
    return ops.mul(ops.sum(ops.mul(*steps), dims=(dim,)), 0.5)


trapz = trapezoid


def cumulative_trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: float = 1.0, dim: int = -1
) -> Tensor:
    """The running integral along `dim` by the trapezoid rule."""
    dim = wrap_dim(dim, y._array.ndim)
    size = y._array.shape[dim]
    pair_sum = ops.add(part(y, dim, 1, size), part(y, dim, 0, size - 1))
    if x is None:
        return ops.mul(ops.cumsum(pair_sum, dim=dim), dx / 2)
    steps = promotion.operands(diff(x, dim=-1 if x._array.ndim == 1 else dim), pair_sum)
    return ops.mul(ops.cumsum(ops.mul(*steps), dim=dim), 0.5)
