"""`x[...]` and `x[...] = v`, in PyTorch's (NumPy's) language.

An index is taken apart in two steps:

    basic       ints, slices, None, Ellipsis   ->  one slice and one reshape: a view
    advanced    bool and integer tensors       ->  one `index` (or `take`) on that view: a copy

Bool masks become integer indices by `nonzero`; written values under a mask without indices become a
`where`, which a compiled graph can hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index as as_int
from typing import Any

import numpy as np

from ..errors import message
from ..ir import dispatch, ops
from ..ir.types import BY_NUMPY, int64
from . import promotion
from .functional.wrapping import concrete, fresh, plain_write, touched
from .grad_mode import state as grad_state
from .tensor import Tensor

_stack = dispatch._stack
bind = dispatch.bind
_SLICE, _RESHAPE = ops.slice, ops.reshape

Advanced = list[tuple[int, Tensor]]  # dim of the basic view, index tensor


def get_item(self: Tensor, item: Any) -> Tensor:
    """`x[item]`; raises IndexError for indices out of range, too many, or of a wrong type."""
    kind = item.__class__
    if kind is int:
        return _select(self, item)
    view, advanced = _taken_apart(self, item)
    if not advanced:
        return view
    return _gathered(view, advanced)


def set_item(self: Tensor, item: Any, value: Any) -> None:
    """`x[item] = value`, with the value broadcast and cast."""
    plain = plain_write(self)
    if plain and not isinstance(value, Tensor) and promotion.is_number(value):
        key = _numpy_key(self, item)
        if key is not None:
            _store(self._array, key, value)
            touched(self)
            return
    if not isinstance(value, Tensor):
        from .from_data import tensor

        if (
            self._array.dtype.kind in "biu"
            and isinstance(value, float)
            and self._array.dtype.kind != "b"
        ):
            value = int(value)
        value = tensor(value, dtype=self.dtype)
    mask = _lone_mask(item)
    if (
        mask is not None
        and value._array.ndim == 0
        and mask._array.shape == self._array.shape[: mask._array.ndim]
    ):
        _write_under_mask(self, mask, value)  # without asking where the mask holds
        return
    view, advanced = _taken_apart(self, item)
    if advanced:
        view._write(with_index(view, advanced, value, False))
        return
    value = promotion.cast(value, BY_NUMPY[view._array.dtype])
    shape = view._array.shape
    if value._array.shape != shape:
        value = _broadcast_value(value, shape)
    if plain and not (grad_state.enabled and value.requires_grad):
        view._array[...] = value._array
        touched(view)
        return
    view._write(value)


# ---- basic indices


def _select(self: Tensor, index: int) -> Tensor:
    shape = self._array.shape
    if not shape:
        raise IndexError(
            message(
                "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++"
                " to convert a 0-dim tensor to a number"
            )
        )
    n = shape[0]
    if not -n <= index < n:
        raise IndexError(
            message(
                f"index {index} is out of bounds for dimension 0 with size {n}",
                operands={"self": self.type_},
            )
        )
    if index < 0:
        index += n
    rest = shape[1:]
    zeros = (0,) * len(rest)
    piece = bind(
        _SLICE, (self,),
        {"starts": (index, *zeros), "stops": (index + 1, *rest), "steps": (1,) * len(shape)},
    )  # fmt: skip
    return bind(_RESHAPE, (piece,), {"shape": rest})


def _as_tuple(item: Any) -> tuple[Any, ...]:
    if item.__class__ is tuple or isinstance(item, tuple):
        return tuple(item)
    return (item,)


def _is_advanced(item: Any) -> bool:
    return isinstance(item, (Tensor, np.ndarray, list, range, bool, np.bool_))


def _taken_apart(self: Tensor, item: Any) -> tuple[Tensor, Advanced]:
    """The basic view, and the index tensors left to apply to it, by dim of that view."""
    items = _as_tuple(item)
    shape = self._array.shape
    used = 0
    for i in items:
        if i is None or i is Ellipsis or i is True or i is False:
            continue
        used += _mask_ndim(i)
    if used > len(shape):
        if not shape and len(items) == 1 and isinstance(items[0], int):
            _select(self, items[0])
        raise IndexError(
            message(
                f"too many indices for tensor of dimension {len(shape)}",
                operands={"self": self.type_},
            )
        )
    starts, stops, steps, out_shape = [], [], [], []
    advanced: Advanced = []
    dim = 0
    sliced = False
    seen_ellipsis = False
    for i in items:
        kind = i.__class__
        if kind is slice:
            start, stop, step = _slice_bounds(i, shape[dim])
            starts.append(start)
            stops.append(stop)
            steps.append(step)
            size = -(-(stop - start) // step)
            out_shape.append(size)
            sliced = sliced or size != shape[dim] or step != 1
            dim += 1
        elif i is None:
            out_shape.append(1)
        elif i is Ellipsis:
            if seen_ellipsis:
                continue  # a second one stands for no dims
            seen_ellipsis = True
            for _ in range(len(shape) - used):
                starts.append(0)
                stops.append(shape[dim])
                steps.append(1)
                out_shape.append(shape[dim])
                dim += 1
        elif _is_advanced(i):
            for index in _index_tensors(i, self, dim):
                if index is None:  # True or False: a new dim, kept or emptied
                    continue
                advanced.append((len(out_shape), index))
                if kind is bool or isinstance(i, np.bool_) or _mask_ndim(i) == 0:
                    out_shape.append(1)
                    continue
                starts.append(0)
                stops.append(shape[dim])
                steps.append(1)
                out_shape.append(shape[dim])
                dim += 1
        else:
            try:
                at = as_int(i)
            except TypeError:
                raise _bad_index(i) from None
            n = shape[dim]
            if not -n <= at < n:
                raise IndexError(
                    message(
                        f"index {at} is out of bounds for dimension {dim} with size {n}",
                        operands={"self": self.type_},
                    )
                )
            if at < 0:
                at += n
            starts.append(at)
            stops.append(at + 1)
            steps.append(1)
            sliced = True
            dim += 1
    for d in range(dim, len(shape)):
        starts.append(0)
        stops.append(shape[d])
        steps.append(1)
        out_shape.append(shape[d])
    view = self
    if sliced:
        view = bind(
            _SLICE, (self,), {"starts": tuple(starts), "stops": tuple(stops), "steps": tuple(steps)}
        )
    goal = tuple(out_shape)
    if view._array.shape != goal or (view is self and not advanced):
        view = bind(_RESHAPE, (view,), {"shape": goal})
    return view, advanced


def _bad_index(item: Any) -> Exception:
    if isinstance(item, str):
        return TypeError("new(): invalid data type 'str'")
    return IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices"
        f" (got {type(item).__name__})"
    )


def _slice_bounds(item: slice, size: int) -> tuple[int, int, int]:
    step = 1 if item.step is None else as_int(item.step)
    if step < 1:
        raise ValueError("step must be greater than zero")
    try:
        start, stop, _ = slice(item.start, item.stop).indices(size)
    except TypeError:
        raise TypeError(
            "slice indices must be integers or None or have an __index__ method"
        ) from None
    return start, max(start, stop), step


# ---- advanced indices


def _mask_ndim(item: Any) -> int:
    """How many dims an index item consumes."""
    if isinstance(item, Tensor):
        return (
            item._array.ndim
            if item._array.dtype.kind == "b" or item._array.dtype == np.uint8
            else 1
        )
    if isinstance(item, np.ndarray):
        return item.ndim if item.dtype == bool else 1
    if isinstance(item, list):
        depth, first = 0, item
        while isinstance(first, list) and first:
            depth, first = depth + 1, first[0]
        return depth if isinstance(first, bool) else 1
    return 1


def _index_tensors(item: Any, self: Tensor, dim: int) -> list[Tensor]:
    """Integer index tensors for one item (a mask of n dims gives n)."""
    shape = self._array.shape
    if item is True or item is False or isinstance(item, np.bool_):
        return [fresh(np.zeros(1 if item else 0, np.int64))]
    if not isinstance(item, Tensor):
        array = np.asarray(item)
        if array.dtype.kind not in "biu":
            if array.size == 0:
                array = array.astype(np.int64)
            elif array.dtype == object:
                from .from_data import tensor

                return _index_tensors(tensor(item), self, dim)
            else:
                raise _bad_index(array.flat[0].item())
        item = fresh(array if array.dtype.kind == "b" else array.astype(np.int64))
    kind = item._array.dtype.kind
    if kind == "b" or item._array.dtype == np.uint8:
        for i, size in enumerate(item._array.shape):
            if size != shape[dim + i]:
                raise IndexError(
                    message(
                        f"The shape of the mask {list(item._array.shape)} at index {i} does not match the shape"
                        f" of the indexed tensor {list(shape)} at index {dim + i}",
                        operands={"self": self.type_, "mask": item.type_},
                    )
                )
        if item._array.ndim == 0:
            return [fresh(np.zeros(1 if bool(concrete(item)) else 0, np.int64))]
        return [fresh(np.ascontiguousarray(i)) for i in np.nonzero(concrete(item))]
    if kind not in "i":
        raise IndexError(
            message(
                "tensors used as indices must be long, int, byte or bool tensors",
                operands={"index": item.type_},
            )
        )
    if item._array.itemsize < 4:
        item = ops.cast(item, dtype=int64)
    n = shape[dim]
    if _stack.top is not None:
        return [ops.where(ops.lt(item, 0), ops.add(item, n), item)]
    array = item._array
    if array.size:
        low, high = int(array.min()), int(array.max())
        if low < -n or high >= n:
            wrong = low if low < -n else high
            raise IndexError(
                message(
                    f"index {wrong} is out of bounds for dimension {dim} with size {n}",
                    operands={"self": self.type_, "index": item.type_},
                )
            )
        if low < 0:
            return [fresh(np.where(array < 0, array + n, array))]
    return [item]


def _equal_shapes(indices: Sequence[Tensor]) -> list[Tensor]:
    if len(indices) == 1:
        return list(indices)
    try:
        shape = promotion.common_shape([i._array.shape for i in indices])
    except RuntimeError:
        shapes = ", ".join(str(list(i._array.shape)) for i in indices)
        raise IndexError(
            message(
                f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
            )
        ) from None
    dtype = indices[0].dtype
    return [
        promotion.expand(i if i.dtype is dtype else ops.cast(i, dtype=dtype), shape)
        for i in indices
    ]


def _gathered(view: Tensor, advanced: Advanced) -> Tensor:
    if len(advanced) == 1:
        dim, index = advanced[0]
        return ops.take(view, index, dim=dim)
    indices = _equal_shapes([i for _, i in advanced])
    return ops.index(view, *indices, dims=tuple([d for d, _ in advanced]))


def with_index(view: Tensor, advanced: Advanced, value: Tensor, accumulate: bool) -> Tensor:
    """`view` with `value` (broadcast, cast) written or added at the advanced indices."""
    indices = _equal_shapes([i for _, i in advanced])
    dims = tuple([d for d, _ in advanced])
    types = [view.type_, *(i.type_ for i in indices)]
    shape = ops.index.infer(*types, dims=dims).shape
    value = promotion.cast(value, BY_NUMPY[view._array.dtype])
    if value._array.shape != shape:
        value = _broadcast_value(value, shape, indexing=True)
    return ops.index_put(view, value, *indices, dims=dims, accumulate=accumulate)


def with_items(self: Tensor, items: tuple[Any, ...], value: Tensor, accumulate: bool) -> Tensor:
    """`Tensor.index_put`: a copy with `value` at self[items]; None stands for a full slice."""
    items = tuple([slice(None) if i is None else i for i in items])
    view, advanced = _taken_apart(self, items)
    return with_index(view, advanced, value, accumulate)


def _broadcast_value(value: Tensor, shape: tuple[int, ...], indexing: bool = False) -> Tensor:
    have = value._array.shape
    if len(have) > len(shape) and all(s == 1 for s in have[: len(have) - len(shape)]):
        value = ops.reshape(value, shape=have[len(have) - len(shape) :])
    try:
        fits = promotion.common_shape((shape, value._array.shape)) == shape
    except RuntimeError:
        fits = False
    if not fits:
        if indexing:
            raise RuntimeError(
                message(
                    f"shape mismatch: value tensor of shape {list(have)} cannot be broadcast to indexing result of"
                    f" shape {list(shape)}",
                    operands={"value": value.type_},
                )
            )
        lead = len(shape) - len(have)
        wrong = next(
            (d for d in range(len(have)) if lead + d >= 0 and have[d] not in (1, shape[lead + d])),
            0,
        )
        raise RuntimeError(
            message(
                f"The expanded size of the tensor ({shape[lead + wrong] if shape else 1}) must match the existing"
                f" size ({have[wrong]}) at non-singleton dimension {lead + wrong}.  Target sizes: {list(shape)}. "
                f" Tensor sizes: {list(have)}",
                operands={"value": value.type_},
            )
        )
    return ops.expand(value, shape=shape)


# ---- writing


def _lone_mask(item: Any) -> Tensor | None:
    if isinstance(item, tuple) and len(item) == 1:
        item = item[0]
    return (
        item
        if isinstance(item, Tensor) and item._array.dtype.kind == "b" and item._array.ndim
        else None
    )


def _write_under_mask(self: Tensor, mask: Tensor, value: Tensor) -> None:
    shape = self._array.shape
    lead = mask._array.shape
    if len(lead) < len(shape):
        mask = ops.reshape(mask, shape=lead + (1,) * (len(shape) - len(lead)))
    value = promotion.expand(promotion.cast(value, self.dtype), shape)
    self._write(ops.where(promotion.expand(mask, shape), value, self))


def _numpy_key(self: Tensor, item: Any) -> Any:
    """The index as NumPy takes it, if it is one that both libraries read alike; else None."""
    items = _as_tuple(item)
    key = []
    for i in items:
        kind = i.__class__
        if kind is int or i is Ellipsis or i is None:
            key.append(i)
        elif kind is slice:
            if i.step is not None and i.step < 1:
                return None
            if not all(v is None or isinstance(v, int) for v in (i.start, i.stop)):
                return None
            key.append(i)
        elif isinstance(i, Tensor) and i._array.dtype.kind in "bi":
            key.append(i._array)
        else:
            return None
    return tuple(key)


def _store(array: np.ndarray, key: tuple[Any, ...], value: Any) -> None:
    try:
        if array.dtype.kind in "iu" and isinstance(value, float):
            value = int(value)
        array[key] = value
    except (IndexError, ValueError) as error:
        raise IndexError(_as_torch_says(str(error), array)) from None
    except OverflowError:
        raise RuntimeError(
            message(
                f"value cannot be converted to type {BY_NUMPY[array.dtype].name} without overflow"
            )
        ) from None


def _as_torch_says(text: str, array: np.ndarray) -> str:
    """NumPy's complaint in PyTorch's words."""
    if text.startswith("too many indices"):
        return message(f"too many indices for tensor of dimension {array.ndim}")
    return message(text.replace("axis", "dimension"))
