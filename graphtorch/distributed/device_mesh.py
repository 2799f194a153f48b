"""`torch.distributed.device_mesh`: processes in a grid, of which there are none here."""

from __future__ import annotations

from typing import Any

from .. import absent
from . import _alone


class DeviceMesh:
    """A grid of processes; for isinstance checks, which answer no."""

    def __init__(self, *args: Any, **kwargs: Any):
        _alone("device_mesh.DeviceMesh")()


init_device_mesh = _alone("device_mesh.init_device_mesh")

__getattr__ = absent.names_of(__name__)
