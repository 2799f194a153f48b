"""`torch.distributed._tensor.experimental`."""

from __future__ import annotations

from ... import absent
from ..tensor.experimental import implicit_replication as implicit_replication

__getattr__ = absent.names_of(__name__)
