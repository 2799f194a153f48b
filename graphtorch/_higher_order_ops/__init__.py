"""`torch._higher_order_ops`: operations that take functions."""

from __future__ import annotations

from .. import absent
from .associative_scan import associative_scan as associative_scan

__getattr__ = absent.names_of(__name__)
