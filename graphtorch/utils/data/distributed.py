"""PyTorch's place of `DistributedSampler`; it lives in `sampler.py`."""

from .sampler import DistributedSampler

__all__ = ["DistributedSampler"]
