"""Numbers drawn by rejection, one element after the other, in PyTorch's order of draws.

gamma      G. Marsaglia, W. W. Tsang, "A simple method for generating gamma variables" (2000)
poisson    W. Hoermann, "The transformed rejection method for generating Poisson random variables" (1993)
binomial   W. Hoermann, "The generation of binomial random variates" (1993); few successes: waiting times
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .random_stream import RandomStream

_TINY = {"float32": 1.1754943508222875e-38, "float64": 2.2250738585072014e-308}


def uniform(stream: RandomStream) -> float:
    """One number in [0, 1) of 53 bits."""
    return (stream.random64() & ((1 << 53) - 1)) * 2.0**-53


def standard_gamma(stream: RandomStream, alpha: float) -> float:
    """A gamma number of rate 1."""
    scale = 1.0
    if alpha < 1:
        if alpha == 0:
            return 0.0
        scale = (1 - uniform(stream)) ** (1 / alpha)
        alpha += 1
    d = alpha - 1 / 3
    c = 1 / math.sqrt(9 * d)
    while True:
        y = 0.0
        while y <= 0:
            x = stream.normal(1, np.dtype(np.float64))[0]
            y = 1 + c * x
        v, xx = y * y * y, x * x
        u = 1 - uniform(stream)
        if u < 1 - 0.0331 * xx * xx or math.log(u) < 0.5 * xx + d * (1 - v + math.log(v)):
            return float(scale * d * v)


def poisson(stream: RandomStream, rate: float) -> float:
    """A Poisson number."""
    if rate == 0:
        return 0.0
    if rate < 10:  # how many uniform numbers until their product falls below exp(-rate)
        product, count, goal = uniform(stream), 0, math.exp(-rate)
        while product > goal:
            count += 1
            product *= uniform(stream)
        return float(count)
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha, v_r = 1.1239 + 1.1328 / (b - 3.4), 0.9277 - 3.6224 / (b - 2)
    while True:
        u = uniform(stream) - 0.5
        v = uniform(stream)
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + rate + 0.43)
        if us >= 0.07 and v <= v_r:
            return float(k)
        if k < 0 or (us < 0.013 and v > us):
            continue
        height = math.log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b)
        if height <= -rate + k * math.log(rate) - math.lgamma(k + 1):
            return float(k)


def binomial(stream: RandomStream, count: float, p: float) -> float:
    """Successes among `count` trials of probability p."""
    if count <= 0 or p <= 0:
        return 0.0
    if p >= 1:
        return float(count)
    if p > 0.5:
        return count - _binomial(stream, count, 1 - p)
    return _binomial(stream, count, p)


def _binomial(stream: RandomStream, count: float, p: float) -> float:
    if count * p < 10:
        passed, successes, log_q = 0.0, 0, math.log1p(-p)
        while True:
            passed += math.ceil(math.log(uniform(stream)) / log_q)
            if passed > count:
                return float(successes)
            successes += 1
    spread = math.sqrt(count * p * (1 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    c, v_r, odds = count * p + 0.5, 0.92 - 4.2 / b, p / (1 - p)
    alpha, m = (2.83 + 5.1 / b) * spread, math.floor((count + 1) * p)
    while True:
        u = uniform(stream) - 0.5
        v = uniform(stream)
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + c)
        if us >= 0.07 and v <= v_r:
            return float(k)
        if k < 0 or k > count:
            continue
        height = math.log(v * alpha / (a / (us * us) + b))
        bound = (
            (m + 0.5) * math.log((m + 1) / (odds * (count - m + 1)))
            + (count + 1) * math.log((count - m + 1) / (count - k + 1))
            + (k + 0.5) * math.log(odds * (count - k + 1) / (k + 1))
            + _stirling(m) + _stirling(count - m) - _stirling(k) - _stirling(count - k)
        )  # fmt: skip
        if height <= bound:
            return float(k)


def _stirling(k: float) -> float:
    """log k! less Stirling's formula for it."""
    return math.lgamma(k + 1) - (
        (k + 0.5) * math.log(k + 1) - (k + 1) + 0.5 * math.log(2 * math.pi)
    )


def each(
    draw: Callable[..., float], stream: RandomStream, *arrays: np.ndarray, smallest: bool = False
) -> np.ndarray:
    """Draw for every element, in the dtype of the first array; never less than the smallest normal."""
    dtype: Any = arrays[0].dtype
    spread = np.broadcast_arrays(*arrays)
    flat = [np.asarray(a, np.float64).reshape(-1).tolist() for a in spread]
    found = np.array([draw(stream, *values) for values in zip(*flat, strict=True)], np.float64)
    found = found.astype(dtype).reshape(spread[0].shape)
    return np.maximum(found, np.asarray(_TINY[dtype.name], dtype)) if smallest else found
