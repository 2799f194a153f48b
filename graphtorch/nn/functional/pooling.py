"""Pooling of one to three spatial dimensions."""

from __future__ import annotations

import math
from typing import Any

import graphtorch as torch

from ...errors import message
from ...frontend.functional.wrapping import accepts_out
from ...frontend.tensor import Tensor
from ...ir import ops
from .convolution import _tuple


def _batched(name: str, input: Tensor, dims: int) -> tuple[Tensor, bool]:
    if input.ndim in (dims + 1, dims + 2):
        batched = input.ndim == dims + 2
        if 0 in input.shape[1 if batched else 0 :]:
            raise RuntimeError(
                message(
                    f"Expected {dims + 1}D or {dims + 2}D (batch mode) tensor with optional 0 dim batch size for input,"
                    f" but got: {list(input.shape)}; non-batch dimensions must have positive length",
                    operands={"input": input.type_},
                )
            )
        return (input, True) if batched else (input.unsqueeze(0), False)
    text = f"{name}: Expected {dims + 1}D or {dims + 2}D input, but got input of size {list(input.shape)}"
    if name in ("max_pool2d", "max_pool3d"):
        text = f"non-empty {dims + 1}D or {dims + 2}D (batch mode) tensor expected for input"
    raise RuntimeError(message(text, operands={"input": input.type_}))


def _check_pads(kernel: tuple, stride: tuple, padding: tuple, dilation: tuple) -> None:
    for k, s, p, d in zip(kernel, stride, padding, dilation, strict=True):
        if k <= 0 or s <= 0 or d <= 0:
            raise RuntimeError(
                "kernel size, stride and dilation should be greater than zero, but got"
                f" kernel_size={k}, stride={s}, dilation={d}"
            )
        if p < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {p}")
        if p > (d * (k - 1) + 1) // 2:
            raise RuntimeError(
                f"pad should be at most half of effective kernel size, but got pad={p}, kernel_size={k} and"
                f" dilation={d}"
            )


