"""Nested containers as flat lists: arguments and results of compiled functions.

Knows tuples (named ones too), lists, dicts, dataclasses and dict subclasses; everything else is a leaf.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any


@dataclasses.dataclass(frozen=True)
class Spec:
    """The structure of a tree: a leaf (kind None), or a container of specs."""

    kind: Any
    keys: tuple[Any, ...]
    children: tuple[Spec, ...]

    @property
    def leaves(self) -> int:
        """Number of leaves below."""
        return 1 if self.kind is None else sum(c.leaves for c in self.children)


LEAF = Spec(None, (), ())


def children(tree: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]] | None:
    """Keys and values of a container, or None for a leaf."""
    if isinstance(tree, (tuple, list)):
        return tuple(range(len(tree))), tuple(tree)
    if isinstance(tree, dict):
        return tuple(tree), tuple(tree.values())
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        keys = tuple(f.name for f in dataclasses.fields(tree))
        return keys, tuple(getattr(tree, k) for k in keys)
    return None


def flatten(tree: Any) -> tuple[list[Any], Spec]:
    """Return the leaves in order and the structure.

    >>> flatten({"a": 1, "b": (2, 3)})[0]
    [1, 2, 3]
    """
    leaves: list[Any] = []

    def walk(node: Any) -> Spec:
        found = children(node)
        if found is None:
            leaves.append(node)
            return LEAF
        keys, values = found
        return Spec(type(node), keys, tuple([walk(v) for v in values]))

    spec = walk(tree)
    return leaves, spec


def unflatten(leaves: list[Any], spec: Spec) -> Any:
    """Inverse of `flatten`."""
    iterator = iter(leaves)
    return _build(spec, iterator)


def _build(spec: Spec, leaves: Iterator[Any]) -> Any:
    if spec.kind is None:
        return next(leaves)
    values = [_build(c, leaves) for c in spec.children]
    kind = spec.kind
    if issubclass(kind, (tuple, list)):
        return kind(*values) if hasattr(kind, "_fields") else kind(values)
    pairs = dict(zip(spec.keys, values, strict=True))
    if kind is dict:
        return pairs
    if dataclasses.is_dataclass(kind):
        return kind(**pairs)
    return kind(pairs)


def paths(tree: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield (Python expression, leaf) pairs: `("args[0]['x']", leaf)`."""
    found = children(tree)
    if found is None:
        yield prefix, tree
        return
    for key, value in zip(*found, strict=True):
        step = (
            f".{key}"
            if dataclasses.is_dataclass(tree) and not isinstance(tree, dict)
            else f"[{key!r}]"
        )
        yield from paths(value, prefix + step)


def map_leaves(function: Callable[[Any], Any], tree: Any) -> Any:
    """Apply `function` to every leaf."""
    leaves, spec = flatten(tree)
    return unflatten([function(x) for x in leaves], spec)
