"""Nested containers as trees, under the names PyTorch's programs use.

    tree_flatten({"a": 1, "b": (2, 3)})   ->  [1, 2, 3], a spec that tree_unflatten takes

Knows dicts, lists, tuples, named tuples, ordered and default dicts, deques, and registered classes.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ._pytree_keys import (
    WITH_KEYS,
    GetAttrKey,
    KeyPath,
    MappingKey,
    SequenceKey,
    _dict_flatten_with_keys,
    _list_flatten_with_keys,
    key_get,
    keystr,
    tree_flatten_with_path,
    tree_leaves_with_path,
    tree_map_with_path,
)

Context = Any
PyTree = Any
Flatten = Callable[[Any], tuple[list[Any], Context]]
Unflatten = Callable[[Iterable[Any], Context], Any]


@dataclass(frozen=True)
class NodeDef:
    """How one kind of container comes apart and together."""

    type: Any
    flatten_fn: Flatten
    unflatten_fn: Unflatten


@dataclass(frozen=True)
class TreeSpec:
    """The structure of a tree: a leaf (type None) or a container of specs."""

    type: Any
    context: Context
    children_specs: tuple[TreeSpec, ...]

    @property
    def num_leaves(self) -> int:
        """Number of leaves."""
        return 1 if self.type is None else sum(child.num_leaves for child in self.children_specs)

    @property
    def num_children(self) -> int:
        """Number of direct children."""
        return len(self.children_specs)

    def is_leaf(self) -> bool:
        """Whether this is a single leaf."""
        return self.type is None

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """`tree_unflatten(leaves, self)`."""
        return tree_unflatten(leaves, self)


class LeafSpec(TreeSpec):
    """The structure of a leaf."""

    def __init__(self) -> None:
        super().__init__(None, None, ())


LEAF = LeafSpec()
__all__ = [
    "GetAttrKey", "KeyPath", "LeafSpec", "MappingKey", "NodeDef", "PyTree", "SUPPORTED_NODES", "SequenceKey", "TreeSpec",
    "_dict_flatten", "_dict_flatten_with_keys", "_dict_unflatten", "_list_flatten_with_keys", "key_get", "keystr",
    "register_pytree_node", "tree_all", "tree_any", "tree_flatten", "tree_flatten_with_path", "tree_is_leaf",
    "tree_iter", "tree_leaves", "tree_leaves_with_path", "tree_map", "tree_map_", "tree_map_only",
    "tree_map_with_path", "tree_structure", "tree_unflatten",
]  # fmt: skip


def _dict_flatten(d: dict) -> tuple[list[Any], Context]:
    return list(d.values()), list(d.keys())


def _dict_unflatten(values: Iterable[Any], context: Context) -> dict:
    return dict(zip(context, values, strict=True))


def _list_flatten(d: Any) -> tuple[list[Any], Context]:
    return list(d), None


def _list_unflatten(values: Iterable[Any], context: Context) -> list:
    return list(values)


# fmt: off
SUPPORTED_NODES: dict[Any, NodeDef] = {
    kind: NodeDef(kind, flatten, unflatten)
    for kind, flatten, unflatten in (
        (dict, _dict_flatten, _dict_unflatten),
        (list, _list_flatten, _list_unflatten),
        (tuple, _list_flatten, lambda values, context: tuple(values)),
        (namedtuple, lambda x: (list(x), type(x)), lambda values, context: context(*values)),
        (OrderedDict, _dict_flatten, lambda values, context: OrderedDict(zip(context, values, strict=True))),
        (defaultdict, lambda x: (list(x.values()), [x.default_factory, list(x.keys())]),
         lambda values, context: defaultdict(context[0], zip(context[1], values, strict=True))),
        (deque, lambda x: (list(x), x.maxlen), lambda values, context: deque(values, maxlen=context)),
    )
}
# fmt: on


def is_namedtuple(value: Any) -> bool:
    """Whether this is an instance of a named tuple class."""
    return isinstance(value, tuple) and hasattr(value, "_fields")


def is_structseq_instance(value: Any) -> bool:
    """Whether this is one of Python's own named results (`os.stat_result`)."""
    return isinstance(value, tuple) and hasattr(value, "n_sequence_fields")


def _get_node_type(tree: Any) -> Any:
    """The key of SUPPORTED_NODES for a value: its class, or `namedtuple` for all of those."""
    return namedtuple if is_namedtuple(tree) else type(tree)


