"""Index maps: which element of a source an element of a view is, as an affine map.

    access = identity((4, 6))                    # element (i, j) is element 6 i + j
    access = through(permute_node, access)       # element (i, j) is element i + 6 j

A map is kept per dimension of the view as *digits*, major to minor: a dimension of size 12 that was
made by merging a transposed 4 x 3 is ((4, 1), (3, 4)), so merging dimensions never loses a map.
`relation` says how a consumer that walks the view in row-major order walks the source: in the same
order, in the same order with repeats (broadcast), or in another one.

Only views are known here; fusion decides what to do with a map, `codegen.lower` turns it into
addresses by walking the same views with loop variables.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass

from ..graph import Node
from ..types import contiguous_strides

Digits = tuple[tuple[int, int], ...]  # (extent, stride in the source), major to minor
Runs = tuple[tuple[int, bool], ...]  # (extent, is it marked), major to minor, merged

VIEWS = frozenset(
    ("reshape", "permute", "expand", "slice", "flip", "stop_gradient", "windows", "diagonal")
)


@dataclass(frozen=True)
class Access:
    """The affine map from a view's elements to the source's, both in row-major order."""

    dims: tuple[Digits, ...]
    offset: int = 0

    @functools.cached_property
    def digits(self) -> Digits:
        """All digits in row-major order of the view, merged."""
        return _merged(digit for dim in self.dims for digit in dim)


@functools.cache
def identity(shape: tuple[int, ...]) -> Access:
    """The map of a value onto itself."""
    strides = contiguous_strides(shape)
    return Access(
        tuple(((n, step),) if n != 1 else () for n, step in zip(shape, strides, strict=True))
    )


def _merged(digits: Iterable[tuple[int, int]]) -> Digits:
    """Neighbouring digits that one digit can stand for, joined; digits of extent 1 dropped."""
    found: list[tuple[int, int]] = []
    for extent, stride in digits:
        if extent == 1:
            continue
        if found and found[-1][1] == stride * extent:
            found[-1] = (found[-1][0] * extent, stride)
        else:
            found.append((extent, stride))
    return tuple(found)


def through(view: Node, access: Access) -> Access | None:
    """The map of `view` given its operand's; None where the result would not be affine."""
    attrs = view.attrs
    match view.op.name:
        case "stop_gradient":
            return access
        case "reshape":
            return recut(access, attrs["shape"])
        case "permute":
            return Access(tuple(access.dims[d] for d in attrs["dims"]), access.offset)
        case "expand":
            return _expand(access, view.operands[0].shape, attrs["shape"])
        case "flip":
            return _flip(access, attrs["dims"])
        case "slice":
            return _slice(access, attrs["starts"], attrs["steps"], view.shape)
        case "windows":
            return _windows(access, attrs["dims"], attrs["sizes"], attrs["strides"], view.shape)
        case "diagonal":
            return _diagonal(access, view)
        case _:
            return None