def _max(
    dims: int,
    input: Tensor,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    x, batched = _batched(f"max_pool{dims}d", input, dims)
    kernel = _tuple(kernel, dims, "kernel_size")
    stride = (
        kernel
        if stride is None or (not isinstance(stride, int) and not len(stride))
        else _tuple(stride, dims, "stride")
    )
    padding, dilation = _tuple(padding, dims, "padding"), _tuple(dilation, dims, "dilation")
    _check_pads(kernel, stride, padding, dilation)
    for n, k, p, d in zip(x.shape[2:], kernel, padding, dilation, strict=True):
        if n + 2 * p < d * (k - 1) + 1 and not ceil_mode:
            raise RuntimeError(
                f"Given input size: {tuple(x.shape[1:])}. Output size is too small for kernel_size={kernel}"
            )
    values, indices = ops.max_pool(
        x, kernel=kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode
    )
    if not batched:
        values, indices = values.squeeze(0), indices.squeeze(0)
    return (values, indices) if return_indices else values


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Maxima of windows of [N, C, L]; with `return_indices` also their flat positions."""
    return _max(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Maxima of windows of [N, C, H, W]; with `return_indices` also their flat positions."""
    return _max(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Maxima of windows of [N, C, D, H, W]; with `return_indices` also their flat positions."""
    return _max(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _count(size: int, kernel: int, stride: int, padding: int, ceil_mode: bool) -> int:
    span = size + 2 * padding - kernel
    count = (-(-span // stride) if ceil_mode else span // stride) + 1
    if ceil_mode and (count - 1) * stride >= size + padding:
        count -= 1
    return count


def _average(
    dims: int,
    input: Tensor,
    kernel: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Tensor:
    from .padding import pad

    x, batched = _batched(f"avg_pool{dims}d", input, dims)
    kernel = _tuple(kernel, dims, "kernel_size")
    stride = (
        kernel
        if stride is None or (not isinstance(stride, int) and not len(stride))
        else _tuple(stride, dims, "stride")
    )
    padding = _tuple(padding, dims, "padding")
    _check_pads(kernel, stride, padding, (1,) * dims)
    if divisor == 0:
        raise RuntimeError("divisor must be not zero")
    spatial = tuple(x.shape[2:])
    counts = tuple(
        _count(n, k, s, p, ceil_mode)
        for n, k, s, p in zip(spatial, kernel, stride, padding, strict=True)
    )
    if any(c < 1 for c in counts):
        raise RuntimeError(
            f"Given input size: {tuple(x.shape[1:])}. Calculated output size: {counts}. Output size is too small"
        )
    high = tuple(
        max((c - 1) * s + k - n - p, 0)
        for c, s, k, n, p in zip(counts, stride, kernel, spatial, padding, strict=True)
    )
    around = [
        side for p, h in zip(reversed(padding), reversed(high), strict=True) for side in (p, h)
    ]
    axes = tuple(range(2, dims + 2))
    windows = ops.windows(
        pad(x, around) if any(around) else x, dims=axes, sizes=kernel, strides=stride
    )
    windows = windows[(slice(None), slice(None), *(slice(0, c) for c in counts))]
    total = windows.sum(tuple(range(-dims, 0)))
    if x.dtype.kind in "iu":
        whole: Any = divisor
        if divisor is None:
            whole = _window_sizes(
                spatial, counts, kernel, stride, padding, count_include_pad, x.dtype
            )
        y = torch.div(total, whole, rounding_mode="trunc").to(x.dtype)
    elif divisor is not None:
        y = total / divisor
    elif (count_include_pad or not any(padding)) and not (
        ceil_mode and any(h > p for h, p in zip(high, padding, strict=True))
    ):
        y = total / math.prod(kernel)
    else:
        y = total / _window_sizes(
            spatial, counts, kernel, stride, padding, count_include_pad, x.dtype
        )
    return y if batched else y.squeeze(0)


def _window_sizes(
    spatial: tuple,
    counts: tuple,
    kernel: tuple,
    stride: tuple,
    padding: tuple,
    include: bool,
    dtype: Any,
) -> Tensor:
    sizes = torch.ones((), dtype=dtype)
    for n, c, k, s, p in zip(spatial, counts, kernel, stride, padding, strict=True):
        row = []
        for i in range(c):
            start = i * s - p
            end = min(start + k, n + p)
            row.append(end - start if include else min(end, n) - max(start, 0))
        sizes = sizes.unsqueeze(-1) * torch.tensor(row, dtype=dtype)
    return sizes


def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Means of windows of [N, C, L]."""
    return _average(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@accepts_out
def avg_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """Means of windows of [N, C, H, W]."""
    return _average(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@accepts_out
def avg_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """Means of windows of [N, C, D, H, W]."""
    return _average(
        3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x^p)^(1/p) of windows of [N, C, L]."""
    mean = avg_pool1d(input**norm_type, kernel_size, stride, 0, ceil_mode)
    size = _tuple(kernel_size, 1, "kernel_size")[0]
    return (torch.sign(mean) * torch.abs(mean) * size) ** (1.0 / norm_type)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x^p)^(1/p) of windows of [N, C, H, W]."""
    mean = avg_pool2d(input**norm_type, kernel_size, stride, 0, ceil_mode)
    size = math.prod(_tuple(kernel_size, 2, "kernel_size"))
    return (torch.sign(mean) * torch.abs(mean) * size) ** (1.0 / norm_type)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x^p)^(1/p) of windows of [N, C, D, H, W]."""
    mean = avg_pool3d(input**norm_type, kernel_size, stride, 0, ceil_mode)
    size = math.prod(_tuple(kernel_size, 3, "kernel_size"))
    return (torch.sign(mean) * torch.abs(mean) * size) ** (1.0 / norm_type)


def _unpool(
    dims: int,
    input: Tensor,
    indices: Tensor,
    kernel: Any,
    stride: Any,
    padding: Any,
    output_size: Any,
) -> Tensor:
    kernel = _tuple(kernel, dims, "kernel_size")
    stride = kernel if stride is None else _tuple(stride, dims, "stride")
    padding = _tuple(padding, dims, "padding")
    if output_size is None:
        sizes = tuple(
            (n - 1) * s - 2 * p + k
            for n, s, p, k in zip(input.shape[-dims:], stride, padding, kernel, strict=True)
        )
    else:
        sizes = tuple(output_size)[-dims:]
    if indices.dtype is not torch.int64:
        raise RuntimeError("elements in indices should be type int64")
    if tuple(indices.shape) != tuple(input.shape):
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({list(input.shape)}) but got"
            f" indices tensor with shape: {list(indices.shape)}"
        )
    lead = tuple(input.shape[:-dims])
    flat = torch.zeros(*lead, math.prod(sizes), dtype=input.dtype)
    flat = flat.scatter(-1, indices.reshape(*lead, -1), input.reshape(*lead, -1))
    return flat.reshape(*lead, *sizes)


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Maxima back at the positions `max_pool1d` returned, zeros elsewhere."""
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Maxima back at the positions `max_pool2d` returned, zeros elsewhere."""
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Maxima back at the positions `max_pool3d` returned, zeros elsewhere."""
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)
