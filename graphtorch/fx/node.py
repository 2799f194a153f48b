"""A node of an fx graph: one call, written as data."""

from __future__ import annotations

import builtins
import operator
import types
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from .immutable_collections import immutable_dict, immutable_list

if TYPE_CHECKING:
    from .graph import Graph

Target = Callable | str
Argument = Any
base_types = (str, int, float, bool, complex)

_OPCODES = (
    "placeholder",
    "get_attr",
    "call_function",
    "call_module",
    "call_method",
    "output",
    "root",
)


class Node:
    """One line of the program.

    op          placeholder, get_attr, call_function, call_module, call_method, output
    target      the function, or the name of the module, attribute, method or argument
    args        nodes, constants, and tuples, lists, dicts and slices of them;  kwargs the same
    users       the nodes that read this one, in order
    meta        anything a pass wants to remember
    """

    def __init__(
        self, graph: Graph, name: str, op: str, target: Any, args: tuple[Any, ...],
        kwargs: dict[str, Any], return_type: Any = None,
    ):  # fmt: skip
        assert op in _OPCODES, op
        if op == "call_function":
            if not callable(target):
                raise ValueError(
                    f"Node [graph = {graph}, name = '{name}'] target {target} has type {type(target)} but a"
                    " Callable is expected"
                )
        elif not isinstance(target, str):
            raise ValueError(
                f"Node [graph = {graph}, name = '{name}'] target {target} has type {type(target)} but a str"
                " is expected"
            )
        self.graph = graph
        self.name = name
        self.op = op
        self.target = target
        self.type = return_type
        self.meta: dict[str, Any] = {}
        self.users: dict[Node, None] = {}
        self._input_nodes: dict[Node, None] = {}
        self._args: tuple[Any, ...] = ()
        self._kwargs: dict[str, Any] = {}
        self._prev: Node = self
        self._next: Node = self
        self._erased = False
        self._repr_fn: Callable | None = None
        self._update(args, kwargs)

    # ---- neighbours

    @property
    def next(self) -> Node:
        """The node after this one."""
        return self._next

    @property
    def prev(self) -> Node:
        """The node before this one."""
        return self._prev

    def prepend(self, x: Node) -> None:
        """Move `x` right before this node."""
        assert self.graph is x.graph, "Attempting to move a Node into a different Graph"
        if self is x:
            return
        x._remove_from_list()
        before = self._prev
        before._next, x._prev = x, before
        x._next, self._prev = self, x

    def append(self, x: Node) -> None:
        """Move `x` right after this node."""
        self._next.prepend(x)

    def _remove_from_list(self) -> None:
        before, after = self._prev, self._next
        before._next, after._prev = after, before

    def __lt__(self, other: Node) -> bool:
        for node in self.graph.nodes:
            if node is self:
                return node is not other
            if node is other:
                return False
        return False

    def __gt__(self, other: Node) -> bool:
        return self is not other and not self < other

    # ---- operands

    @property
    def args(self) -> tuple[Any, ...]:
        """The positional operands; assigning a tuple changes them."""
        return self._args

    @args.setter
    def args(self, value: tuple[Any, ...]) -> None:
        self._update(value, self._kwargs)

    @property
    def kwargs(self) -> dict[str, Any]:
        """The keyword operands; assigning a dict changes them."""
        return self._kwargs

    @kwargs.setter
    def kwargs(self, value: dict[str, Any]) -> None:
        self._update(self._args, value)

    def _update(self, args: Any, kwargs: Any) -> None:
        for old in self._input_nodes:
            old.users.pop(self, None)
        self._input_nodes = {}
        self._args = tuple([map_aggregate(a, lambda x: x) for a in args])
        self._kwargs = immutable_dict({k: map_aggregate(a, lambda x: x) for k, a in kwargs.items()})

        def use(node: Node) -> Node:
            self._input_nodes.setdefault(node)
            node.users.setdefault(self)
            return node

        map_arg(self._args, use)
        map_arg(self._kwargs, use)

    @property
    def all_input_nodes(self) -> list[Node]:
        """Every node this one reads, once, in order."""
        return list(self._input_nodes)

    def update_arg(self, idx: int, arg: Any) -> None:
        """Change one positional operand."""
        args = list(self.args)
        args[idx] = arg
        self.args = tuple(args)

    def insert_arg(self, idx: int, arg: Any) -> None:
        """Insert a positional operand."""
        self.args = (*self.args[:idx], arg, *self.args[idx:])

    def update_kwarg(self, key: str, arg: Any) -> None:
        """Change or add one keyword operand."""
        self.kwargs = {**self.kwargs, key: arg}

    def replace_input_with(self, old_input: Node, new_input: Node) -> None:
        """Read `new_input` wherever this node read `old_input`."""

        def swap(n: Node) -> Node:
            return new_input if n is old_input else n

        self._update(map_arg(self.args, swap), map_arg(self.kwargs, swap))

    def replace_all_uses_with(
        self,
        replace_with: Node,
        delete_user_cb: Callable[[Node], bool] = lambda user: True,
        *,
        propagate_meta: bool = False,
    ) -> list[Node]:
        """Let every user (that the callback allows) read `replace_with`; returns those users."""
        if propagate_meta:
            replace_with.meta.update(self.meta)
        changed = []
        for user in list(self.users):
            if delete_user_cb(user):
                user.replace_input_with(self, replace_with)
                changed.append(user)
        return changed

    # ---- what it is

    def is_impure(self, impure_random: bool = True) -> bool:
        """Whether removing the node could change what the program does."""
        if self.op in ("placeholder", "output"):
            return True
        if self.op == "call_function":
            return self.target in _side_effects() or self.target in _marked
        if self.op == "call_module":
            module = _attribute(self.graph.owning_module, self.target)
            return getattr(module, "_is_impure", False)
        return (
            self.op == "call_method"
            and self.target.endswith("_")
            and not self.target.endswith("__")
        )

    @property
    def stack_trace(self) -> str | None:
        """Where the traced program was, if the tracer recorded it."""
        return self.meta.get("stack_trace")

    @stack_trace.setter
    def stack_trace(self, trace: str | None) -> None:
        self.meta["stack_trace"] = trace

    def format_node(self, placeholder_names: Any = None, maybe_return_typename: Any = None) -> str:
        """`%relu : [num_users=1] = call_function[target=torch.relu](args = (%x,), kwargs = {})`."""
        users = f"[num_users={len(self.users)}]"
        typed = f"{type_text(self.type)} " if self.type else ""
        if self.op == "placeholder":
            default = f"(default={self.args[0]})" if self.args else ""
            return f"%{self.name} : {typed}{users} = {self.op}[target={self.target}]{default}"
        if self.op == "get_attr":
            return f"%{self.name} : {typed}{users} = {self.op}[target={self.target}]"
        if self.op == "output":
            return f"return {self.args[0]}"
        return (
            f"%{self.name} : {typed}{users} = {self.op}[target={target_text(self.target)}](args ="
            f" {_shown(self.args)}, kwargs = {_shown(self.kwargs)})"
        )

    def normalized_arguments(self, root: Any, *args: Any, **kwargs: Any) -> Any:
        """The operands as (args, kwargs), all by keyword, for functions and modules; None if unknown."""
        import inspect
        from typing import NamedTuple

        class ArgsKwargsPair(NamedTuple):
            args: tuple
            kwargs: dict

        if self.op == "call_function":
            function = self.target
        elif self.op == "call_module":
            function = root.get_submodule(self.target).forward
        else:
            return None
        try:
            bound = inspect.signature(function).bind(*self.args, **self.kwargs)
        except (TypeError, ValueError):
            return None
        return ArgsKwargsPair((), dict(bound.arguments))

    def __repr__(self) -> str:
        return self.name if self._repr_fn is None else self._repr_fn(self)


