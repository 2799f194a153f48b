"""Storages: the memory under tensors as an object of its own.

    UntypedStorage   bytes; `tensor.untyped_storage()`
    TypedStorage     the same bytes read as one dtype, in `typed_storage.py`

All tensors over one storage share its record (`Storage` in tensor.py).  A storage that was made
before its tensors (loaded from a file, handed to `set_`) keeps its memory in the record
(`BackedStorage`), so that their offsets count from its first byte.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..ir.types import (
    DType,
    bfloat16,
    bool_,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)
from .device import CPU, device
from .tensor import Storage, Tensor

STORAGE_NAMES: dict[DType, str] = {
    float64: "DoubleStorage", float32: "FloatStorage", float16: "HalfStorage", bfloat16: "BFloat16Storage",
    int64: "LongStorage", int32: "IntStorage", int16: "ShortStorage", int8: "CharStorage", uint8: "ByteStorage",
    bool_: "BoolStorage", complex64: "ComplexFloatStorage", complex128: "ComplexDoubleStorage",
}  # fmt: skip


class _Span:
    """A stretch of memory inside an array, in NumPy's terms."""

    def __init__(self, owner: np.ndarray, start: int, stop: int):
        self.owner = owner
        self.__array_interface__ = {
            "data": (start, not owner.flags.writeable),
            "shape": (stop - start,),
            "typestr": "|u1",
            "version": 3,
        }


def span(array: np.ndarray) -> tuple[int, int]:
    """First and one past the last byte an array touches."""
    if not array.size:
        address = array.__array_interface__["data"][0]
        return address, address
    return np.lib.array_utils.byte_bounds(array)


def bytes_between(owner: np.ndarray, start: int, stop: int) -> np.ndarray:
    """The memory from `start` to `stop`, which must lie in `owner`'s, as bytes."""
    return np.asarray(_Span(owner, start, stop)) if stop > start else np.empty(0, np.uint8)


def over_storage(
    storage: UntypedStorage, dtype: DType, offset: int, size: tuple, stride: tuple
) -> Tensor:
    """A tensor of elements of a storage; the caller has checked that they lie inside it."""
    if storage.device.type == "meta":
        from .meta import meta_tensor

        return meta_tensor(size, dtype)
    tensor = Tensor.__new__(Tensor)
    if all(size):
        strides = tuple([step * dtype.itemsize for step in stride])
        tensor._array = np.ndarray(
            size, dtype.numpy, storage._memory.data, offset * dtype.itemsize, strides
        )
    else:
        tensor._array = np.empty(size, dtype.numpy)
    tensor._storage_ = storage._record
    if storage.device.type != "cpu":
        tensor._device = storage.device
    return tensor


def check_inside(
    storage: UntypedStorage, dtype: DType, offset: int, size: tuple, stride: tuple
) -> str:
    """What is wrong with a tensor of these numbers over the storage; empty if nothing is."""
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or any(type(n) is not int or n < 0 for n in numbers):
        return f"impossible tensor: offset {offset}, size {tuple(size)}, stride {tuple(stride)}"
    if all(size):
        last = offset + sum([(n - 1) * step for n, step in zip(size, stride, strict=True)])
        if (last + 1) * dtype.itemsize > storage.nbytes():
            return (
                f"a tensor of size {tuple(size)}, stride {tuple(stride)} and offset {offset} reaches outside its"
                f" storage of {storage.nbytes()} bytes"
            )
    return ""


