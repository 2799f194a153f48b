"""The values a checkpoint may hold besides plain data, and the names PyTorch pickles them under.

`resolve` is the whole list of globals that safe loading knows.  Each stands for one of our own
functions, which checks its arguments: a tensor's sizes and strides must lie inside its storage.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..ir.types import BY_NAME, DType
from .device import device
from .formats import layout, memory_format
from .size import Size
from .tensor import Tensor
from .typed_storage import TypedStorage
from .unpickle import Constructor, buildable
from .untyped_storage import STORAGE_NAMES, UntypedStorage, check_inside, over_storage


class StorageType:
    """A storage class named in a pickle; dtype None for bytes."""

    def __init__(self, dtype: DType | None):
        self.dtype = dtype


class QuantizedType:
    """A storage class of quantised elements."""

    def __init__(self, name: str):
        self.name = name


_QUANTIZED = ("QUInt8", "QInt8", "QInt32", "QUInt4x2", "QUInt2x4")


def refuse_quantized(*_: Any) -> Any:
    """What quantised tensors load as: an error."""
    raise UnsupportedError(
        "the file holds quantized tensors, which are not supported; dequantize() them before saving"
    )


def rebuild_tensor(
    storage: Any, offset: int, size: tuple, stride: tuple, requires_grad: bool = False,
    hooks: Any = None, metadata: Any = None, dtype: DType | None = None,
) -> Tensor:  # fmt: skip
    """A tensor over a storage; raises UnpicklingError if it would reach outside."""
    if isinstance(storage, TypedStorage):
        storage, dtype = storage.untyped(), dtype or storage.dtype
    if not isinstance(storage, UntypedStorage):
        raise UnpicklingError("a tensor's storage is missing")
    if not isinstance(dtype, DType):
        raise UnpicklingError("a tensor's dtype is missing")
    size, stride = tuple(size), tuple(stride)
    wrong = check_inside(storage, dtype, offset, size, stride)
    if wrong:
        raise UnpicklingError(wrong)
    tensor = over_storage(storage, dtype, offset, size, stride)
    if metadata:
        if metadata.get("neg"):
            tensor = -tensor
        if metadata.get("conj"):
            tensor = tensor.conj()  # type: ignore[attr-defined]
    if requires_grad:
        tensor.requires_grad_()
    return tensor


def rebuild_tensor_v3(
    storage: Any, offset: int, size: tuple, stride: tuple, requires_grad: bool, hooks: Any, dtype: DType,
    metadata: Any = None,
) -> Tensor:  # fmt: skip
    """`rebuild_tensor` for dtypes without a storage class of their own."""
    return rebuild_tensor(storage, offset, size, stride, requires_grad, hooks, metadata, dtype)


def rebuild_parameter(
    data: Tensor, requires_grad: bool = True, hooks: Any = None, state: Any = None
) -> Tensor:
    """A parameter over a tensor's memory."""
    from ..nn.parameter import Parameter

    if not isinstance(data, Tensor):
        raise UnpicklingError("a parameter without data")
    return set_attributes(Parameter(data, bool(requires_grad)), state)


def rebuild_meta(dtype: DType, size: tuple, stride: tuple, requires_grad: bool = False) -> Tensor:
    """A tensor without data."""
    import graphtorch

    return graphtorch.empty(
        tuple(size), dtype=dtype, device="meta", requires_grad=bool(requires_grad)
    )


def rebuild_sparse(kind: layout, data: tuple) -> Any:
    """A sparse tensor from its parts."""
    import graphtorch

    sparse: Any = graphtorch
    if kind.name == "sparse_coo":
        indices, values, size, *coalesced = data
        made = sparse.sparse_coo_tensor(indices, values, tuple(size), check_invariants=True)
        return made._coalesced_(bool(coalesced[0])) if coalesced else made
    if kind.name == "sparse_csr":
        return sparse.sparse_csr_tensor(*data[:3], tuple(data[3]), check_invariants=True)
    raise UnsupportedError(f"the file holds a tensor of layout {kind}, which is not supported")


