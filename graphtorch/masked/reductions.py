"""Reductions of the selected elements."""

from __future__ import annotations

import math
from typing import Any

import graphtorch as torch

from ..errors import message
from ..frontend.tensor import Tensor
from ..ir.types import DType


def every(dim: Any, ndim: int) -> tuple[int, ...]:
    """The dims meant by None, an int or a tuple (an empty one means all); raises IndexError and RuntimeError."""
    if dim is None or (not isinstance(dim, int) and len(dim) == 0):
        return tuple(range(ndim))
    found = []
    for d in (dim,) if isinstance(dim, int) else dim:
        limit = max(ndim, 1)
        if not -limit <= d < limit:
            raise IndexError(
                message(
                    f"Dimension out of range (expected to be in range of [{-limit}, {limit - 1}], but got {d})"
                )
            )
        if d % limit in found:
            raise RuntimeError(
                message(f"dim={d % limit} appears multiple times in the list of dims")
            )
        found.append(d % limit)
    return tuple(found) if ndim else ()


def selection(input: Tensor, mask: Tensor) -> Tensor:
    """The mask as bool in the input's shape."""
    if mask.ndim > input.ndim:
        raise IndexError(
            message("_input_mask expected broadcastable mask (got mask dimensionality higher than of the input)",
                    operands={"input": input.type_, "mask": mask.type_})
        )  # fmt: skip
    return mask.to(torch.bool).expand(input.shape)  # type: ignore[attr-defined]


def filled(input: Tensor, mask: Tensor | None, value: Any) -> Tensor:
    """`input` with `value` where it is not selected."""
    if mask is None:
        return input
    return torch.where(selection(input, mask), input, torch.full((), value, dtype=input.dtype))


def _input_mask(input: Tensor, *args: Any, mask: Tensor | None = None, **options: Any) -> Tensor:
    """Which elements take part."""
    return torch.ones(input.shape, dtype=torch.bool) if mask is None else selection(input, mask)


def _output_mask(op: Any, input: Tensor, *args: Any, **options: Any) -> Tensor:
    """Which elements of the result of `op(input, *args, **options)` something was selected for."""
    if op.__name__ == "logaddexp":
        other = args[0]
        first = _input_mask(input, mask=options.get("input_mask"))
        return first | _input_mask(other, mask=options.get("other_mask"))
    chosen = _input_mask(input, mask=options.get("mask"))
    if op.__name__ in ("cumsum", "cumprod", "softmax", "log_softmax", "softmin", "normalize"):
        return chosen
    values = list(args)
    if op.__name__ == "norm" and values:
        values.pop(0)
    dim = options.get("dim", values[0] if values else -1 if op.__name__ == "median" else None)
    dims = every(dim, input.ndim)
    return torch.any(chosen, dims, options.get("keepdim", False)) if dims else chosen


def lowest(dtype: DType) -> Any:
    """The identity of the maximum."""
    if dtype.kind in "fc":
        return -math.inf
    return False if dtype is torch.bool else torch.iinfo(dtype).min


def highest(dtype: DType) -> Any:
    """The identity of the minimum."""
    if dtype.kind in "fc":
        return math.inf
    return True if dtype is torch.bool else torch.iinfo(dtype).max


def _ready(input: Tensor, dtype: DType | None, widen: bool = False) -> Tensor:
    if dtype is None:
        dtype = torch.int64 if widen and input.dtype.kind in "biu" else input.dtype
    return input.to(dtype)  # type: ignore[attr-defined]


