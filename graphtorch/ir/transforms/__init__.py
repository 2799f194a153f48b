"""Transforms change a graph's meaning: `vjp` makes the graph that also computes gradients."""

from .jvp import jvp
from .vjp import vjp

__all__ = ["jvp", "vjp"]
