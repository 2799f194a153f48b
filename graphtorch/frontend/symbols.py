"""`torch.SymInt` and what goes with it.  Shapes are Python ints here (a new shape is a new variant), so the
classes have no instances: they are for annotations and `isinstance`, and the functions take numbers.

>>> sym_max(2, 3)
3
"""

from __future__ import annotations

import math
from typing import Any

from ..errors import UnsupportedError, message


class _Symbol:
    def __init__(self, node: Any):
        raise UnsupportedError(
            message(
                f"torch.{type(self).__name__} has no instances: shapes are Python numbers",
                hint="use the number; a compiled function makes a variant for each shape",
            )
        )


class SymInt(_Symbol):
    """An unknown int; never made."""


class SymFloat(_Symbol):
    """An unknown float; never made."""


class SymBool(_Symbol):
    """An unknown bool; never made."""


def sym_int(a: Any) -> int:
    """The number towards zero.

    >>> sym_int(-2.5)
    -2
    """
    return math.trunc(a)


def sym_float(a: Any) -> float:
    """The number as a float."""
    return float(a)


def sym_max(a: Any, b: Any) -> Any:
    """The larger; a float if one of them is."""
    return float(max(a, b)) if isinstance(a, float) or isinstance(b, float) else max(a, b)


def sym_min(a: Any, b: Any) -> Any:
    """The smaller; a float if one of them is."""
    return float(min(a, b)) if isinstance(a, float) or isinstance(b, float) else min(a, b)


def sym_not(a: Any) -> bool:
    """`not a`."""
    return not a


def sym_ite(b: Any, t: Any, f: Any) -> Any:
    """`t if b else f`; both of one type."""
    if type(t) is not type(f):
        raise AssertionError(f"type mismatch: {type(t)} vs {type(f)}")
    return t if b else f


def sym_sum(args: Any) -> Any:
    """The sum of numbers."""
    return sum(args)


def sym_sqrt(a: Any) -> float:
    """The square root."""
    return math.sqrt(a)