def _side_effects() -> set[Any]:
    import graphtorch

    return {graphtorch._assert, operator.setitem, builtins.print, setattr}


def _attribute(root: Any, path: str) -> Any:
    for part in path.split("."):
        if root is None:
            return None
        root = getattr(root, part, None)
    return root


def _shown(a: Any) -> str:
    """Operands as they are printed: nodes with a percent sign."""
    if isinstance(a, Node):
        return f"%{a.name}"
    if isinstance(a, tuple):
        inner = ", ".join(map(_shown, a))
        return f"({inner},)" if len(a) == 1 else f"({inner})"
    if isinstance(a, list):
        return "[" + ", ".join(map(_shown, a)) + "]"
    if isinstance(a, dict):
        return "{" + ", ".join(f"{k}: {_shown(v)}" for k, v in a.items()) + "}"
    return str(a)


def target_text(target: Any) -> str:
    """The public name of a target: `torch.relu`, `operator.add`."""
    return target if isinstance(target, str) else qualified_name(target)


def qualified_name(function: Any) -> str:
    """Where a function is found: `torch.nn.functional.relu`, `operator.add`, `mymodule.f`."""
    known = _torch_names().get(id(function))
    if known is not None:
        return known
    name = getattr(function, "__name__", repr(function))
    if getattr(builtins, name, None) is function:
        return name
    module = getattr(function, "__module__", None) or "builtins"
    if module == "_operator":
        module = "operator"
    return f"{module.replace('graphtorch', 'torch', 1)}.{getattr(function, '__qualname__', name)}"


