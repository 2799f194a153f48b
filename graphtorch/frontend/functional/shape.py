"""Functions that rearrange: views, joining, splitting, repeating.

Basic views share memory with their input, as in PyTorch; `reshape` copies only where it must.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...errors import message
from ...ir import ops
from ...ir.ops.view import _reshape_strided
from .. import promotion
from ..size import Size, dim_error, inferred, sizes, wrap_dim
from ..tensor import Tensor
from .wrapping import bind, check_tensor

_RESHAPE, _PERMUTE, _EXPAND, _SLICE = ops.reshape, ops.permute, ops.expand, ops.slice

# ---- reshaping


def _reshaped(input: Tensor, shape: tuple[int, ...]) -> Tensor:
    array = input._array
    if -1 in shape or math.prod(shape) != array.size:
        try:
            shape = inferred(shape, array.size)
        except RuntimeError as error:
            raise promotion.shape_error(error, input=input) from None
    return bind(_RESHAPE, (input,), {"shape": shape})


def reshape(input: Tensor, *args: Any, shape: Any = None) -> Tensor:
    """The same elements in row-major order under another shape; one size may be -1."""
    return _reshaped(input, sizes(args if shape is None else (shape,)))


def view(input: Tensor, *shape: Any, dtype: Any = None, size: Any = None) -> Tensor:
    """`reshape` that never copies; raises RuntimeError where it would have to."""
    if (
        len(shape) == 1
        and not isinstance(shape[0], (int, tuple, list))
        and hasattr(shape[0], "numpy")
    ):
        dtype = shape[0]
    if dtype is not None:
        from .conversion import view_dtype

        return view_dtype(input, dtype)
    wanted = sizes(shape if size is None else (size,))
    array = input._array
    if not array.flags.c_contiguous and array.size > 1:
        wanted = inferred(wanted, array.size)
        if _reshape_strided(array.shape, array.strides, 0, shape=wanted) is None:
            raise RuntimeError(
                message(
                    "view size is not compatible with input tensor's size and stride (at least one"
                    " dimension spans across two contiguous subspaces). Use .reshape(...) instead.",
                    operands={"input": input.type_},
                    hint=f"strides are {tuple(s // array.itemsize for s in array.strides)}, wanted {wanted}",
                )
            )
    return _reshaped(input, wanted)


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """`view` with the shape of `other`."""
    return view(input, other._array.shape)


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """`reshape` with the shape of `other`."""
    return _reshaped(input, other._array.shape)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Join the dims from `start_dim` to `end_dim` into one."""
    shape = input._array.shape
    n = len(shape)
    start, end = wrap_dim(start_dim, n), wrap_dim(end_dim, n)
    if start > end:
        raise RuntimeError(
            message("flatten() has invalid args: start_dim cannot come after end_dim")
        )
    if n == 0:
        return bind(_RESHAPE, (input,), {"shape": (1,)})
    if start == end:
        return input
    joined = math.prod(shape[start : end + 1])
    return bind(_RESHAPE, (input,), {"shape": (*shape[:start], joined, *shape[end + 1 :])})


def ravel(input: Tensor) -> Tensor:
    """All elements in one dim."""
    return _reshaped(input, (input._array.size,))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Split one dim into several; one size may be -1."""
    shape = input._array.shape
    dim = wrap_dim(dim, len(shape))
    parts = tuple(sizes)
    if not parts:
        raise RuntimeError("unflatten: sizes must be non-empty")
    if -1 not in parts and math.prod(parts) != shape[dim]:
        raise RuntimeError(
            message(
                f"unflatten: Provided sizes {list(parts)} don't multiply up to the size of dim {dim}"
                f" ({shape[dim]}) in the input tensor",
                operands={"input": input.type_},
            )
        )
    return _reshaped(input, (*shape[:dim], *inferred(parts, shape[dim]), *shape[dim + 1 :]))


def squeeze(input: Tensor, dim: Any = None, *more: int) -> Tensor:
    """Drop dims of size 1: all of them, or those named."""
    shape = input._array.shape
    if dim is None:
        kept = tuple([s for s in shape if s != 1])
    else:
        dims = dim if isinstance(dim, (tuple, list)) else (dim, *more)
        wrapped = {wrap_dim(d, len(shape)) for d in dims}
        kept = tuple([s for i, s in enumerate(shape) if s != 1 or i not in wrapped])
    return bind(_RESHAPE, (input,), {"shape": kept})


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Insert a dim of size 1."""
    shape = input._array.shape
    n = len(shape) + 1
    if not -n <= dim < n:
        raise dim_error(dim, n)
    if dim < 0:
        dim += n
    return bind(_RESHAPE, (input,), {"shape": (*shape[:dim], 1, *shape[dim:])})


