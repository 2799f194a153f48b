"""Parts of tensors as views: slices, `split`, `chunk`, `unbind`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import message
from ...ir import ops
from ..size import wrap_dim
from ..tensor import Tensor
from .shape import _RESHAPE, _SLICE, unsqueeze
from .wrapping import accepts_out, bind, check_tensor


def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """`length` elements along `dim` from `start`: a view."""
    shape = input._array.shape
    if not shape:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    dim = wrap_dim(dim, len(shape))
    if isinstance(start, Tensor) and (start._array.ndim or start._array.dtype.kind not in "iu"):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    start = int(start)
    if not -shape[dim] <= start <= shape[dim]:
        raise IndexError(
            f"start out of range (expected to be in range of [{-shape[dim]}, {shape[dim]}], but got {start})"
        )
    if start < 0:
        start += shape[dim]
    if start + length > shape[dim]:
        raise RuntimeError(
            message(
                f"start ({start}) + length ({length}) exceeds dimension size ({shape[dim]}).",
                operands={"input": input.type_},
            )
        )
    return part(input, dim, start, start + length)


def part(input: Tensor, dim: int, start: int, stop: int, step: int = 1) -> Tensor:
    """x[..., start:stop:step, ...] along one dim; arguments already in range."""
    shape = input._array.shape
    n = len(shape)
    return bind(
        _SLICE,
        (input,),
        {
            "starts": (0,) * dim + (start,) + (0,) * (n - dim - 1),
            "stops": (*shape[:dim], stop, *shape[dim + 1 :]),
            "steps": (1,) * dim + (step,) + (1,) * (n - dim - 1),
        },
    )


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice at `index` along `dim`, which goes: a view."""
    shape = input._array.shape
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim(dim, len(shape))
    index = int(index)
    if not -shape[dim] <= index < shape[dim]:
        raise IndexError(
            message(
                f"select(): index {index} out of range for tensor of size {list(shape)} at dimension {dim}",
                operands={"input": input.type_},
            )
        )
    if index < 0:
        index += shape[dim]
    piece = part(input, dim, index, index + 1)
    return bind(_RESHAPE, (piece,), {"shape": (*shape[:dim], *shape[dim + 1 :])})


def split(
    tensor: Tensor, split_size_or_sections: Any = None, dim: int = 0, *, split_size: Any = None
) -> tuple[Tensor, ...]:
    """Views of `split_size` elements along `dim` (the last may be shorter), or of the sizes listed."""
    shape = check_tensor("split", tensor)._array.shape
    if split_size is not None:  # what the method calls it
        split_size_or_sections = split_size
    if not shape:
        raise RuntimeError(message("split expects at least a 1-dimensional tensor"))
    dim = wrap_dim(dim, len(shape))
    size = shape[dim]
    if isinstance(split_size_or_sections, (tuple, list)):
        sections = [int(s) for s in split_size_or_sections]
        if sum(sections) != size or min(sections, default=0) < 0:
            raise RuntimeError(
                message(
                    f"split_with_sizes expects split_sizes to sum exactly to {size} (input tensor's size at"
                    f" dimension {dim}), but got split_sizes={sections}",
                    operands={"tensor": tensor.type_},
                )
            )
    else:
        step = int(split_size_or_sections)
        if step < 0:
            raise RuntimeError(
                f"split expects split_size be non-negative, but got split_size={step}"
            )
        if step == 0 and size != 0:
            raise RuntimeError(
                f"split_size can only be 0 if dimension size is 0, but got dimension size of {size}"
            )
        sections = [min(step, size - i) for i in range(0, size, step)] if size else [0]
    found, start = [], 0
    for length in sections:
        found.append(part(tensor, dim, start, start + length))
        start += length
    return tuple(found)


def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """`split` with the sizes listed."""
    return split(input, list(split_sizes), dim)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` views of equal size along `dim` (the last may be smaller)."""
    if not check_tensor("chunk", input)._array.ndim:
        raise RuntimeError(message("chunk expects at least a 1-dimensional tensor"))
    if chunks <= 0:
        raise RuntimeError(message(f"chunk expects `chunks` to be greater than 0, got: {chunks}"))
    size = input._array.shape[wrap_dim(dim, input._array.ndim)]
    step = -(-size // chunks)
    if step == 0:
        return split(input, [0] * chunks, dim)
    return split(input, step, dim)


def tensor_split(
    input: Tensor,
    indices_or_sections: Any = None,
    dim: int = 0,
    *,
    indices: Any = None,
    sections: int | None = None,
    tensor_indices_or_sections: Any = None,
) -> tuple[Tensor, ...]:
    """Split at the indices listed, or into that many nearly equal parts."""
    for given in (indices, sections, tensor_indices_or_sections):
        indices_or_sections = indices_or_sections if given is None else given
    if indices_or_sections is None:
        raise TypeError("tensor_split() received an invalid combination of arguments")
    dim = wrap_dim(dim, input._array.ndim)
    size = input._array.shape[dim]
    if isinstance(indices_or_sections, Tensor):
        indices_or_sections = indices_or_sections.tolist()  # type: ignore[attr-defined]
    if isinstance(indices_or_sections, int):
        count = indices_or_sections
        if count <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {count}")
        base, extra = divmod(size, count)
        lengths = [base + 1] * extra + [base] * (count - extra)
        edges = [0]
        for length in lengths:
            edges.append(edges[-1] + length)
    else:
        edges = [0]
        for i in (*indices_or_sections, size):
            edges.append(min(max(i + size if i < 0 else i, 0), size))
    return tuple([part(input, dim, a, max(a, b)) for a, b in zip(edges, edges[1:], strict=False)])


def _check_split(name: str, input: Tensor, parts: Any, dim: int, least: int) -> None:
    shape = input._array.shape
    if len(shape) < least:
        raise RuntimeError(
            f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor with"
            f" {len(shape)} dimensions!"
        )
    if isinstance(parts, int) and (parts <= 0 or shape[dim] % parts):
        raise RuntimeError(
            f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension"
            f" {shape[dim]} is not divisible by the split_size {parts}!"
        )


def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """`tensor_split` along dim 2."""
    _check_split("dsplit", input, indices_or_sections, 2, 3)
    return tensor_split(input, indices_or_sections, 2)


def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """`tensor_split` along dim 1 (dim 0 for vectors)."""
    _check_split("hsplit", input, indices_or_sections, 0 if input._array.ndim == 1 else 1, 1)
    return tensor_split(input, indices_or_sections, 0 if input._array.ndim == 1 else 1)


def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """`tensor_split` along dim 0."""
    _check_split("vsplit", input, indices_or_sections, 0, 2)
    return tensor_split(input, indices_or_sections, 0)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along `dim`, as views."""
    shape = input._array.shape
    if not shape:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    dim = wrap_dim(dim, len(shape))
    return tuple([select(input, dim, i) for i in range(shape[dim])])


@accepts_out
def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    """`input` with a slice replaced by `src`."""
    shape = input._array.shape
    dim = wrap_dim(dim, len(shape))
    first, last, _ = slice(start, end).indices(shape[dim])
    return ops.slice_update(
        input,
        src,
        starts=tuple([first if d == dim else 0 for d in range(len(shape))]),
        stops=tuple([max(first, last) if d == dim else s for d, s in enumerate(shape)]),
        steps=tuple([step if d == dim else 1 for d in range(len(shape))]),
    )


@accepts_out
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """`input` with one slice replaced by `src`."""
    dim = wrap_dim(dim, input._array.ndim)
    index = index % input._array.shape[dim]
    return slice_scatter(input, unsqueeze(src, dim), dim, index, index + 1)
