"""Proxies: values that write down what is done to them."""

from __future__ import annotations

import dis
import operator
import sys
from collections.abc import Callable, Iterator
from typing import Any

from ..frontend import overriding
from ..frontend.tensor import Tensor
from ..ir.types import DType
from .graph import Graph
from .node import Node, base_types, map_aggregate


class TraceError(ValueError):
    """The program does something that symbolic tracing cannot write down."""


class TracerBase:
    """Makes nodes of what proxies are used for."""

    graph: Graph
    record_stack_traces = False
    param_shapes_constant = False
    trace_asserts = False
    proxy_buffer_attributes = False

    def create_node(
        self, kind: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any],
        name: str | None = None, type_expr: Any = None,
    ) -> Node:  # fmt: skip
        """A node at the end of the graph."""
        return self.graph.create_node(kind, target, args, kwargs, name, type_expr)

    def proxy(self, node: Node) -> Proxy:
        """The proxy of a node."""
        return Proxy(node, self)

    def create_proxy(
        self, kind: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any],
        name: str | None = None, type_expr: Any = None, proxy_factory_fn: Any = None,
    ) -> Proxy:  # fmt: skip
        """A node for a call with operands that may contain proxies, and its proxy."""
        made = self.create_node(
            kind, target, self.create_arg(args), dict(self.create_arg(kwargs)), name, type_expr
        )
        return proxy_factory_fn(made) if proxy_factory_fn else self.proxy(made)

    def create_arg(self, a: Any) -> Any:
        """An operand as nodes and constants; raises NotImplementedError for other objects."""
        if isinstance(a, Proxy):
            return a.node
        if hasattr(a, "__fx_create_arg__"):
            return a.__fx_create_arg__(self)
        if isinstance(a, tuple):
            parts = [self.create_arg(x) for x in a]
            return type(a)(*parts) if hasattr(a, "_fields") else type(a)(parts)
        if isinstance(a, list):
            return [self.create_arg(x) for x in a]
        if isinstance(a, dict):
            found = {}
            for k, v in a.items():
                key = self.create_arg(k)

                def refuse(x: Any, key: Any = key) -> Any:
                    if isinstance(x, Node):
                        raise RuntimeError(f"Keys for dictionaries used as an argument cannot contain a Node. Got key: {key}")  # fmt: skip
                    return x

                map_aggregate(key, refuse)
                found[key] = self.create_arg(v)
            return found
        if isinstance(a, slice):
            return slice(self.create_arg(a.start), self.create_arg(a.stop), self.create_arg(a.step))
        if isinstance(a, range):
            return range(a.start, a.stop, a.step)
        if a is None or a is ... or isinstance(a, (*base_types, DType)) or callable(a):
            return a
        if type(a).__module__.startswith("graphtorch."):
            return a
        raise NotImplementedError(f"argument of type: {type(a)}")

    def to_bool(self, obj: Proxy) -> bool:
        """`if proxy:`; raises TraceError unless overridden."""
        raise TraceError("symbolically traced variables cannot be used as inputs to control flow")

    def iter(self, obj: Proxy) -> Iterator:
        """`for x in proxy`; unpacking into a fixed number of names works, else raises TraceError."""
        count = _unpacked(sys._getframe(2))
        if count is not None:
            return iter([obj[i] for i in range(count)])
        raise TraceError(
            "Proxy object cannot be iterated. This can be attempted when the Proxy is used in a loop or as a"
            " *args or **kwargs function argument. See the torch.fx docs on pytorch.org for a more detailed"
            " explanation of what types of control flow can be traced, and check out the Proxy docstring for"
            " help troubleshooting Proxy iteration errors"
        )

    def keys(self, obj: Proxy) -> Any:
        """`**proxy`."""
        return Attribute(obj, "keys")()


def _unpacked(frame: Any) -> int | None:
    """How many names `a, b = proxy` unpacks into, if that is what the frame is doing."""
    for instruction in dis.get_instructions(frame.f_code):
        if instruction.offset == frame.f_lasti and instruction.opname == "UNPACK_SEQUENCE":
            return instruction.argval
    return None


class GraphAppendingTracer(TracerBase):
    """Writes what proxies do at the insertion point of a graph: for building graphs by hand."""

    def __init__(self, graph: Graph):
        super().__init__()
        self.graph = graph
        self.scope = None
        self.module_stack: dict = {}


