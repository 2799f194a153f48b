"""Joining tensors: `cat`, `stack` and their relatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import message
from ...ir import ops
from .. import promotion
from ..size import dim_error, wrap_dim
from ..tensor import Tensor
from .shape import _RESHAPE, _reshaped, expand, ravel, unsqueeze
from .wrapping import accepts_out, bind, check_apart, fresh, into, tensor_list


def cat(
    tensors: Any, dim: int = 0, *, out: Tensor | None = None, axis: int | None = None
) -> Tensor:
    """One tensor after the other along `dim`; dtypes are promoted."""
    if out is not None and isinstance(tensors, Tensor):
        raise TypeError(
            "cat(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor"
        )
    found = tensor_list("cat", tensors)
    if axis is not None:
        dim = axis
    if not found:
        raise ValueError(message("torch.cat(): expected a non-empty list of Tensors"))
    first = found[0]._array.dtype
    if any(x._array.dtype != first for x in found):
        dtype = promotion.result_type(*found)
        found = [promotion.cast(x, dtype) for x in found]
    if len(found) > 1:  # PyTorch skips empty vectors, whatever the other shapes are
        real = [x for x in found if x._array.shape != (0,)]
        found = real or found[:1]
    shape = found[0]._array.shape
    for i, x in enumerate(found):
        if x._array.ndim == 0:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    dim = wrap_dim(dim, len(shape))
    for i, x in enumerate(found[1:], 1):
        other = x._array.shape
        if len(other) != len(shape):
            raise RuntimeError(
                message(
                    f"Tensors must have same number of dimensions: got {len(shape)} and {len(other)}",
                    operands={"0": found[0].type_, str(i): x.type_},
                )
            )
        if other[:dim] != shape[:dim] or other[dim + 1 :] != shape[dim + 1 :]:
            wrong = next(d for d in range(len(shape)) if d != dim and other[d] != shape[d])
            raise RuntimeError(
                message(
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {shape[wrong]}"
                    f" but got size {other[wrong]} for tensor number {i} in the list.",
                    operands={"0": found[0].type_, str(i): x.type_},
                )
            )
    result = ops.concat(*found, dim=dim)
    if out is not None:
        check_apart(out, *tensors)
    return result if out is None else into(out, result)


concat = concatenate = cat


def stack(tensors: Any, dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The tensors along a new dim."""
    found = tensor_list("stack", tensors)
    if not found:
        raise RuntimeError("stack expects a non-empty TensorList")
    shape = found[0]._array.shape
    for i, x in enumerate(found):
        if x._array.shape != shape:
            raise RuntimeError(
                message(
                    f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and"
                    f" {list(x._array.shape)} at entry {i}"
                )
            )
    n = len(shape) + 1
    if not -n <= dim < n:
        raise dim_error(dim, n)
    dim %= n
    longer = (*shape[:dim], 1, *shape[dim:])
    return cat([bind(_RESHAPE, (x,), {"shape": longer}) for x in found], dim, out=out)


def _at_least(n: int, x: Tensor) -> Tensor:
    have = x._array.ndim
    if have >= n:
        return x
    if n == 3 and have == 2:
        return unsqueeze(x, 2)
    if n == 3 and have == 1:
        return _reshaped(x, (1, x._array.size, 1))
    return _reshaped(x, (1,) * (n - have) + x._array.shape)


def _atleast(n: int) -> Any:
    def function(*tensors: Any) -> Any:
        if len(tensors) == 1 and isinstance(tensors[0], Tensor):
            return _at_least(n, tensors[0])
        if len(tensors) == 1:
            tensors = tuple(tensors[0])
        return tuple([_at_least(n, x) for x in tensors])

    function.__name__ = function.__qualname__ = f"atleast_{n}d"
    function.__doc__ = f"The tensors with at least {n} dims."
    return function


atleast_1d, atleast_2d, atleast_3d = _atleast(1), _atleast(2), _atleast(3)


def _some(name: str, tensors: Any) -> list[Tensor]:
    found = tensor_list(name, tensors)
    if not found:
        raise RuntimeError(f"{name} expects a non-empty TensorList")
    return found


@accepts_out
def hstack(tensors: Any) -> Tensor:
    """Joined along dim 1 (dim 0 for vectors)."""
    tensors = _some("hstack", tensors)
    found = [_at_least(1, x) for x in tensors]
    return cat(found, 0 if found[0]._array.ndim == 1 else 1)


@accepts_out
def vstack(tensors: Any) -> Tensor:
    """Joined along dim 0; vectors become rows."""
    tensors = _some("vstack", tensors)
    return cat([_at_least(2, x) for x in tensors], 0)


row_stack = vstack


@accepts_out
def dstack(tensors: Any) -> Tensor:
    """Joined along dim 2."""
    tensors = _some("dstack", tensors)
    return cat([_at_least(3, x) for x in tensors], 2)


@accepts_out
def column_stack(tensors: Any) -> Tensor:
    """Vectors as columns, side by side."""
    return hstack([_reshaped(x, (x._array.size, 1)) if x._array.ndim < 2 else x for x in tensors])


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Coordinate grids from vectors; indexing "ij" (default) or "xy"."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    swap = indexing == "xy" and len(tensors) >= 2
    if swap:
        tensors = (tensors[1], tensors[0], *tensors[2:])
    shape = tuple([x._array.size for x in tensors])
    n = len(shape)
    grids = [
        expand(_reshaped(x, tuple([shape[i] if d == i else 1 for d in range(n)])), shape)
        for i, x in enumerate(tensors)
    ]
    if swap:
        grids = [grids[1], grids[0], *grids[2:]]
    return tuple(grids)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of the vectors' elements, one a row."""
    if len(tensors) == 1:
        return tensors[0]
    return stack([ravel(g) for g in meshgrid(*tensors)], 1)


def block_diag(*tensors: Tensor) -> Tensor:
    """A matrix with the given matrices along its diagonal."""
    blocks = [_at_least(2, x) for x in tensors]
    height = sum(b._array.shape[0] for b in blocks)
    width = sum(b._array.shape[1] for b in blocks)
    dtype = promotion.result_type(*blocks)
    rows, left, top = [], 0, 0
    for block in blocks:
        h, w = block._array.shape
        rows.append(
            ops.pad(
                promotion.cast(block, dtype), low=(0, left), high=(0, width - left - w), value=0
            )
        )
        left, top = left + w, top + h
    return ops.concat(*rows, dim=0) if height else rows[0]


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All r-element subsets of a vector's elements, one a row, in order."""
    import itertools

    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(choose(range(input._array.size), r))
    places = np.asarray(rows, np.int64).reshape(len(rows), r)
    return ops.take(input, fresh(places), dim=0)
