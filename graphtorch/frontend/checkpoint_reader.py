"""Reading checkpoints: PyTorch's zip archives, and its format from before 1.6 (`checkpoint_legacy.py`).

weights_only=True    the pickle is read as data: `unpickle.py` and its table of names
weights_only=False   Python's unpickler runs what the file says, with PyTorch's names found here
"""

from __future__ import annotations

import io
import os
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any, BinaryIO

import numpy as np

from . import checkpoint_legacy
from .checkpoint_location import Locate, locator
from .checkpoint_unsafe import unpickler_of
from .checkpoint_values import StorageType, refuse_quantized, resolve
from .typed_storage import TypedStorage
from .unpickle import Unpickler
from .untyped_storage import UntypedStorage, swapped

_OPTION = "Re-running `torch.load` with `weights_only` set to `False` will likely succeed, but it can result in arbitrary code execution. Do it only if you got the file from a trusted source."

Loads = Callable[
    [BinaryIO, Callable[[Any], Any] | None], Any
]  # a pickle, what persistent ids stand for


def _flag(name: str) -> bool:
    return os.environ.get(name, "0").lower() in ("1", "y", "yes", "true")


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read a file written by `save` here or by PyTorch.

    map_location: device, or function or dict from the file's device tags to devices.
    weights_only: read tensors and plain data, and run no code from the file (the default); False
        runs what the file says: only for files you trust.
    pickle_module: whose `Unpickler` reads the pickle, for weights_only=False.
    mmap: map the file's storages into memory instead of reading them (paths only).
    Raises pickle.UnpicklingError naming any global that is not data; RuntimeError for a broken archive.

    >>> import io
    >>> import graphtorch as torch
    >>> file = io.BytesIO()
    >>> torch.save({"weight": torch.ones(2)}, file)
    >>> _ = file.seek(0)
    >>> torch.load(file)
    {'weight': tensor([1., 1.])}
    """
    weights_only = _safely(weights_only, pickle_module)
    if weights_only and pickle_load_args:
        warnings.warn("pickle_load_args only works if `weights_only=False`.", stacklevel=2)
    locate = locator(map_location)
    if weights_only:
        loads: Loads = _load_data
    else:
        loads = unpickler_of(pickle_module or pickle, pickle_load_args)
    if isinstance(f, str | os.PathLike):
        path = os.fspath(f)
        with open(path, "rb") as file:
            return _load(file, locate, path if mmap else None, loads, weights_only)
    if mmap:
        raise ValueError("f must be a file path in order to use the mmap argument")
    if not all(hasattr(f, name) for name in ("read", "seek", "tell")):
        raise AttributeError(
            "You can only torch.load from a file that is seekable. Please pre-load the data into a buffer like"
            " io.BytesIO and try to load from it instead."
        )
    return _load(f, locate, None, loads, weights_only)


def _safely(weights_only: bool | None, pickle_module: Any) -> bool:
    """Whether to read data only."""
    chosen = weights_only
    if chosen is None:
        chosen = pickle_module is None
    only, never = _flag("TORCH_FORCE_WEIGHTS_ONLY_LOAD"), _flag("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    if only and never:
        raise RuntimeError(
            "Only one of `TORCH_FORCE_WEIGHTS_ONLY_LOAD` or `TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD` should be set, but"
            " both were set."
        )
    if only:
        chosen = True
    elif never and weights_only is None:
        chosen = False
    if chosen and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    return chosen


def _load_data(file: BinaryIO, persistent: Callable[[Any], Any] | None = None) -> Any:
    return Unpickler(file, resolve, persistent).load()


def _load(file: BinaryIO, locate: Locate, path: str | None, loads: Loads, safe: bool) -> Any:
    start = file.tell()
    head = file.read(4)
    file.seek(start)
    if not head:
        raise EOFError("Ran out of input")
    try:
        if head == b"PK\x03\x04":
            return _load_archive(file, locate, path, loads, safe)
        if path is not None:
            raise RuntimeError(
                "mmap can only be used with files saved with `torch.save(_use_new_zipfile_serialization=True)`, please"
                " torch.save your checkpoint with this option in order to use mmap."
            )
        return checkpoint_legacy.load(file, locate, loads)
    except UnpicklingError as error:
        if safe:
            raise UnpicklingError(_explained(str(error))) from None
        raise


def _explained(what: str) -> str:
    """The message of a file that is not data, in PyTorch's words."""
    if "was not an allowed global by default" in what:
        return (
            "Weights only load failed. This file can still be loaded, to do so you have two options, do those steps"
            f" only if you trust the source of the checkpoint.\n\t(1) {_OPTION}\n\t(2) Alternatively, to load with"
            " `weights_only=True` please check the recommended steps in the following error message.\n\t"
            f"WeightsUnpickler error: {what}"
        )
    return f"Weights only load failed. {_OPTION}\n\tWeightsUnpickler error: {what}"


