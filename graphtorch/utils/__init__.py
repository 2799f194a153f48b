"""PyTorch's `torch.utils`; the rooms load when first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .. import absent

_ROOMS = (
    "_foreach_utils", "_pytree", "checkpoint", "data", "dlpack", "hooks", "safetensors",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    raise absent.error(__name__, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS})