def recut(access: Access, shape: tuple[int, ...]) -> Access | None:
    """The map of a reshape of the view; None where a digit would have to be cut unevenly."""
    rest = list(access.digits)
    if 0 in shape or any(extent == 0 for extent, _ in rest):
        return identity(shape)
    dims: list[Digits] = []
    for size in reversed(shape):
        taken: list[tuple[int, int]] = []
        while size > 1:
            extent, stride = rest.pop()
            if size % extent == 0:
                taken.append((extent, stride))
                size //= extent
            elif extent % size == 0:
                taken.append((size, stride))
                rest.append((extent // size, stride * size))
                size = 1
            else:
                return None
        dims.append(_merged(reversed(taken)))
    return Access(tuple(reversed(dims)), access.offset)


def _expand(access: Access, old: tuple[int, ...], new: tuple[int, ...]) -> Access:
    lead = len(new) - len(old)
    dims: list[Digits] = [((n, 0),) if n != 1 else () for n in new[:lead]]
    for dim, before, after in zip(access.dims, old, new[lead:], strict=True):
        dims.append(dim if before == after else ((after, 0),))
    return Access(tuple(dims), access.offset)


def _flip(access: Access, flipped: tuple[int, ...]) -> Access:
    offset, dims = access.offset, list(access.dims)
    for d in flipped:
        offset += sum((extent - 1) * stride for extent, stride in dims[d])
        dims[d] = tuple((extent, -stride) for extent, stride in dims[d])
    return Access(tuple(dims), offset)


def _single(digits: Digits) -> tuple[int, int] | None:
    """The one digit a dimension consists of; None if it needs several."""
    merged = _merged(digits)
    if len(merged) > 1:
        return None
    return merged[0] if merged else (1, 0)


def _slice(
    access: Access, starts: tuple[int, ...], steps: tuple[int, ...], shape: tuple[int, ...]
) -> Access | None:
    offset, dims = access.offset, []
    for dim, start, step, size in zip(access.dims, starts, steps, shape, strict=True):
        if start == 0 and step == 1 and math.prod(e for e, _ in dim) == size:
            dims.append(dim)
            continue
        digit = _single(dim)
        if digit is None:
            part = _slice_major(dim, start, step, size)
            if part is None:
                return None
            dims.append(part[0])
            offset += part[1]
            continue
        offset += start * digit[1]
        dims.append(((size, digit[1] * step),) if size != 1 else ())
    return Access(tuple(dims), offset)


def _slice_major(dim: Digits, start: int, step: int, size: int) -> tuple[Digits, int] | None:
    """A slice of whole blocks of the minor digits: digits and offset."""
    inner = math.prod(extent for extent, _ in dim[1:])
    if step != 1 or start % inner or size % inner:
        return None
    major = ((size // inner, dim[0][1]),) if size != inner else ()
    return (*major, *dim[1:]), (start // inner) * dim[0][1]


def _windows(
    access: Access,
    dims: tuple[int, ...],
    sizes: tuple[int, ...],
    strides: tuple[int, ...],
    shape: tuple[int, ...],
) -> Access | None:
    found = list(access.dims)
    appended: list[Digits] = []
    for d, size, stride in zip(dims, sizes, strides, strict=True):
        digit = _single(found[d])
        if digit is None:
            return None
        found[d] = ((shape[d], digit[1] * stride),) if shape[d] != 1 else ()
        appended.append(((size, digit[1]),) if size != 1 else ())
    return Access((*found, *appended), access.offset)


def _diagonal(access: Access, view: Node) -> Access | None:
    offset, one, two = view.attrs["offset"], view.attrs["dim1"], view.attrs["dim2"]
    first, second = _single(access.dims[one]), _single(access.dims[two])
    if first is None or second is None:
        return None
    start = offset * second[1] if offset >= 0 else -offset * first[1]
    rest = tuple(dim for d, dim in enumerate(access.dims) if d not in (one, two))
    count = view.shape[-1]
    last: Digits = ((count, first[1] + second[1]),) if count != 1 else ()
    return Access((*rest, last), access.offset + start)


def runs(extents: Iterable[tuple[int, bool]]) -> Runs:
    """Marked and unmarked stretches of a row-major order, neighbours of one mark merged.

    >>> runs([(4, False), (8, False), (1, True), (3, True)])
    ((32, False), (3, True))
    """
    found: list[tuple[int, bool]] = []
    for extent, marked in extents:
        if extent == 1:
            continue
        if found and found[-1][1] == marked:
            found[-1] = (found[-1][0] * extent, marked)
        else:
            found.append((extent, marked))
    return tuple(found)


def reduced_runs(shape: tuple[int, ...], dims: tuple[int, ...]) -> Runs:
    """The row-major order of `shape` with the reduced dimensions marked."""
    return runs((n, d in dims) for d, n in enumerate(shape))


def relation(access: Access, numel: int) -> Runs | None:
    """How a walk over the view meets a source of `numel` elements that is walked in order.

    Returns the runs of the view's order with the repeats marked: a view that is the source itself
    gives `((numel, False),)`, a broadcast marks the new digits.  None: some other order.
    """
    digits = access.digits
    if access.offset:
        return None
    if any(extent == 0 for extent, _ in digits):
        return runs((extent, False) for extent, _ in digits)
    step = 1
    for extent, stride in reversed(digits):
        if stride == 0:
            continue
        if stride != step:
            return None
        step *= extent
    if step != numel:
        return None
    return runs((extent, stride == 0) for extent, stride in digits)


def inverse(access: Access, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The strides at which a source of `shape` lies in a dense copy of its view.

    None where the view does not show every element once, or a dimension needs several strides.

    >>> inverse(Access((((6, 1),), ((4, 6),))), (4, 6))  # the transpose of a 4 x 6 array
    (1, 4)
    """
    if access.offset or math.prod(e for dim in access.dims for e, _ in dim) != math.prod(shape):
        return None
    steps = contiguous_strides(shape)
    owners = {step: d for d, (n, step) in enumerate(zip(shape, steps, strict=True)) if n != 1}
    found = [1] * len(shape)
    missing = set(owners.values())
    place = 1
    for extent, stride in reversed(access.digits):
        while extent > 1:
            d = owners.get(stride)
            if d is None or d not in missing or extent % shape[d]:
                return None
            missing.discard(d)
            found[d] = place
            place *= shape[d]
            extent //= shape[d]
            stride *= shape[d]
    return None if missing else tuple(found)