# ---- zip archives


def open_archive(file: BinaryIO) -> tuple[zipfile.ZipFile, str, set[str]]:
    """The archive, the folder its records are in, and the names of all of them."""
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError) as error:
        raise RuntimeError(f"PytorchStreamReader failed reading zip archive: {error}") from error
    names = set(archive.namelist())
    pickles = [name for name in names if name.endswith("data.pkl") and name.count("/") <= 1]
    if len(pickles) != 1:
        raise RuntimeError("PytorchStreamReader failed locating file data.pkl: file not found")
    return archive, pickles[0].removesuffix("data.pkl"), names


def _load_archive(
    file: BinaryIO, locate: Locate, path: str | None, loads: Loads, safe: bool
) -> Any:
    start = file.tell()
    archive, prefix, names = open_archive(file)
    if f"{prefix}constants.pkl" in names and any(n.startswith(f"{prefix}code/") for n in names):
        if safe:
            raise RuntimeError(
                "Cannot use ``weights_only=True`` with TorchScript archives passed to ``torch.load``. "
                + _OPTION
            )
        warnings.warn(
            "'torch.load' received a zip file that looks like a TorchScript archive dispatching to 'torch.jit.load'"
            " (call 'torch.jit.load' directly to silence this warning)",
            stacklevel=4,
        )
        from .. import jit

        file.seek(start)
        return jit.load(file)
    big = f"{prefix}byteorder" in names and record(archive, f"{prefix}byteorder").strip() == b"big"
    loaded: dict[str, UntypedStorage] = {}

    def storage(identifier: Any) -> Any:
        storage_type, key, location, count = checked_identifier(identifier)[:4]
        if key not in loaded:
            name = f"{prefix}data/{key}"
            if name not in names:
                raise RuntimeError(
                    f"PytorchStreamReader failed locating file data/{key}: file not found"
                )
            buffer = _storage_bytes(archive, name) if path is None else _mapped(path, archive, name)
            if buffer.nbytes != count * itemsize(storage_type):
                raise RuntimeError(
                    f"a storage of {count} elements of {itemsize(storage_type)} bytes has {buffer.nbytes} bytes in"
                    " the file"
                )
            if big and storage_type.dtype is not None:
                buffer = swapped(buffer, storage_type.dtype).copy()
            loaded[key] = locate(buffer, location)
        return typed(loaded[key], storage_type)

    with archive:
        return loads(io.BytesIO(record(archive, f"{prefix}data.pkl")), storage)


def itemsize(storage_type: StorageType) -> int:
    """Bytes of one element of a storage class."""
    return 1 if storage_type.dtype is None else storage_type.dtype.itemsize


def typed(storage: UntypedStorage, storage_type: StorageType) -> Any:
    """The storage as the class the file names."""
    if storage_type.dtype is None:
        return storage
    return TypedStorage(wrap_storage=storage, dtype=storage_type.dtype)


