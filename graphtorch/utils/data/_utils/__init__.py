"""`torch.utils.data._utils`: PyTorch's private home of the collating functions."""

from __future__ import annotations

from .... import absent
from . import collate as collate
from . import worker as worker

__getattr__ = absent.names_of(__name__)
