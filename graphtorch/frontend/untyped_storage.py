"""Storages: the memory under tensors as an object of its own.

    UntypedStorage   bytes; `tensor.untyped_storage()`
    TypedStorage     the same bytes read as one dtype; `tensor.storage()`, `torch.FloatStorage`, ...

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
    contiguous_strides,
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


class TypedStorage:
    """A storage read as elements of one dtype.

    >>> import graphtorch as torch
    >>> torch.arange(3).storage().tolist()
    [0, 1, 2]
    """

    dtype: DType
    is_sparse = False

    def __init__(
        self, *args: Any, wrap_storage: Any = None, dtype: Any = None, device: Any = None, **_: Any
    ):
        if dtype is None:
            dtype = getattr(type(self), "dtype", None)
        if dtype is None:
            from .promotion import get_default_dtype

            dtype = get_default_dtype()
        self.dtype = dtype
        if wrap_storage is None:
            if not args:
                wrap_storage = UntypedStorage(0)
            elif isinstance(args[0], (UntypedStorage, TypedStorage)):
                wrap_storage = args[0].untyped()
            elif isinstance(args[0], int):
                wrap_storage = UntypedStorage(args[0] * dtype.itemsize)
            else:
                from .from_data import tensor

                wrap_storage = UntypedStorage.of(tensor(list(args[0]), dtype=dtype))
        self._untyped_storage = wrap_storage

    def untyped(self) -> UntypedStorage:
        """The bytes."""
        return self._untyped_storage

    @property
    def device(self) -> Any:
        """Where the memory lies."""
        return self._untyped_storage.device

    def _tensor(self) -> Tensor:
        count = self.size()
        return over_storage(
            self._untyped_storage, self.dtype, 0, (count,), contiguous_strides((count,))
        )

    def size(self) -> int:
        """Number of elements."""
        return self._untyped_storage.nbytes() // self.dtype.itemsize

    def __len__(self) -> int:
        return self.size()

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    def nbytes(self) -> int:
        """Size in bytes."""
        return self._untyped_storage.nbytes()

    def data_ptr(self) -> int:
        """Address of the first element."""
        return self._untyped_storage.data_ptr()

    def _data_ptr(self) -> int:
        return self._untyped_storage.data_ptr()

    @property
    def _cdata(self) -> int:
        return self._untyped_storage._cdata

    def tolist(self) -> list:
        """The elements as Python numbers."""
        return self._tensor().tolist()  # type: ignore[attr-defined]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, slice):
            start, stop, step = item.indices(self.size())
            if step != 1:
                raise RuntimeError(
                    f"Trying to slice with a step of {step}, but only a step of 1 is supported"
                )
            size = self.dtype.itemsize
            return TypedStorage(
                wrap_storage=self._untyped_storage[start * size : stop * size], dtype=self.dtype
            )
        return self._tensor()[item].item()

    def __setitem__(self, item: Any, value: Any) -> None:
        self._tensor()[item] = value

    def fill_(self, value: Any) -> TypedStorage:
        """Set every element."""
        self._tensor().fill_(value)  # type: ignore[attr-defined]
        return self

    def copy_(self, source: TypedStorage, non_blocking: bool | None = None) -> TypedStorage:
        """Take over the elements of a storage of the same size, cast to this one's dtype."""
        self._tensor().copy_(source._tensor())  # type: ignore[attr-defined]
        return self

    def clone(self) -> TypedStorage:
        """A copy."""
        return TypedStorage(wrap_storage=self._untyped_storage.clone(), dtype=self.dtype)

    def cpu(self) -> TypedStorage:
        """This storage on the CPU."""
        return TypedStorage(wrap_storage=self._untyped_storage.cpu(), dtype=self.dtype)

    def is_shared(self) -> bool:
        """False."""
        return False

    def is_pinned(self, device: Any = None) -> bool:
        """False."""
        return False

    def share_memory_(self) -> TypedStorage:
        """Accepted; memory is copied to other processes, not shared."""
        return self

    def type(self, dtype: Any = None, non_blocking: bool = False) -> str:
        """The name of the old class: torch.FloatStorage."""
        return f"torch.{STORAGE_NAMES.get(self.dtype, 'TypedStorage')}"

    def pickle_storage_type(self) -> str:
        """The name a checkpoint gives the storage: FloatStorage."""
        return STORAGE_NAMES[self.dtype]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TypedStorage)
            and self.dtype is other.dtype
            and self._untyped_storage == other._untyped_storage
        )

    def __hash__(self) -> int:
        return hash(self._untyped_storage)

    def __repr__(self) -> str:
        values = "".join(f" {value}\n" for value in self.tolist())
        return f"{values}[torch.storage.TypedStorage(dtype={self.dtype}, device={self.device}) of size {len(self)}]"

    def __reduce__(self) -> tuple:
        return _typed, (self._untyped_storage, self.dtype)