def record(archive: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of one record; raises RuntimeError if they are broken."""
    try:
        return archive.read(name)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise RuntimeError(f"PytorchStreamReader failed reading file {name}: {error}") from error


def _storage_bytes(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """A record read straight into an array of its own."""
    size = archive.getinfo(name).file_size
    if size < 1 << 16:
        return np.frombuffer(bytearray(record(archive, name)), np.uint8)
    buffer = np.empty(size, np.uint8)
    view, done = memoryview(buffer), 0
    try:
        with archive.open(name) as file:
            while done < size:
                got = file.readinto(view[done : done + (1 << 24)])  # type: ignore[attr-defined]
                if not got:
                    raise EOFError("the record is cut short")
                done += got
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as error:
        raise RuntimeError(f"PytorchStreamReader failed reading file {name}: {error}") from error
    return buffer


def _mapped(path: str, archive: zipfile.ZipFile, name: str) -> np.ndarray:
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED:
        return np.frombuffer(bytearray(record(archive, name)), np.uint8)
    with open(path, "rb") as file:
        file.seek(entry.header_offset)
        head = file.read(30)
        if len(head) < 30 or head[:4] != b"PK\x03\x04":
            raise RuntimeError(f"PytorchStreamReader failed reading file {name}: no such record")
        name_length, extra_length = struct.unpack("<HH", head[26:])
    offset = entry.header_offset + 30 + name_length + extra_length
    if not entry.file_size:
        return np.empty(0, np.uint8)
    if offset + entry.file_size > os.path.getsize(path):
        raise RuntimeError(f"PytorchStreamReader failed reading file {name}: the file is cut short")
    return np.asarray(np.memmap(path, np.uint8, "c", offset, (entry.file_size,)))


def checked_identifier(identifier: Any) -> tuple:
    """Storage type, key, location, element count and what follows, of a storage's persistent id."""
    if not isinstance(identifier, tuple) or len(identifier) < 5 or identifier[0] != "storage":
        raise UnpicklingError(f"unknown persistent id {identifier!r}")
    _, storage_type, key, location, count, *rest = identifier
    if not isinstance(storage_type, StorageType):
        if hasattr(storage_type, "name"):
            refuse_quantized()
        raise UnpicklingError("corrupt storage in the pickle")
    if type(count) is not int or count < 0 or not isinstance(location, str):
        raise UnpicklingError("corrupt storage in the pickle")
    return storage_type, str(key), location, count, *rest


# ---- what a file asks for


def get_unsafe_globals_in_checkpoint(f: Any) -> list[str]:
    """The globals in a checkpoint's pickle that loading with weights_only=True would refuse.

    >>> import io
    >>> import graphtorch as torch
    >>> file = io.BytesIO()
    >>> torch.save(torch.nn.Linear(1, 1), file)
    >>> _ = file.seek(0)
    >>> torch.serialization.get_unsafe_globals_in_checkpoint(file)
    ['torch.nn.modules.linear.Linear']
    """
    from .checkpoint_unsafe import globals_of

    if isinstance(f, str | os.PathLike):
        with open(f, "rb") as file:
            return get_unsafe_globals_in_checkpoint(file)
    start = f.tell()
    head = f.read(4)
    f.seek(start)
    if head != b"PK\x03\x04":
        raise ValueError("Expected input to be a checkpoint returned by torch.save")
    archive, prefix, names = open_archive(f)
    with archive:
        if f"{prefix}constants.pkl" in names:
            raise ValueError(
                "Expected input to be a checkpoint returned by torch.save but got a torchscript checkpoint"
            )
        found = globals_of(record(archive, f"{prefix}data.pkl"))
    return sorted({f"{module}.{name}" for module, name in found if not _resolvable(module, name)})


def _resolvable(module: str, name: str) -> bool:
    try:
        resolve(module, name)
    except UnpicklingError:
        return False
    return True
