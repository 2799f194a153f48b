"""PyTorch's `torch.utils`; the rooms load when first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_ROOMS = (
    "_foreach_utils", "_pytree", "checkpoint", "data", "dlpack", "hooks", "safetensors",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'torch.utils' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS})
