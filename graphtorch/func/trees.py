"""Arguments and results as flat lists of leaves, with `in_dims` spread over them."""

from __future__ import annotations

from typing import Any

from ..utils._pytree import tree_flatten, tree_unflatten


def spread(prefix: Any, tree: Any) -> list[Any] | None:
    """One entry of `prefix` for every leaf of `tree`; None if their structures do not fit.

    >>> spread((0, None), (1, {"a": 2, "b": 3}))
    [0, None, None]
    """
    leaves, spec = tree_flatten(tree)
    if not isinstance(prefix, (tuple, list, dict)):
        return [prefix] * len(leaves)
    if len(leaves) == 1 and leaves[0] is tree:
        return None
    if isinstance(prefix, dict):
        if not isinstance(tree, dict) or set(prefix) != set(tree):
            return None
        pairs = [(prefix[key], tree[key]) for key in tree]
    else:
        if not isinstance(tree, (tuple, list)) or len(prefix) != len(tree):
            return None
        pairs = list(zip(prefix, tree, strict=True))
    found: list[Any] = []
    for part, child in pairs:
        below = spread(part, child)
        if below is None:
            return None
        found += below
    return found


def map_tensors(function: Any, tree: Any) -> Any:
    """`function` of every tensor leaf."""
    from ..frontend.tensor import Tensor

    leaves, spec = tree_flatten(tree)
    return tree_unflatten([function(x) if isinstance(x, Tensor) else x for x in leaves], spec)
