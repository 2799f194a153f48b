"""Pieces of type rules: the checks that many rows make, and how they complain.

A rule raises the class PyTorch raises; the message shows the operands in IR spelling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ... import errors
from ..types import DType, TensorType

Infer = Callable[..., TensorType]

FLOATS, NUMBERS, INTEGERS, ANY = "f", "fiuc", "iub", "fiubc"  # kinds of dtypes an op takes
REALS = "fiub"


def operands_message(what: str, hint: str = "", /, **operands: Any) -> str:
    """An error message that shows the operands by name."""
    return errors.message(what, operands=operands, hint=hint)


def require(condition: bool, what: str, hint: str = "", /, **operands: Any) -> None:
    """Raise RuntimeError with the operands shown unless `condition` holds."""
    if not condition:
        raise RuntimeError(operands_message(what, hint, **operands))


def require_kind(name: str, type: TensorType, kinds: str) -> None:
    """Raise NotImplementedError unless the dtype's kind is one of `kinds`."""
    if type.dtype.kind not in kinds:
        raise NotImplementedError(
            operands_message(f'"{name}" not implemented for {type.dtype!r}', x=type)
        )


def elementwise(name: str, inputs: str, kinds: str, out: DType | None = None) -> Infer:
    """The type rule of pointwise ops: tensors of one type, Python scalars beside them."""
    names = inputs.split()

    def infer(*types: Any, **attrs: Any) -> TensorType:
        first: TensorType | None = None
        for type in types:
            if isinstance(type, TensorType):
                if first is None:
                    first = type
                elif type is not first and type != first:
                    raise RuntimeError(
                        operands_message(
                            f"{name}: operands must have one shape and dtype",
                            "broadcast and cast before the op; the IR never does it by itself",
                            **dict(zip(names, types, strict=False)),
                        )
                    )
        if first is None:
            raise TypeError(f"{name} needs at least one tensor operand, got {types}")
        if len(types) != len(names):
            raise TypeError(f"{name} takes {len(names)} operands ({inputs}), got {len(types)}")
        if first.dtype.kind not in kinds:
            require_kind(name, first, kinds)
        return first if out is None else TensorType(out, first.shape)

    return infer


def require_dim(name: str, x: TensorType, dim: int) -> None:
    """Raise IndexError unless 0 <= dim < x.ndim."""
    if not 0 <= dim < x.ndim:
        raise IndexError(
            operands_message(
                f"{name}: dimension out of range (expected 0 to {x.ndim - 1}, got {dim})", x=x
            )
        )


def require_dims(name: str, x: TensorType, dims: Sequence[int]) -> None:
    """Like `require_dim` for a tuple that is also free of repeats."""
    for dim in dims:
        require_dim(name, x, dim)
    require(len(set(dims)) == len(dims), f"{name}: dim {dims} appears multiple times", x=x)


def without(shape: Sequence[int], dims: Sequence[int]) -> tuple[int, ...]:
    """`shape` with the sizes at `dims` dropped.

    >>> without((2, 3, 4), (1,))
    (2, 4)
    """
    return tuple(size for dim, size in enumerate(shape) if dim not in dims)


def kept(shape: Sequence[int], dims: Sequence[int]) -> tuple[int, ...]:
    """`shape` with the sizes at `dims` replaced by 1.

    >>> kept((2, 3, 4), (1,))
    (2, 1, 4)
    """
    return tuple(1 if dim in dims else size for dim, size in enumerate(shape))
