"""Complex numbers made of parts and taken apart.

The gradient of a real loss by z = a + i b is dL/da + i dL/db, PyTorch's convention.  A holomorphic
row needs no thought: its ordinary rule, run on conjugated cotangents and conjugated back, is the
adjoint (`derivative.Conjugated`).  The rows here are not holomorphic; `meta["conjugates"]` says that
their rules follow the convention themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..op import Op, declare
from ..types import DType, TensorType, complex64, complex128, float32, float64
from .inference import operands_message, require
from .kernels import Array, quiet
from .pointwise import abs as _abs
from .pointwise import eq, square, where
from .samples import Case, normal

PARTS = {complex64: float32, complex128: float64}
WHOLE = {float32: complex64, float64: complex128}
OWN_RULES = {"conjugates": True}


def part_of(dtype: DType) -> DType:
    """The dtype of the real and imaginary part; a real dtype itself."""
    return PARTS.get(dtype, dtype)


def whole_of(dtype: DType) -> DType:
    """The complex dtype of these parts; a complex dtype itself."""
    return WHOLE.get(dtype, dtype)


def _require_complex(name: str, x: TensorType) -> None:
    require(
        x.dtype.kind == "c", f"{name} is only supported for complex tensors", x=x
    )  # pragma: no branch


def joined(a: Array, b: Array) -> Array:
    """a + i b without rounding or NaN arithmetic."""
    whole = np.complex128 if a.dtype == np.float64 else np.complex64
    y = np.empty(a.shape, whole)
    y.real, y.imag = a, b
    return y


def _complex_type(a: TensorType, b: TensorType) -> TensorType:
    if a.dtype not in WHOLE or a != b:
        raise RuntimeError(
            operands_message("complex wants two equal float32 or float64 operands", a=a, b=b)
        )
    return TensorType(WHOLE[a.dtype], a.shape)


def _part_type(name: str) -> Any:
    def infer(x: TensorType) -> TensorType:
        _require_complex(name, x)
        return TensorType(PARTS[x.dtype], x.shape)

    return infer


def _as_real_type(x: TensorType) -> TensorType:
    _require_complex("view_as_real", x)
    return TensorType(PARTS[x.dtype], (*x.shape, 2))


def _as_complex_type(x: TensorType) -> TensorType:
    require(x.ndim > 0 and x.shape[-1] == 2, "Tensor must have a last dimension of size 2", x=x)
    return TensorType(WHOLE[x.dtype], x.shape[:-1])


def _as_real(x: Array) -> Array:
    part = np.float64 if x.dtype == np.complex128 else np.float32
    return np.stack((x.real, x.imag), -1) if x.ndim == 0 else _reinterpreted(x, part)


def _reinterpreted(x: Array, part: Any) -> Array:
    itemsize = np.dtype(part).itemsize
    if x.size == 0:
        return np.empty((*x.shape, 2), part)
    return np.lib.stride_tricks.as_strided(x.real, (*x.shape, 2), (*x.strides, itemsize))


def _as_complex(x: Array) -> Array:
    whole = np.complex128 if x.dtype == np.float64 else np.complex64
    if (
        x.size
        and x.strides[-1] == x.itemsize
        and all(s % whole().itemsize == 0 for s in x.strides[:-1])
    ):
        return x.view(whole)[..., 0]
    return joined(x[..., 0], x[..., 1])


def _complex_samples() -> list[Case]:
    return [((normal(3, 5), normal(3, 5, seed=1)), {}), ((normal(), normal(seed=1)), {})]


def numbers(*shape: int, seed: int = 0) -> Array:
    """Complex standard normal numbers."""
    return joined(normal(*shape, seed=seed), normal(*shape, seed=seed + 1))


def _one(*shape: int) -> Any:
    return lambda: [((numbers(*shape),), {}), ((numbers(),), {})]


def _unwalkable(shape: Any, strides: Any, offset: int) -> None:
    """These views change the size of an element: no strides in elements describe them."""
    return None


def _zero(like: Any) -> Any:
    return like - like


def _angle_rule(g: Any, x: Any) -> Any:
    if x.dtype.kind != "c":
        return _zero(g)
    size = square(_abs(x))
    nothing = eq(size, 0)
    size = where(nothing, 1.0, size)
    a, b = real(x), imag(x)
    return complex(where(nothing, 0, -(g * b) / size), where(nothing, 0, (g * a) / size))


def _angle_type(x: TensorType) -> TensorType:
    return TensorType(part_of(x.dtype), x.shape)


# complex(a, b): a + i b
complex: Op = declare(
    "complex", "host", "a b", _complex_type, quiet(joined),
    vjp=(lambda g: real(g), lambda g: imag(g)), samples=_complex_samples, meta=OWN_RULES,
)  # fmt: skip

# conj(x)
conj: Op = declare(
    "conj", "host", "x", lambda x: x, quiet(np.conj),
    vjp=(lambda g: conj(g),), samples=_one(3, 5), meta=OWN_RULES,
)  # fmt: skip

# real(x), imag(x): views of the parts
real: Op = declare(
    "real", "view", "x", _part_type("real"), quiet(lambda x: x.real), strided=_unwalkable,
    vjp=(lambda g: complex(g, _zero(g)),), samples=_one(3, 5), meta={**OWN_RULES, "reinterprets": True},
)  # fmt: skip
imag: Op = declare(
    "imag", "view", "x", _part_type("imag"), quiet(lambda x: x.imag), strided=_unwalkable,
    vjp=(lambda g: complex(_zero(g), g),), samples=_one(3, 5), meta={**OWN_RULES, "reinterprets": True},
)  # fmt: skip

# view_as_real(x): x[..., 2]; view_as_complex(x[..., 2]) is its inverse
view_as_real: Op = declare(
    "view_as_real", "view", "x", _as_real_type, quiet(_as_real), strided=_unwalkable,
    vjp=(lambda g: view_as_complex(g),), samples=_one(3, 5), meta={**OWN_RULES, "reinterprets": True},
)  # fmt: skip
view_as_complex: Op = declare(
    "view_as_complex", "view", "x", _as_complex_type, quiet(_as_complex), strided=_unwalkable,
    vjp=(lambda g: view_as_real(g),), samples=lambda: [((normal(3, 5, 2),), {})],
    meta={**OWN_RULES, "reinterprets": True},
)  # fmt: skip

# angle(x): of complex numbers; 0 or pi for real ones
angle = declare(
    "angle", "host", "x", _angle_type,
    quiet(lambda x: np.where(np.isnan(x), x, np.angle(x).astype(x.dtype)) if x.dtype.kind == "f" else np.angle(x)),
    vjp=(_angle_rule,), samples=lambda: [((numbers(3, 5),), {}), ((normal(3, 5),), {})], meta=OWN_RULES,
)  # fmt: skip

_abs.meta.update(OWN_RULES)  # g * x / |x|, as it stands


def _sign_rule(g: Any, y: Any, x: Any) -> Any:
    if x.dtype.kind != "c":
        return _zero(g)
    size = _abs(x)
    nothing = eq(size, 0)
    scaled = g / _whole(where(nothing, 1.0, size))
    along = real(scaled * conj(y))
    return where(nothing, 0, scaled - _whole(along) * y)


def _whole(x: Any) -> Any:
    return complex(x, _zero(x))


# complex_sign(x): x / |x|, 0 at 0
complex_sign = declare(
    "complex_sign", "host", "x", lambda x: x, quiet(np.sign), vjp=(_sign_rule,), samples=_one(3, 5), meta=OWN_RULES,
)  # fmt: skip
