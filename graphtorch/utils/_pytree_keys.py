"""Leaves of a tree with the way to each: `x["a"][0].b` as a tuple of keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class MappingKey:
    """`[key]` of a mapping."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"

    def get(self, mapping: Any) -> Any:
        """The value under the key."""
        return mapping[self.key]


@dataclass(frozen=True)
class SequenceKey:
    """`[idx]` of a sequence."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"

    def get(self, sequence: Any) -> Any:
        """The value at the index."""
        return sequence[self.idx]


@dataclass(frozen=True)
class GetAttrKey:
    """`.name` of an object."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"

    def get(self, owner: Any) -> Any:
        """The attribute."""
        return getattr(owner, self.name)


KeyPath = tuple[Any, ...]


def keystr(kp: KeyPath) -> str:
    """A path as text.

    >>> keystr((MappingKey("a"), SequenceKey(0)))
    "['a'][0]"
    """
    return "".join(map(str, kp))


def key_get(obj: Any, kp: KeyPath) -> Any:
    """What lies at a path.

    >>> key_get({"a": [5]}, (MappingKey("a"), SequenceKey(0)))
    5
    """
    for key in kp:
        obj = key.get(obj)
    return obj


def _dict_flatten_with_keys(d: dict) -> tuple[list[tuple[Any, Any]], Any]:
    return [(MappingKey(key), value) for key, value in d.items()], list(d.keys())


def _list_flatten_with_keys(d: Any) -> tuple[list[tuple[Any, Any]], Any]:
    return [(SequenceKey(i), value) for i, value in enumerate(d)], None


WITH_KEYS: dict[
    type, Callable[[Any], tuple[list[tuple[Any, Any]], Any]]
] = {}  # of registered classes


def _keyed(value: Any, children: list[Any]) -> list[tuple[Any, Any]]:
    found = WITH_KEYS.get(type(value))
    if found is not None:
        return list(found(value)[0])
    if isinstance(value, dict):
        return list(zip(map(MappingKey, value), children, strict=True))
    if hasattr(value, "_fields"):
        return list(zip(map(GetAttrKey, value._fields), children, strict=True))
    return [(SequenceKey(i), child) for i, child in enumerate(children)]


def tree_leaves_with_path(
    tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> list[tuple[KeyPath, Any]]:
    """The leaves in order, each with its path."""
    from ._pytree import _node

    found: list[tuple[KeyPath, Any]] = []

    def walk(value: Any, path: KeyPath) -> None:
        node = None if is_leaf is not None and is_leaf(value) else _node(value)
        if node is None:
            found.append((path, value))
            return
        for key, child in _keyed(value, node[1]):
            walk(child, (*path, key))

    walk(tree, ())
    return found


def tree_flatten_with_path(
    tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> tuple[list[tuple[KeyPath, Any]], Any]:
    """The leaves with their paths, and the structure."""
    from ._pytree import tree_structure

    return tree_leaves_with_path(tree, is_leaf), tree_structure(tree, is_leaf)


def tree_map_with_path(
    func: Callable[..., Any],
    tree: Any,
    *rests: Any,
    is_leaf: Callable[[Any], bool] | None = None,
) -> Any:
    """Apply a function to the path and value of every leaf (and the leaves of equal trees beside it).

    >>> tree_map_with_path(lambda path, x: keystr(path), {"a": [1, 2]})
    {'a': ["['a'][0]", "['a'][1]"]}
    """
    from ._pytree import tree_flatten, tree_unflatten

    leaves, spec = tree_flatten_with_path(tree, is_leaf)
    others = [tree_flatten(rest, is_leaf)[0] for rest in rests]
    return tree_unflatten(
        [func(*leaf, *values) for leaf, *values in zip(leaves, *others, strict=True)], spec
    )
