"""Sizes given as one number or one for each dim, under the names PyTorch's own layers use."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def ntuple(value: Any, n: int) -> tuple:
    """`value` as a tuple: itself if it is iterable, else repeated n times.

    >>> ntuple(3, 2), ntuple((1, 2), 2)
    ((3, 3), (1, 2))
    """
    return tuple(value) if isinstance(value, Iterable) else (value,) * n


def _ntuple(n: int, name: str = "parse") -> Callable[[Any], tuple]:
    def parse(x: Any) -> tuple:
        return ntuple(x, n)

    parse.__name__ = name
    return parse


_single, _pair, _triple, _quadruple = (_ntuple(n) for n in (1, 2, 3, 4))


def _reverse_repeat_tuple(t: Iterable, n: int) -> tuple:
    """Every element n times, last first."""
    return tuple(x for x in reversed(tuple(t)) for _ in range(n))
