"""`torch.return_types`: the named tuples that functions with several results return."""

from .frontend.return_types import *  # noqa: F403
