"""Views: the same elements under another index map; no element is computed or moved.

Every row carries `strided`, which says how a buffer with strides must be walked for the result, or
None where the view needs a copy.  NumPy kernels share memory (a reshape that cannot be one copies).
"""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from ..op import Op, declare
from ..types import TensorType
from .inference import operands_message, require, require_dim, require_dims
from .kernels import Array
from .samples import Case, normal

Shape = tuple[int, ...]
Strided = tuple[Shape, Shape, int] | None

_strided_view = np.lib.stride_tricks.as_strided


# ---- reshape


def _reshape_type(x: TensorType, *, shape: Shape) -> TensorType:
    if math.prod(shape) != x.numel or min(shape, default=0) < 0:
        raise RuntimeError(
            operands_message(f"shape '{list(shape)}' is invalid for input of size {x.numel}", x=x)
        )
    return TensorType(x.dtype, tuple(shape))


def _reshape_strided(old: Shape, strides: Shape, offset: int, *, shape: Shape) -> Strided:
    """Walk both shapes from the right in runs of equal element counts (as PyTorch's computeStride)."""
    if 0 in old:
        return shape, contiguous(shape), offset
    new: list[int] = [1] * len(shape)
    position = len(shape) - 1
    run_stride, run_size, done = strides[-1] if old else 1, 1, 1
    for i in reversed(range(len(old))):
        run_size *= old[i]
        ends = i == 0 or (old[i - 1] != 1 and strides[i - 1] != run_size * run_stride)
        if not ends:
            continue
        while position >= 0 and (done < run_size or shape[position] == 1):
            new[position] = done * run_stride
            done *= shape[position]
            position -= 1
        if done != run_size:
            return None
        if i > 0:
            run_stride, run_size, done = strides[i - 1], 1, 1
    return shape, tuple(new), offset


def contiguous(shape: Shape) -> Shape:
    """Row-major strides in elements."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


# reshape(x, shape=): the same elements in row-major order
reshape: Op = declare(
    "reshape", "view", "x", _reshape_type, lambda x, *, shape: x.reshape(shape), strided=_reshape_strided,
    vjp=(lambda g, x_type: reshape(g, shape=x_type.shape),),
    samples=lambda: [
        ((normal(4, 6),), {"shape": (2, 2, 6)}),
        ((normal(4, 6),), {"shape": (24,)}),
        ((normal(4, 6).T,), {"shape": (3, 8)}),
        ((normal(1, 1),), {"shape": ()}),
        ((normal(0, 3),), {"shape": (3, 0, 2)}),
    ],
)  # fmt: skip


# ---- permute


def _permute_type(x: TensorType, *, dims: Shape) -> TensorType:
    require(
        sorted(dims) == list(range(x.ndim)),
        f"permute: dims {dims} must name each of the {x.ndim} dimensions once",
        x=x,
    )
    return TensorType(x.dtype, tuple(x.shape[d] for d in dims))


def _permute_strided(shape: Shape, strides: Shape, offset: int, *, dims: Shape) -> Strided:
    return tuple(shape[d] for d in dims), tuple(strides[d] for d in dims), offset


def inverse(dims: Shape) -> Shape:
    """The permutation that undoes `dims`.

    >>> inverse((2, 0, 1))
    (1, 2, 0)
    """
    return tuple(sorted(range(len(dims)), key=dims.__getitem__))


# permute(x, dims=): dimension i of the result is dimension dims[i] of x
permute: Op = declare(
    "permute", "view", "x", _permute_type, lambda x, *, dims: x.transpose(dims), strided=_permute_strided,
    vjp=(lambda g, dims: permute(g, dims=inverse(dims)),),
    samples=lambda: [((normal(2, 3, 4),), {"dims": (2, 0, 1)}), ((normal(2, 3),), {"dims": (1, 0)}), ((normal(),), {"dims": ()})],
)  # fmt: skip


# ---- expand


def _expand_type(x: TensorType, *, shape: Shape) -> TensorType:
    lead = len(shape) - x.ndim
    fits = lead >= 0 and all(
        old in (1, new) for old, new in zip(x.shape, shape[lead:], strict=True)
    )
    require(fits, f"expand: {x} cannot grow to {list(shape)}; only dimensions of size 1 grow", x=x)
    return TensorType(x.dtype, tuple(shape))


def _expand_strided(old: Shape, strides: Shape, offset: int, *, shape: Shape) -> Strided:
    lead = len(shape) - len(old)
    grown = tuple(
        0 if size != new else stride
        for size, new, stride in zip(old, shape[lead:], strides, strict=True)
    )
    return shape, (0,) * lead + grown, offset


_BROADCAST: Any = ["multi_index", "refs_ok", "zerosize_ok"]


def _expand(x: Array, *, shape: Shape) -> Array:
    """np.broadcast_to without its layers of Python; read-only, as several elements are one."""
    if x.shape == shape:
        return x
    it = np.nditer([x], flags=_BROADCAST, op_flags=[["readonly"]], itershape=shape, order="C")
    view: Array = it.itviews[0]
    return view


def _expand_rule(g: Any, x_type: TensorType) -> Any:
    from .reduction import sum

    lead = g.ndim - x_type.ndim
    grown = tuple(
        i + lead for i, size in enumerate(x_type.shape) if size == 1 and g.shape[i + lead] != 1
    )
    total = sum(g, dims=(*range(lead), *grown)) if lead or grown else g
    return total if tuple(total.shape) == x_type.shape else reshape(total, shape=x_type.shape)


# expand(x, shape=): repeat dimensions of size 1, and along new leading dimensions
expand = declare(
    "expand", "view", "x", _expand_type, _expand, strided=_expand_strided, vjp=(_expand_rule,),
    samples=lambda: [
        ((normal(3, 1),), {"shape": (2, 3, 4)}),
        ((normal(),), {"shape": (2, 3)}),
        ((normal(1, 3),), {"shape": (1, 3)}),
        ((normal(1, 3),), {"shape": (0, 3)}),
    ],
)  # fmt: skip


# ---- slice


def _slice_type(x: TensorType, *, starts: Shape, stops: Shape, steps: Shape) -> TensorType:
    valid = len(starts) == len(stops) == len(steps) == x.ndim and all(
        0 <= a <= b <= n and step >= 1
        for a, b, step, n in zip(starts, stops, steps, x.shape, strict=True)
    )
    require(valid, f"slice: {starts}:{stops}:{steps} does not lie inside {x}", x=x)
    return TensorType(x.dtype, sliced_shape(starts, stops, steps))


def sliced_shape(starts: Shape, stops: Shape, steps: Shape) -> Shape:
    """The shape a slice has."""
    return tuple(-(-(b - a) // step) for a, b, step in zip(starts, stops, steps, strict=True))


def slices(starts: Shape, stops: Shape, steps: Shape) -> tuple[Any, ...]:
    """NumPy's spelling of a slice."""
    return tuple(map(builtins.slice, starts, stops, steps))


