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
from ...ir.types import BY_NUMPY
from .. import promotion
from ..size import Size, dim_error, inferred, sizes, wrap_dim
from ..tensor import Tensor
from .wrapping import bind, check_tensor, into, tensor_list

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


def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements in row-major order under another shape; one size may be -1."""
    return _reshaped(input, sizes(shape))


def view(input: Tensor, *shape: Any, dtype: Any = None) -> Tensor:
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
    wanted = sizes(shape)
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


def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Drop dims of size 1: all of them, or those named."""
    shape = input._array.shape
    if dim is None:
        kept = tuple([s for s in shape if s != 1])
    else:
        dims = dim if isinstance(dim, (tuple, list)) else (dim,)
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


def permute(input: Tensor, *dims: Any) -> Tensor:
    """Dim i of the result is dim dims[i] of the input."""
    order = sizes(dims)
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


swapaxes = swapdims = transpose


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
    """The last two dims exchanged (real dtypes: no conjugation needed)."""
    return transpose(input, -2, -1)


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


def expand(input: Tensor, *shape: Any, implicit: bool = False) -> Tensor:
    """Repeat dims of size 1 without copying; -1 keeps a size, new dims go in front."""
    wanted = sizes(shape)
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
    return bind(_EXPAND, (input,), {"shape": tuple(full)})


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """`expand` to the shape of `other`."""
    return expand(input, other._array.shape)


def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """`expand` to `size`."""
    return expand(input, size)


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """All tensors expanded to their common shape."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    return promotion.broadcast(*tensors)


def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """The tensor laid out several times along each dim (a copy)."""
    counts = sizes(repeats)
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


def tile(input: Tensor, *dims: Any) -> Tensor:
    """`repeat` that pads the counts with ones in front."""
    counts = sizes(dims)
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


# ---- joining


def cat(
    tensors: Any, dim: int = 0, *, out: Tensor | None = None, axis: int | None = None
) -> Tensor:
    """One tensor after the other along `dim`; dtypes are promoted."""
    found = tensor_list("cat", tensors)
    if axis is not None:
        dim = axis
    if not found:
        raise ValueError(message("torch.cat(): expected a non-empty list of Tensors"))
    first = found[0]._array.dtype
    if any(x._array.dtype != first for x in found):
        dtype = promotion.result_type(*found)
        found = [promotion.cast(x, dtype) for x in found]
    if len(found) > 1:  # PyTorch skips empty vectors, whatever the other shapes are
        real = [x for x in found if x._array.shape != (0,)]
        found = real or found[:1]
    shape = found[0]._array.shape
    for i, x in enumerate(found):
        if x._array.ndim == 0:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    dim = wrap_dim(dim, len(shape))
    for i, x in enumerate(found[1:], 1):
        other = x._array.shape
        if len(other) != len(shape):
            raise RuntimeError(
                message(
                    f"Tensors must have same number of dimensions: got {len(shape)} and {len(other)}",
                    operands={"0": found[0].type_, str(i): x.type_},
                )
            )
        if other[:dim] != shape[:dim] or other[dim + 1 :] != shape[dim + 1 :]:
            wrong = next(d for d in range(len(shape)) if d != dim and other[d] != shape[d])
            raise RuntimeError(
                message(
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {shape[wrong]}"
                    f" but got size {other[wrong]} for tensor number {i} in the list.",
                    operands={"0": found[0].type_, str(i): x.type_},
                )
            )
    result = ops.concat(*found, dim=dim)
    return result if out is None else into(out, result)


concat = concatenate = cat


def stack(tensors: Any, dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The tensors along a new dim."""
    found = tensor_list("stack", tensors)
    if not found:
        raise RuntimeError("stack expects a non-empty TensorList")
    shape = found[0]._array.shape
    for i, x in enumerate(found):
        if x._array.shape != shape:
            raise RuntimeError(
                message(
                    f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and"
                    f" {list(x._array.shape)} at entry {i}"
                )
            )
    n = len(shape) + 1
    if not -n <= dim < n:
        raise dim_error(dim, n)
    dim %= n
    longer = (*shape[:dim], 1, *shape[dim:])
    return cat([bind(_RESHAPE, (x,), {"shape": longer}) for x in found], dim, out=out)


def _at_least(n: int, x: Tensor) -> Tensor:
    have = x._array.ndim
    if have >= n:
        return x
    if n == 3 and have == 2:
        return unsqueeze(x, 2)
    if n == 3 and have == 1:
        return _reshaped(x, (1, x._array.size, 1))
    return _reshaped(x, (1,) * (n - have) + x._array.shape)


