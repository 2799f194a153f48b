"""Shapes are numbers here, never symbols: every question has a plain answer."""

from __future__ import annotations

from typing import Any


class GuardOnDataDependentSymNode(RuntimeError):
    """Never raised: no size is symbolic."""


def guard_or_false(a: Any) -> bool:
    """The truth value of `a`."""
    return bool(a)


guard_or_true = guard_size_oblivious = statically_known_true = guard_bool = guard_or_false


def guard_int(a: Any) -> int:
    """`a` as a number."""
    return int(a)


def is_symbolic(a: Any) -> bool:
    """Whether a size is a symbol: never."""
    return False


def free_symbols(val: Any) -> set:
    """The symbols in a size: none."""
    return set()


free_unbacked_symbols = free_symbols