class UntypedStorage:
    """A stretch of memory, as bytes.

    >>> import graphtorch as torch
    >>> x = torch.zeros(3)
    >>> x.untyped_storage().nbytes()
    12
    >>> torch.UntypedStorage(4).fill_(7).tolist()
    [7, 7, 7, 7]
    """

    __slots__ = ("_memory", "_record", "device")
    is_cuda = False
    is_sparse = False

    def __init__(self, data: Any = 0, *, device: Any = None):
        memory = (
            np.zeros(data, np.uint8)
            if isinstance(data, int)
            else np.asarray([int(v) for v in data], np.uint8)
        )
        self._set(memory, Storage(memory), device)

    def _set(self, memory: np.ndarray, record: Storage, where: Any) -> None:
        self._memory, self._record = memory, record
        self.device = CPU if where is None else device(where)

    @staticmethod
    def over(memory: np.ndarray, where: Any = None) -> UntypedStorage:
        """A storage whose bytes are those of a uint8 array (shared)."""
        self = UntypedStorage.__new__(UntypedStorage)
        self._set(memory, Storage(memory), where)
        return self

    @staticmethod
    def of(tensor: Tensor) -> UntypedStorage:
        """The storage under a tensor."""
        self = UntypedStorage.__new__(UntypedStorage)
        record = tensor._storage
        memory = record.memory
        if memory is None:
            base = tensor
            while base._view is not None:
                base = base._view[0]
            memory = bytes_between(base._array, *span(base._array))
        self._set(memory, record, tensor._device)
        return self

    @classmethod
    def from_buffer(
        cls, buffer: Any, *_: Any, count: int = -1, offset: int = 0, **__: Any
    ) -> UntypedStorage:
        """A storage with a copy of a buffer's bytes."""
        return cls.over(np.frombuffer(buffer, np.uint8, count, offset).copy())

    @classmethod
    def from_file(cls, filename: Any, shared: bool = False, nbytes: int = 0) -> UntypedStorage:
        """A storage mapped over a file; writes reach the file if `shared`."""
        if shared and (not os.path.exists(filename) or os.path.getsize(filename) < nbytes):
            with open(filename, "ab") as file:
                file.truncate(nbytes)
        if not nbytes:
            return cls(0)
        return cls.over(
            np.asarray(np.memmap(filename, np.uint8, "r+" if shared else "c", 0, (nbytes,)))
        )

    # ---- size and place

    def nbytes(self) -> int:
        """Size in bytes."""
        return self._memory.nbytes

    def size(self) -> int:
        """Size in bytes."""
        return self._memory.nbytes

    def __len__(self) -> int:
        return self._memory.nbytes

    def element_size(self) -> int:
        """1."""
        return 1

    def data_ptr(self) -> int:
        """Address of the first byte."""
        return self._memory.__array_interface__["data"][0]

    @property
    def _cdata(self) -> int:
        return id(self._record)

    @property
    def is_hpu(self) -> bool:
        """False."""
        return False

    def get_device(self) -> int:
        """Index of the device, -1 for the CPU."""
        return -1 if self.device.index is None else self.device.index

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, UntypedStorage)
            and other._record is self._record
            and len(other) == len(self)
        )

    def __hash__(self) -> int:
        return id(self._record)

    # ---- bytes

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, slice):
            if item.step not in (None, 1):
                raise RuntimeError(
                    f"Trying to slice with a step of {item.step}, but only a step of 1 is supported"
                )
            part = UntypedStorage.__new__(UntypedStorage)
            memory = self._memory[item]
            part._set(memory, Storage(memory), self.device)
            return part
        return int(self._memory[item])

    def __setitem__(self, item: Any, value: int) -> None:
        self._memory[item] = value

    def __iter__(self) -> Iterator[int]:
        return iter(self.tolist())

    def tolist(self) -> list[int]:
        """The bytes as ints."""
        return self._memory.tolist()

    def fill_(self, value: int) -> UntypedStorage:
        """Set every byte."""
        self._memory[...] = value
        return self

    def copy_(self, source: Any, non_blocking: bool | None = None) -> UntypedStorage:
        """Take over the bytes of a storage of the same size."""
        self._memory[...] = source._memory
        return self

    def clone(self) -> UntypedStorage:
        """A copy."""
        return UntypedStorage.over(self._memory.copy(), self.device)

    def resize_(self, size: int) -> UntypedStorage:
        """Refused unless the size stays: tensors hold the memory they were made over."""
        if size != self.nbytes():
            raise UnsupportedError(
                "a storage cannot be resized here; make a new tensor of the wanted size"
            )
        return self

    def cpu(self) -> UntypedStorage:
        """This storage, if it lies on the CPU, else a copy there."""
        return self if self.device.type == "cpu" else UntypedStorage.over(self._memory.copy())

    def cuda(self, device: Any = None, non_blocking: bool = False) -> UntypedStorage:
        """A copy on a GPU."""
        return self.to(device=f"cuda:{device or 0}" if not isinstance(device, str) else device)

    def to(self, *, device: Any, non_blocking: bool = False) -> UntypedStorage:
        """This storage, or a copy on another device."""
        from .device import device as device_

        where = device_(device)
        if where.type == self.device.type:
            return self
        _check_available(where)
        memory = self._memory if where.type == "meta" else self._memory.copy()
        return UntypedStorage.over(memory, where)

    def untyped(self) -> UntypedStorage:
        """This storage."""
        return self

    def type(self, dtype: Any = None, non_blocking: bool = False) -> str:
        """The name of the class, as PyTorch spells it."""
        return "torch.storage.UntypedStorage"

    def is_shared(self) -> bool:
        """Whether other processes see the memory: False."""
        return False

    def is_pinned(self, device: Any = None) -> bool:
        """False."""
        return False

    def pin_memory(self, device: Any = None) -> UntypedStorage:
        """This storage."""
        return self

    def share_memory_(self) -> UntypedStorage:
        """Accepted; memory is copied to other processes, not shared."""
        return self

    def byteswap(self, dtype: DType) -> None:
        """Reverse the bytes of every element, in place."""
        self._memory[...] = swapped(self._memory, dtype)

    def __repr__(self) -> str:
        return f" {self.tolist()}\n[torch.storage.UntypedStorage(device={self.device}) of size {len(self)}]"

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return _from_bytes, (self._memory.tobytes(),)

    def __deepcopy__(self, memo: dict) -> UntypedStorage:
        copied = memo.get(self._cdata)
        if copied is None:
            copied = memo[self._cdata] = self.clone()
        return copied

    __copy__ = clone


def _check_available(where: device) -> None:
    if where.type == "cuda":
        from .. import cuda

        if not cuda.is_available():
            raise RuntimeError(
                "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If you are"
                " running on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') to map"
                " your storages to the CPU."
            )


def swapped(memory: np.ndarray, dtype: DType) -> np.ndarray:
    """The bytes of elements in the other byte order."""
    part = dtype.itemsize // 2 if dtype.is_complex else dtype.itemsize
    return memory if part == 1 else memory.reshape(-1, part)[:, ::-1].reshape(-1)


def _from_bytes(data: bytes) -> UntypedStorage:
    return UntypedStorage.over(np.frombuffer(bytearray(data), np.uint8))
