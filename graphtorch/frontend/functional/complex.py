"""Complex tensors: made of parts and taken apart.  They have no derivatives (yet), so gradients stop here
with an error instead of being wrong.
"""

from __future__ import annotations

import numpy as np

from ...errors import UnsupportedError, message
from ...ir.dispatch import _stack
from ...ir.types import bool_, float16, float32, float64
from .. import promotion
from ..tensor import Tensor, wrap
from .wrapping import concrete, fresh


def _values(name: str, *tensors: Tensor) -> list[np.ndarray]:
    for x in tensors:
        if x.requires_grad:
            raise UnsupportedError(
                message(
                    f"{name}: complex tensors cannot be differentiated",
                    operands={"x": x.type_},
                    hint="compute with the real and imaginary parts",
                )
            )
    if _stack.top is not None:
        _stack.top.leave(f"{name}: complex tensors are computed eagerly")  # type: ignore[attr-defined]
    return [concrete(x) for x in tensors]


def complex(real: Tensor, imag: Tensor) -> Tensor:
    """real + i imag."""
    if real.dtype is not imag.dtype:
        raise RuntimeError(
            message(
                f"Expected object of scalar type {real.dtype.name} but got scalar type {imag.dtype.name} for"
                " second argument",
                operands={"real": real.type_, "imag": imag.type_},
            )
        )
    if real.dtype not in (float32, float64, float16):
        raise RuntimeError(
            message(
                "Expected both inputs to be Half, Float or Double tensors",
                operands={"real": real.type_},
            )
        )
    a, b = _values("complex", *promotion.broadcast(real, imag))
    return fresh(
        a + 1j * b if a.dtype == np.float64 else (a + np.complex64(1j) * b).astype(np.complex64)
    )


def polar(abs: Tensor, angle: Tensor) -> Tensor:
    """abs * exp(i angle)."""
    a, b = _values("polar", *promotion.broadcast(abs, angle))
    return fresh(_joined(a * np.cos(b), a * np.sin(b)))


def _joined(real: np.ndarray, imag: np.ndarray) -> np.ndarray:
    found = np.empty(real.shape, np.complex128 if real.dtype == np.float64 else np.complex64)
    found.real, found.imag = real, imag
    return found


def view_as_complex(input: Tensor) -> Tensor:
    """A view of x[..., 2] as complex numbers."""
    (array,) = _values("view_as_complex", input)
    if array.ndim == 0 or array.shape[-1] != 2:
        raise RuntimeError(
            message("Tensor must have a last dimension of size 2", operands={"input": input.type_})
        )
    wanted = np.complex128 if array.dtype == np.float64 else np.complex64
    if not array.flags.c_contiguous:
        return fresh(_joined(array[..., 0], array[..., 1]))
    result = wrap(array.view(wanted).reshape(array.shape[:-1]))
    result._storage_ = input._storage
    return result


def view_as_real(input: Tensor) -> Tensor:
    """A view of complex numbers as x[..., 2]."""
    (array,) = _values("view_as_real", input)
    if array.dtype.kind != "c":
        raise RuntimeError("view_as_real is only supported for complex tensors")
    part = np.float64 if array.dtype == np.complex128 else np.float32
    array = np.ascontiguousarray(array)
    result = wrap(array.view(part).reshape(*array.shape, 2))
    result._storage_ = input._storage
    return result


def real(input: Tensor) -> Tensor:
    """The real part."""
    return input.real  # type: ignore[attr-defined]


def imag(input: Tensor) -> Tensor:
    """The imaginary part."""
    return input.imag  # type: ignore[attr-defined]


def conj(input: Tensor) -> Tensor:
    """The complex conjugate; a real tensor is its own."""
    if input._array.dtype.kind != "c":
        return input
    (array,) = _values("conj", input)
    return fresh(array.conj())


resolve_conj = conj


def angle(input: Tensor) -> Tensor:
    """The angle of complex numbers; of real ones 0 or pi."""
    (array,) = _values("angle", input)
    found = np.angle(array)
    return fresh(found.astype(np.float32) if array.dtype.kind in "iub" else found)


def isreal(input: Tensor) -> Tensor:
    """Whether the imaginary part is zero."""
    from ...ir import ops

    if input._array.dtype.kind != "c":
        return ops.full(shape=tuple(input._array.shape), value=True, dtype=bool_)
    (array,) = _values("isreal", input)
    return fresh(np.isreal(array))