_names: dict[int, str] = {}


def _torch_names() -> dict[int, str]:
    """Public functions of the framework by identity; filled anew when a room was loaded."""
    import graphtorch

    if not _names or id(graphtorch.nn.functional.relu) not in _names:
        rooms = [("torch.special", graphtorch.special), ("torch.linalg", graphtorch.linalg),
                 ("torch.Tensor", graphtorch.Tensor), ("torch.nn.functional", graphtorch.nn.functional),
                 ("torch", graphtorch)]  # fmt: skip
        for prefix, room in rooms:
            for name, value in vars(room).items():
                if not isinstance(value, types.FunctionType) or name.startswith("__"):
                    continue
                known = _names.get(id(value), "")
                if known.startswith(f"{prefix}.") and name != value.__name__:
                    continue  # an alias
                _names[id(value)] = f"{prefix}.{name}"
        for name in graphtorch._LATER:
            value = getattr(graphtorch, name, None)
            if isinstance(value, types.FunctionType):
                _names.setdefault(id(value), f"torch.{name}")
    return _names


def type_text(kind: Any) -> str:
    """A type as it stands in generated code."""
    if isinstance(kind, str):
        return kind
    if isinstance(kind, type):
        module = kind.__module__.replace("graphtorch", "torch", 1)
        if module == "builtins":
            return kind.__qualname__
        if kind.__name__ == "Tensor" and module.startswith("torch"):
            return "torch.Tensor"
        return f"{module}.{kind.__qualname__}"
    return str(kind).replace("graphtorch", "torch")


# ---- structures of operands


def map_arg(a: Any, fn: Callable[[Node], Any]) -> Any:
    """`a` with `fn` of every node in it."""
    assert callable(fn), "torch.fx.map_arg(a, fn): fn must be a callable"
    return map_aggregate(a, lambda x: fn(x) if isinstance(x, Node) else x)


def map_aggregate(a: Any, fn: Callable[[Any], Any]) -> Any:
    """`a` with `fn` of every leaf: tuples, lists, dicts and slices are looked into."""
    if isinstance(a, tuple):
        found: Iterable[Any] = [map_aggregate(x, fn) for x in a]
        return type(a)(*found) if hasattr(a, "_fields") else tuple(found)
    if isinstance(a, list):
        return immutable_list([map_aggregate(x, fn) for x in a])
    if isinstance(a, dict):
        return immutable_dict({k: map_aggregate(v, fn) for k, v in a.items()})
    if isinstance(a, slice):
        return slice(
            map_aggregate(a.start, fn), map_aggregate(a.stop, fn), map_aggregate(a.step, fn)
        )
    return fn(a)


def has_side_effect(fn: Callable) -> Callable:
    """Accepted: mark a function that dead-code elimination must keep."""
    _marked.add(fn)
    return fn


_marked: set[Any] = set()
