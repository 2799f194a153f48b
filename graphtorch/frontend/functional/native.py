"""Operators that programs call under PyTorch's internal names: torch.native_layer_norm, torch.ops.aten.*.

Each is a short formula of public functions.  Statistics that come beside a normalised result carry no
gradient, as in PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ir import ops
from ...ir.types import BY_NUMPY, bool_
from .. import promotion
from ..size import wrap_dim
from ..tensor import Tensor
from .joining import cat
from .pointwise import mul, sub
from .reduction import mean, sum
from .shape import flatten
from .splitting import part
from .wrapping import accepts_out, concrete, fresh

# ---- normalisation


def _normalized(x: Tensor, dims: tuple[int, ...], eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """x brought to mean 0 and variance 1 over dims, the mean, and 1 / sqrt(variance + eps)."""
    average = mean(x, dims, True)
    centred = sub(x, average)
    spread = ops.rsqrt(ops.add(mean(mul(centred, centred), dims, True), float(eps)))
    return mul(centred, spread), average, spread


def _scaled(x: Tensor, weight: Tensor | None, bias: Tensor | None, shape: Sequence[int]) -> Tensor:
    if weight is not None:
        x = mul(x, ops.reshape(weight, shape=tuple(shape)))
    if bias is not None:
        from .pointwise import add

        x = add(x, ops.reshape(bias, shape=tuple(shape)))
    return x


def native_layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """`layer_norm`, the means and the reciprocal standard deviations."""
    shape = input._array.shape
    k = len(normalized_shape)
    if tuple(normalized_shape) != shape[len(shape) - k :] or not k:
        if not k:
            raise RuntimeError("Expected normalized_shape to be at least 1-dimensional")
        raise RuntimeError(
            f"Given normalized_shape={list(normalized_shape)}, expected input with shape"
            f" [*, {', '.join(map(str, normalized_shape))}], but got input of size{list(shape)}"
        )
    for name, x in (("weight", weight), ("bias", bias)):
        if x is not None and x._array.shape != tuple(normalized_shape):
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape"
                f" {list(x._array.shape)} and normalized_shape = {list(normalized_shape)}"
            )
    x, average, spread = _normalized(input, tuple(range(len(shape) - k, len(shape))), eps)
    return _scaled(x, weight, bias, normalized_shape), average.detach(), spread.detach()


def native_group_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, N: int, C: int, HxW: int, group: int,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """`group_norm`, the means and the reciprocal standard deviations of every group."""
    shape = input._array.shape
    x = ops.reshape(input, shape=(N, group, C // group * HxW))
    x, average, spread = _normalized(x, (2,), eps)
    x = ops.reshape(x, shape=shape)
    y = _scaled(x, weight, bias, (C, *(1 for _ in shape[2:])))
    average, spread = (ops.reshape(s, shape=(N, group)) for s in (average, spread))
    return y, average, spread


@accepts_out
def native_batch_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, training: bool, momentum: float, eps: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """`batch_norm`, and the batch's means and reciprocal standard deviations (empty if not training)."""
    from ...nn import functional

    y = functional.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)  # fmt: skip
    if not training:
        none = ops.full(shape=(0,), value=0, dtype=input.dtype)
        return y, none, ops.copy(none)
    dims = (0, *range(2, input._array.ndim))
    _, average, spread = _normalized(input.detach(), dims, eps)
    count = (input._array.shape[1],)
    return y, ops.reshape(average, shape=count), ops.reshape(spread, shape=count)


