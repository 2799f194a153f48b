"""Storages read as elements of one dtype, under the old names (`torch.FloatStorage`), and `Tensor.set_`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..ir.types import DType, contiguous_strides
from .tensor import Tensor
from .untyped_storage import STORAGE_NAMES, UntypedStorage, check_inside, over_storage


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