def _slice_strided(
    shape: Shape, strides: Shape, offset: int, *, starts: Shape, stops: Shape, steps: Shape
) -> Strided:
    new_shape = sliced_shape(starts, stops, steps)
    if 0 not in new_shape:
        offset += sum(a * s for a, s in zip(starts, strides, strict=True))
    return new_shape, tuple(s * step for s, step in zip(strides, steps, strict=True)), offset


def _slice_rule(g: Any, x_type: TensorType, starts: Shape, stops: Shape, steps: Shape) -> Any:
    from .creation import full
    from .region import slice_update

    zeros = full(shape=x_type.shape, value=0.0, dtype=x_type.dtype)
    return slice_update(zeros, g, starts=starts, stops=stops, steps=steps)


def _slice_samples() -> list[Case]:
    x = normal(5, 6)
    return [
        ((x,), {"starts": (1, 0), "stops": (4, 6), "steps": (1, 1)}),
        ((x,), {"starts": (0, 1), "stops": (5, 6), "steps": (2, 3)}),
        ((x,), {"starts": (2, 2), "stops": (2, 2), "steps": (1, 1)}),
        ((normal(),), {"starts": (), "stops": (), "steps": ()}),
    ]


# slice(x, starts=, stops=, steps=): full tuples, 0 <= start <= stop <= size, step >= 1
slice: Op = declare(
    "slice", "view", "x", _slice_type, lambda x, *, starts, stops, steps: x[(*map(builtins.slice, starts, stops, steps), ...)],
    strided=_slice_strided, vjp=(_slice_rule,), samples=_slice_samples,
)  # fmt: skip


# ---- flip


def _flip_type(x: TensorType, *, dims: Shape) -> TensorType:
    require_dims("flip", x, dims)
    return x


def _flip_strided(shape: Shape, strides: Shape, offset: int, *, dims: Shape) -> Strided:
    offset += sum((shape[d] - 1) * strides[d] for d in dims if shape[d])
    return shape, tuple(-s if d in dims else s for d, s in enumerate(strides)), offset


def _flip(x: Array, *, dims: Shape) -> Array:
    backwards, forwards = builtins.slice(None, None, -1), builtins.slice(None)
    return x[(*(backwards if d in dims else forwards for d in range(x.ndim)), ...)]


# flip(x, dims=): a view with negative strides (PyTorch's flip copies: the frontend adds `copy`)
flip: Op = declare(
    "flip", "view", "x", _flip_type, _flip, strided=_flip_strided,
    vjp=(lambda g, dims: flip(g, dims=dims),),
    samples=lambda: [((normal(3, 4),), {"dims": (0,)}), ((normal(3, 4),), {"dims": (0, 1)}), ((normal(0, 4),), {"dims": (0,)})],
)  # fmt: skip


# ---- stop_gradient

# stop_gradient(x): x, through which no cotangent passes
stop_gradient = declare(
    "stop_gradient", "view", "x", lambda x: x, lambda x: x[...],
    strided=lambda shape, strides, offset: (shape, strides, offset),
    samples=lambda: [((normal(3, 4),), {}), ((normal(),), {})],
)  # fmt: skip


