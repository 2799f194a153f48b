"""The functions of `scalar.CALLS` for the CPU printer."""

from __future__ import annotations
from collections.abc import Callable
from typing import Any
from ...ir.types import DType, float32, int32


def program(name: str, dtype: DType) -> Callable[..., Any] | None:
    return _P.get(name)


def _exp(s, x):
    x = s.select(s.less(x, -104.0), -104.0, x)
    x = s.select(s.less(89.0, x), 89.0, x)
    t = s.fma(x, 1.44269504, 12582912.0)
    n = s.sub(t, 12582912.0)
    r = s.fma(n, -0.693359375, x)
    r = s.fma(n, 2.12194440e-4, r)
    p = s.const(1 / 5040, float32)
    for c in (1 / 720, 1 / 120, 1 / 24, 1 / 6, 0.5, 1.0, 1.0):
        p = s.fma(p, r, c)
    b = s.bitcast(t, int32)
    h = s.bits_right(b, 1)
    p = s.bitcast(s.add(s.bitcast(p, int32), s.shift_left(h, 23)), float32)
    return s.mul(p, s.bitcast(s.add(s.shift_left(s.sub(b, h), 23), 0x3F800000), float32))


_P = {
    "sqrt": lambda s, x: s.integer("sqrt", x),
    "exp": _exp,
    "tanh": lambda s, x: (lambda e: s.div(s.sub(e, 1.0), s.add(e, 1.0)))(_exp(s, s.mul(x, 2.0))),
    "sigmoid": lambda s, x: s.div(s.const(1.0, float32), s.add(_exp(s, s.neg(x)), 1.0)),
    "rsqrt": lambda s, x: s.div(s.const(1.0, float32), s.integer("sqrt", x)),
}