def _atleast(n: int) -> Any:
    def function(*tensors: Any) -> Any:
        if len(tensors) == 1 and isinstance(tensors[0], Tensor):
            return _at_least(n, tensors[0])
        if len(tensors) == 1:
            tensors = tuple(tensors[0])
        return tuple([_at_least(n, x) for x in tensors])

    function.__name__ = function.__qualname__ = f"atleast_{n}d"
    function.__doc__ = f"The tensors with at least {n} dims."
    return function


atleast_1d, atleast_2d, atleast_3d = _atleast(1), _atleast(2), _atleast(3)


def hstack(tensors: Any) -> Tensor:
    """Joined along dim 1 (dim 0 for vectors)."""
    found = [_at_least(1, x) for x in tensors]
    return cat(found, 0 if found[0]._array.ndim == 1 else 1)


def vstack(tensors: Any) -> Tensor:
    """Joined along dim 0; vectors become rows."""
    return cat([_at_least(2, x) for x in tensors], 0)


row_stack = vstack


def dstack(tensors: Any) -> Tensor:
    """Joined along dim 2."""
    return cat([_at_least(3, x) for x in tensors], 2)


def column_stack(tensors: Any) -> Tensor:
    """Vectors as columns, side by side."""
    return hstack([_reshaped(x, (x._array.size, 1)) if x._array.ndim < 2 else x for x in tensors])


# ---- splitting


def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """`length` elements along `dim` from `start`: a view."""
    shape = input._array.shape
    dim = wrap_dim(dim, len(shape))
    start = int(start)
    if not -shape[dim] <= start <= shape[dim]:
        raise IndexError(
            f"start out of range (expected to be in range of [{-shape[dim]}, {shape[dim]}], but got {start})"
        )
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
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


def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of `split_size` elements along `dim` (the last may be shorter), or of the sizes listed."""
    shape = check_tensor("split", tensor)._array.shape
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
    if chunks <= 0:
        raise RuntimeError(message(f"chunk expects `chunks` to be greater than 0, got: {chunks}"))
    size = input._array.shape[wrap_dim(dim, input._array.ndim)]
    step = -(-size // chunks)
    if step == 0:
        return split(input, [0] * chunks, dim)
    return split(input, step, dim)


def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Split at the indices listed, or into that many nearly equal parts."""
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


def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """`tensor_split` along dim 1 (dim 0 for vectors)."""
    return tensor_split(input, indices_or_sections, 0 if input._array.ndim == 1 else 1)


def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """`tensor_split` along dim 0."""
    return tensor_split(input, indices_or_sections, 0)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along `dim`, as views."""
    shape = input._array.shape
    if not shape:
        raise RuntimeError("Dimension specified as 0 but tensor has no dimensions")
    dim = wrap_dim(dim, len(shape))
    return tuple([select(input, dim, i) for i in range(shape[dim])])


# ---- turning, windows, diagonals


def flip(input: Tensor, *dims: Any) -> Tensor:
    """Reversed along the dims given (a copy)."""
    n = input._array.ndim
    wrapped = [wrap_dim(d, n) for d in sizes(dims)]
    if len(set(wrapped)) != len(wrapped):
        raise RuntimeError(f"dim {wrapped[0]} appears multiple times in the list of dims")
    return ops.copy(ops.flip(input, dims=tuple(sorted(wrapped)) if n else ()))


def fliplr(input: Tensor) -> Tensor:
    """Reversed along dim 1."""
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """Reversed along dim 0."""
    return flip(input, 0)


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned by k quarter turns in the plane of `dims`."""
    a, b = dims
    k %= 4
    if k == 0:
        return ops.copy(input)
    if k == 2:
        return flip(input, a, b)
    return transpose(flip(input, b), a, b) if k == 1 else flip(transpose(input, a, b), b)


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Moved along dims, what leaves at one end enters at the other."""
    if dims is None or dims == ():
        shift = shifts if isinstance(shifts, int) else shifts[0]
        return _reshaped(roll(ravel(input), shift, 0), input._array.shape)
    shift_list = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    dim_list = (dims,) if isinstance(dims, int) else tuple(dims)
    if len(shift_list) != len(dim_list):
        raise RuntimeError(
            message(
                f"shifts and dimensions must align. shifts: {len(shift_list)}, dims:{len(dim_list)}"
            )
        )
    result = input
    for shift, dim in zip(shift_list, dim_list, strict=True):
        dim = wrap_dim(dim, result._array.ndim)
        size = result._array.shape[dim]
        if size and shift % size:
            cut = size - shift % size
            result = ops.concat(part(result, dim, cut, size), part(result, dim, 0, cut), dim=dim)
    return ops.copy(result) if result is input else result


def unfold_windows(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """`Tensor.unfold`: a view of all windows along one dim, the window's own dim last."""
    n = input._array.ndim
    if n == 0:
        return _reshaped(input, (1,))
    dim = wrap_dim(dimension, n)
    if size > input._array.shape[dim]:
        raise RuntimeError(
            message(
                f"maximum size for tensor at dimension {dim} is {input._array.shape[dim]} but size is {size}",
                operands={"input": input.type_},
            )
        )
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    return ops.windows(input, dims=(dim,), sizes=(size,), strides=(step,))


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two dims, as a view; its dim is the last."""
    n = input._array.ndim
    a, b = wrap_dim(dim1, n), wrap_dim(dim2, n)
    if a == b:
        raise RuntimeError(message(f"diagonal dimensions cannot be identical {dim1}, {dim2}"))
    return ops.diagonal(input, offset=offset, dim1=a, dim2=b)


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or the matrix with that diagonal."""
    n = input._array.ndim
    if n == 1:
        return diag_embed(input, diagonal)
    if n != 2:
        raise RuntimeError(message(f"diag(): Supports 1D or 2D tensors. Got {n}D"))
    return ops.copy(ops.diagonal(input, offset=diagonal, dim1=0, dim2=1))


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices (in dims dim1 and dim2 of the result) with the last dim of the input as diagonals."""
    shape = input._array.shape
    n = len(shape) + 1
    a, b = wrap_dim(dim1, n), wrap_dim(dim2, n)
    if a == b:
        raise RuntimeError(message(f"diagonal dimensions cannot be identical {dim1}, {dim2}"))
    side = shape[-1] + abs(offset)
    rest = iter(shape[:-1])
    full = tuple([side if d in (a, b) else next(rest) for d in range(n)])
    zeros = ops.full(shape=full, value=0, dtype=BY_NUMPY[input._array.dtype])
    return ops.diagonal_update(zeros, input, offset=offset, dim1=a, dim2=b)


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with all elements of the input on a diagonal."""
    return diag_embed(ravel(input), offset)


