"""`torch._subclasses.fake_tensor`: tensors without values, of PyTorch's tracer; here a trace computes values."""

from __future__ import annotations

from typing import Any

from .. import absent
from ..errors import UnsupportedError, message


class FakeTensor:
    """A tensor without values; for isinstance checks, which answer no."""

    def __init__(self, *args: Any, **kwargs: Any):
        raise UnsupportedError(
            message("there are no fake tensors", hint="device='meta' has shapes only")
        )


class FakeTensorMode:
    """A mode that makes such tensors."""

    def __init__(self, *args: Any, **kwargs: Any):
        raise UnsupportedError(
            message("there are no fake tensors", hint="device='meta' has shapes only")
        )


def is_fake(x: Any) -> bool:
    """Always False."""
    return False


__getattr__ = absent.names_of(__name__)
