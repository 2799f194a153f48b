"""`map_location`: on which device the storages of a file are put."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .device import device
from .typed_storage import TypedStorage
from .untyped_storage import UntypedStorage

Locate = Callable[
    [np.ndarray, str], UntypedStorage
]  # bytes and location tag from the file -> a storage


def default_restore_location(storage: Any, location: str) -> Any:
    """The storage on the device that the file's tag names; raises RuntimeError if there is none such."""
    if not location:
        return storage
    try:
        where = device(location)
    except RuntimeError as error:
        raise RuntimeError(
            f"don't know how to restore data location of torch.storage.UntypedStorage (tagged with {location})"
        ) from error
    return storage.to(device=where)


def locator(map_location: Any) -> Locate:
    """Turn `map_location` into a function from a storage's bytes and tag to the storage to use."""
    restore = _restorer(map_location)

    def locate(memory: np.ndarray, tag: str) -> UntypedStorage:
        restored = restore(UntypedStorage.over(memory), tag)
        return restored.untyped() if isinstance(restored, TypedStorage) else restored

    return locate


def _restorer(map_location: Any) -> Callable[[UntypedStorage, str], Any]:
    if map_location is None:
        return default_restore_location
    if isinstance(map_location, dict):
        return lambda storage, tag: default_restore_location(
            storage, str(map_location.get(tag, tag))
        )
    if callable(map_location) and not isinstance(map_location, device):

        def chosen(storage: UntypedStorage, tag: str) -> Any:
            result = map_location(storage, tag)
            return default_restore_location(storage, tag) if result is None else result

        return chosen
    where = str(device(map_location))
    return lambda storage, _: default_restore_location(storage, where)
