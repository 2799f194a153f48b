"""Writing checkpoints: tensors, plain data and whole objects, under the names PyTorch pickles them by."""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType
from typing import Any, BinaryIO

import numpy as np

from ..ir.types import DType, contiguous_strides
from . import checkpoint_legacy
from .checkpoint_blocks import Blocks, Gathering, Piece, describable, piece_of
from .checkpoint_names import torch_name
from .checkpoint_values import BUILDERS
from .device import device
from .formats import layout, memory_format, strided
from .size import Size
from .tensor import Tensor
from .typed_storage import LEGACY_STORAGES, TypedStorage
from .untyped_storage import STORAGE_NAMES, UntypedStorage

_ALIGNMENT = 64
_DEEPEST = 20_000
_PLAIN = frozenset((
    dict, list, tuple, set, frozenset, OrderedDict, str, bytes, bytearray, bool, int, float, complex, type(None),
))  # fmt: skip
_FUNCTIONS = (type, FunctionType, BuiltinFunctionType)


class _Name:
    """A global to be written by name, whether or not it can be imported here."""

    def __init__(self, module: str, name: str):
        self.module, self.name = module, name

    def __call__(self) -> None:
        raise TypeError(f"{self.module}.{self.name} is only a name here")


class _StorageReference:
    """A storage in the arguments of a tensor's builder."""

    def __init__(self, number: int, dtype: DType | None, count: int, location: str):
        self.number, self.dtype, self.count, self.location = number, dtype, count, location


class _Rebuilt:
    """A value already taken apart."""

    def __init__(self, reduced: tuple):
        self.reduced = reduced


