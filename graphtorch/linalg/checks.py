"""What the argument of a linalg function must be, and the error for a failed factorisation."""

from __future__ import annotations

from typing import Any

from ..errors import message
from ..frontend import promotion
from ..frontend.functional.wrapping import check_tensor, scalar_name
from ..frontend.tensor import Tensor


class LinAlgError(RuntimeError):
    """A matrix is singular, not positive definite, or a factorisation did not converge."""


LinAlgError.__name__ = LinAlgError.__qualname__ = "_LinAlgError"


def solved(op: Any, text: str, *operands: Any, **attrs: Any) -> Any:
    """Run an op; a failure of the factorisation is a LinAlgError with PyTorch's words."""
    try:
        return op(*operands, **attrs)
    except RuntimeError as error:
        words = str(error)
        if "Singular" in words or "positive definite" in words or "converge" in words:
            raise LinAlgError(message(text, operands={"A": operands[0].type_})) from None
        raise


def matrices(name: str, A: Any, argument: str = "A") -> Tensor:
    """`A` if it has at least two dims and a floating (or complex) dtype of 32 bits or more."""
    check_tensor(name, A, argument)
    if A._array.ndim < 2:
        raise RuntimeError(
            message(
                f"{name}: The input tensor {argument} must have at least 2 dimensions.",
                operands={argument: A.type_},
            )
        )
    return floating(name, A)


def floating(name: str, A: Tensor) -> Tensor:
    """`A` if its dtype is one LAPACK knows."""
    if A._array.dtype.kind not in "fc":
        raise RuntimeError(
            message(
                f"{name}: Expected a floating point or complex tensor as input. Got {scalar_name(A.dtype)}",
                operands={"A": A.type_},
            )
        )
    if A._array.dtype.itemsize < 4:
        raise RuntimeError(
            message(
                f"{name}: Low precision dtypes not supported. Got {scalar_name(A.dtype)}",
                operands={"A": A.type_},
            )
        )
    return A


def square(name: str, A: Any, argument: str = "A") -> Tensor:
    """`A` if it is a batch of square matrices; raises RuntimeError otherwise."""
    matrices(name, A, argument)
    rows, columns = A._array.shape[-2:]
    if rows != columns:
        raise RuntimeError(
            message(
                f"{name}: {argument} must be batches of square matrices, but they are {rows} by {columns} matrices",
                operands={argument: A.type_},
            )
        )
    return A


def same_dtype(name: str, A: Tensor, B: Tensor) -> None:
    """Raises RuntimeError unless both have one dtype."""
    if A.dtype is not B.dtype:
        raise RuntimeError(
            message(
                f"{name}: Expected A and B to have the same dtype, but found A of type {scalar_name(A.dtype)} and B"
                f" of type {scalar_name(B.dtype)} instead",
                operands={"A": A.type_, "B": B.type_},
            )
        )


def first_element(A: Tensor) -> str:
    """What PyTorch's messages say of a batch."""
    return "(Batch element 0): " if A._array.ndim > 2 else ""


def expanded(A: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
    """Both with one batch shape."""
    batch = promotion.common_shape((A._array.shape[:-2], B._array.shape[:-2]))
    return (
        promotion.expand(A, (*batch, *A._array.shape[-2:])),
        promotion.expand(B, (*batch, *B._array.shape[-2:])),
    )
