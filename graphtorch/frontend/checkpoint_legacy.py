"""PyTorch's file format from before 1.6: pickles in a row, then the bytes of the storages.

magic number, protocol, system         three pickles
the value                              storages are persistent ids, as in archives
keys of the storages                   a list
for each key                           its number of elements (8 bytes), its bytes
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any, BinaryIO

import numpy as np

from .checkpoint_location import Locate
from .untyped_storage import UntypedStorage, swapped

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_SYSTEM = {
    "protocol_version": _PROTOCOL,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}


def load(file: BinaryIO, locate: Locate, loads: Callable[..., Any]) -> Any:
    """Read one value; raises UnpicklingError or RuntimeError for what is no such file."""
    from .checkpoint_reader import checked_identifier, itemsize, typed

    try:
        magic = loads(file, None)
    except UnpicklingError as error:
        if "nsupported" in str(error):  # it is a pickle, of something else
            raise
        raise UnpicklingError(f"Invalid magic number; corrupt file? ({error})") from error
    if magic != _MAGIC:
        raise RuntimeError("Invalid magic number; corrupt file?")
    protocol = loads(file, None)
    if protocol != _PROTOCOL:
        raise RuntimeError(f"Invalid protocol version: {protocol}")
    system = loads(file, None)
    big = isinstance(system, dict) and system.get("little_endian") is False
    waiting: dict[str, tuple[np.ndarray, Any]] = {}  # the memory that the file's bytes will fill
    storages: dict[str, UntypedStorage] = {}

    def storage(identifier: Any) -> Any:
        if isinstance(identifier, tuple) and identifier and identifier[0] == "module":
            return identifier[1]
        storage_type, key, location, count, *rest = checked_identifier(identifier)
        if key not in waiting:
            memory = np.zeros(count * itemsize(storage_type), np.uint8)
            waiting[key] = memory, storage_type
            storages[key] = locate(memory, location)
        found = storages[key]
        if rest and rest[0] is not None:  # (key, offset, size) of a view, before 0.4
            view_key, offset, size = rest[0]
            name, width = f"{key}/{view_key}", itemsize(storage_type)
            if name not in storages:
                if offset < 0 or size < 0 or (offset + size) * width > found.nbytes():
                    raise UnpicklingError("a storage's view reaches outside of it")
                storages[name] = found[offset * width : (offset + size) * width]
            found = storages[name]
        return typed(found, storage_type)

    value = loads(file, storage)
    for key in loads(file, None):
        memory, storage_type = waiting[str(key)]
        count = struct.unpack(">q" if big else "<q", _exactly(file, 8))[0]
        if count * itemsize(storage_type) != memory.nbytes:
            raise RuntimeError(
                f"a storage of {memory.nbytes} bytes has {count} elements in the file"
            )
        data = np.frombuffer(_exactly(file, memory.nbytes), np.uint8)
        if big and storage_type.dtype is not None:
            data = swapped(data, storage_type.dtype)
        found = storages[str(key)]
        found._memory[...] = data
    return value


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise RuntimeError("unexpected EOF. The file might be corrupted.")
    return data


def write(file: BinaryIO, pickled: Any, storages: Any, protocol: int) -> None:
    """Write a value that is already pickled, and its storages."""
    for part in (_MAGIC, _PROTOCOL, _SYSTEM):
        pickle.dump(part, file, protocol)
    file.write(pickled)
    numbers = sorted(storages.used)
    pickle.dump([str(number) for number in numbers], file, protocol)
    for number in numbers:
        data = storages.data(number)
        file.write(struct.pack("<q", data.nbytes // storages.blocks[number].itemsize))
        file.write(data.data)
