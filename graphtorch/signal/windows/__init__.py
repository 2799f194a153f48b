"""`torch.signal.windows`: M weights that fade towards the ends of a signal.

sym=True gives a symmetric window, sym=False the first M of M + 1 (for spectra of periodic signals).  Formulas:
F. Harris, "On the use of windows for harmonic analysis with the discrete Fourier transform" (1978).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ...errors import message
from ...frontend import promotion
from ...frontend.creation import _finished
from ...frontend.formats import strided
from ...frontend.functional.wrapping import fresh
from ...frontend.tensor import Tensor
from ...ir.types import DType, float32, float64

__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming", "hamming",
    "hann", "kaiser", "nuttall",
]  # fmt: skip


def _window(
    name: str, M: int, weights: Callable[[], Any], dtype: DType | None, layout: Any, device: Any, requires_grad: bool
) -> Tensor:  # fmt: skip
    if M < 0:
        raise ValueError(message(f"{name} requires non-negative window length, got M={M}"))
    if layout is not None and layout is not strided:
        raise ValueError(message(f"{name} is implemented for strided tensors only, got: {layout}"))
    dtype = dtype or promotion.get_default_dtype()
    if dtype not in (float32, float64):
        raise ValueError(message(f"{name} expects float32 or float64 dtypes, got: {dtype}"))
    values = np.asarray(weights() if M else np.empty(0), np.float64)
    return _finished(fresh(values.astype(dtype.numpy)), device, requires_grad)


def _last(M: int, sym: bool) -> int:
    """The index of the last weight of the symmetric window."""
    return M - 1 if sym else M


def exponential(
    M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, dtype: DType | None = None,
    layout: Any = strided, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """exp(-|n - center| / tau)."""
    if tau <= 0:
        raise ValueError(message(f"Tau must be positive, got: {tau} instead."))
    if sym and center is not None:
        raise ValueError(message("Center must be None for symmetric windows"))
    middle = (M if not sym and M > 1 else M - 1) / 2.0 if center is None else center
    return _window(
        "exponential",
        M,
        lambda: np.exp(-np.abs(np.arange(M) - middle) / tau),
        dtype,
        layout,
        device,
        requires_grad,
    )


def cosine(
    M: int, *, sym: bool = True, dtype: DType | None = None, layout: Any = strided, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """sin(pi (n + 1/2) / M)."""
    step = math.pi / (M + 1 if not sym and M > 1 else max(M, 1))
    return _window(
        "cosine",
        M,
        lambda: np.sin((np.arange(M) + 0.5) * step),
        dtype,
        layout,
        device,
        requires_grad,
    )


def gaussian(
    M: int, *, std: float = 1.0, sym: bool = True, dtype: DType | None = None, layout: Any = strided,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """exp(-((n - middle) / std)^2 / 2)."""
    if std <= 0:
        raise ValueError(message(f"Standard deviation must be positive, got: {std} instead."))
    middle = (M if not sym and M > 1 else M - 1) / 2.0
    return _window(
        "gaussian",
        M,
        lambda: np.exp(-(((np.arange(M) - middle) / std) ** 2) / 2),
        dtype,
        layout,
        device,
        requires_grad,
    )


def kaiser(
    M: int, *, beta: float = 12.0, sym: bool = True, dtype: DType | None = None, layout: Any = strided,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """I0(beta sqrt(1 - x^2)) / I0(beta) for x from -1 to 1."""
    if beta < 0:
        raise ValueError(message(f"beta must be non-negative, got: {beta} instead."))

    def weights() -> Any:
        if M == 1:
            return np.ones(1)
        x = 2 * np.arange(M) / _last(M, sym) - 1
        return np.i0(beta * np.sqrt(np.maximum(1 - x * x, 0))) / np.i0(beta)

    return _window("kaiser", M, weights, dtype, layout, device, requires_grad)


def bartlett(
    M: int, *, sym: bool = True, dtype: DType | None = None, layout: Any = strided, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The triangle 1 - |x| for x from -1 to 1."""

    def weights() -> Any:
        return np.ones(1) if M == 1 else 1 - np.abs(2 * np.arange(M) / _last(M, sym) - 1)

    return _window("bartlett", M, weights, dtype, layout, device, requires_grad)


def general_cosine(
    M: int, *, a: Iterable[float], sym: bool = True, dtype: DType | None = None, layout: Any = strided,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """sum_i (-1)^i a_i cos(2 pi i n / (M - 1)).

    >>> import graphtorch as torch
    >>> torch.signal.windows.general_cosine(3, a=[0.5, 0.5])
    tensor([0., 1., 0.])
    """
    if not isinstance(a, Iterable):
        raise TypeError(message("Coefficients must be a list/tuple"))
    coefficients = list(a)
    if not coefficients:
        raise ValueError(message("Coefficients cannot be empty"))

    def weights() -> Any:
        if M == 1:
            return np.ones(1)
        turn = 2 * math.pi * np.arange(M) / _last(M, sym)
        return sum((-1) ** i * c * np.cos(i * turn) for i, c in enumerate(coefficients))

    return _window("general_cosine", M, weights, dtype, layout, device, requires_grad)


def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, **options: Any) -> Tensor:
    """alpha - (1 - alpha) cos(2 pi n / (M - 1)); options as for `general_cosine`."""
    return general_cosine(M, a=[alpha, 1.0 - alpha], sym=sym, **options)


def hamming(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """`general_hamming` with alpha = 0.54."""
    return general_hamming(M, sym=sym, **options)


def hann(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """`general_hamming` with alpha = 0.5."""
    return general_hamming(M, alpha=0.5, sym=sym, **options)


def blackman(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """`general_cosine` with 0.42, 0.5, 0.08."""
    return general_cosine(M, a=[0.42, 0.5, 0.08], sym=sym, **options)


def nuttall(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """`general_cosine` with 0.3635819, 0.4891775, 0.1365995, 0.0106411."""
    return general_cosine(M, a=[0.3635819, 0.4891775, 0.1365995, 0.0106411], sym=sym, **options)