def rebuild_array(array: Any, dtype: DType, where: Any, requires_grad: bool) -> Tensor:
    """A tensor of a device without storages, saved as a NumPy array."""
    import graphtorch

    return graphtorch.from_numpy(np.array(array)).to(dtype).requires_grad_(bool(requires_grad))


def rebuild_from_type(function: Any, kind: Any, args: tuple, state: Any) -> Tensor:
    """A tensor with attributes, or of a subclass."""
    tensor = function(*args)
    if isinstance(kind, Constructor):  # Parameter
        kind = kind.type
    if not isinstance(kind, type) or not issubclass(kind, Tensor):
        raise UnpicklingError(f"{kind!r} is no class of tensors")
    if type(tensor) is not kind:
        tensor = tensor.as_subclass(kind)
    return set_attributes(tensor, state)


def set_attributes(tensor: Tensor, state: Any) -> Tensor:
    """Give a tensor the attributes a program had set on it; names with an underscore are ours."""
    if isinstance(state, tuple) and len(state) == 2:
        state = {**(state[0] or {}), **(state[1] or {})}
    for name, value in (state or {}).items():
        if not isinstance(name, str):
            raise UnpicklingError(f"a tensor's attribute is called {name!r}")
        if name == "persistent" and (state or {}).get("_is_buffer"):
            continue
        if not name.startswith("_"):
            tensor.__dict__[name] = value
    return tensor


def get_layout(name: str) -> Any:
    """`torch.strided` and its like by their names."""
    import graphtorch

    found = getattr(graphtorch, name.removeprefix("torch."), None)
    if not isinstance(found, layout | memory_format):
        raise UnpicklingError(f"unknown layout {name!r}")
    return found


def rebuild_uninitialized(requires_grad: bool = True, *_: Any) -> Tensor:
    """A parameter of a lazy module before its first call."""
    from ..nn.parameter import UninitializedParameter

    return UninitializedParameter(requires_grad)


def rebuild_uninitialized_buffer(requires_grad: bool = False, *_: Any) -> Tensor:
    """A buffer of a lazy module before its first call."""
    from ..nn.parameter import UninitializedBuffer

    return UninitializedBuffer(requires_grad)


def typed_storage(wrap_storage: Any, dtype: Any = None, *_: Any) -> Any:
    """`torch.storage.TypedStorage(...)` in a pickle."""
    return TypedStorage(wrap_storage=wrap_storage, dtype=dtype)


# PyTorch's functions that tensors are pickled by
BUILDERS: dict[tuple[str, str], Callable[..., Any]] = {
    ("torch._utils", "_rebuild_tensor"): rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v3"): rebuild_tensor_v3,
    ("torch._utils", "_rebuild_parameter"): rebuild_parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): rebuild_parameter,
    ("torch._utils", "_rebuild_meta_tensor_no_storage"): rebuild_meta,
    ("torch._utils", "_rebuild_sparse_tensor"): rebuild_sparse,
    ("torch._utils", "_rebuild_qtensor"): refuse_quantized,
    ("torch._utils", "_rebuild_device_tensor_from_numpy"): rebuild_array,
    ("torch._tensor", "_rebuild_from_type_v2"): rebuild_from_type,
    ("torch.serialization", "_get_layout"): get_layout,
    ("torch.nn.parameter", "UninitializedParameter"): rebuild_uninitialized,
    ("torch.nn.parameter", "UninitializedBuffer"): rebuild_uninitialized_buffer,
}  # fmt: skip


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

# ---- the table of what safe loading knows


def _default_dict(factory: Any = None, *items: Any) -> defaultdict:
    return defaultdict(
        factory if factory in (list, dict, int, str, float, bool, tuple) else None, *items
    )


def _checked_rebuild(function: Any, kind: Any, args: Any, state: Any) -> Any:
    if not isinstance(function, Constructor) or not isinstance(args, tuple):
        raise UnpicklingError(f"Trying to call reduce for unrecognized function {function!r}")
    return rebuild_from_type(function.function, kind, args, state)