# ---- permuting


def permute(input: Tensor, *args: Any, dims: Any = None) -> Tensor:
    """Dim i of the result is dim dims[i] of the input."""
    order = sizes(args if dims is None else (dims,))
    n = input._array.ndim
    if len(order) != n:
        raise RuntimeError(
            message(
                "permute(sparse_coo): number of dimensions in the tensor input does not match the length"
                f" of the desired ordering of dimensions i.e. input.dim() = {n} is not equal to"
                f" len(dims) = {len(order)}",
                operands={"input": input.type_},
            )
        )
    order = tuple([wrap_dim(d, n) for d in order])
    if len(set(order)) != n:
        raise RuntimeError(message("permute(): duplicate dims are not allowed."))
    return bind(_PERMUTE, (input,), {"dims": order})


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Exchange two dims."""
    n = input._array.ndim
    dim0, dim1 = wrap_dim(dim0, n), wrap_dim(dim1, n)
    order = list(range(n))
    if n:
        order[dim0], order[dim1] = dim1, dim0
    return bind(_PERMUTE, (input,), {"dims": tuple(order)})


swapdims = transpose


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """Exchange two dims."""
    return transpose(input, axis0, axis1)


def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; vectors stay."""
    n = input._array.ndim
    if n > 2:
        raise RuntimeError(
            message(
                f"t() expects a tensor with <= 2 dimensions, but self is {n}D",
                operands={"input": input.type_},
            )
        )
    return bind(_PERMUTE, (input,), {"dims": (1, 0) if n == 2 else (0,) if n else ()})


def adjoint(input: Tensor) -> Tensor:
    """The last two dims exchanged, conjugated if complex."""
    turned = transpose(input, -2, -1)
    return ops.conj(turned) if input._array.dtype.kind == "c" else turned


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Move dims to other places; the rest keep their order."""
    n = input._array.ndim
    sources = [wrap_dim(d, n) for d in (source if isinstance(source, (tuple, list)) else (source,))]
    goals = [
        wrap_dim(d, n)
        for d in (destination if isinstance(destination, (tuple, list)) else (destination,))
    ]
    if len(sources) != len(goals):
        raise RuntimeError(
            message(
                "movedim: Invalid source or destination dims: source"
                f" ({list(sources)} dims) should contain the same number of dims as destination"
                f" ({list(goals)} dims)"
            )
        )
    if len(set(sources)) != len(sources) or len(set(goals)) != len(goals):
        raise RuntimeError(message("movedim: repeated dim in `source` or `destination`"))
    rest = iter([d for d in range(n) if d not in sources])
    place = dict(zip(goals, sources, strict=True))
    return bind(
        _PERMUTE,
        (input,),
        {"dims": tuple([place[d] if d in place else next(rest) for d in range(n)])},
    )


moveaxis = movedim

# ---- growing


def expand(input: Tensor, *shape: Any, size: Any = None, implicit: bool = False) -> Tensor:
    """Repeat dims of size 1 without copying; -1 keeps a size, new dims go in front."""
    wanted = sizes(shape if size is None else (size,))
    old = input._array.shape
    lead = len(wanted) - len(old)
    if lead < 0:
        raise RuntimeError(
            message(
                f"expand({input.type_}, size={list(wanted)}): the number of sizes provided ({len(wanted)})"
                f" must be greater or equal to the number of dimensions in the tensor ({len(old)})"
            )
        )
    full = []
    for i, size in enumerate(wanted):
        if i < lead:
            if size < 0:
                raise RuntimeError(
                    message(
                        f"The expanded size of the tensor ({size}) isn't allowed in a leading,"
                        f" non-existing dimension {i}",
                        operands={"input": input.type_},
                    )
                )
            full.append(size)
            continue
        have = old[i - lead]
        if size == -1:
            size = have
        elif have not in (1, size):
            raise RuntimeError(
                message(
                    f"The expanded size of the tensor ({size}) must match the existing size ({have}) at"
                    f" non-singleton dimension {i}.  Target sizes: {list(wanted)}.  Tensor sizes: {list(old)}",
                    operands={"input": input.type_},
                )
            )
        full.append(size)
    if math.prod(full) == input._array.size and not input.requires_grad:  # nothing is repeated,
        return bind(_RESHAPE, (input,), {"shape": tuple(full)})  # so it may be written
    return bind(_EXPAND, (input,), {"shape": tuple(full)})


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """`expand` to the shape of `other`."""
    return expand(input, other._array.shape)


def broadcast_to(input: Tensor, *args: Any, size: Any = None) -> Tensor:
    """`expand` to `size`."""
    return expand(input, *args, size=size)


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """All tensors expanded to their common shape."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    return promotion.broadcast(*tensors)


