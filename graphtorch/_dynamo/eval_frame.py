"""`torch._dynamo.eval_frame`: a class for isinstance checks, and two answers."""

from __future__ import annotations

from .. import absent
from ..nn.module import Module


class OptimizedModule(Module):
    """What PyTorch's `torch.compile(module)` returns; here the module itself comes back."""


def is_dynamo_supported() -> bool:
    """Always True: `torch.compile` works wherever graphtorch does."""
    return True


__getattr__ = absent.names_of(__name__)
