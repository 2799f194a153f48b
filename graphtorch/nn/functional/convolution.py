"""Convolutions of one to three dimensions, and their transposes."""

from __future__ import annotations

from typing import Any

import graphtorch as torch

from ...errors import message
from ...frontend.tensor import Tensor
from ...ir import ops


def _tuple(value: Any, count: int, name: str) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,) * count
    found = tuple(int(v) for v in value)
    if len(found) == 1:
        return found * count
    if len(found) != count:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {count} values, but got {value}"
        )
    return found


def _checked(name: str, input: Tensor, weight: Tensor, dims: int) -> tuple[Tensor, bool]:
    batched = input.ndim == dims + 2
    if not batched and input.ndim != dims + 1:
        raise RuntimeError(
            message(
                f"Expected {dims + 1}D (unbatched) or {dims + 2}D (batched) input to {name}, but got input of size:"
                f" {list(input.shape)}",
                operands={"input": input.type_, "weight": weight.type_},
            )
        )
    if weight.ndim != dims + 2:
        raise RuntimeError(
            message(
                f"Expected {weight.ndim}-dimensional input for {weight.ndim}-dimensional weight {list(weight.shape)},"
                f" but got {input.ndim}-dimensional input of size {list(input.shape)} instead",
                operands={"input": input.type_, "weight": weight.type_},
            )
        )
    if input.dtype is not weight.dtype:
        raise RuntimeError(
            message(
                f"Input type ({input.dtype.name}) and weight type ({weight.dtype.name}) should be the same",
                operands={"input": input.type_, "weight": weight.type_},
            )
        )
    return (input if batched else input.unsqueeze(0)), batched


def _check_window(
    stride: tuple[int, ...], dilation: tuple[int, ...], padding: Any, groups: int, channels: int
) -> None:
    if any(s <= 0 for s in stride):
        raise RuntimeError("non-positive stride is not supported")
    if any(d <= 0 for d in dilation):
        raise RuntimeError("dilation should be greater than zero")
    if not isinstance(padding, str) and any(
        p < 0 for p in ((padding,) if isinstance(padding, int) else padding)
    ):
        raise RuntimeError("negative padding is not supported")
    if groups <= 0:
        raise RuntimeError("expected groups to be greater than 0, but got groups=" + str(groups))
    if channels % groups or channels < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0 and divisible by it, but"
            f" got {channels}"
        )


