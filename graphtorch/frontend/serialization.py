"""`save` and `load`: PyTorch's zip checkpoints, written and read without running code.

    archive/data.pkl        a pickle of protocol 2 in which storages are persistent ids
    archive/byteorder       "little"
    archive/data/0, 1, ...  the bytes of each storage, uncompressed, at multiples of 64
    archive/version         "3"

Files written here load in PyTorch and the other way round.  Loading goes through a reader that knows
only data (`unpickle.py`, `checkpoint_values.py`); what else a file asks for is an error that names it.
PyTorch's format from before 1.6 (several pickles in a row) is read too.
"""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any, BinaryIO

import numpy as np

from ..errors import UnsupportedError, message
from ..ir.types import DType
from .checkpoint_values import (
    STORAGE_NAMES,
    LoadedStorage,
    StorageType,
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    resolve,
    safe_globals,
)
from .device import device
from .size import Size
from .tensor import Tensor
from .unpickle import Unpickler

__all__ = [
    "add_safe_globals", "clear_safe_globals", "get_safe_globals", "load", "safe_globals", "save",
]  # fmt: skip

_ALIGNMENT = 64
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_PLAIN = (
    dict, list, tuple, set, frozenset, OrderedDict, str, bytes, bytearray, bool, int, float, complex, type(None),
)  # fmt: skip


# ---- saving


