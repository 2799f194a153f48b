"""Turning, rolling, windows, diagonals and triangles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import message
from ...ir import ops
from ...ir.types import BY_NUMPY
from ..size import sizes, wrap_dim
from ..tensor import Tensor
from .shape import _reshaped, ravel, transpose
from .splitting import part
from .wrapping import accepts_out, into


def flip(input: Tensor, *args: Any, dims: Any = None) -> Tensor:
    """Reversed along the dims given (a copy)."""
    n = input._array.ndim
    wrapped = [wrap_dim(d, n) for d in sizes(args if dims is None else (dims,))]
    if len(set(wrapped)) != len(wrapped):
        raise RuntimeError(f"dim {wrapped[0]} appears multiple times in the list of dims")
    return ops.copy(ops.flip(input, dims=tuple(sorted(wrapped)) if n else ()))


def fliplr(input: Tensor) -> Tensor:
    """Reversed along dim 1."""
    if input._array.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """Reversed along dim 0."""
    if input._array.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, 0)


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned by k quarter turns in the plane of `dims`."""
    n = input._array.ndim
    given = dims if isinstance(dims, (tuple, list)) else (dims,)
    if len(given) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(given)}")
    if n < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {n}")
    a, b = given
    if a == b or abs(a - b) == n:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {a} and dim1 = {b}"
        )
    if not (-n <= a < n and -n <= b < n):
        wrong = a if not -n <= a < n else b
        raise RuntimeError(f"Rotation dim out of range, dim = {wrong}")
    k %= 4
    if k == 0:
        return ops.copy(input)
    if k == 2:
        return flip(input, a, b)
    return transpose(flip(input, b), a, b) if k == 1 else flip(transpose(input, a, b), b)


def roll(input: Tensor, shifts: Any, dims: Any = ()) -> Tensor:
    """Moved along dims, what leaves at one end enters at the other."""
    if isinstance(shifts, (tuple, list)) and not shifts:
        raise RuntimeError("`shifts` required")
    if (dims is None or dims == ()) and not (isinstance(shifts, int) or len(shifts) == 1):
        raise RuntimeError(
            message(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:0")
        )
    if dims is None or dims == ():
        shift = shifts if isinstance(shifts, int) else shifts[0]
        return _reshaped(roll(ravel(input), shift, 0), input._array.shape)
    shift_list = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    dim_list = (dims,) if isinstance(dims, int) else tuple(dims)
    if len(shift_list) != len(dim_list):
        raise RuntimeError(
            message(
                f"shifts and dimensions must align. shifts: {len(shift_list)}, dims:{len(dim_list)}"
            )
        )
    if not input._array.size:
        return ops.copy(input)
    result = input
    for shift, dim in zip(shift_list, dim_list, strict=True):
        dim = wrap_dim(dim, result._array.ndim)
        size = result._array.shape[dim]
        if size and shift % size:
            cut = size - shift % size
            result = ops.concat(part(result, dim, cut, size), part(result, dim, 0, cut), dim=dim)
    return ops.copy(result) if result is input else result


def unfold_windows(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """`Tensor.unfold`: a view of all windows along one dim, the window's own dim last."""
    scalar = input._array.ndim == 0
    if scalar:
        wrap_dim(dimension, 0)
        input = _reshaped(input, (1,))
    dim = wrap_dim(dimension, input._array.ndim)
    if size > input._array.shape[dim]:
        raise RuntimeError(
            message(
                f"maximum size for tensor at dimension {dim} is {input._array.shape[dim]} but size is {size}",
                operands={"input": input.type_},
            )
        )
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    if scalar:  # one window, and no dim that counts windows
        return part(input, 0, 0, size)
    return ops.windows(input, dims=(dim,), sizes=(size,), strides=(step,))


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two dims, as a view; its dim is the last."""
    n = input._array.ndim
    a, b = wrap_dim(dim1, n), wrap_dim(dim2, n)
    if a == b:
        raise RuntimeError(message(f"diagonal dimensions cannot be identical {dim1}, {dim2}"))
    return ops.diagonal(input, offset=offset, dim1=a, dim2=b)


@accepts_out
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or the matrix with that diagonal."""
    n = input._array.ndim
    if n == 1:
        return diag_embed(input, diagonal)
    if n != 2:
        raise RuntimeError(message(f"diag(): Supports 1D or 2D tensors. Got {n}D"))
    return ops.copy(ops.diagonal(input, offset=diagonal, dim1=0, dim2=1))


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices (in dims dim1 and dim2 of the result) with the last dim of the input as diagonals."""
    shape = input._array.shape
    n = len(shape) + 1
    a, b = wrap_dim(dim1, n), wrap_dim(dim2, n)
    if a == b:
        raise RuntimeError(message(f"diagonal dimensions cannot be identical {dim1}, {dim2}"))
    side = shape[-1] + abs(offset)
    rest = iter(shape[:-1])
    full = tuple([side if d in (a, b) else next(rest) for d in range(n)])
    zeros = ops.full(shape=full, value=0, dtype=BY_NUMPY[input._array.dtype])
    return ops.diagonal_update(zeros, input, offset=offset, dim1=a, dim2=b)


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with all elements of the input on a diagonal."""
    return diag_embed(ravel(input), offset)


def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """`input` with a diagonal replaced by `src`."""
    n = input._array.ndim
    return ops.diagonal_update(
        input, src, offset=offset, dim1=wrap_dim(dim1, n), dim2=wrap_dim(dim2, n)
    )


def _check_matrix(input: Tensor) -> None:
    if input._array.ndim < 2:
        raise RuntimeError(
            message("input tensor must have at least 2 dimensions", operands={"input": input.type_})
        )


def tril(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The lower triangle of the last two dims, zeros elsewhere."""
    _check_matrix(input)
    result = ops.tril(input, diagonal=diagonal)
    return result if out is None else into(out, result)


def triu(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The upper triangle of the last two dims, zeros elsewhere."""
    _check_matrix(input)
    result = ops.triu(input, diagonal=diagonal)
    return result if out is None else into(out, result)
