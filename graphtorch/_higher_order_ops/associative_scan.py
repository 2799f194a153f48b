"""`associative_scan`: running combinations along a dim, in a logarithmic number of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import absent
from ..frontend.functional.arranging import flip
from ..frontend.functional.joining import cat, stack
from ..frontend.tensor import Tensor
from ..utils._pytree import tree_flatten, tree_unflatten


def associative_scan(
    combine_fn: Callable[[Any, Any], Any],
    xs: Any,
    dim: int,
    reverse: bool = False,
    combine_mode: str = "pointwise",
) -> Any:
    """Return y with y[i] = combine_fn(y[i - 1], x[i]) along `dim`, for an associative function.

    combine_fn: takes and returns trees of tensors like `xs`, working on several positions at once.
    reverse: start from the last position.  Raises ValueError for tensors of different lengths along `dim`.

    >>> import graphtorch as torch
    >>> from graphtorch._higher_order_ops.associative_scan import associative_scan
    >>> associative_scan(lambda a, b: a * b, torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]), 0)
    tensor([  1.,   2.,   6.,  24., 120.])
    """
    leaves, spec = tree_flatten(xs)
    if not leaves or not all(isinstance(x, Tensor) for x in leaves):
        raise ValueError("xs leaves must be tensors, and at least one")
    dims = [dim + x.ndim if dim < 0 else dim for x in leaves]
    if len({x.shape[d] for x, d in zip(leaves, dims, strict=True)}) != 1:
        raise ValueError("all xs leaves must have the same length along dim")

    def combine(a: list[Tensor], b: list[Tensor]) -> list[Tensor]:
        found, _ = tree_flatten(combine_fn(tree_unflatten(a, spec), tree_unflatten(b, spec)))
        return found

    if reverse:
        leaves = [flip(x, d) for x, d in zip(leaves, dims, strict=True)]
    scanned = _scan(combine, leaves, dims)
    if reverse:
        scanned = [flip(x, d) for x, d in zip(scanned, dims, strict=True)]
    return tree_unflatten(scanned, spec)


def _part(
    xs: list[Tensor], dims: list[int], start: int, stop: int | None, step: int
) -> list[Tensor]:
    return [
        x[(slice(None),) * d + (slice(start, stop, step),)] for x, d in zip(xs, dims, strict=True)
    ]


def _scan(combine: Callable, xs: list[Tensor], dims: list[int]) -> list[Tensor]:
    """Scan neighbours' combinations, which are the odd positions; the even ones need one more step."""
    n = xs[0].shape[dims[0]]
    if n < 2:
        return xs
    even_half = n - n % 2
    pairs = combine(_part(xs, dims, 0, even_half, 2), _part(xs, dims, 1, None, 2))
    odd = _scan(combine, pairs, dims)
    first = _part(xs, dims, 0, 1, 1)
    if n == 2:
        return [cat([f, o], d) for f, o, d in zip(first, odd, dims, strict=True)]
    before = odd if n % 2 else _part(odd, dims, 0, odd[0].shape[dims[0]] - 1, 1)
    even = combine(before, _part(xs, dims, 2, None, 2))
    even = [cat([f, e], d) for f, e, d in zip(first, even, dims, strict=True)]
    return [_interleaved(e, o, d) for e, o, d in zip(even, odd, dims, strict=True)]


def _interleaved(even: Tensor, odd: Tensor, dim: int) -> Tensor:
    count = odd.shape[dim]
    whole = (slice(None),) * dim
    pairs = stack([even[(*whole, slice(0, count))], odd], dim + 1).flatten(dim, dim + 1)
    return (
        pairs if even.shape[dim] == count else cat([pairs, even[(*whole, slice(count, None))]], dim)
    )


__getattr__ = absent.names_of(__name__)
