"""Wrappers that PyTorch uses to spread a model over devices."""

from __future__ import annotations

from typing import Any

from ... import absent
from ...errors import UnsupportedError
from ..module import Module
from .spread import data_parallel as data_parallel
from .spread import gather as gather
from .spread import parallel_apply as parallel_apply
from .spread import replicate as replicate
from .spread import scatter as scatter


class DataParallel(Module):
    """A model spread over several GPUs; with one device, a wrapper that calls `module`."""

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ):
        super().__init__()
        self.dim = dim
        self.device_ids = list(device_ids or [])
        self.output_device = output_device
        self.module = module

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


class DistributedDataParallel(Module):
    """Known by name, for `isinstance`; graphtorch trains in one process."""

    def __init__(self, module: Module, *args: Any, **kwargs: Any):
        super().__init__()
        raise UnsupportedError(
            "DistributedDataParallel needs several processes, which graphtorch does not support; use the module itself"
        )


__all__ = [
    "DataParallel", "DistributedDataParallel", "data_parallel", "gather", "parallel_apply", "replicate", "scatter",
]  # fmt: skip
__getattr__ = absent.names_of(__name__)
