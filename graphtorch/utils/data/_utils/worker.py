"""`torch.utils.data._utils.worker`."""

from __future__ import annotations

from .... import absent
from ..worker import WorkerInfo as WorkerInfo
from ..worker import _generate_state as _generate_state
from ..worker import get_worker_info as get_worker_info

__getattr__ = absent.names_of(__name__)
