"""Writing checkpoints: tensors and plain data under the names PyTorch pickles them by."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from typing import Any, BinaryIO

import numpy as np

from ..errors import UnsupportedError
from ..ir.types import DType, contiguous_strides
from .checkpoint_values import STORAGE_NAMES, get_safe_globals
from .device import device
from .size import Size
from .tensor import Tensor

_ALIGNMENT = 64
_PLAIN = (
    dict, list, tuple, set, frozenset, OrderedDict, str, bytes, bytearray, bool, int, float, complex, type(None),
)  # fmt: skip
_CLASSES = (set, frozenset, bytearray, complex, OrderedDict, np.ndarray, np.dtype)


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
        elif id(value) not in self._seen:
            if isinstance(value, dict | list | tuple | set | frozenset):
                self._seen.add(id(value))
                for item in value.values() if isinstance(value, dict) else value:
                    self._collect(item)
            elif f"{type(value).__module__}.{type(value).__qualname__}" in get_safe_globals():
                self._seen.add(id(value))
                self._collect(getattr(value, "__dict__", {}))

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
        flat = np.ndarray(
            (root.nbytes,), np.uint8, root.data if root.flags.c_contiguous else root.T.data
        )
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
            return (
                "storage",
                self._name("torch", STORAGE_NAMES[dtype]),
                str(value.number),
                value.location,
                count,
            )
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
            return self._name("torch", "device"), (value.type,) if value.index is None else (
                value.type,
                value.index,
            )
        if isinstance(value, OrderedDict) and type(value) is not OrderedDict:
            return (
                self._name("collections", "OrderedDict"),
                (),
                vars(value) or None,
                None,
                iter(value.items()),
            )
        if type(value) in _PLAIN or isinstance(value, np.generic | np.ndarray | np.dtype):
            return NotImplemented
        if any(value is kind for kind in _CLASSES) or (
            getattr(value, "__module__", "") in ("numpy._core.multiarray", "_codecs")
        ):
            return NotImplemented
        if f"{type(value).__module__}.{type(value).__qualname__}" in get_safe_globals() or (
            isinstance(value, type)
            and f"{value.__module__}.{value.__qualname__}" in get_safe_globals()
        ):
            return NotImplemented
        raise UnsupportedError(
            f"cannot save an object of type {type(value).__module__}.{type(value).__qualname__}: save its"
            " state_dict() or plain data made from it, or allow the class with add_safe_globals"
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
        if not array.size:  # NumPy's strides of empty arrays mean nothing
            stride = contiguous_strides(array.shape)
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
