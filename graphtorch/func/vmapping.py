"""`vmap`: a function of one example, over a whole batch at once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..frontend.functional.joining import cat
from ..frontend.level import Level
from ..frontend.tensor import Tensor
from ..frontend.vmap_level import VmapLevel
from ..ir import batching, ops
from ..utils._pytree import tree_flatten, tree_unflatten
from .trees import spread


def vmap(
    func: Callable,
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable:
    """The function that maps `func` over a dim of its arguments.

    in_dims: which dim of every argument holds the examples, None for arguments that all share: one
        number, or a structure of them like the positional arguments.  All share keyword arguments.
    out_dims: where the dim appears in the results.
    randomness: "error" (random functions raise), "same" or "different" numbers for the examples.
    chunk_size: at most so many examples at once.
    Raises ValueError if arguments and in_dims do not fit, RuntimeError for `.item()` of a batch.

    >>> import graphtorch as torch
    >>> dot = torch.func.vmap(torch.dot)
    >>> dot(torch.ones(4, 3), torch.ones(4, 3))
    tensor([3., 3., 3., 3.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            "Only allowed values for randomness are 'error', 'different', or 'same'. Got"
            f" {randomness}"
        )
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    def mapped(*args: Any, **kwargs: Any) -> Any:
        leaves, dims, spec, size = _arguments(func, in_dims, args, kwargs)
        if chunk_size is None or chunk_size >= size:
            return _once(func, leaves, dims, spec, size, out_dims, randomness)
        parts = []
        for start in range(0, size, chunk_size):
            stop = min(start + chunk_size, size)
            piece = [
                x if d is None else x.narrow(d, start, stop - start)  # type: ignore[attr-defined]
                for x, d in zip(leaves, dims, strict=True)
            ]
            parts.append(_once(func, piece, dims, spec, stop - start, out_dims, randomness))
        return _joined(parts, out_dims)

    if hasattr(func, "__name__"):
        return functools.wraps(func)(mapped)
    return mapped


def _name(func: Callable) -> str:
    return getattr(func, "__name__", repr(func))


def _arguments(func: Callable, in_dims: Any, args: Any, kwargs: Any) -> tuple[Any, ...]:
    """Leaves, the dim of each, their structure, and the size of the batch."""
    if not isinstance(in_dims, (int, tuple, list)):
        raise ValueError(
            f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): expected `in_dims` to be int or a"
            f" (potentially nested) tuple matching the structure of inputs, got: {type(in_dims)}."
        )
    if not args and not kwargs:
        raise ValueError(
            f"vmap({_name(func)})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are"
            " trying to vmap over a function with no inputs. The latter is unsupported."
        )
    dims = spread(list(in_dims) if isinstance(in_dims, tuple) else in_dims, list(args))
    if dims is None:
        raise ValueError(
            f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): in_dims is not compatible with the"
            f" structure of inputs. in_dims has structure {tree_flatten(in_dims)[1]} but inputs has"
            f" structure {tree_flatten(args)[1]}."
        )
    leaves, spec = tree_flatten((args, kwargs))
    dims = [*dims, *[None] * (len(leaves) - len(dims))]
    size = None
    for i, (x, d) in enumerate(zip(leaves, dims, strict=True)):
        if d is None:
            continue
        if not isinstance(d, int):
            raise ValueError(
                f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={d} for an input but"
                " in_dim must be either an integer dimension or None."
            )
        if not isinstance(x, Tensor):
            raise ValueError(
                f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={d} for an input but"
                f" the input is of type {type(x)}. We cannot vmap over non-Tensor arguments, please use"
                " None as the respective in_dim"
            )
        n = x._array.ndim
        if not -n <= d < n:
            raise ValueError(
                f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={d} for some input,"
                f" but that input is a Tensor of dimensionality {n} so expected in_dim to satisfy"
                f" -{n} <= in_dim < {n}."
            )
        dims[i] = d % n
        found = x._array.shape[d % n]
        if size is None:
            size = found
        elif size != found:
            sizes = [x._array.shape[d] for x, d in zip(leaves, dims, strict=True) if d is not None and isinstance(x, Tensor)]  # fmt: skip
            raise ValueError(
                "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes"
                f" {sizes} for the mapped dimension"
            )
    if size is None:
        raise ValueError(
            f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): at least one input must have a dim"
            " to map over"
        )
    return leaves, dims, spec, size


def to_front(x: Tensor, dim: int) -> Tensor:
    """`x` with dim `dim` first."""
    if dim == 0:
        return x
    return ops.permute(x, dims=(dim, *(d for d in range(x._array.ndim) if d != dim)))


def _once(
    func: Callable, leaves: Any, dims: Any, spec: Any, size: int, out_dims: Any, randomness: str
) -> Any:
    fronts = [x if d is None else to_front(x, d) for x, d in zip(leaves, dims, strict=True)]
    level = VmapLevel(size, randomness)
    with level:
        given = [x if d is None else level.wrap(x) for x, d in zip(fronts, dims, strict=True)]
        args, kwargs = tree_unflatten(given, spec)
        outputs = func(*args, **kwargs)
        del args, kwargs, given
        found, out_spec = tree_flatten(outputs)
        places = _places(func, out_dims, outputs)
        with level.below():
            results = [
                _result(func, level, y, place, size) for y, place in zip(found, places, strict=True)
            ]
        del outputs, found
    return tree_unflatten(results, out_spec)


def _places(func: Callable, out_dims: Any, outputs: Any) -> list[Any]:
    places = spread(out_dims, outputs)
    if places is None and isinstance(outputs, Tensor) and isinstance(out_dims, (tuple, list)):
        if len(out_dims) == 1:
            places = [out_dims[0]]
    if places is None:
        raise ValueError(
            f"vmap({_name(func)}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with"
            " the structure of `outputs`. out_dims has structure"
            f" {tree_flatten(out_dims)[1]} but outputs has structure {tree_flatten(outputs)[1]}."
        )
    return places


def _result(func: Callable, level: Level, y: Any, place: Any, size: int) -> Any:
    if not isinstance(y, Tensor):
        if place is None:
            return y
        raise ValueError(
            f"vmap({_name(func)}, ...): `{_name(func)}` must only return Tensors, got type {type(y)}."
            " Did you mean to set out_dims= to None for output?"
        )
    has_batch = y._level is level
    if place is None:
        if has_batch:
            raise ValueError(
                f"vmap({_name(func)}, ...): `{_name(func)}` can not return a batched tensor when out_dim"
                " is None"
            )
        return y
    whole = batching.front(level.inner(y), has_batch, size)
    n = whole._array.ndim
    if not -n <= place < n:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {place})"
        )
    place %= n
    if place == 0:
        return whole
    return ops.permute(whole, dims=(*range(1, place + 1), 0, *range(place + 1, n)))


def _joined(parts: list[Any], out_dims: Any) -> Any:
    places = spread(out_dims, parts[0]) or [0]
    flat = [tree_flatten(part)[0] for part in parts]
    spec = tree_flatten(parts[0])[1]
    joined = [
        rows[0] if place is None else cat(rows, place % rows[0]._array.ndim)
        for rows, place in zip(zip(*flat, strict=True), places, strict=True)
    ]
    return tree_unflatten(joined, spec)