class _Storages:
    """Which stretch of memory each tensor's bytes go into; overlapping tensors share one."""

    def __init__(self, value: Any):
        self._tensors: list[Tensor] = []
        self._seen: set[int] = set()
        self._collect(value)
        spans = sorted((_span(t._array) + (t,) for t in self._tensors), key=lambda span: span[:2])
        self.blocks: list[tuple[int, int, DType]] = []  # start, stop, dtype
        self._of: dict[int, tuple[int, int]] = {}  # id of a tensor -> (block, offset in elements)
        for start, stop, tensor in spans:
            itemsize = tensor._array.itemsize
            if self.blocks:
                first, last, dtype = self.blocks[-1]
                if start < last and dtype is tensor.dtype and (start - first) % itemsize == 0:
                    self.blocks[-1] = (first, max(last, stop), dtype)
                    self._of[id(tensor)] = (len(self.blocks) - 1, (start - first) // itemsize)
                    continue
            self.blocks.append((start, stop, tensor.dtype))
            self._of[id(tensor)] = (len(self.blocks) - 1, 0)

    def _collect(self, value: Any) -> None:
        if isinstance(value, Tensor):
            if id(value) not in self._seen:
                self._seen.add(id(value))
                self._tensors.append(value)
        elif isinstance(value, dict | list | tuple | set | frozenset) and id(value) not in self._seen:
            self._seen.add(id(value))
            for item in value.values() if isinstance(value, dict) else value:
                self._collect(item)

    def place(self, tensor: Tensor) -> tuple[int, int]:
        """Number of the storage and offset in it, in elements."""
        return self._of[id(tensor)]

    def data(self, number: int) -> np.ndarray:
        """The bytes of a storage."""
        start, stop, _ = self.blocks[number]
        for tensor in self._tensors:
            block, _ = self._of[id(tensor)]
            if block == number and tensor._array.size:
                address, end = _span(tensor._array)
                if (address, end) == (start, stop) and tensor._array.flags.c_contiguous:
                    return tensor._array.reshape(-1).view(np.uint8)
        if stop == start:
            return np.empty(0, np.uint8)
        owner = next(t for t in self._tensors if self._of[id(t)][0] == number)
        root = _root(owner._array)
        address = root.__array_interface__["data"][0]
        flat = np.ndarray((root.nbytes,), np.uint8, root.data if root.flags.c_contiguous else root.T.data)
        return flat[start - address : stop - address]


def _span(array: np.ndarray) -> tuple[int, int]:
    """First and one past the last byte an array touches."""
    if not array.size:
        address = array.__array_interface__["data"][0]
        return address, address
    return np.lib.array_utils.byte_bounds(array)


def _root(array: np.ndarray) -> np.ndarray:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _savable(array: np.ndarray) -> bool:
    """Whether PyTorch can describe the array: strides in whole positive elements inside its buffer."""
    root = _root(array)
    whole = all(step >= 0 and step % array.itemsize == 0 for step in array.strides)
    return whole and (root.flags.c_contiguous or root.flags.f_contiguous)


class _Name:
    """A global to be written by name, whether or not it can be imported here."""

    def __init__(self, module: str, name: str):
        self.module, self.name = module, name

    def __call__(self) -> None:
        raise TypeError(f"{self.module}.{self.name} is only a name here")


class _Pickler(pickle._Pickler):  # type: ignore[name-defined,misc]
    """Writes plain data and tensors under PyTorch's names."""

    def __init__(self, file: BinaryIO, storages: _Storages):
        super().__init__(file, protocol=2)
        self._storages = storages
        self._names: dict[tuple[str, str], _Name] = {}

    def _name(self, module: str, name: str) -> _Name:
        return self._names.setdefault((module, name), _Name(module, name))

    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, _StorageReference):
            start, stop, dtype = self._storages.blocks[value.number]
            count = (stop - start) // dtype.itemsize
            return ("storage", self._name("torch", STORAGE_NAMES[dtype]), str(value.number), value.location, count)
        return None

    def save(self, value: Any, save_persistent_id: bool = True) -> Any:
        if isinstance(value, DType):
            value = self._name("torch", value.name)
        if isinstance(value, _Name):
            known = self.memo.get(id(value))
            if known is not None:
                self.write(self.get(known[0]))
                return
            self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())
            self.memoize(value)
            return
        super().save(value, save_persistent_id)

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self._reduce_tensor(value)
        if isinstance(value, _Rebuilt):
            return value.reduced
        if isinstance(value, Size):
            return self._name("torch", "Size"), (tuple(value),)
        if isinstance(value, device):
            return self._name("torch", "device"), (value.type,) if value.index is None else (value.type, value.index)
        if isinstance(value, OrderedDict) and type(value) is not OrderedDict:
            return self._name("collections", "OrderedDict"), (), vars(value) or None, None, iter(value.items())
        if type(value) in _PLAIN or isinstance(value, np.generic | np.ndarray | np.dtype):
            return NotImplemented
        if value in (set, frozenset, bytearray, complex, OrderedDict, np.ndarray, np.dtype) or (
            getattr(value, "__module__", "") in ("numpy._core.multiarray", "_codecs")
        ):
            return NotImplemented
        if f"{type(value).__module__}.{type(value).__qualname__}" in get_safe_globals() or (
            isinstance(value, type) and f"{value.__module__}.{value.__qualname__}" in get_safe_globals()
        ):
            return NotImplemented
        raise UnsupportedError(
            message(
                f"cannot save an object of type {type(value).__module__}.{type(value).__qualname__}",
                hint="save its state_dict(), or plain data made from it, or allow the class with add_safe_globals",
            )
        )

    def _reduce_tensor(self, tensor: Tensor) -> tuple:
        from ..nn.parameter import Parameter

        if isinstance(tensor, Parameter):
            data = self._reduce_data(tensor, False)
            args = (_Rebuilt(data), tensor._requires_grad, OrderedDict())
            return self._name("torch._utils", "_rebuild_parameter"), args
        return self._reduce_data(tensor, tensor.requires_grad)

    def _reduce_data(self, tensor: Tensor, requires_grad: bool) -> tuple:
        number, offset = self._storages.place(tensor)
        array = tensor._array
        stride = tuple(step // array.itemsize for step in array.strides)
        location = "cpu" if tensor._device is None else str(tensor._device)
        reference = _StorageReference(number, location)
        args = (reference, offset, tuple(array.shape), stride, requires_grad, OrderedDict())
        return self._name("torch._utils", "_rebuild_tensor_v2"), args


class _StorageReference:
    def __init__(self, number: int, location: str):
        self.number, self.location = number, location


class _Rebuilt:
    """A value already taken apart."""

    def __init__(self, reduced: tuple):
        self.reduced = reduced


def _ready(value: Any, done: dict[int, Any]) -> Any:
    """`value` with the tensors that PyTorch could not describe replaced by contiguous copies."""
    if isinstance(value, Tensor) and not _savable(value._array):
        if id(value) not in done:
            copy = Tensor.__new__(type(value))
            copy._array = np.ascontiguousarray(value._array)
            copy._requires_grad = value._requires_grad
            done[id(value)] = copy
        return done[id(value)]
    if type(value) in (list, tuple) and any(not _same(v, done) for v in value):
        return type(value)(_ready(v, done) for v in value)
    if isinstance(value, dict) and any(not _same(v, done) for v in value.values()):
        copy = OrderedDict() if isinstance(value, OrderedDict) else {}
        copy.update((k, _ready(v, done)) for k, v in value.items())
        if hasattr(value, "__dict__"):
            copy.__dict__.update(value.__dict__)
        return copy
    return value


def _same(value: Any, done: dict[int, Any]) -> bool:
    return _ready(value, done) is value


def save(
    obj: Any,
    f: Any,
    pickle_module: Any = None,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Write tensors, state dicts and plain data to a file (path or object) that PyTorch can load.

    Raises UnsupportedError for objects that are not data.
    """
    obj = _ready(obj, {})
    storages = _Storages(obj)
    pickled = io.BytesIO()
    _Pickler(pickled, storages).dump(obj)
    if isinstance(f, str | os.PathLike):
        stem = os.path.splitext(os.path.basename(os.fspath(f)))[0] or "archive"
        temporary = f"{os.fspath(f)}.{os.getpid()}.part"
        try:
            with open(temporary, "wb") as file:
                _write_archive(file, stem, pickled.getbuffer(), storages)
            os.replace(temporary, f)
        finally:
            if os.path.exists(temporary):
                os.remove(temporary)
    else:
        _write_archive(f, "archive", pickled.getbuffer(), storages)


def _write_archive(file: BinaryIO, stem: str, pickled: Any, storages: _Storages) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:

        def record(name: str, data: Any) -> None:
            entry = zipfile.ZipInfo(f"{stem}/{name}", (1980, 1, 1, 0, 0, 0))
            start = archive.fp.tell() + 30 + len(entry.filename.encode()) + 4  # type: ignore[union-attr]
            padding = -start % _ALIGNMENT
            entry.extra = struct.pack("<2sH", b"FB", padding) + b"Z" * padding
            archive.writestr(entry, data)

        record("data.pkl", pickled)
        record(".format_version", b"1")
        record(".storage_alignment", str(_ALIGNMENT).encode())
        record("byteorder", b"little")
        for number in range(len(storages.blocks)):
            record(f"data/{number}", storages.data(number).data)
        record("version", b"3\n")


# ---- loading

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
            return tag if result is None else result.device_tag if isinstance(result, _TaggedStorage) else str(result)

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
    if f"{prefix}constants.pkl" in names and f"{prefix}code/" in {n[: len(prefix) + 5] for n in names}:
        raise UnsupportedError(message("this file is a TorchScript archive; only checkpoints are data"))
    order = _record(archive, f"{prefix}byteorder").strip() if f"{prefix}byteorder" in names else b"little"
    loaded: dict[str, LoadedStorage] = {}

    def storage(identifier: Any) -> LoadedStorage:
        kind, storage_type, key, location, count = _checked_identifier(identifier)
        if key not in loaded:
            name = f"{prefix}data/{key}"
            if name not in names:
                raise RuntimeError(f"PytorchStreamReader failed locating file data/{key}: file not found")
            if path is not None:
                buffer = _mapped(path, archive, name)
            else:
                buffer = np.frombuffer(bytearray(_record(archive, name)), np.uint8)
            loaded[key] = _made_storage(buffer, storage_type, locate(location), count, order == b"big")
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
        raise RuntimeError(f"a storage of {count} elements of {itemsize} bytes has {buffer.nbytes} bytes in the file")
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
            waiting[key] = _made_storage(np.zeros(size, np.uint8), storage_type, locate(location), count, False)
        if len(identifier) > 5 and identifier[5] is not None:
            raise UnsupportedError(message("views of storages in files of PyTorch before 0.4 are not supported"))
        return waiting[key]

    value = Unpickler(file, resolve, storage, encoding).load()
    big = isinstance(system, dict) and system.get("little_endian") is False
    for key in plain():
        target = waiting[str(key)]
        count = struct.unpack(">q" if big else "<q", _exactly(file, 8))[0]
        if target.dtype is not None and count * target.dtype.itemsize != target.buffer.nbytes:
            raise RuntimeError(f"a storage of {target.buffer.nbytes} bytes has {count} elements in the file")
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


