"""Wrappers that PyTorch uses to spread a model over devices."""

from __future__ import annotations

from typing import Any

from ..module import Module


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


__all__ = ["DataParallel"]