def _conv(
    name: str,
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Tensor:
    x, batched = _checked(name, input, weight, dims)
    stride, dilation = _tuple(stride, dims, "stride"), _tuple(dilation, dims, "dilation")
    _check_window(stride, dilation, padding, groups, weight.shape[0])
    kernel = tuple(weight.shape[2:])
    if isinstance(padding, str):
        if padding == "valid":
            padding = (0,) * dims
        elif padding == "same":
            if any(s != 1 for s in stride):
                raise RuntimeError("padding='same' is not supported for strided convolutions")
            total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
            if any(t % 2 for t in total):
                from .padding import pad

                odd = [side for t in reversed(total) for side in (0, t % 2)]
                x = pad(x, odd)
            padding = tuple(t // 2 for t in total)
        else:
            raise RuntimeError(f"Invalid padding string: '{padding}'")
    padding = _tuple(padding, dims, "padding")
    if x.shape[1] != weight.shape[1] * groups:
        raise RuntimeError(
            message(
                f"Given groups={groups}, weight of size {list(weight.shape)}, expected input{list(input.shape)} to have"
                f" {weight.shape[1] * groups} channels, but got {x.shape[1]} channels instead",
                operands={"input": input.type_, "weight": weight.type_},
            )
        )
    padded = [n + 2 * p for n, p in zip(x.shape[2:], padding, strict=True)]
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    if any(n < r for n, r in zip(padded, reach, strict=True)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({' x '.join(map(str, padded))}). Kernel size:"
            f" ({' x '.join(map(str, reach))}). Kernel size can't be greater than actual input size"
        )
    y = ops.conv(x, weight, stride=stride, padding=padding, dilation=dilation, groups=groups)
    if bias is not None:
        _check_bias(x, bias, weight.shape[0])
        y = y + bias.reshape(-1, *(1,) * dims)
    return y if batched else y.squeeze(0)


def _check_bias(x: Tensor, bias: Tensor, channels: int) -> None:
    if bias.dtype is not x.dtype:
        raise RuntimeError(
            message(
                f"Input type ({x.dtype.name}) and bias type ({bias.dtype.name}) should be the same",
                operands={"input": x.type_, "bias": bias.type_},
            )
        )
    if tuple(bias.shape) != (channels,):
        raise RuntimeError(
            message(
                f"expected bias to be 1-dimensional with {channels} elements, but got bias of size"
                f" {list(bias.shape)} instead",
                operands={"input": x.type_, "bias": bias.type_},
            )
        )


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of [N, C, L] with [O, C / groups, k]."""
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of [N, C, H, W] with [O, C / groups, kh, kw]; padding may be 'same' or 'valid'.

    Raises RuntimeError if channels, dtypes or sizes do not fit.
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of [N, C, D, H, W] with [O, C / groups, kd, kh, kw]."""
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def _transpose(
    name: str,
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Tensor:
    x, batched = _checked(name, input, weight, dims)
    stride, dilation = _tuple(stride, dims, "stride"), _tuple(dilation, dims, "dilation")
    padding, extra = (
        _tuple(padding, dims, "padding"),
        _tuple(output_padding, dims, "output_padding"),
    )
    if x.shape[1] != weight.shape[0]:
        raise RuntimeError(
            message(
                f"Given transposed=1, weight of size {list(weight.shape)}, expected input{list(input.shape)} to have"
                f" {weight.shape[0]} channels, but got {x.shape[1]} channels instead",
                operands={"input": input.type_, "weight": weight.type_},
            )
        )
    for e, s, d in zip(extra, stride, dilation, strict=True):
        if e >= max(s, d):
            raise RuntimeError("output padding must be smaller than either stride or dilation")
    sizes = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, s, p, d, k, e in zip(
            x.shape[2:], stride, padding, dilation, weight.shape[2:], extra, strict=True
        )
    )
    shape = (x.shape[0], weight.shape[1] * groups, *sizes)
    if any(e >= s for e, s in zip(extra, stride, strict=True)):
        from .padding import pad

        # the windows that output_padding makes room for see zeros
        room = [e // s for e, s in zip(extra, stride, strict=True)]
        x = pad(x, [side for r in reversed(room) for side in (0, r)])
    y = ops.conv_input_grad(
        x,
        weight,
        input_shape=shape,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )
    if bias is not None:
        _check_bias(x, bias, weight.shape[1] * groups)
        y = y + bias.reshape(-1, *(1,) * dims)
    return y if batched else y.squeeze(0)


def conv_transpose1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The gradient of `conv1d` with respect to its input, as a layer; weight [C, O / groups, k]."""
    return _transpose(
        "conv_transpose1d",
        1,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )


def conv_transpose2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The gradient of `conv2d` with respect to its input, as a layer; weight [C, O / groups, kh, kw]."""
    return _transpose(
        "conv_transpose2d",
        2,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )


def conv_transpose3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The gradient of `conv3d` with respect to its input, as a layer; weight [C, O / groups, kd, kh, kw]."""
    return _transpose(
        "conv_transpose3d",
        3,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )


def unfold(
    input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Sliding blocks of [N, C, H, W] as columns [N, C * kh * kw, blocks]."""
    batched = input.ndim == 4
    x = input if batched else input.unsqueeze(0)
    kernel, dilation, padding, stride = (
        _tuple(v, 2, "argument") for v in (kernel_size, dilation, padding, stride)
    )
    from .padding import pad

    x = pad(x, [padding[1], padding[1], padding[0], padding[0]])
    reach = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    blocks = ops.windows(x, dims=(2, 3), sizes=reach, strides=stride)
    blocks = blocks[..., :: dilation[0], :: dilation[1]]
    n, c, oh, ow, kh, kw = blocks.shape
    # copied: the result may be written to, and windows overlap
    y = ops.copy(blocks.permute(0, 1, 4, 5, 2, 3)).reshape(n, c * kh * kw, oh * ow)
    return y if batched else y.squeeze(0)


def fold(
    input: Tensor,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Tensor:
    """Add columns [N, C * kh * kw, blocks] back into [N, C, H, W]."""
    batched = input.ndim == 3
    x = input if batched else input.unsqueeze(0)
    size, kernel, dilation, padding, stride = (
        _tuple(v, 2, "argument") for v in (output_size, kernel_size, dilation, padding, stride)
    )
    n, columns, _ = x.shape
    channels = columns // (kernel[0] * kernel[1])
    padded = tuple(s + 2 * p for s, p in zip(size, padding, strict=True))
    reach = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    counts = tuple((s - r) // t + 1 for s, r, t in zip(padded, reach, stride, strict=True))
    blocks = x.reshape(n, channels, *kernel, *counts).permute(0, 1, 4, 5, 2, 3)
    if dilation != (1, 1):
        spread = torch.zeros(n, channels, *counts, *reach, dtype=x.dtype)
        spread[..., :: dilation[0], :: dilation[1]] = blocks
        blocks = spread
    y = ops.windows_add(
        blocks, shape=(n, channels, *padded), dims=(2, 3), sizes=reach, strides=stride
    )
    y = y[:, :, padding[0] : padding[0] + size[0], padding[1] : padding[1] + size[1]]
    return y if batched else y.squeeze(0)
