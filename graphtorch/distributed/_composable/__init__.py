"""`torch.distributed._composable`: the older home of `fully_shard`."""

from __future__ import annotations

from ... import absent

__getattr__ = absent.names_of(__name__)
