"""Padding layers: constant, reflected, replicated and circular borders."""

from __future__ import annotations

from typing import Any

from ...frontend.tensor import Tensor
from .. import functional as F
from ..module import Module
from .sizes import ntuple


class _Pad(Module):
    """Pads the last `_dims` dims; padding is one number or (left, right, top, bottom, ...)."""

    _dims = 1
    _mode = "constant"

    def __init__(self, padding: Any):
        super().__init__()
        self.padding = ntuple(padding, 2 * self._dims)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ReflectionPad1d(_Pad):
    """Mirror the border of the last dim."""

    _mode = "reflect"


class ReflectionPad2d(_Pad):
    """Mirror the borders of the last two dims."""

    _dims, _mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """Mirror the borders of the last three dims."""

    _dims, _mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """Repeat the border of the last dim."""

    _mode = "replicate"


class ReplicationPad2d(_Pad):
    """Repeat the borders of the last two dims."""

    _dims, _mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """Repeat the borders of the last three dims."""

    _dims, _mode = 3, "replicate"


class _CircularPad(_Pad):
    _mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        low, high = self._dims + 1, self._dims + 2
        if input.dim() not in (low, high):
            raise ValueError(f"expected {low}D or {high}D input (got {input.dim()}D input)")
        return super().forward(input)


class CircularPad1d(_CircularPad):
    """Wrap the last dim around."""


class CircularPad2d(_CircularPad):
    """Wrap the last two dims around."""

    _dims = 2


class CircularPad3d(_CircularPad):
    """Wrap the last three dims around."""

    _dims = 3


class _ConstantPad(_Pad):
    def __init__(self, padding: Any, value: float):
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """Pad the last dim with a value."""


class ConstantPad2d(_ConstantPad):
    """Pad the last two dims with a value."""

    _dims = 2


class ConstantPad3d(_ConstantPad):
    """Pad the last three dims with a value."""

    _dims = 3


class ZeroPad1d(ConstantPad1d):
    """Pad the last dim with zeros."""

    def __init__(self, padding: Any):
        super().__init__(padding, 0.0)

    extra_repr = _Pad.extra_repr


class ZeroPad2d(ConstantPad2d):
    """Pad the last two dims with zeros."""

    def __init__(self, padding: Any):
        super().__init__(padding, 0.0)

    extra_repr = _Pad.extra_repr


class ZeroPad3d(ConstantPad3d):
    """Pad the last three dims with zeros."""

    def __init__(self, padding: Any):
        super().__init__(padding, 0.0)

    extra_repr = _Pad.extra_repr