# ---- windows


def _windows_type(x: TensorType, *, dims: Shape, sizes: Shape, strides: Shape) -> TensorType:
    require_dims("windows", x, dims)
    for d, size, step in zip(dims, sizes, strides, strict=True):
        if not 0 <= size <= x.shape[d] or step < 1:
            raise RuntimeError(
                operands_message(
                    f"maximum size for tensor at dimension {d} is {x.shape[d]} but size is {size}"
                    f" (step {step})",
                    x=x,
                )
            )
    return TensorType(
        x.dtype, _windows_strided(x.shape, x.shape, 0, dims=dims, sizes=sizes, strides=strides)[0]
    )


def _windows_strided(
    shape: Shape, strides_: Shape, offset: int, *, dims: Shape, sizes: Shape, strides: Shape
) -> tuple[Shape, Shape, int]:
    counts, steps = list(shape), list(strides_)
    for d, size, step in zip(dims, sizes, strides, strict=True):
        counts[d] = (shape[d] - size) // step + 1
        steps[d] = strides_[d] * step
    return (*counts, *sizes), (*steps, *(strides_[d] for d in dims)), offset


def _windows_kernel(x: Array, *, dims: Shape, sizes: Shape, strides: Shape) -> Array:
    shape, steps, _ = _windows_strided(
        x.shape, x.strides, 0, dims=dims, sizes=sizes, strides=strides
    )
    return _strided_view(x, shape, steps)


def _windows_rule(g: Any, x_type: TensorType, dims: Shape, sizes: Shape, strides: Shape) -> Any:
    from .region import windows_add

    return windows_add(g, shape=x_type.shape, dims=dims, sizes=sizes, strides=strides)


def _windows_samples() -> list[Case]:
    return [
        ((normal(2, 7),), {"dims": (1,), "sizes": (3,), "strides": (2,)}),
        ((normal(2, 7),), {"dims": (1,), "sizes": (2,), "strides": (3,)}),
        ((normal(2, 5, 6),), {"dims": (1, 2), "sizes": (2, 3), "strides": (1, 2)}),
    ]


# windows(x, dims=, sizes=, strides=): each dim becomes its number of windows; the window's own
# dimensions are appended in the order of dims
windows = declare(
    "windows", "view", "x", _windows_type, _windows_kernel, strided=_windows_strided,
    vjp=(_windows_rule,), samples=_windows_samples,
)  # fmt: skip


# ---- diagonal


def diagonal_length(shape: Shape, offset: int, dim1: int, dim2: int) -> int:
    """Number of elements on a diagonal."""
    rows, columns = shape[dim1], shape[dim2]
    return max(min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns), 0)


def _diagonal_type(x: TensorType, *, offset: int, dim1: int, dim2: int) -> TensorType:
    require_dim("diagonal", x, dim1)
    require_dim("diagonal", x, dim2)
    require(dim1 != dim2, f"diagonal dimensions cannot be identical {dim1}, {dim2}", x=x)
    rest = tuple(n for d, n in enumerate(x.shape) if d not in (dim1, dim2))
    return TensorType(x.dtype, (*rest, diagonal_length(x.shape, offset, dim1, dim2)))


def _diagonal_strided(
    shape: Shape, strides: Shape, start: int, *, offset: int, dim1: int, dim2: int
) -> Strided:
    length = diagonal_length(shape, offset, dim1, dim2)
    if length:
        start += offset * strides[dim2] if offset >= 0 else -offset * strides[dim1]
    rest = [d for d in range(len(shape)) if d not in (dim1, dim2)]
    new_strides = (*(strides[d] for d in rest), strides[dim1] + strides[dim2])
    return (*(shape[d] for d in rest), length), new_strides, start


def _diagonal(x: Array, *, offset: int, dim1: int, dim2: int) -> Array:
    view: Array = x.diagonal(offset, dim1, dim2)
    if x.flags.writeable:
        view.flags.writeable = True  # NumPy hands it out read-only
    return view


def _diagonal_rule(g: Any, x_type: TensorType, offset: int, dim1: int, dim2: int) -> Any:
    from .creation import full
    from .region import diagonal_update

    zeros = full(shape=x_type.shape, value=0.0, dtype=x_type.dtype)
    return diagonal_update(zeros, g, offset=offset, dim1=dim1, dim2=dim2)


def _diagonal_samples() -> list[Case]:
    return [
        ((normal(3, 4),), {"offset": 0, "dim1": 0, "dim2": 1}),
        ((normal(3, 4),), {"offset": 2, "dim1": 0, "dim2": 1}),
        ((normal(3, 4),), {"offset": -1, "dim1": 1, "dim2": 0}),
        ((normal(2, 3, 4),), {"offset": 1, "dim1": 0, "dim2": 2}),
    ]


# diagonal(x, offset=, dim1=, dim2=): both dims go, the diagonal is appended
diagonal = declare(
    "diagonal", "view", "x", _diagonal_type, _diagonal, strided=_diagonal_strided,
    vjp=(_diagonal_rule,), samples=_diagonal_samples,
)  # fmt: skip
