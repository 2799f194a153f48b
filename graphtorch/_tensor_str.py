"""`torch._tensor_str`: parts of how tensors print, under PyTorch's private names."""

from __future__ import annotations

from typing import Any

from . import absent
from .frontend.functional.wrapping import concrete
from .frontend.printing import _body
from .frontend.printing import _with_suffixes as _join
from .frontend.printing import options as PRINT_OPTS
from .frontend.printing import set_printoptions as set_printoptions
from .frontend.printing import tensor_text as _str_intern
from .frontend.tensor import Tensor

__all__ = ["PRINT_OPTS", "set_printoptions"]


def _tensor_str(self: Tensor, indent: int) -> str:
    """The numbers alone, in brackets."""
    return _body(concrete(self), indent)


def _add_suffixes(tensor_str: str, suffixes: list[str], indent: int, force_newline: bool) -> str:
    """The text with `, dtype=...` and the like, and the closing parenthesis."""
    return _join(tensor_str, suffixes, indent)


def _str(self: Tensor, *, tensor_contents: Any = None) -> str:
    """What `repr` returns."""
    return _str_intern(self, tensor_contents=tensor_contents)


__getattr__ = absent.names_of(__name__)
