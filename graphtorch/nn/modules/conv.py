"""Convolutions and transposed convolutions in one, two and three dims."""

from __future__ import annotations

import math
from typing import Any

import graphtorch as torch

from ...frontend.tensor import Tensor
from .. import functional as F
from .. import init
from ..module import Module
from ..parameter import Parameter
from .sizes import ntuple

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What all convolutions share: sizes, weight, bias, their beginning and repr."""

    _dims = 1
    _transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ):
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(
                    f"Invalid padding string {padding!r}, should be one of {{'same', 'valid'}}"
                )
            if padding == "same" and any(s != 1 for s in ntuple(stride, self._dims)):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if padding_mode not in _PADDING_MODES:
            raise ValueError(
                f"padding_mode must be one of {set(_PADDING_MODES)}, but got padding_mode='{padding_mode}'"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = ntuple(kernel_size, self._dims)
        self.stride = ntuple(stride, self._dims)
        self.padding = padding if isinstance(padding, str) else ntuple(padding, self._dims)
        self.dilation = ntuple(dilation, self._dims)
        self.transposed = self._transposed
        self.output_padding = ntuple(output_padding, self._dims)
        self.groups = groups
        self.padding_mode = padding_mode
        self._reversed_padding_repeated_twice = self._border()
        first, second = (
            (in_channels, out_channels) if self._transposed else (out_channels, in_channels)
        )
        self.weight = Parameter(
            torch.empty((first, second // groups, *self.kernel_size), device=device, dtype=dtype)
        )
        self.register_parameter(
            "bias",
            Parameter(torch.empty(out_channels, device=device, dtype=dtype)) if bias else None,
        )
        self.reset_parameters()

    def _border(self) -> list[int]:
        """The padding as `F.pad` wants it: last dim first, both sides."""
        border: list[int] = []
        for d in reversed(range(self._dims)):
            if self.padding == "same":
                total = self.dilation[d] * (self.kernel_size[d] - 1)
                border += [total // 2, total - total // 2]
            else:
                border += [0, 0] if self.padding == "valid" else [self.padding[d]] * 2
        return border

    def reset_parameters(self) -> None:
        """Uniform in ±1/sqrt(fan_in)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                init.uniform_(self.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}",
            f"kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        zeros, ones = (0,) * self._dims, (1,) * self._dims
        if self.padding != zeros:
            parts.append(f"padding={self.padding}")
        if self.dilation != ones:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != zeros:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Conv(_ConvNd):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, 0, groups, bias, padding_mode,
            device, dtype,
        )  # fmt: skip

    def _convolution(self, *args: Any) -> Tensor:
        raise NotImplementedError

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = (0,) * self._dims
        return self._convolution(
            input, weight, bias, self.stride, padding, self.dilation, self.groups
        )

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_Conv):
    """Cross-correlation of [N, C, L] with [O, C/groups, k].

    padding: a number, one for each dim, "same" or "valid".
    """

    def _convolution(self, *args: Any) -> Tensor:
        return F.conv1d(*args)


class Conv2d(_Conv):
    """Cross-correlation of [N, C, H, W] with [O, C/groups, kh, kw].

    padding: a number, one for each dim, "same" or "valid".
    """

    _dims = 2

    def _convolution(self, *args: Any) -> Tensor:
        return F.conv2d(*args)


class Conv3d(_Conv):
    """Cross-correlation of [N, C, D, H, W] with [O, C/groups, kd, kh, kw].

    padding: a number, one for each dim, "same" or "valid".
    """

    _dims = 3

    def _convolution(self, *args: Any) -> Tensor:
        return F.conv3d(*args)


class _ConvTranspose(_ConvNd):
    _transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ):
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    def _convolution(self, *args: Any) -> Tensor:
        raise NotImplementedError

    def _output_padding_for(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """The output padding that gives `output_size`."""
        if output_size is None:
            return self.output_padding
        wanted = tuple(output_size)[-self._dims :]
        if len(output_size) not in (self._dims, input.dim()):
            raise ValueError(
                f"ConvTranspose{self._dims}D: for {input.dim()}D input, output_size must have {self._dims} or"
                f" {input.dim()} elements (got {len(output_size)})"
            )
        smallest = [
            (size - 1) * s - 2 * p + d * (k - 1) + 1
            for size, s, p, d, k in zip(
                input.shape[-self._dims :],
                self.stride,
                self.padding,
                self.dilation,
                self.kernel_size,
                strict=True,
            )
        ]
        largest = [low + s - 1 for low, s in zip(smallest, self.stride, strict=True)]
        if any(
            not low <= w <= high for low, w, high in zip(smallest, wanted, largest, strict=True)
        ):
            raise ValueError(
                f"requested an output size of {list(output_size)}, but valid sizes range from {smallest} to"
                f" {largest} (for an input of {list(input.shape[2:])})"
            )
        return tuple(w - low for w, low in zip(wanted, smallest, strict=True))

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return self._convolution(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._output_padding_for(input, output_size),
            self.groups,
            self.dilation,
        )


class ConvTranspose1d(_ConvTranspose):
    """The adjoint of `Conv1d` as a layer; weight is [C, O/groups, k]."""

    def _convolution(self, *args: Any) -> Tensor:
        return F.conv_transpose1d(*args)


class ConvTranspose2d(_ConvTranspose):
    """The adjoint of `Conv2d` as a layer; weight is [C, O/groups, kh, kw]."""

    _dims = 2

    def _convolution(self, *args: Any) -> Tensor:
        return F.conv_transpose2d(*args)


class ConvTranspose3d(_ConvTranspose):
    """The adjoint of `Conv3d` as a layer; weight is [C, O/groups, kd, kh, kw]."""

    _dims = 3

    def _convolution(self, *args: Any) -> Tensor:
        return F.conv_transpose3d(*args)
