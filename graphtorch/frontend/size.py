"""`torch.Size`, and turning what users pass as sizes and dims into plain tuples of ints.

Nothing here knows tensors; dims come out non-negative, as the IR wants them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import index as as_int
from typing import Any, SupportsIndex


class Size(tuple):
    """The shape of a tensor: a tuple that prints as PyTorch's.

    >>> Size([2, 3]).numel()
    6
    """

    __slots__ = ()

    def numel(self) -> int:
        """Product of the sizes."""
        return math.prod(self)

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    def __getitem__(self, item: Any) -> Any:
        found = tuple.__getitem__(self, item)
        return Size(found) if item.__class__ is slice else found

    def __add__(self, other: tuple) -> Size:  # type: ignore[override]
        return Size(tuple.__add__(self, other))

    def __radd__(self, other: tuple) -> Size:
        return Size(tuple.__add__(tuple(other), self))

    def __mul__(self, count: SupportsIndex) -> Size:
        return Size(tuple.__mul__(self, count))

    __rmul__ = __mul__

    def __reduce__(self) -> tuple:
        return Size, (tuple(self),)


def dim_error(dim: int, ndim: int) -> IndexError:
    """The error for a dim outside the tensor."""
    bound = max(ndim, 1)
    return IndexError(
        f"Dimension out of range (expected to be in range of [{-bound}, {bound - 1}], but got {dim})"
    )


def wrap_dim(dim: Any, ndim: int) -> int:
    """`dim` as a non-negative int; a 0-d tensor takes dims 0 and -1.

    >>> wrap_dim(-1, 3)
    2
    """
    if dim.__class__ is not int:
        try:
            dim = as_int(dim)
        except TypeError:
            raise TypeError(f"dim must be int, not {type(dim).__name__}") from None
    bound = ndim or 1
    if -bound <= dim < 0:
        return dim + bound
    if 0 <= dim < bound:
        return dim
    raise dim_error(dim, ndim)


def wrap_dims(dims: Any, ndim: int) -> tuple[int, ...]:
    """`dims` (an int, a sequence, or None for all) as a sorted tuple without repeats."""
    if dims is None:
        return tuple(range(ndim))
    if isinstance(dims, (tuple, list)):
        if not dims:
            return tuple(range(ndim))
        wrapped = [wrap_dim(d, ndim) for d in dims]
        if len(set(wrapped)) != len(wrapped):
            repeated = next(d for d in wrapped if wrapped.count(d) > 1)
            raise RuntimeError(f"dim {repeated} appears multiple times in the list of dims")
        return tuple(sorted(wrapped)) if ndim else ()
    dim = wrap_dim(dims, ndim)
    return (dim,) if ndim else ()


def sizes(args: Sequence[Any]) -> tuple[int, ...]:
    """Sizes passed either one by one or as one sequence.

    >>> sizes((2, 3)), sizes(([2, 3],))
    ((2, 3), (2, 3))
    """
    if len(args) == 1 and not hasattr(args[0], "__index__"):
        args = args[0]
    try:
        return tuple([s if s.__class__ is int else as_int(s) for s in args])
    except TypeError:
        bad = next(type(s).__name__ for s in args if not hasattr(s, "__index__"))
        raise TypeError(f"size must be a tuple of ints, but found element of type {bad}") from None


def inferred(shape: tuple[int, ...], numel: int) -> tuple[int, ...]:
    """`shape` with its one -1 replaced by what `numel` elements need; raises RuntimeError."""
    known, unknown = 1, -1
    for position, size in enumerate(shape):
        if size == -1:
            if unknown >= 0:
                raise RuntimeError("only one dimension can be inferred")
            unknown = position
        elif size < 0:
            raise RuntimeError(f"invalid shape dimension {size}")
        else:
            known *= size
    if unknown < 0:
        if known != numel:
            raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {numel}")
        return shape
    if known == 0:
        if numel:
            raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {numel}")
        raise RuntimeError(
            f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified"
            " dimension size -1 can be any value and is ambiguous"
        )
    if numel % known:
        raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {numel}")
    return (*shape[:unknown], numel // known, *shape[unknown + 1 :])


def pair(value: Any, count: int = 2) -> tuple[int, ...]:
    """An int repeated `count` times, or a sequence of that length (or 1) as a tuple."""
    if isinstance(value, (tuple, list)):
        if len(value) == 1:
            return (int(value[0]),) * count
        return tuple([int(v) for v in value])
    return (int(value),) * count
