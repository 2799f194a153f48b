"""`torch.storage`: see `frontend/untyped_storage.py` and `frontend/typed_storage.py`."""

from __future__ import annotations

import io
from typing import Any

from . import absent
from .frontend.typed_storage import TypedStorage as TypedStorage
from .frontend.untyped_storage import UntypedStorage as UntypedStorage

_TypedStorage = TypedStorage
_StorageBase = UntypedStorage


def _load_from_bytes(data: bytes) -> Any:
    """What PyTorch's storages call when they are unpickled by `pickle` itself, which runs code anyway."""
    from .frontend.serialization import load

    return load(io.BytesIO(data), weights_only=False)


def __getattr__(name: str) -> Any:
    from .frontend.typed_storage import LEGACY_STORAGES

    if name in LEGACY_STORAGES:
        return LEGACY_STORAGES[name]
    raise absent.error(__name__, name)
