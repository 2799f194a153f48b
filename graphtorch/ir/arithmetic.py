"""Operators on IR values, so that rules read like formulas: `g * y * (1 - y)`.

Unlike tensors, IR values never broadcast or promote: both operands have one type, or one is a
Python scalar.
"""

from __future__ import annotations

from typing import Any


def _op(name: str) -> Any:
    from .op import OPS

    return OPS[name]


class Arithmetic:
    """Mixin that turns Python's operators into calls of ops."""

    __slots__ = ()

    # fmt: off
    def __add__(self, other: Any) -> Any:      return _op("add")(self, other)
    def __radd__(self, other: Any) -> Any:     return _op("add")(other, self)
    def __sub__(self, other: Any) -> Any:      return _op("sub")(self, other)
    def __rsub__(self, other: Any) -> Any:     return _op("sub")(other, self)
    def __mul__(self, other: Any) -> Any:      return _op("mul")(self, other)
    def __rmul__(self, other: Any) -> Any:     return _op("mul")(other, self)
    def __truediv__(self, other: Any) -> Any:  return _op("div")(self, other)
    def __rtruediv__(self, other: Any) -> Any: return _op("div")(other, self)
    def __pow__(self, other: Any) -> Any:      return _op("pow")(self, other)
    def __neg__(self) -> Any:                  return _op("neg")(self)
    def __lt__(self, other: Any) -> Any:       return _op("lt")(self, other)
    def __le__(self, other: Any) -> Any:       return _op("le")(self, other)
    def __gt__(self, other: Any) -> Any:       return _op("gt")(self, other)
    def __ge__(self, other: Any) -> Any:       return _op("ge")(self, other)
    def __and__(self, other: Any) -> Any:      return _op("logical_and")(self, other)
    def __or__(self, other: Any) -> Any:       return _op("logical_or")(self, other)
    # fmt: on
