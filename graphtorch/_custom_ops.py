"""`torch._custom_ops`: the older home of what `torch.library` has."""

from __future__ import annotations

from . import absent
from .library import get_ctx as get_ctx

__getattr__ = absent.names_of(__name__)