def repeat(input: Tensor, *args: Any, repeats: Any = None) -> Tensor:
    """The tensor laid out several times along each dim (a copy)."""
    counts = sizes(args if repeats is None else (repeats,))
    shape = input._array.shape
    lead = len(counts) - len(shape)
    if lead < 0:
        raise RuntimeError(
            message(
                "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor",
                operands={"input": input.type_},
            )
        )
    old = (1,) * lead + shape
    spread = bind(_RESHAPE, (input,), {"shape": tuple([v for s in old for v in (1, s)])})
    grown = bind(
        _EXPAND,
        (spread,),
        {"shape": tuple([v for r, s in zip(counts, old, strict=True) for v in (r, s)])},
    )
    shape = tuple([r * s for r, s in zip(counts, old, strict=True)])
    return bind(_RESHAPE, (ops.copy(grown),), {"shape": shape})


def tile(input: Tensor, *args: Any, dims: Any = None) -> Tensor:
    """`repeat` that pads the counts with ones in front."""
    counts = sizes(args if dims is None else (dims,))
    return repeat(input, (1,) * (input._array.ndim - len(counts)) + counts)


def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Every element repeated in place, `repeats` times (a number, or one count per element)."""
    from .selection import index_of_counts

    if repeats is None:
        return index_of_counts(input)
    if dim is None:
        input, dim = ravel(input), 0
    dim = wrap_dim(dim, input._array.ndim)
    shape = input._array.shape
    if isinstance(repeats, Tensor) and repeats._array.size == 1:
        repeats = int(repeats)
    if isinstance(repeats, int):
        spread = bind(_RESHAPE, (input,), {"shape": (*shape[: dim + 1], 1, *shape[dim + 1 :])})
        grown = bind(_EXPAND, (spread,), {"shape": (*shape[: dim + 1], repeats, *shape[dim + 1 :])})
        return bind(
            _RESHAPE,
            (ops.copy(grown),),
            {"shape": (*shape[:dim], shape[dim] * repeats, *shape[dim + 1 :])},
        )
    if repeats._array.size != shape[dim]:
        raise RuntimeError(
            message(
                "repeats must have the same size as input along dim",
                operands={"input": input.type_, "repeats": repeats.type_},
            )
        )
    return ops.take(input, index_of_counts(repeats), dim=dim)


def numel(input: Tensor) -> int:
    """Number of elements."""
    return check_tensor("numel", input)._array.size


def size_of(input: Tensor, dim: int | None = None) -> Any:
    """`Tensor.size`: the shape, or one size."""
    shape = input._array.shape
    return Size(shape) if dim is None else shape[wrap_dim(dim, len(shape))]
