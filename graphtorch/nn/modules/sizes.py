"""Sizes given as one number or one for each dim."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def ntuple(value: Any, n: int) -> tuple:
    """`value` as a tuple: itself if it is iterable, else repeated n times.

    >>> ntuple(3, 2), ntuple((1, 2), 2)
    ((3, 3), (1, 2))
    """
    return tuple(value) if isinstance(value, Iterable) else (value,) * n