def _typed(storage: UntypedStorage, dtype: DType) -> TypedStorage:
    return TypedStorage(wrap_storage=storage, dtype=dtype)


class _LegacyStorage(type):
    """`torch.FloatStorage`: calling it makes a `TypedStorage`, `isinstance` asks for the dtype."""

    dtype: DType

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, TypedStorage) and value.dtype is cls.dtype

    def __call__(cls, *args: Any, **kwargs: Any) -> TypedStorage:
        return TypedStorage(*args, dtype=cls.dtype, **kwargs)

    def from_buffer(
        cls, buffer: Any, byte_order: str | None = None, count: int = -1, offset: int = 0
    ) -> TypedStorage:
        """A storage with a copy of a buffer's elements; byte_order: native, little or big."""
        made = UntypedStorage.from_buffer(buffer, offset=offset)
        if count >= 0:
            made = made[: count * cls.dtype.itemsize]
        if byte_order == "big":
            made.byteswap(cls.dtype)
        return TypedStorage(wrap_storage=made, dtype=cls.dtype)

    def from_file(cls, filename: Any, shared: bool = False, size: int = 0) -> TypedStorage:
        """A storage of `size` elements mapped over a file."""
        made = UntypedStorage.from_file(filename, shared, size * cls.dtype.itemsize)
        return TypedStorage(wrap_storage=made, dtype=cls.dtype)


def _legacy(name: str, dtype: DType) -> Any:
    made = _LegacyStorage(
        name, (), {"__module__": "graphtorch", "__doc__": f"Storages of dtype {dtype}."}
    )
    made.dtype = dtype
    return made


LEGACY_STORAGES: dict[str, Any] = {
    name: _legacy(name, dtype) for dtype, name in STORAGE_NAMES.items()
}


def set_(
    self: Tensor, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None
) -> Tensor:
    """Let the tensor show a storage or another tensor's memory; with no argument, nothing.

    size, stride: in elements; all of the storage by default.
    Raises RuntimeError if they reach outside of the storage or dtypes differ.
    """
    from .storage import become, left_if_from_outside

    left_if_from_outside(self, "set_ gives the tensor other memory")
    if self._requires_grad or self._node is not None:
        from .grad_mode import state

        if state.enabled:
            raise RuntimeError(
                "set_ on a tensor that requires grad is not allowed; use torch.no_grad()"
            )
    dtype = self.dtype
    if source is None:
        source = UntypedStorage(0)
    if isinstance(source, Tensor):
        if source.dtype is not dtype:
            raise RuntimeError(
                f"Could not set tensor of type {source.dtype} to a tensor of type {dtype}"
            )
        if size is None:
            become(self, source)
            return self
        storage = UntypedStorage.of(source)
    else:
        if isinstance(source, TypedStorage) and source.dtype is not dtype:
            raise RuntimeError(
                f"Expected a Storage of type {dtype} or an UntypedStorage, but got type {source.dtype} for argument 1"
                " 'storage'"
            )
        storage = source.untyped()
    size = (storage.nbytes() // dtype.itemsize - storage_offset,) if size is None else tuple(size)
    stride = (
        contiguous_strides(size) if stride is None or not stride and len(size) else tuple(stride)
    )
    wrong = check_inside(storage, dtype, storage_offset, size, stride)
    if wrong:
        raise RuntimeError(wrong)
    made = over_storage(storage, dtype, storage_offset, size, stride)
    self._array, self._storage_ = made._array, made._storage
    self._view, self._view_epoch = None, 0
    return self
