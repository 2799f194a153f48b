"""Window functions for spectral analysis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ir.types import DType
from . import promotion
from .creation import _finished
from .functional.wrapping import fresh
from .tensor import Tensor


def _window(name: str, weights: Any) -> Any:
    def function(
        window_length: int, periodic: bool = True, *, dtype: DType | None = None, device: Any = None,
        requires_grad: bool = False, layout: Any = None, **extra: Any,
    ) -> Tensor:  # fmt: skip
        dtype = dtype or promotion.get_default_dtype()
        if window_length <= 1:
            values = np.ones(window_length)
        else:
            n = window_length + 1 if periodic else window_length
            values = weights(np.arange(n) / (n - 1), **extra)[:window_length]
        return _finished(fresh(values.astype(dtype.numpy)), device, requires_grad)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The {name.partition('_')[0]} window for spectral analysis."
    return function


_TURN = 2 * math.pi


hann_window = _window("hann_window", lambda t: 0.5 - 0.5 * np.cos(_TURN * t))


hamming_window = _window(
    "hamming_window", lambda t, alpha=0.54, beta=0.46: alpha - beta * np.cos(_TURN * t)
)


blackman_window = _window(
    "blackman_window", lambda t: 0.42 - 0.5 * np.cos(_TURN * t) + 0.08 * np.cos(2 * _TURN * t)
)


bartlett_window = _window("bartlett_window", lambda t: 1 - np.abs(2 * t - 1))


def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
) -> Tensor:
    """The Kaiser window of shape parameter beta."""
    dtype = dtype or promotion.get_default_dtype()
    values = (
        np.kaiser(window_length + periodic, beta)[:window_length]
        if window_length > 1
        else np.ones(window_length)
    )
    return _finished(fresh(values.astype(dtype.numpy)), device, requires_grad)