def _table() -> dict[tuple[str, str], Any]:
    from ..nn.parameter import Parameter

    table: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): Constructor("OrderedDict", lambda *items: OrderedDict(*items)),
        ("collections", "Counter"): Constructor("Counter", lambda *items: Counter(*items)),
        ("collections", "defaultdict"): Constructor("defaultdict", _default_dict),
        ("builtins", "set"): Constructor("set", lambda *items: set(*items)),
        ("builtins", "frozenset"): Constructor("frozenset", lambda *items: frozenset(*items)),
        ("builtins", "bytearray"): Constructor("bytearray", lambda *data: bytearray(*data)),
        ("builtins", "complex"): Constructor("complex", lambda *parts: complex(*parts)),
        ("builtins", "slice"): Constructor("slice", lambda *parts: slice(*parts)),
        # what NEWOBJ and default factories name; none of them can be called
        ("builtins", "list"): list, ("builtins", "dict"): dict, ("builtins", "int"): int, ("builtins", "str"): str,
        ("builtins", "float"): float, ("builtins", "bool"): bool, ("builtins", "tuple"): tuple,
        ("_codecs", "encode"): Constructor("_codecs.encode", _encoded),
        ("torch", "Size"): Constructor("torch.Size", lambda *sizes: Size(*sizes)),
        ("torch", "device"): Constructor("torch.device", lambda *where: device(*where)),
        ("torch", "Tensor"): Tensor,
        ("torch.storage", "UntypedStorage"): StorageType(None),
        ("torch", "UntypedStorage"): StorageType(None),
        ("torch.storage", "TypedStorage"): Constructor("TypedStorage", typed_storage),
        ("torch.nn.parameter", "Parameter"): Constructor("Parameter", rebuild_parameter, Parameter),
        ("numpy", "dtype"): Constructor("numpy.dtype", _PickledDtype),
        ("numpy", "ndarray"): None,
    }  # fmt: skip
    for room in ("numpy.core.multiarray", "numpy._core.multiarray"):
        table[room, "scalar"] = Constructor("numpy scalar", _numpy_scalar)
        table[room, "_reconstruct"] = Constructor("numpy array", lambda *_: _PickledArray())
    for dtype, name in STORAGE_NAMES.items():
        table["torch", name] = table["torch.storage", name] = StorageType(dtype)
    for name in _QUANTIZED:
        table["torch", f"{name}Storage"] = QuantizedType(name)
    for name in ("per_tensor_affine", "per_channel_affine", *map(str.lower, _QUANTIZED)):
        table["torch", name] = name
    for name, dtype in BY_NAME.items():
        table["torch", name] = dtype
    for key, function in BUILDERS.items():
        table[key] = Constructor(key[1], function)
    table["torch._tensor", "_rebuild_from_type_v2"] = Constructor(
        "_rebuild_from_type_v2", _checked_rebuild
    )
    return table


_TABLE: dict[tuple[str, str], Any] = {}
BLOCKED = frozenset({"sys", "os", "posix", "nt"})


def known(module: str, name: str) -> Any:
    """What a global stands for, without what the user allowed; None if it is not in the table."""
    if not _TABLE:
        _TABLE.update(_table())
    return _TABLE.get(("builtins" if module == "__builtin__" else module, name), _ABSENT)


_ABSENT = object()


def is_known(module: str, name: str) -> bool:
    """Whether safe loading knows a global by itself."""
    return known(module, name) is not _ABSENT


def resolve(module: str, name: str) -> Any:
    """What a global in a checkpoint stands for; raises UnpicklingError naming it if it is not known."""
    found = known(module, name)
    if found is not _ABSENT:
        return found
    from .safe_globals import allowed

    path = f"{module}.{name}"
    if module in BLOCKED:
        raise UnpicklingError(
            f"Trying to load unsupported GLOBAL {path} whose module {module} is blocked."
        )
    constructor = allowed(path)
    if constructor is not None:
        return constructor.function  # the object itself, which the file may also keep
    if module.split(".")[0] == "builtins" or not module.isidentifier() and "." not in module:
        call = path
    else:
        call = name
    raise UnpicklingError(
        f"Unsupported global: GLOBAL {path} was not an allowed global by default. Please use"
        f" `torch.serialization.add_safe_globals([{call}])` or the `torch.serialization.safe_globals([{call}])`"
        " context manager to allowlist this global if you trust this class/function."
    )