@accepts_out
def _native_batch_norm_legit(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, *rest: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """`native_batch_norm`; the running statistics may be left out."""
    if len(rest) == 3:
        rest = (None, None, *rest)
    return native_batch_norm(input, weight, bias, *rest)


@accepts_out
def _batch_norm_with_update(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor, running_var: Tensor,
    momentum: float, eps: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """`native_batch_norm` in training, and an empty reserve."""
    found = native_batch_norm(input, weight, bias, running_mean, running_var, True, momentum, eps)
    return (*found, ops.full(shape=(0,), value=0, dtype=BY_NUMPY[np.dtype(np.uint8)]))


# ---- parts of other functions


def slice(
    input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """x[..., start:end:step, ...] along one dim."""
    shape = input._array.shape
    if not shape:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim(dim, len(shape))
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    n = shape[dim]
    first = 0 if start is None else min(max(start + n if start < 0 else start, 0), n)
    last = n if end is None else min(max(end + n if end < 0 else end, 0), n)
    return part(input, dim, first, max(first, last), step)


def constant_pad_nd(input: Tensor, pad: Sequence[int], value: Any = 0) -> Tensor:
    """`nn.functional.pad` with a constant."""
    from ...nn import functional

    return functional.pad(input, list(pad), "constant", value)


def _safe_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """`softmax` whose rows of nothing but -inf give zeros."""
    from ...nn import functional
    from .reduction import all

    x = input if dtype is None else promotion.cast(input, dtype)
    masked = all(ops.eq(x, -math.inf), dim, True)
    masked = ops.expand(masked, shape=x._array.shape)
    return ops.where(masked, 0.0, functional.softmax(ops.where(masked, 0.0, x), dim))


@accepts_out
def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """exp(x) / sum(exp(x)) along `dim`."""
    from ...nn import functional

    return functional.softmax(input, dim, dtype=dtype)


@accepts_out
def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """x - log(sum(exp(x))) along `dim`."""
    from ...nn import functional

    return functional.log_softmax(input, dim, dtype=dtype)


@accepts_out
def _softmax_backward_data(
    grad_output: Tensor, output: Tensor, dim: int, input_dtype: Any
) -> Tensor:
    """The gradient of `softmax` from that of its output."""
    product = mul(grad_output, output)
    result = sub(product, mul(output, sum(product, dim, True)))
    return promotion.cast(result, input_dtype)


@accepts_out
def native_dropout_backward(grad_output: Tensor, mask: Tensor, scale: float) -> Tensor:
    """grad_output * mask * scale."""
    return mul(mul(grad_output, mask), float(scale))


def max_pool2d_with_indices_backward(
    grad_output: Tensor, input: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool, indices: Tensor,
) -> Tensor:  # fmt: skip
    """Gradients added where the maxima were found."""
    shape = input._array.shape
    never = ops.full(shape=shape, value=False, dtype=bool_)
    zeros = flatten(ops.where(never, input, 0), -2)  # a second derivative of zero, not none
    g, where = flatten(grad_output, -2), flatten(indices, -2)
    return ops.reshape(ops.scatter_add(zeros, where, g, dim=len(shape) - 2), shape=shape)


_INTERPOLATIONS = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """`nn.functional.grid_sample` with numbers for the modes."""
    from ...nn import functional

    mode, padding = _INTERPOLATIONS[interpolation_mode], _PADDINGS[padding_mode]
    return functional.grid_sample(input, grid, mode, padding, align_corners)


grid_sampler_2d = grid_sampler_3d = grid_sampler


def _upsample_bilinear2d_aa(
    input: Tensor, output_size: Any, align_corners: bool, scales_h: float | None = None,
    scales_w: float | None = None, *, scale_factors: Any = None,
) -> Tensor:  # fmt: skip
    """`nn.functional.interpolate(mode="bilinear", antialias=True)`."""
    from ...nn import functional

    if output_size is None:
        factors = scale_factors or (scales_h, scales_w)
        return functional.interpolate(
            input, None, factors, "bilinear", align_corners, antialias=True
        )
    return functional.interpolate(
        input, tuple(output_size), None, "bilinear", align_corners, antialias=True
    )


# ---- indexing under a mask


def _inside(input: Tensor, indices: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Indices moved into the tensor, whatever they were."""
    return [
        None if i is None else ops.clamp_max(ops.clamp_min(i, 0), input._array.shape[d] - 1)
        for d, i in enumerate(indices)
    ]


def _unsafe_masked_index(
    input: Tensor, mask: Tensor, indices: Sequence[Tensor | None], fill: Any
) -> Tensor:
    """input[indices] where `mask`, else `fill`; indices outside count only where the mask is False."""
    from ..indexing import get_item
    from .comparison import where

    key = tuple([_whole() if i is None else i for i in _inside(input, indices)])
    found = get_item(input, key)
    other = ops.full(shape=(), value=promotion.weak(fill, input.dtype), dtype=input.dtype)
    return where(mask, found, other)


def _unsafe_masked_index_put_accumulate(
    input: Tensor, mask: Tensor, indices: Sequence[Tensor | None], values: Tensor
) -> Tensor:
    """`input` with `values` added at `indices` where `mask`."""
    from .comparison import where
    from .selection import index_put

    zero = ops.full(shape=(), value=0, dtype=values.dtype)
    return index_put(input, _inside(input, indices), where(mask, values, zero), True)


def _whole() -> Any:
    import builtins

    return builtins.slice(None)


# ---- chunks and segments


@accepts_out
def _chunk_cat(tensors: Sequence[Tensor], dim: int, num_chunks: int) -> Tensor:
    """Every tensor padded along `dim` to whole chunks; equal chunks side by side."""
    if not tensors:
        raise RuntimeError("_chunk_cat expects a non-empty input tensor list")
    if num_chunks < 1:
        raise RuntimeError("_chunk_cat expects positive num_chunks")
    ranks = {x._array.ndim for x in tensors}
    if len(ranks) > 1 and dim < 0:
        raise RuntimeError(
            "_chunk_cat expects non-negative dim when input tensors have different ndims"
        )
    if dim >= min(ranks):
        raise RuntimeError("_chunk_cat expects dim < ndim for all input tensors")
    dim = wrap_dim(dim, tensors[0]._array.ndim)
    first = tensors[0]
    found = []
    for x in tensors:
        shape = x._array.shape
        if not x._array.size:
            raise RuntimeError("_chunk_cat expects non-empty tensor")
        if shape[:dim] != first._array.shape[:dim]:
            raise RuntimeError(
                "_chunk_cat expects same sizes of 0,...,dim-1 dimensions for all tensors"
            )
        if x._array.dtype != first._array.dtype:
            raise RuntimeError("_chunk_cat expects all input tensors with the same dtype")
        length = -(-shape[dim] // num_chunks)
        more = tuple(
            [length * num_chunks - shape[dim] if d == dim else 0 for d in range(len(shape))]
        )
        if any(more):
            x = ops.pad(x, low=(0,) * len(shape), high=more, value=0)
        found.append(
            ops.reshape(x, shape=(*shape[:dim], num_chunks, length * math.prod(shape[dim + 1 :])))
        )
    return cat(found, dim + 1)


_STARTS = {"max": -math.inf, "min": math.inf, "sum": 0.0, "prod": 1.0, "mean": 0.0}
_SCATTER = {"max": "amax", "min": "amin", "sum": "sum", "prod": "prod", "mean": "sum"}


def segment_reduce(
    data: Tensor, reduce: str, *, lengths: Tensor | None = None, indices: Tensor | None = None,
    offsets: Tensor | None = None, axis: int = 0, unsafe: bool = False, initial: Any = None,
) -> Tensor:  # fmt: skip
    """Runs of elements along `axis`, of the lengths (or between the offsets) given, reduced to one each.

    reduce: "max", "mean", "min", "sum" or "prod"; initial takes part in every run.
    """
    from .scattering import scatter_reduce

    if reduce not in _STARTS:
        raise RuntimeError(f"unsupported reduction given! {reduce}")
    axis = wrap_dim(axis, data._array.ndim)
    if lengths is not None:
        sizes = concrete(lengths)
    elif offsets is not None:
        sizes = np.diff(concrete(offsets), axis=-1)
    else:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    shape = data._array.shape
    n, count = shape[axis], sizes.shape[-1]
    if not unsafe and (sizes.min(initial=0) < 0 or (sizes.sum(-1) != n).any()):
        raise RuntimeError("segment_reduce(): Expected all rows of lengths along axis to sum to data.size(axis)")  # fmt: skip
    # elements behind the last run go to one more run, which is dropped
    runs = np.full((*sizes.shape[:-1], n), count, np.int64)
    for row in np.ndindex(*sizes.shape[:-1]):
        places = np.repeat(np.arange(count), sizes[row])[:n]
        runs[row][: len(places)] = places
    index = fresh(runs.reshape(*runs.shape, *(1 for _ in shape[axis + 1 :])))
    index = ops.expand(index, shape=shape)
    goal = (*shape[:axis], count + 1, *shape[axis + 1 :])
    start = _STARTS[reduce] if initial is None else float(initial)
    base = ops.full(shape=goal, value=start, dtype=data.dtype)
    found = part(scatter_reduce(base, axis, index, data, _SCATTER[reduce]), axis, 0, count)
    if reduce == "mean":
        divisor = np.maximum(sizes, 1).astype(data._array.dtype)
        if initial is None:
            divisor = np.where(sizes == 0, 0, divisor).astype(data._array.dtype)
        divisor = divisor.reshape(*sizes.shape, *(1 for _ in shape[axis + 1 :]))
        found = ops.div(found, ops.expand(fresh(divisor), shape=found._array.shape))
    return found


_segment_reduce = segment_reduce


def as_strided_scatter(
    input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None
) -> Tensor:
    """`input` with the elements that `as_strided` would show replaced by `src`."""
    offset = storage_offset or 0
    places = np.full(tuple(size), offset, np.int64)
    for d, (n, step) in enumerate(zip(size, stride, strict=True)):
        places += (np.arange(n) * step).reshape([n if i == d else 1 for i in range(len(size))])
    if src._array.shape != tuple(size):
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size ="
            f" {list(src._array.shape)}, slice size = {list(size)}"
        )
    total = input._array.size
    if places.size and int(places.max()) >= total:
        raise RuntimeError("setStorage: out of bounds for the storage of the tensor")
    flat = ops.reshape(input, shape=(total,))
    values = ops.reshape(src, shape=(places.size,))
    result = ops.index_put(flat, values, fresh(places.reshape(-1)), dims=(0,), accumulate=False)
    return ops.reshape(result, shape=input._array.shape)


as_strided_scatter = accepts_out(as_strided_scatter)
