"""The values a checkpoint may hold besides plain data, and the names PyTorch pickles them under.

`resolve` is the whole list of globals that loading knows.  Each stands for one of our own functions,
which checks its arguments: a tensor's sizes and strides must lie inside its storage.
"""

from __future__ import annotations

import contextlib
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from pickle import UnpicklingError
from typing import Any

import numpy as np

from ..ir.types import (
    BY_NAME,
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
from .device import device
from .size import Size
from .tensor import Storage, Tensor
from .unpickle import Constructor, buildable

STORAGE_NAMES: dict[DType, str] = {
    float64: "DoubleStorage", float32: "FloatStorage", float16: "HalfStorage", bfloat16: "BFloat16Storage",
    int64: "LongStorage", int32: "IntStorage", int16: "ShortStorage", int8: "CharStorage", uint8: "ByteStorage",
    bool_: "BoolStorage", complex64: "ComplexFloatStorage", complex128: "ComplexDoubleStorage",
}  # fmt: skip
_STORAGE_DTYPES: dict[str, DType | None] = {name: dtype for dtype, name in STORAGE_NAMES.items()}
_STORAGE_DTYPES["UntypedStorage"] = None


class StorageType:
    """A storage class named in a pickle; dtype None for bytes."""

    def __init__(self, dtype: DType | None):
        self.dtype = dtype


class LoadedStorage:
    """The bytes of one storage, and what its views share."""

    __slots__ = ("buffer", "dtype", "location", "shared")

    def __init__(self, buffer: np.ndarray, dtype: DType | None, location: str):
        self.buffer = buffer  # uint8
        self.dtype = dtype
        self.location = location
        self.shared = Storage()


def rebuild_tensor(
    storage: LoadedStorage, offset: int, size: tuple, stride: tuple, requires_grad: bool = False,
    hooks: Any = None, dtype: DType | None = None,
) -> Tensor:  # fmt: skip
    """A tensor over a storage; raises UnpicklingError if it would reach outside."""
    if not isinstance(storage, LoadedStorage):
        raise UnpicklingError("a tensor's storage is missing")
    dtype = dtype or storage.dtype
    if not isinstance(dtype, DType):
        raise UnpicklingError("a tensor's dtype is missing")
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or any(type(n) is not int or n < 0 for n in numbers):
        raise UnpicklingError(f"impossible tensor: offset {offset}, size {size}, stride {stride}")
    if all(size):
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if (last + 1) * dtype.itemsize > storage.buffer.nbytes:
            raise UnpicklingError(
                f"a tensor of size {tuple(size)} reaches outside its storage of {storage.buffer.nbytes} bytes"
            )
    tensor = Tensor.__new__(Tensor)
    if all(size):
        strides = tuple(step * dtype.itemsize for step in stride)
        tensor._array = np.ndarray(
            tuple(size), dtype.numpy, storage.buffer.data, offset * dtype.itemsize, strides
        )
    else:
        tensor._array = np.empty(tuple(size), dtype.numpy)
    tensor._storage_ = storage.shared
    result = tensor if storage.location == "cpu" else tensor.to(storage.location)
    if requires_grad:
        result.requires_grad_()
    return result


def _rebuild_v3(
    storage: LoadedStorage, offset: int, size: tuple, stride: tuple, requires_grad: bool, hooks: Any, dtype: DType,
    metadata: Any = None,
) -> Tensor:  # fmt: skip
    return rebuild_tensor(storage, offset, size, stride, requires_grad, hooks, dtype)


def _rebuild_parameter(
    data: Tensor, requires_grad: bool, hooks: Any = None, state: Any = None
) -> Tensor:
    from ..nn.parameter import Parameter

    if not isinstance(data, Tensor):
        raise UnpicklingError("a parameter without data")
    return Parameter(data, bool(requires_grad))


def _encoded(text: str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise UnpicklingError(f"bytes in encoding {encoding!r}")
    return text.encode("latin1")


# ---- NumPy scalars and arrays of plain dtypes


class _PickledDtype:
    def __init__(self, code: str, *rest: Any):
        if not isinstance(code, str) or code[:1] not in "biufc?SU" or "O" in code:
            raise UnpicklingError(f"NumPy dtype {code!r}")
        self.dtype = np.dtype(code)


def _build_dtype(instance: _PickledDtype, state: Any) -> _PickledDtype:
    order = state[1]
    if order in ("<", ">", "|", "="):
        instance.dtype = instance.dtype.newbyteorder(order)
    return instance


class _PickledArray:
    value: Any = None


def _build_array(instance: _PickledArray, state: Any) -> Any:
    _, shape, kind, fortran, data = state
    if not isinstance(kind, _PickledDtype):
        raise UnpicklingError("a NumPy array without dtype")
    flat = np.frombuffer(data if isinstance(data, bytes) else data.encode("latin1"), kind.dtype)
    return flat.reshape(shape, order="F" if fortran else "C").copy()


def _numpy_scalar(kind: _PickledDtype, data: Any) -> Any:
    if not isinstance(kind, _PickledDtype):
        raise UnpicklingError("a NumPy scalar without dtype")
    return np.frombuffer(data if isinstance(data, bytes) else data.encode("latin1"), kind.dtype)[0]


buildable(_PickledDtype, _build_dtype)
buildable(_PickledArray, _build_array)

# ---- the table


def _table() -> dict[tuple[str, str], Any]:
    table: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): Constructor(
            "OrderedDict", lambda *items: OrderedDict(*items)
        ),
        ("collections", "Counter"): Constructor("Counter", lambda *items: Counter(*items)),
        ("collections", "defaultdict"): Constructor("defaultdict", lambda *_: defaultdict(None)),
        ("builtins", "set"): Constructor("set", lambda *items: set(*items)),
        ("builtins", "frozenset"): Constructor("frozenset", lambda *items: frozenset(*items)),
        ("builtins", "bytearray"): Constructor("bytearray", lambda *data: bytearray(*data)),
        ("builtins", "complex"): Constructor("complex", lambda *parts: complex(*parts)),
        ("builtins", "slice"): Constructor("slice", lambda *parts: slice(*parts)),
        ("_codecs", "encode"): Constructor("_codecs.encode", _encoded),
        ("torch._utils", "_rebuild_tensor"): Constructor("_rebuild_tensor", rebuild_tensor),
        ("torch._utils", "_rebuild_tensor_v2"): Constructor("_rebuild_tensor_v2", rebuild_tensor),
        ("torch._utils", "_rebuild_tensor_v3"): Constructor("_rebuild_tensor_v3", _rebuild_v3),
        ("torch._utils", "_rebuild_parameter"): Constructor(
            "_rebuild_parameter", _rebuild_parameter
        ),
        ("torch._utils", "_rebuild_parameter_with_state"): Constructor(
            "_rebuild_parameter", _rebuild_parameter
        ),
        ("torch", "Size"): Constructor("torch.Size", lambda *sizes: Size(*sizes)),
        ("torch", "device"): Constructor("torch.device", lambda *where: device(*where)),
        ("torch.storage", "UntypedStorage"): StorageType(None),
        ("torch.nn.parameter", "Parameter"): Constructor("Parameter", _rebuild_parameter),
        ("numpy", "dtype"): Constructor("numpy.dtype", _PickledDtype),
        ("numpy", "ndarray"): None,
    }
    for room in ("numpy.core.multiarray", "numpy._core.multiarray"):
        table[room, "scalar"] = Constructor("numpy scalar", _numpy_scalar)
        table[room, "_reconstruct"] = Constructor("numpy array", lambda *_: _PickledArray())
    for name, dtype in _STORAGE_DTYPES.items():
        table["torch", name] = StorageType(dtype)
    for name, dtype in BY_NAME.items():
        table["torch", name] = dtype
    return table