def sum(
    input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:  # fmt: skip
    """The sum of the selected elements.

    >>> import graphtorch as torch
    >>> torch.masked.sum(torch.tensor([1.0, 2.0, 4.0]), mask=torch.tensor([True, False, True]))
    tensor(5.)
    """
    x = filled(_ready(input, dtype, True), mask, 0)
    return torch.sum(x, every(dim, x.ndim), keepdim)


def prod(
    input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:  # fmt: skip
    """The product of the selected elements."""
    x = filled(_ready(input, dtype, True), mask, 1)
    for d in sorted(every(dim, x.ndim), reverse=True):
        x = torch.prod(x, d, keepdim)
    return x.clone() if x is input else x


def cumsum(
    input: Tensor, dim: int, *, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:
    """Running sums of the selected elements."""
    every(dim, input.ndim)
    return torch.cumsum(filled(_ready(input, dtype, True), mask, 0), dim)


def cumprod(
    input: Tensor, dim: int, *, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:
    """Running products of the selected elements."""
    every(dim, input.ndim)
    return torch.cumprod(filled(_ready(input, dtype, True), mask, 1), dim)


def amax(
    input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:  # fmt: skip
    """The largest of the selected elements."""
    x = _ready(input, dtype)
    return torch.amax(filled(x, mask, lowest(x.dtype)), every(dim, x.ndim), keepdim)


def amin(
    input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:  # fmt: skip
    """The smallest of the selected elements."""
    x = _ready(input, dtype)
    return torch.amin(filled(x, mask, highest(x.dtype)), every(dim, x.ndim), keepdim)


def argmax(
    input: Tensor, dim: int | None = None, *, keepdim: bool = False, dtype: DType | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Where the largest of the selected elements is, in the input's dtype (as PyTorch has it)."""
    x = _ready(input, dtype)
    return torch.argmax(filled(x, mask, lowest(x.dtype)), dim, keepdim).to(x.dtype)


def argmin(
    input: Tensor, dim: int | None = None, *, keepdim: bool = False, dtype: DType | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Where the smallest of the selected elements is, in the input's dtype (as PyTorch has it)."""
    x = _ready(input, dtype)
    return torch.argmin(filled(x, mask, highest(x.dtype)), dim, keepdim).to(x.dtype)


def _counts(x: Tensor, mask: Tensor | None, dims: tuple[int, ...], keepdim: bool) -> Tensor:
    if mask is None:
        return torch.sum(torch.ones(x.shape, dtype=torch.int64), dims, keepdim)
    return torch.sum(selection(x, mask).to(torch.int64), dims, keepdim)  # type: ignore[attr-defined]


def mean(
    input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:  # fmt: skip
    """The mean of the selected elements, NaN of none."""
    if dtype is not None and dtype.kind in "biu" or dtype is None and input.dtype.kind in "biu":
        if dtype is None and mask is None or dtype is not None:
            raise ValueError(
                message(
                    f"mean of {dtype or input.dtype} is not defined", hint="pass a floating dtype="
                )
            )
        dtype = torch.float32
    x = _ready(input, dtype)
    dims = every(dim, x.ndim)
    if mask is None:
        return torch.mean(x, dims, keepdim)
    total = torch.sum(filled(x, mask, 0), dims, keepdim)
    return total / _counts(x, mask, dims, keepdim)


def median(
    input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:  # fmt: skip
    """The lower median of the selected elements, NaN of none."""
    x = _ready(input, dtype)
    every(dim, x.ndim)
    if x.dtype.kind != "f":
        raise ValueError(
            message(
                f"median of {x.dtype} is not supported with a mask", operands={"input": x.type_}
            )
        )
    x = filled(x, mask, math.nan)
    if mask is None:
        return torch.median(x, dim, keepdim)[0]
    return torch.nanmedian(x, dim, keepdim)[0]


def logsumexp(
    input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:  # fmt: skip
    """log of the sum of the selected elements' exponentials."""
    x = _ready(input, dtype)
    return torch.logsumexp(filled(x, mask, lowest(x.dtype)), every(dim, x.ndim), keepdim).to(
        x.dtype
    )


def logaddexp(
    input: Tensor, other: Tensor, *, dtype: DType | None = None, input_mask: Tensor | None = None,
    other_mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """log(exp(input) + exp(other)), without what is not selected."""
    a, b = _ready(input, dtype), _ready(other, dtype)
    return torch.logaddexp(filled(a, input_mask, -math.inf), filled(b, other_mask, -math.inf))


def norm(
    input: Tensor, ord: float = 2.0, dim: Any = None, *, keepdim: bool = False, dtype: DType | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The p-norm of the selected elements."""
    x = filled(_ready(input, dtype), mask, math.inf if ord == -math.inf else 0.0)
    return torch.linalg.vector_norm(x, ord, every(dim, x.ndim), keepdim)


def var(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, *, correction: float | None = None,
    keepdim: bool = False, dtype: DType | None = None, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The variance of the selected elements."""
    if unbiased is not None and correction is not None:
        raise RuntimeError(message("Only one of unbiased and correction may be given"))
    if correction is None:
        correction = 1 if unbiased is None or unbiased else 0
    x = input
    if dtype is not None or x.dtype.kind in "biu":
        x = x.to(dtype or torch.float32)  # type: ignore[attr-defined]
    dims = every(dim, x.ndim)
    if mask is None:
        return torch.var(x, dims, correction=correction, keepdim=keepdim)
    count = _counts(x, mask, dims, True)
    chosen = filled(x, mask, 0)
    middle = torch.sum(chosen, dims, True) / count
    gaps = filled(x - middle, mask, 0)
    total = torch.sum(gaps * gaps, dims, keepdim)
    count = _counts(x, mask, dims, keepdim)
    return total / torch.clamp(count - correction, min=0)


def std(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, *, correction: int | None = None,
    keepdim: bool = False, dtype: DType | None = None, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The standard deviation of the selected elements."""
    return torch.sqrt(
        var(input, dim, unbiased, correction=correction, keepdim=keepdim, dtype=dtype, mask=mask)
    )
