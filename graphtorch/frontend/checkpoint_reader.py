"""Reading checkpoints, PyTorch's zip archives and its format from before 1.6, without running code."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any, BinaryIO

import numpy as np

from ..errors import UnsupportedError
from .checkpoint_values import LoadedStorage, StorageType, resolve
from .device import device
from .unpickle import Unpickler

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001

Location = Callable[[str], str]


def _locator(map_location: Any) -> Location:
    """Turn `map_location` into a function from a file's location tag to the device to use."""
    if map_location is None:
        return lambda tag: tag
    if isinstance(map_location, dict):
        return lambda tag: str(map_location.get(tag, tag))
    if callable(map_location) and not isinstance(map_location, device):

        def chosen(tag: str) -> str:
            result = map_location(_TaggedStorage(tag), tag)
            return (
                tag
                if result is None
                else result.device_tag
                if isinstance(result, _TaggedStorage)
                else str(result)
            )

        return chosen
    where = str(device(map_location))
    return lambda tag: where


class _TaggedStorage:
    """What a callable `map_location` gets as its storage."""

    def __init__(self, tag: str):
        self.device_tag = tag

    def cpu(self) -> _TaggedStorage:
        """On the CPU."""
        return _TaggedStorage("cpu")

    def cuda(self, index: Any = 0) -> _TaggedStorage:
        """On a GPU."""
        return _TaggedStorage(f"cuda:{index or 0}")


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read a file written by `save` here or by PyTorch.  Never runs code from the file.

    map_location: device, or function or dict from the file's device tags to devices.
    mmap: map the file's storages into memory instead of reading them (paths only).
    Raises pickle.UnpicklingError naming any global that is not data; RuntimeError for a broken archive.
    """
    locate = _locator(map_location)
    if isinstance(f, str | os.PathLike):
        with open(f, "rb") as file:
            return _load(file, locate, os.fspath(f) if mmap else None, pickle_load_args)
    if mmap:
        raise ValueError("f must be a file path in order to use the mmap argument")
    if not all(hasattr(f, name) for name in ("read", "seek", "tell")):
        raise AttributeError(
            "You can only torch.load from a file that is seekable. Please pre-load the data into a buffer like"
            " io.BytesIO and try to load from it instead."
        )
    return _load(f, locate, None, pickle_load_args)


def _load(file: BinaryIO, locate: Location, path: str | None, options: dict[str, Any]) -> Any:
    start = file.tell()
    head = file.read(4)
    file.seek(start)
    if head == b"PK\x03\x04":
        return _load_archive(file, locate, path)
    if not head:
        raise EOFError("Ran out of input")
    return _load_legacy(file, locate, options.get("encoding", "utf-8"))


def _load_archive(file: BinaryIO, locate: Location, path: str | None) -> Any:
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError) as error:
        raise RuntimeError(f"PytorchStreamReader failed reading zip archive: {error}") from error
    names = set(archive.namelist())
    pickles = [name for name in names if name.endswith("data.pkl") and name.count("/") <= 1]
    if len(pickles) != 1:
        raise RuntimeError("PytorchStreamReader failed locating file data.pkl: file not found")
    prefix = pickles[0].removesuffix("data.pkl")
    if f"{prefix}constants.pkl" in names and f"{prefix}code/" in {
        n[: len(prefix) + 5] for n in names
    }:
        raise UnsupportedError("this file is a TorchScript archive; only checkpoints are data")
    order = (
        _record(archive, f"{prefix}byteorder").strip()
        if f"{prefix}byteorder" in names
        else b"little"
    )
    loaded: dict[str, LoadedStorage] = {}

    def storage(identifier: Any) -> LoadedStorage:
        kind, storage_type, key, location, count = _checked_identifier(identifier)
        if key not in loaded:
            name = f"{prefix}data/{key}"
            if name not in names:
                raise RuntimeError(
                    f"PytorchStreamReader failed locating file data/{key}: file not found"
                )
            if path is not None:
                buffer = _mapped(path, archive, name)
            else:
                buffer = np.frombuffer(bytearray(_record(archive, name)), np.uint8)
            loaded[key] = _made_storage(
                buffer, storage_type, locate(location), count, order == b"big"
            )
        return loaded[key]

    with archive:
        return Unpickler(io.BytesIO(_record(archive, pickles[0])), resolve, storage).load()


def _record(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise RuntimeError(f"PytorchStreamReader failed reading file {name}: {error}") from error


def _mapped(path: str, archive: zipfile.ZipFile, name: str) -> np.ndarray:
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED:
        return np.frombuffer(bytearray(_record(archive, name)), np.uint8)
    with open(path, "rb") as file:
        file.seek(entry.header_offset + 26)
        name_length, extra_length = struct.unpack("<HH", file.read(4))
    offset = entry.header_offset + 30 + name_length + extra_length
    if not entry.file_size:
        return np.empty(0, np.uint8)
    return np.asarray(np.memmap(path, np.uint8, "c", offset, (entry.file_size,)))


def _checked_identifier(identifier: Any) -> tuple:
    if not isinstance(identifier, tuple) or len(identifier) < 5 or identifier[0] != "storage":
        raise UnpicklingError(f"unknown persistent id {identifier!r}")
    _, storage_type, key, location, count = identifier[:5]
    if not isinstance(storage_type, StorageType) or not isinstance(count, int) or count < 0:
        raise UnpicklingError("corrupt storage in the pickle")
    return "storage", storage_type, str(key), location, count


def _made_storage(
    buffer: np.ndarray, storage_type: StorageType, location: str, count: int, swapped: bool
) -> LoadedStorage:
    dtype = storage_type.dtype
    itemsize = 1 if dtype is None else dtype.itemsize
    if buffer.nbytes != count * itemsize:
        raise RuntimeError(
            f"a storage of {count} elements of {itemsize} bytes has {buffer.nbytes} bytes in the file"
        )
    if swapped and itemsize > 1:
        part = itemsize // 2 if dtype is not None and dtype.is_complex else itemsize
        buffer = buffer.reshape(-1, part)[:, ::-1].copy().reshape(-1)
    where = device(location) if location else device("cpu")
    if where.type == "cuda":
        from .. import cuda

        if not cuda.is_available():
            raise RuntimeError(
                "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If you are"
                " running on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') to map"
                " your storages to the CPU."
            )
    return LoadedStorage(buffer, dtype, "cpu" if where.type == "cpu" else str(where))


def _load_legacy(file: BinaryIO, locate: Location, encoding: str) -> Any:
    """PyTorch's format before 1.6: magic, protocol, system, value, keys, then the storages."""

    def plain() -> Any:
        return Unpickler(file, resolve, None, encoding).load()

    try:
        magic = plain()
    except UnpicklingError as error:
        if "Unsupported global" in str(error):
            raise
        raise UnpicklingError(f"Invalid magic number; corrupt file? ({error})") from error
    if magic != _LEGACY_MAGIC:
        raise RuntimeError("Invalid magic number; corrupt file?")
    protocol = plain()
    if protocol != _LEGACY_PROTOCOL:
        raise RuntimeError(f"Invalid protocol version: {protocol}")
    system = plain()
    waiting: dict[str, LoadedStorage] = {}

    def storage(identifier: Any) -> LoadedStorage:
        if isinstance(identifier, tuple) and identifier and identifier[0] == "module":
            return identifier[1]
        _, storage_type, key, location, count = _checked_identifier(identifier)
        if key not in waiting:
            size = count * (1 if storage_type.dtype is None else storage_type.dtype.itemsize)
            waiting[key] = _made_storage(
                np.zeros(size, np.uint8), storage_type, locate(location), count, False
            )
        if len(identifier) > 5 and identifier[5] is not None:
            raise UnsupportedError(
                "views of storages in files of PyTorch before 0.4 are not supported"
            )
        return waiting[key]

    value = Unpickler(file, resolve, storage, encoding).load()
    big = isinstance(system, dict) and system.get("little_endian") is False
    for key in plain():
        target = waiting[str(key)]
        count = struct.unpack(">q" if big else "<q", _exactly(file, 8))[0]
        if target.dtype is not None and count * target.dtype.itemsize != target.buffer.nbytes:
            raise RuntimeError(
                f"a storage of {target.buffer.nbytes} bytes has {count} elements in the file"
            )
        data = np.frombuffer(_exactly(file, target.buffer.nbytes), np.uint8)
        if big and target.dtype is not None:
            data = data.reshape(-1, target.dtype.itemsize)[:, ::-1].reshape(-1)
        target.buffer[...] = data
    return value


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise RuntimeError("unexpected EOF. The file might be corrupted.")
    return data