class _Writes:
    """What any pickler does about tensors: a mixin over a `Pickler`."""

    _name: Callable[[str, str], Any]  # what stands for one of PyTorch's names
    _storages: Any
    _legacy: bool  # whether PyTorch's reader of its old format will read this
    _names: dict[tuple[str, str], Any]
    _plain: dict[int, tuple[Any, Any]]  # id of a dict of ours -> what is written for it, the dict

    def _start(self, storages: Any, legacy: bool) -> None:
        self._storages, self._legacy = storages, legacy
        self._names, self._plain = {}, {}

    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, TypedStorage | UntypedStorage):
            piece = piece_of(value)
            number, _ = self._storages.place(piece, whole=True)
            value = self._reference(number, piece, str(value.device))
        if isinstance(value, _StorageReference):
            if value.dtype is None:
                kind = self._name("torch.storage", "UntypedStorage")
            else:
                kind = self._name("torch", STORAGE_NAMES[value.dtype])
            views = (None,) if self._legacy else ()
            return "storage", kind, str(value.number), value.location, value.count, *views
        return None

    def _reference(self, number: int, piece: Piece, location: str) -> _StorageReference:
        if isinstance(self._storages, Gathering):
            return _StorageReference(0, piece.dtype, 0, location)
        block = self._storages.blocks[number]
        count = (block.stop - block.start) // block.itemsize
        return _StorageReference(number, block.dtype, count, location)

    def reducer_override(self, value: Any) -> Any:
        if type(value) in _PLAIN:
            return NotImplemented
        if isinstance(value, _Rebuilt):
            return value.reduced
        if isinstance(value, Tensor):
            if type(value).__reduce_ex__.__module__.startswith(
                "graphtorch."
            ):  # not a subclass's own
                return self._reduce_tensor(value)
        elif isinstance(value, Size):
            return self._name("torch", "Size"), (tuple(value),)
        elif isinstance(value, device):
            parts = (value.type,) if value.index is None else (value.type, value.index)
            return self._name("torch", "device"), parts
        elif isinstance(value, layout):
            return self._name("torch.serialization", "_get_layout"), (str(value),)
        parent = getattr(super(), "reducer_override", None)
        return NotImplemented if parent is None else parent(value)

    def _reduce_tensor(self, tensor: Tensor) -> Any:
        from ..nn.parameter import Buffer, Parameter, UninitializedParameter, is_lazy

        kind = type(tensor)
        if tensor.layout is not strided:
            _, args = tensor.__reduce_ex__(2)  # type: ignore[misc]
            return self._name("torch._utils", "_rebuild_sparse_tensor"), args
        if is_lazy(tensor):
            name = (
                "UninitializedParameter"
                if kind is UninitializedParameter
                else "UninitializedBuffer"
            )
            return self._name("torch.nn.parameter", name), (tensor._requires_grad,)
        state = {name: value for name, value in vars(tensor).items() if not name.startswith("_")}
        if issubclass(kind, Parameter):
            data = _Rebuilt(self._reduce_data(tensor, False))
            args = data, tensor._requires_grad, OrderedDict()
            if state:
                return self._name("torch._utils", "_rebuild_parameter_with_state"), (*args, state)
            return self._name("torch._utils", "_rebuild_parameter"), args
        if kind is Buffer:
            state.pop("persistent", None)
            kind = Tensor
        builder, args = self._reduce_data(tensor, tensor.requires_grad)
        if kind is Tensor and not state:
            return builder, args
        return self._name("torch._tensor", "_rebuild_from_type_v2"), (builder, kind, args, state)

    def _reduce_data(self, tensor: Tensor, requires_grad: bool) -> tuple[Any, tuple]:
        array, dtype = tensor._array, tensor.dtype
        if tensor._device is not None and tensor._device.type == "meta":
            stride = contiguous_strides(array.shape)
            args = (dtype, tuple(array.shape), stride, requires_grad)
            return self._name("torch._utils", "_rebuild_meta_tensor_no_storage"), args
        if not describable(array):
            tensor, where = Tensor.__new__(Tensor), tensor._device
            tensor._array = array = np.ascontiguousarray(array)
            if where is not None:
                tensor._device = where
        piece = piece_of(tensor)
        number, offset = self._storages.place(piece)
        location = "cpu" if tensor._device is None else str(tensor._device)
        reference = self._reference(number, piece, location)
        stride = tuple([step // array.itemsize for step in array.strides])
        if not array.size:  # NumPy's strides of empty arrays mean nothing
            stride = contiguous_strides(array.shape)
        if dtype in STORAGE_NAMES:
            args = (reference, offset, tuple(array.shape), stride, requires_grad, OrderedDict())
            return self._name("torch._utils", "_rebuild_tensor_v2"), args
        offset //= array.itemsize
        args = (reference, offset, tuple(array.shape), stride, requires_grad, OrderedDict(), dtype)
        return self._name("torch._utils", "_rebuild_tensor_v3"), args


class _Named:
    """Over a pickler written in Python: writes our classes and functions under PyTorch's names."""

    def _name(self, module: str, name: str) -> Any:
        return self._names.setdefault((module, name), _Name(module, name))  # type: ignore[attr-defined]

    def save(self, value: Any, save_persistent_id: bool = True) -> Any:
        pickler: Any = self
        kind = type(value)
        if kind in _PLAIN:
            return super().save(value, save_persistent_id)  # type: ignore[misc]
        if kind is DType:
            value = self._name("torch", value.name)
        elif kind is memory_format:
            value = self._name("torch", value.name)
        elif isinstance(value, _FUNCTIONS):
            name = torch_name(value)
            if name is not None:
                value = self._name(*name)
        elif issubclass(kind, dict) and kind.__module__.startswith("graphtorch."):
            known = pickler._plain.get(id(value))
            if known is None:
                plain = OrderedDict(value) if issubclass(kind, OrderedDict) else dict(value)
                if hasattr(value, "_metadata"):
                    plain._metadata = value._metadata  # type: ignore[union-attr]
                known = pickler._plain[id(value)] = plain, value
            value = known[0]
        if isinstance(value, _Name):
            known = pickler.memo.get(id(value))
            if known is not None:
                pickler.write(pickler.get(known[0]))
                return None
            pickler.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())
            pickler.memoize(value)
            return None
        return super().save(value, save_persistent_id)  # type: ignore[misc]


class _Unnamed:
    """Over a pickler written in C, which writes every class under its own name: only we read that."""

    def _name(self, module: str, name: str) -> Any:
        builder = BUILDERS.get((module, name))
        if builder is not None:
            return builder
        return {
            **LEGACY_STORAGES,
            "UntypedStorage": UntypedStorage,
            "Size": Size,
            "device": device,
        }[name]


def _pickled(value: Any, pickle_module: Any, protocol: int, legacy: bool) -> tuple[bytes, Blocks]:
    if pickle_module is None or pickle_module is pickle:
        base: type = pickle._Pickler  # type: ignore[attr-defined]
    else:
        base = pickle_module.Pickler
    in_python = issubclass(base, pickle._Pickler)  # type: ignore[attr-defined]
    kind: Any = type("Pickler", (_Named if in_python else _Unnamed, _Writes, base), {})

    def dump(storages: Any) -> bytes:
        file = io.BytesIO()
        pickler = kind(file, protocol)
        pickler._start(storages, legacy)
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(max(limit, _DEEPEST))  # Python's own frames, several a level
        try:
            pickler.dump(value)
        finally:
            sys.setrecursionlimit(limit)
        return file.getvalue()

    pieces = _pieces_of_plain(value)
    if pieces is None:
        gathering = Gathering()
        dump(gathering)
        pieces = gathering.pieces
    blocks = Blocks(pieces)
    return dump(blocks), blocks


def _pieces_of_plain(value: Any) -> list[Piece] | None:
    """The memory of all tensors in plain containers; None if there is anything else."""
    pieces: list[Piece] = []
    waiting, seen = [value], set()
    while waiting:
        item = waiting.pop()
        if isinstance(item, Tensor):
            if item.layout is not strided or any(not name.startswith("_") for name in vars(item)):
                return None
            if id(item) not in seen and describable(item._array):
                seen.add(id(item))
                pieces.append(piece_of(item))
        elif type(item) in _PLAIN or type(item).__name__ == "StateDict":
            if not isinstance(item, dict | list | tuple | set | frozenset) or id(item) in seen:
                continue
            seen.add(id(item))
            waiting.extend(item.values() if isinstance(item, dict) else item)
        elif not isinstance(item, DType | Size | device | np.generic):
            return None
    return pieces


def save(
    obj: Any,
    f: Any,
    pickle_module: Any = None,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Write tensors, state dicts, plain data or whole objects to a file that PyTorch can load.

    f: a path, or an object with `write`.  An existing file is replaced once the new one is complete.
    pickle_module: whose `Pickler` takes objects apart.
    Raises what `pickle` raises for objects that cannot be pickled.

    >>> import io
    >>> import graphtorch as torch
    >>> file = io.BytesIO()
    >>> torch.save(torch.nn.Linear(2, 1).state_dict(), file)
    """
    zipped = _use_new_zipfile_serialization
    pickled, storages = _pickled(obj, pickle_module, pickle_protocol, not zipped)
    if not isinstance(f, str | os.PathLike):
        if not hasattr(f, "write"):
            raise AttributeError(
                "expected 'f' to be a path or a file-like object with a write attribute"
            )
        _write(f, "archive", pickled, storages, pickle_protocol, zipped)
        return
    path = os.fspath(f)
    folder = os.path.dirname(path)
    if folder and not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {folder} does not exist.")
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe, /dev/null
        with open(path, "wb") as file:
            _write(file, "archive", pickled, storages, pickle_protocol, zipped)
        return
    stem = os.path.splitext(os.path.basename(path))[0] or "archive"
    temporary = f"{path}.{os.getpid()}.part"
    try:
        with open(temporary, "wb") as file:
            _write(file, stem, pickled, storages, pickle_protocol, zipped)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def _write(
    file: BinaryIO, stem: str, pickled: bytes, storages: Blocks, protocol: int, zipped: bool
) -> None:
    if zipped:
        _write_archive(file, stem, pickled, storages)
    else:
        checkpoint_legacy.write(file, pickled, storages, protocol)


def _write_archive(file: BinaryIO, stem: str, pickled: bytes, storages: Blocks) -> None:
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
        for number in sorted(storages.used):
            record(f"data/{number}", storages.data(number).data)
        record("version", b"3\n")
