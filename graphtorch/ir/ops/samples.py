"""Small arrays for the test that covers every row of the op table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .kernels import Array

Case = tuple[tuple[Any, ...], dict[str, Any]]
Samples = Callable[[], list[Case]]


def normal(*shape: int, seed: int = 0, dtype: Any = np.float32) -> Array:
    """Standard normal numbers, the same at every call."""
    return np.asarray(np.random.default_rng(seed + 1).standard_normal(shape), dtype)


def between(low: float, high: float, *shape: int, seed: int = 0, dtype: Any = np.float32) -> Array:
    """Uniform numbers in [low, high)."""
    return np.asarray(np.random.default_rng(seed + 1).uniform(low, high, shape), dtype)


def integers(low: int, high: int, *shape: int, seed: int = 0, dtype: Any = np.int64) -> Array:
    """Integers in [low, high)."""
    return np.asarray(np.random.default_rng(seed + 1).integers(low, high, shape), dtype)


def flags(*shape: int, seed: int = 0) -> Array:
    """Random booleans."""
    return np.asarray(np.random.default_rng(seed + 1).random(shape) < 0.5)


def on(low: float, high: float, operands: int = 1) -> Samples:
    """Cases for a floating pointwise op whose operands lie in [low, high)."""

    def cases() -> list[Case]:
        def args(*shape: int) -> tuple[Array, ...]:
            return tuple(between(low, high, *shape, seed=i) for i in range(operands))

        return [(args(3, 5), {}), (args(), {}), (args(0, 3), {})]

    return cases


def ints(low: int, high: int, operands: int = 1) -> Samples:
    """Cases for an integer pointwise op."""

    def cases() -> list[Case]:
        def args(*shape: int) -> tuple[Array, ...]:
            return tuple(integers(low, high, *shape, seed=i) for i in range(operands))

        return [(args(3, 5), {}), (args(), {})]

    return cases


def booleans(operands: int = 1) -> Samples:
    """Cases for a boolean pointwise op."""
    return lambda: [(tuple(flags(3, 5, seed=i) for i in range(operands)), {})]
