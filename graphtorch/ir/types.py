"""What a value is: its dtype and shape, and how the two are spelled (`f32[4, 16]`).

Nothing here knows of graphs or ops.  `DType` objects are the public `graphtorch.float32` etc. and
print as PyTorch prints its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from ..errors import UnsupportedError


class DType:
    """An element type.  `f32[4, 16]` builds a `TensorType`, as the IR text does.

    No dataclass: programs take dataclasses apart that they find among their values.
    """

    __slots__ = ("itemsize", "kind", "name", "numpy", "short")

    name: str  # PyTorch's name: "float32"
    short: str  # the IR's spelling: "f32"
    numpy: np.dtype[Any]
    kind: str  # "b" bool, "u" unsigned, "i" signed, "f" floating, "c" complex
    itemsize: int  # bytes

    def __init__(self, name: str, short: str, numpy: np.dtype[Any], kind: str, itemsize: int):
        for slot, value in zip(
            ("name", "short", "numpy", "kind", "itemsize"),
            (name, short, numpy, kind, itemsize),
            strict=True,
        ):
            object.__setattr__(self, slot, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{self!r} cannot be changed")

    @property
    def is_floating_point(self) -> bool:
        return self.kind == "f"

    @property
    def is_complex(self) -> bool:
        return self.kind == "c"

    @property
    def is_signed(self) -> bool:
        return self.kind in "ifc"

    def to_real(self) -> DType:
        """The dtype of this one's real parts."""
        return {"complex64": float32, "complex128": float64}.get(self.name, self)

    def to_complex(self) -> DType:
        """The dtype of complex numbers with parts of this one; raises KeyError where there is none."""
        return self if self.is_complex else BY_NAME[_COMPLEX[self.name]]

    def __getitem__(self, shape: int | tuple[int, ...]) -> TensorType:
        return TensorType(self, shape if isinstance(shape, tuple) else (shape,))

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return (dtype_by_name, (self.name,))


def _dtype(name: str, short: str, numpy: Any, kind: str) -> DType:
    numpy_dtype = np.dtype(numpy)
    return DType(name, short, numpy_dtype, kind, numpy_dtype.itemsize)


# fmt: off
float64    = _dtype("float64",    "f64",  np.float64,          "f")
float32    = _dtype("float32",    "f32",  np.float32,          "f")
float16    = _dtype("float16",    "f16",  np.float16,          "f")
bfloat16   = _dtype("bfloat16",   "bf16", ml_dtypes.bfloat16,  "f")
int64      = _dtype("int64",      "i64",  np.int64,            "i")
int32      = _dtype("int32",      "i32",  np.int32,            "i")
int16      = _dtype("int16",      "i16",  np.int16,            "i")
int8       = _dtype("int8",       "i8",   np.int8,             "i")
uint8      = _dtype("uint8",      "u8",   np.uint8,            "u")
bool_      = _dtype("bool",       "bool", np.bool_,            "b")
complex64  = _dtype("complex64",  "c64",  np.complex64,        "c")
complex128 = _dtype("complex128", "c128", np.complex128,       "c")
# held and converted, but nothing computes with them
uint16     = _dtype("uint16",     "u16",  np.uint16,           "u")
uint32     = _dtype("uint32",     "u32",  np.uint32,           "u")
uint64     = _dtype("uint64",     "u64",  np.uint64,           "u")
float8_e4m3fn   = _dtype("float8_e4m3fn",   "f8e4m3fn",   ml_dtypes.float8_e4m3fn,   "f")
float8_e5m2     = _dtype("float8_e5m2",     "f8e5m2",     ml_dtypes.float8_e5m2,     "f")
float8_e4m3fnuz = _dtype("float8_e4m3fnuz", "f8e4m3fnuz", ml_dtypes.float8_e4m3fnuz, "f")
float8_e5m2fnuz = _dtype("float8_e5m2fnuz", "f8e5m2fnuz", ml_dtypes.float8_e5m2fnuz, "f")
# fmt: on


class _NotHeld:
    """Stands where NumPy's dtype would be: asking NumPy for an array of it says what is wrong."""

    def __init__(self, name: str):
        self.name = name

    @property
    def dtype(self) -> Any:
        raise UnsupportedError(f"there are no tensors of {self.name}")


def _named(name: str, short: str, kind: str, itemsize: int) -> DType:
    return DType(name, short, _NotHeld(name), kind, itemsize)  # type: ignore[arg-type]


# names to compare with: no tensor has them
NAMED: tuple[DType, ...] = (
    _named("complex32", "c32", "c", 4), _named("qint8", "q8", "i", 1), _named("quint8", "qu8", "u", 1),
    _named("qint32", "q32", "i", 4), _named("quint4x2", "qu4x2", "u", 1), _named("quint2x4", "qu2x4", "u", 1),
)  # fmt: skip
complex32, qint8, quint8, qint32, quint4x2, quint2x4 = NAMED

DTYPES: tuple[DType, ...] = (
    float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8, bool_, complex64, complex128,
)  # fmt: skip
# what a tensor can hold and be cast to, eagerly; no op computes with these
STORED: tuple[DType, ...] = (
    uint16, uint32, uint64, float8_e4m3fn, float8_e5m2, float8_e4m3fnuz, float8_e5m2fnuz,
)  # fmt: skip
_COMPLEX = {"float32": "complex64", "float64": "complex128"}
BY_NAME = {d.name: d for d in DTYPES + STORED}
BY_SHORT = {d.short: d for d in DTYPES}
BY_NUMPY = {d.numpy: d for d in DTYPES + STORED}
EAGER_ONLY = frozenset(d.numpy for d in STORED) | {complex64.numpy, complex128.numpy}


def dtype_by_name(name: str) -> DType:
    """Return the dtype PyTorch calls `name`; raises KeyError."""
    return BY_NAME[name] if name in BY_NAME else {d.name: d for d in NAMED}[name]


@dataclass(frozen=True, slots=True)
class TensorType:
    """dtype and shape of one value.  Values in the IR are dense; strides belong to buffers."""

    dtype: DType
    shape: tuple[int, ...]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def numel(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.numel * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype.short}[{', '.join(map(str, self.shape))}]"

    __repr__ = __str__


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Row-major strides in elements.

    >>> contiguous_strides((2, 3, 4))
    (12, 4, 1)
    """
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))
