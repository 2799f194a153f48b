"""The arithmetic of pooling windows: how many there are, where they start, what they hang over.

`kernel`, `stride`, `padding` and `dilation` have one entry per pooled (trailing) dimension.  With
`ceil_mode` a last window that starts inside the input or its low padding may hang over the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..types import TensorType
from .inference import require
from .kernels import Array

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Window:
    """Windows over an input of spatial shape `size`."""

    size: Shape
    kernel: Shape
    stride: Shape
    padding: Shape
    dilation: Shape
    ceil_mode: bool = False

    @staticmethod
    def over(
        shape: Shape,
        kernel: Shape,
        stride: Shape,
        padding: Shape,
        dilation: Shape | None = None,
        ceil_mode: bool = False,
    ) -> Window:
        """Windows over the trailing dimensions of an array."""
        size = tuple(shape[len(shape) - len(kernel) :])
        ones = (1,) * len(kernel)
        return Window(
            size, tuple(kernel), tuple(stride), tuple(padding), tuple(dilation or ones), ceil_mode
        )

    @cached_property
    def out(self) -> Shape:
        """How many windows there are in each dimension (PyTorch's pooling_output_shape)."""
        found = []
        for s, k, t, p, d in self._dims():
            room = s + 2 * p - d * (k - 1) - 1 + (t - 1 if self.ceil_mode else 0)
            n = room // t + 1
            if self.ceil_mode and (n - 1) * t >= s + p:
                n -= 1
            found.append(n)
        return tuple(found)

    @cached_property
    def high(self) -> Shape:
        """Padding at the end with which the last window just fits."""
        return tuple(
            max((n - 1) * t + d * (k - 1) + 1 - s - p, 0)
            for n, (s, k, t, p, d) in zip(self.out, self._dims(), strict=True)
        )

    def starts(self, dim: int) -> Array:
        """Where every window begins along one dimension; negative in the padding."""
        return np.arange(self.out[dim]) * self.stride[dim] - self.padding[dim]

    def taps(self) -> Iterator[tuple[Any, ...]]:
        """For every position in the window the key that reads it, for all windows, from the padded input."""
        for tap in np.ndindex(*self.kernel):
            yield (
                ...,
                *(
                    slice(k * d, k * d + t * (n - 1) + 1, t)
                    for k, d, t, n in zip(tap, self.dilation, self.stride, self.out, strict=True)
                ),
            )

    def padded(self, x: Array, value: Any = 0) -> Array:
        """x with room for all windows; x itself if there is nothing to add."""
        if not any(self.padding) and not any(self.high):
            return x
        lead = x.shape[: x.ndim - len(self.size)]
        y = np.full((*lead, *self.padded_size), value, x.dtype)
        y[self.inner] = x
        return y

    @cached_property
    def padded_size(self) -> Shape:
        """Spatial shape of the padded input."""
        return tuple(p + s + h for p, s, h in zip(self.padding, self.size, self.high, strict=True))

    @cached_property
    def inner(self) -> tuple[Any, ...]:
        """The key of the input inside the padded input."""
        return (..., *(slice(p, p + s) for p, s in zip(self.padding, self.size, strict=True)))

    def _dims(self) -> Iterator[tuple[int, int, int, int, int]]:
        return zip(self.size, self.kernel, self.stride, self.padding, self.dilation, strict=True)

    def check(self, name: str, x: TensorType) -> None:
        """Raise RuntimeError for windows that PyTorch rejects."""
        count = len(self.kernel)
        fits = (
            len(self.stride) == len(self.padding) == len(self.dilation) == len(self.size) == count
        )
        require(
            fits,
            f"{name}: kernel, stride, padding and dilation want one entry per pooled dimension",
            x=x,
        )
        positive = min((*self.kernel, *self.stride, *self.dilation), default=1) >= 1
        require(positive, f"{name}: kernel, stride and dilation should be greater than zero", x=x)
        half = all(0 <= 2 * p <= d * (k - 1) + 1 for _, k, _, p, d in self._dims())
        require(
            half,
            "pad should be at most half of effective kernel size,"
            f" but got pad={self.padding}, kernel_size={self.kernel}",
            x=x,
        )
        require(
            min(self.out, default=1) >= 1,
            f"Given input size {x.shape}: calculated output size {self.out} is too small",
            x=x,
        )