class Proxy:
    """A value of the program being traced."""

    def __init__(self, node: Node, tracer: TracerBase | None = None):
        self.tracer = GraphAppendingTracer(node.graph) if tracer is None else tracer
        self.node = node

    def __repr__(self) -> str:
        return f"Proxy({self.node.name})"

    def __getattr__(self, k: str) -> Any:
        if k.startswith("__") and k.endswith("__"):
            raise AttributeError(k)
        return Attribute(self, k)

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", "__call__", (self, *args), kwargs)

    def __iter__(self) -> Iterator:
        return self.tracer.iter(self)

    def __bool__(self) -> bool:
        return self.tracer.to_bool(self)

    def __len__(self) -> int:
        raise RuntimeError(
            "'len' is not supported in symbolic tracing by default. If you want this call to be recorded,"
            " please call torch.fx.wrap('len') at module scope"
        )

    def keys(self) -> Any:
        return self.tracer.keys(self)

    def __deepcopy__(self, memo: dict) -> Proxy:
        return Proxy(self.node, self.tracer)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.tracer.create_proxy("call_function", operator.setitem, (self, key, value), {})

    @classmethod
    def __torch_function__(
        cls, orig_method: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        found: list[Proxy] = []

        def note(a: Any) -> Any:
            if isinstance(a, Proxy):
                found.append(a)
            return a

        map_aggregate(args, note)
        map_aggregate(kwargs or {}, note)
        tracer = found[0].tracer
        name = getattr(orig_method, "__name__", "")
        if name == "__get__":
            owner = orig_method.__self__
            name = next(k for k, v in vars(Tensor).items() if v is owner)
            return tracer.create_proxy("call_function", getattr, (*args, name), {})
        if _only_method(orig_method):
            return tracer.create_proxy("call_method", name, args, kwargs or {})
        return tracer.create_proxy("call_function", orig_method, args, kwargs or {})


def _only_method(function: Any) -> bool:
    from .node import qualified_name

    return (
        qualified_name(function).startswith("torch.Tensor.")
        or getattr(Tensor, getattr(function, "__name__", ""), None) is function
        and not qualified_name(function).startswith("torch.")
    )


class Attribute(Proxy):
    """`proxy.name`: a call of `getattr` if it is used as a value, a method call if it is called."""

    def __init__(self, root: Proxy, attr: str):
        self.root = root
        self.attr = attr
        self.tracer = root.tracer
        self._node: Node | None = None

    @property
    def node(self) -> Node:  # type: ignore[override]
        if self._node is None:
            self._node = self.tracer.create_proxy(
                "call_function", getattr, (self.root, self.attr), {}
            ).node
        return self._node

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)


class ParameterProxy(Proxy):
    """A parameter whose shape may be read."""

    def __init__(self, tracer: TracerBase, node: Node, name: str, param: Tensor):
        super().__init__(node, tracer)
        self.param = param
        self.name = name

    @property
    def shape(self) -> Any:
        return self.param.shape

    def size(self, *args: Any) -> Any:
        return self.param.size(*args)  # type: ignore[attr-defined]

    def dim(self) -> int:
        return self.param.dim()  # type: ignore[attr-defined]

    @property
    def ndim(self) -> int:
        return self.param.ndim


_MAGIC = (
    "add sub mul floordiv truediv mod pow lshift rshift and_ or_ xor matmul eq ne lt gt le ge neg pos invert getitem"
    " abs"
).split()
_REFLECTED = "add sub mul floordiv truediv mod pow lshift rshift and_ or_ xor matmul".split()


def _magic(name: str, target: Callable) -> Callable:
    def method(*args: Any, **kwargs: Any) -> Any:
        return args[0].tracer.create_proxy("call_function", target, args, kwargs)

    method.__name__ = name
    return method


def _reflected(name: str, target: Callable) -> Callable:
    def method(self: Proxy, rhs: Any) -> Any:
        return self.tracer.create_proxy("call_function", target, (rhs, self), {})

    method.__name__ = name
    return method


for _name in _MAGIC:
    _plain = _name.rstrip("_")
    setattr(Proxy, f"__{_plain}__", _magic(f"__{_plain}__", getattr(operator, _name)))
for _name in _REFLECTED:
    _plain = _name.rstrip("_")
    setattr(Proxy, f"__r{_plain}__", _reflected(f"__r{_plain}__", getattr(operator, _name)))
Proxy.__hash__ = object.__hash__  # type: ignore[assignment]

overriding.install()
__all__ = [
    "Attribute",
    "GraphAppendingTracer",
    "ParameterProxy",
    "Proxy",
    "TraceError",
    "TracerBase",
]
