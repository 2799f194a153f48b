"""`torch.signal`: window functions."""

from .. import absent as absent
from . import windows as windows

__all__ = ["windows"]

__getattr__ = absent.names_of(__name__)
