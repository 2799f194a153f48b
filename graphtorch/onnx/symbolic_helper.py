"""`torch.onnx.symbolic_helper`: marks of functions that would write ONNX operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import absent


def parse_args(*arg_descriptors: str) -> Callable:
    """Return a decorator that changes nothing: such functions never run here."""
    return lambda function: function


def quantized_args(*arg_q_descriptors: Any, **_: Any) -> Callable:
    """Return a decorator that changes nothing."""
    return lambda function: function


__getattr__ = absent.names_of(__name__)