def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """`input` with a diagonal replaced by `src`."""
    n = input._array.ndim
    return ops.diagonal_update(
        input, src, offset=offset, dim1=wrap_dim(dim1, n), dim2=wrap_dim(dim2, n)
    )


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


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """`input` with one slice replaced by `src`."""
    dim = wrap_dim(dim, input._array.ndim)
    index = index % input._array.shape[dim]
    return slice_scatter(input, unsqueeze(src, dim), dim, index, index + 1)


def tril(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The lower triangle of the last two dims, zeros elsewhere."""
    result = ops.tril(input, diagonal=diagonal)
    return result if out is None else into(out, result)


def triu(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The upper triangle of the last two dims, zeros elsewhere."""
    result = ops.triu(input, diagonal=diagonal)
    return result if out is None else into(out, result)


def numel(input: Tensor) -> int:
    """Number of elements."""
    return check_tensor("numel", input)._array.size


def size_of(input: Tensor, dim: int | None = None) -> Any:
    """`Tensor.size`: the shape, or one size."""
    shape = input._array.shape
    return Size(shape) if dim is None else shape[wrap_dim(dim, len(shape))]


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Coordinate grids from vectors; indexing "ij" (default) or "xy"."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    swap = indexing == "xy" and len(tensors) >= 2
    if swap:
        tensors = (tensors[1], tensors[0], *tensors[2:])
    shape = tuple([x._array.size for x in tensors])
    n = len(shape)
    grids = [
        expand(_reshaped(x, tuple([shape[i] if d == i else 1 for d in range(n)])), shape)
        for i, x in enumerate(tensors)
    ]
    if swap:
        grids = [grids[1], grids[0], *grids[2:]]
    return tuple(grids)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of the vectors' elements, one a row."""
    if len(tensors) == 1:
        return tensors[0]
    return stack([ravel(g) for g in meshgrid(*tensors)], 1)


def block_diag(*tensors: Tensor) -> Tensor:
    """A matrix with the given matrices along its diagonal."""
    blocks = [_at_least(2, x) for x in tensors]
    height = sum(b._array.shape[0] for b in blocks)
    width = sum(b._array.shape[1] for b in blocks)
    dtype = promotion.result_type(*blocks)
    rows, left, top = [], 0, 0
    for block in blocks:
        h, w = block._array.shape
        rows.append(
            ops.pad(
                promotion.cast(block, dtype), low=(0, left), high=(0, width - left - w), value=0
            )
        )
        left, top = left + w, top + h
    return ops.concat(*rows, dim=0) if height else rows[0]