def register_pytree_node(
    cls: type, flatten_fn: Flatten, unflatten_fn: Unflatten, **options: Any
) -> None:
    """Make a class a container: flatten_fn gives (children, context), unflatten_fn takes them back."""
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    SUPPORTED_NODES[cls] = NodeDef(cls, flatten_fn, unflatten_fn)
    if options.get("flatten_with_keys_fn") is not None:
        WITH_KEYS[cls] = options["flatten_with_keys_fn"]


_register_pytree_node = register_pytree_node


def _node(value: Any) -> tuple[Any, list[Any], Context] | None:
    """(type, children, context) of a container, None for a leaf."""
    kind = type(value)
    found = SUPPORTED_NODES.get(kind)
    if found is not None:
        children, context = found.flatten_fn(value)
        return kind, list(children), context
    if is_namedtuple(value):
        return kind, list(value), kind
    return None


def tree_is_leaf(tree: PyTree, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether the tree is a single leaf."""
    return (is_leaf is not None and is_leaf(tree)) or _node(tree) is None


def tree_flatten(
    tree: PyTree, is_leaf: Callable[[Any], bool] | None = None
) -> tuple[list[Any], TreeSpec]:
    """Return the leaves in order and the structure.

    >>> tree_flatten({"a": 1, "b": (2, 3)})[0]
    [1, 2, 3]
    """
    leaves: list[Any] = []

    def walk(value: Any) -> TreeSpec:
        node = None if is_leaf is not None and is_leaf(value) else _node(value)
        if node is None:
            leaves.append(value)
            return LEAF
        kind, children, context = node
        return TreeSpec(kind, context, tuple(walk(child) for child in children))

    spec = walk(tree)
    return leaves, spec


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> PyTree:
    """Put leaves back into a structure; raises ValueError if there are too few or too many."""
    listed = list(leaves)
    if len(listed) != treespec.num_leaves:
        raise ValueError(
            f"tree_unflatten(leaves, treespec): `leaves` has length {len(listed)} but the spec refers to a pytree"
            f" that holds {treespec.num_leaves} items ({treespec})."
        )
    following = iter(listed)

    def build(spec: TreeSpec) -> Any:
        if spec.type is None:
            return next(following)
        children = [build(child) for child in spec.children_specs]
        found = SUPPORTED_NODES.get(spec.type)
        return spec.type(*children) if found is None else found.unflatten_fn(children, spec.context)

    return build(treespec)


def tree_leaves(tree: PyTree, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """Return the leaves in order."""
    return tree_flatten(tree, is_leaf)[0]


tree_iter = tree_leaves


def tree_structure(tree: PyTree, is_leaf: Callable[[Any], bool] | None = None) -> TreeSpec:
    """Return the structure."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(
    func: Callable[..., Any],
    tree: PyTree,
    *rests: PyTree,
    is_leaf: Callable[[Any], bool] | None = None,
) -> PyTree:
    """Apply a function to every leaf (with the leaves of equal trees beside it)."""
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [tree_flatten(rest, is_leaf)[0] for rest in rests]
    return tree_unflatten([func(*values) for values in zip(leaves, *others, strict=True)], spec)


def tree_map_(func: Callable[..., Any], tree: PyTree, *rests: PyTree) -> PyTree:
    """`tree_map` for its side effect; returns the tree."""
    tree_map(func, tree, *rests)
    return tree


def tree_map_only(
    kind: Any,
    func: Callable[[Any], Any],
    tree: PyTree,
    is_leaf: Callable[[Any], bool] | None = None,
) -> PyTree:
    """Apply a function to the leaves of a type (or for which a predicate holds)."""
    chosen = (
        kind if callable(kind) and not isinstance(kind, type) else lambda x: isinstance(x, kind)
    )
    return tree_map(lambda x: func(x) if chosen(x) else x, tree, is_leaf=is_leaf)


def tree_all(predicate: Callable[[Any], bool], tree: PyTree) -> bool:
    """Whether a predicate holds for all leaves."""
    return all(map(predicate, tree_leaves(tree)))


def tree_any(predicate: Callable[[Any], bool], tree: PyTree) -> bool:
    """Whether a predicate holds for some leaf."""
    return any(map(predicate, tree_leaves(tree)))
