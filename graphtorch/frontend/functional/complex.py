"""Complex tensors: made of parts and taken apart.

They are computed eagerly (a compiled function that meets one is left) and differentiated with
PyTorch's convention: the gradient of a real loss by z = a + i b is dL/da + i dL/db.
"""

from __future__ import annotations

from ...errors import message
from ...ir import ops
from ...ir.types import bool_, complex64, complex128, float16, float32, float64
from .. import promotion
from ..tensor import Tensor
from .wrapping import check_tensor, into, scalar_name


def _same_parts(name: str, first: Tensor, second: Tensor) -> tuple[Tensor, ...]:
    if first.dtype not in (float32, float64, float16) or second.dtype not in (
        float32,
        float64,
        float16,
    ):
        raise RuntimeError(
            message(
                f"Expected both inputs to be Half, Float or Double tensors but got {scalar_name(first.dtype)} and"
                f" {scalar_name(second.dtype)}",
                operands={"first": first.type_, "second": second.type_},
            )
        )
    if first.dtype is not second.dtype:
        raise RuntimeError(
            message(
                f"Expected object of scalar type {scalar_name(first.dtype)} but got scalar type"
                f" {scalar_name(second.dtype)} for second argument",
                operands={"first": first.type_, "second": second.type_},
            )
        )
    return promotion.broadcast(first, second)


def _stored(out: Tensor | None, result: Tensor) -> Tensor:
    if out is None:
        return result
    if out.dtype is not result.dtype:
        raise RuntimeError(
            message(
                f"Expected object of scalar type {scalar_name(result.dtype)} but got scalar type"
                f" {scalar_name(out.dtype)} for argument 'out'"
            )
        )
    return into(out, result)


def complex(real: Tensor, imag: Tensor, *, out: Tensor | None = None) -> Tensor:
    """real + i imag, of two tensors of one floating dtype; raises RuntimeError for other dtypes.

    >>> import graphtorch as torch
    >>> torch.complex(torch.tensor([1.0]), torch.tensor([2.0]))
    tensor([1.+2.j])
    """
    return _stored(out, ops.complex(*_same_parts("complex", real, imag)))


def polar(abs: Tensor, angle: Tensor, *, out: Tensor | None = None) -> Tensor:
    """abs * exp(i angle)."""
    size, turn = _same_parts("polar", abs, angle)
    result = ops.complex(ops.mul(size, ops.cos(turn)), ops.mul(size, ops.sin(turn)))
    return _stored(out, result)


def view_as_complex(input: Tensor) -> Tensor:
    """A view of x[..., 2] as complex numbers (a copy where the strides do not allow a view)."""
    array = check_tensor("view_as_complex", input)._array
    if input.dtype not in (float32, float64, float16):
        raise RuntimeError(
            message(
                "view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar"
                f" type: {scalar_name(input.dtype)}"
            )
        )
    if array.ndim == 0:
        raise RuntimeError(message("Input tensor must have one or more dimensions"))
    if array.shape[-1] != 2:
        raise RuntimeError(
            message("Tensor must have a last dimension of size 2", operands={"input": input.type_})
        )
    if array.size and array.strides[-1] != array.itemsize:
        raise RuntimeError(
            message(
                "Tensor must have a last dimension with stride 1", operands={"input": input.type_}
            )
        )
    if array.size and any(step % (2 * array.itemsize) for step in array.strides[:-1]):
        raise RuntimeError(
            message(
                "Tensor must have a stride divisible by 2 for all but last dimension",
                operands={"input": input.type_},
            )
        )
    return ops.view_as_complex(input)


def view_as_real(input: Tensor) -> Tensor:
    """A view of complex numbers as x[..., 2]."""
    if check_tensor("view_as_real", input)._array.dtype.kind != "c":
        raise RuntimeError(message("view_as_real is only supported for complex tensors"))
    return ops.view_as_real(input)


def real(input: Tensor) -> Tensor:
    """The real part, a view; a real tensor is its own."""
    return check_tensor("real", input).real  # type: ignore[attr-defined]


def imag(input: Tensor) -> Tensor:
    """The imaginary part, a view; raises RuntimeError for real tensors."""
    return check_tensor("imag", input).imag  # type: ignore[attr-defined]


def conj(input: Tensor) -> Tensor:
    """The complex conjugate (computed, not a lazy view); a real tensor is its own."""
    return ops.conj(input) if check_tensor("conj", input)._array.dtype.kind == "c" else input


def conj_physical(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The complex conjugate, in new memory."""
    kind = check_tensor("conj_physical", input)._array.dtype.kind
    result = ops.conj(input) if kind == "c" else ops.copy(input)
    return result if out is None else into(out, result)


def resolve_conj(input: Tensor) -> Tensor:
    """input itself: conjugates are never lazy here."""
    return check_tensor("resolve_conj", input)


resolve_neg = resolve_conj


def angle(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle of complex numbers; of real ones 0 or pi, NaN for NaN."""
    result = ops.angle(promotion.floating(check_tensor("angle", input)))
    return result if out is None else into(out, result)


def isreal(input: Tensor) -> Tensor:
    """Whether the imaginary part is zero."""
    if check_tensor("isreal", input)._array.dtype.kind != "c":
        return ops.full(shape=tuple(input._array.shape), value=True, dtype=bool_)
    return ops.eq(ops.imag(input), 0)


def whole(input: Tensor) -> Tensor:
    """`input` as a complex tensor of its precision; integers go through the default dtype."""
    if input._array.dtype.kind == "c":
        return input
    x = promotion.floating(input)
    return ops.cast(x, dtype=complex128 if x.dtype is float64 else complex64)
