"""`torch.distributed.rpc`: calls to other processes, of which there are none."""

from __future__ import annotations

from .. import absent


def is_available() -> bool:
    """Always False."""
    return False


__getattr__ = absent.names_of(__name__)
