"""`torch.return_types`: the named tuples that functions with several results return."""

from . import absent as absent
from .frontend.return_types import *  # noqa: F403

__getattr__ = absent.names_of(__name__)