_TABLE = _table()
_safe_globals: dict[tuple[str, str], Constructor] = {}


def resolve(module: str, name: str) -> Any:
    """What a global in a checkpoint stands for; raises UnpicklingError naming it if it is not known."""
    key = ("builtins" if module == "__builtin__" else module, name)  # as Python 2 called it
    if key in _TABLE:
        return _TABLE[key]
    if key in _safe_globals:
        return _safe_globals[key]
    raise UnpicklingError(
        f"Unsupported global: GLOBAL {module}.{name} was not an allowed global by default. Loading runs no code from"
        f" the file. If you trust the file, allow the class with graphtorch.serialization.add_safe_globals([{name}])."
    )


def add_safe_globals(safe_globals: list[Any]) -> None:
    """Let checkpoints make instances of these classes (and call these functions)."""
    for item in safe_globals:
        value, name = (
            item if isinstance(item, tuple) else (item, f"{item.__module__}.{item.__qualname__}")
        )
        module, _, last = name.rpartition(".")
        _safe_globals[module, last] = _constructor_of(value, name)


def _constructor_of(value: Any, name: str) -> Constructor:
    def build(instance: Any, state: Any) -> Any:
        if hasattr(instance, "__setstate__"):
            instance.__setstate__(state)
        else:
            fields, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
            instance.__dict__.update(fields or {})
            for key, field in (slots or {}).items():
                setattr(instance, key, field)
        return instance

    if isinstance(value, type):
        buildable(value, build)
        return Constructor(
            name, lambda *args: value.__new__(value, *args) if not args else value(*args)
        )
    return Constructor(name, value)


def get_safe_globals() -> list[str]:
    """The names allowed by `add_safe_globals`."""
    return [f"{module}.{name}" for module, name in _safe_globals]


def clear_safe_globals() -> None:
    """Allow nothing beyond the built-in table."""
    _safe_globals.clear()


@contextlib.contextmanager
def safe_globals(safe_globals: list[Any]) -> Iterator[None]:
    """`add_safe_globals` for a `with` block."""
    before = dict(_safe_globals)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        _safe_globals.clear()
        _safe_globals.update(before)


Resolver = Callable[[str, str], Any]
