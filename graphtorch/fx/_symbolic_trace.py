"""Symbolic tracing: running a program on proxies and writing down what it does to them."""

from __future__ import annotations

import builtins
import functools
import inspect
import math
import sys
import types
from collections.abc import Callable
from typing import Any

from ..frontend.tensor import Tensor
from ..nn.module import Module
from ..nn.modules.container import Sequential
from ..nn.parameter import Parameter
from ..utils._pytree import tree_flatten, tree_unflatten
from .graph import Graph
from .graph_module import GraphModule
from .node import Node, map_aggregate
from .proxy import ParameterProxy, Proxy, TracerBase


class PHBase:
    """An argument that stays a placeholder, in `concrete_args`."""

    def __repr__(self) -> str:
        return "PH"


class PHWithMeta(PHBase):
    """A placeholder with a key of its own."""

    def __init__(self, ph_key: str | None = None):
        self.ph_key = ph_key


PH = PHBase()

_wrapped: dict[tuple[int, str], dict[str, Any]] = {}  # (namespace, name) -> namespace
_wrapped_methods: list[tuple[type, str]] = []
_originals: set[int] = set()
_tracing = False


def is_wrapped(function: Any) -> bool:
    """Whether a function was given to `wrap`."""
    return id(function) in _originals


def is_fx_tracing() -> bool:
    """Whether a symbolic trace is running."""
    return _tracing


def wrap(fn_or_name: str | Callable) -> Any:
    """Let calls of a function stand in traces as one node instead of being looked into.

    At module scope: `wrap("len")`, `wrap(my_function)`, or as a decorator.
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError(
            "Unsupported type for global function! Must be either a callable or string name"
        )
    name = fn_or_name if isinstance(fn_or_name, str) else fn_or_name.__name__
    frame = sys._getframe(1)
    if frame.f_code.co_name != "<module>":
        raise NotImplementedError("wrap must be called at the top level of a module")
    _wrapped[id(frame.f_globals), name] = frame.f_globals
    known = (
        fn_or_name
        if callable(fn_or_name)
        else frame.f_globals.get(name, getattr(builtins, name, None))
    )
    if known is not None:
        _originals.add(id(known))
    return fn_or_name


def _first_proxy(*operands: Any) -> Proxy | None:
    found: list[Proxy] = []

    def note(a: Any) -> Any:
        if isinstance(a, Proxy) and not found:
            found.append(a)
        return a

    map_aggregate(operands, note)
    return found[0] if found else None


def _recording(original: Callable) -> Callable:
    @functools.wraps(original)
    def record(*args: Any, **kwargs: Any) -> Any:
        proxy = _first_proxy(args, kwargs)
        if proxy is None:
            return original(*args, **kwargs)
        return proxy.tracer.create_proxy("call_function", original, args, kwargs)

    return record


class _Patches:
    """Replacements that are undone at the end of a trace."""

    def __init__(self) -> None:
        self.undo: list[tuple[Any, str, Any, bool]] = []

    def __enter__(self) -> _Patches:
        return self

    def attribute(self, owner: Any, name: str, value: Any) -> None:
        self.undo.append((owner, name, owner.__dict__.get(name, self), True))
        setattr(owner, name, value)

    def entry(self, table: dict[str, Any], name: str, value: Any) -> None:
        self.undo.append((table, name, table.get(name, self), False))
        table[name] = value

    def __exit__(self, *error: Any) -> None:
        for owner, name, before, is_attribute in reversed(self.undo):
            if is_attribute:
                delattr(owner, name) if before is self else setattr(owner, name, before)
            elif before is self:
                del owner[name]
            else:
                owner[name] = before


class Tracer(TracerBase):
    """Traces modules and functions; override `is_leaf_module`, `call_module`, `create_arg`, ...

    autowrap_modules: modules whose functions (like `math`'s) stand as nodes when given proxies.
    """

    def __init__(
        self, autowrap_modules: tuple[types.ModuleType, ...] = (math,),
        autowrap_functions: tuple[Callable, ...] = (), param_shapes_constant: bool = False,
    ):  # fmt: skip
        super().__init__()
        self._autowrap = [
            f
            for m in autowrap_modules
            for n, f in vars(m).items()
            if not n.startswith("_") and callable(f)
        ]
        self._autowrap += autowrap_functions
        self._autowrap_modules = list(autowrap_modules)
        self.param_shapes_constant = param_shapes_constant
        self.submodule_paths: dict[Module, str] | None = None
        self.root_module_name = ""
        self.root: Any = None
        self.scope = None
        self.module_stack: dict[str, Any] = {}
        self.node_name_to_scope: dict[str, Any] = {}
        self.tensor_attrs: dict[int, str] = {}

    # ---- what users override

    def is_leaf_module(self, m: Module, module_qualified_name: str) -> bool:
        """Whether calls of `m` stand as one node: true for torch.nn's own layers except Sequential."""
        home = m.__module__
        return home.startswith(("graphtorch.nn", "graphtorch.ao.nn", "torch.nn", "torch.ao.nn")) and not isinstance(m, Sequential)  # fmt: skip

    def path_of_module(self, mod: Module) -> str:
        """The qualified name of a submodule of the root; raises NameError for others."""
        if self.submodule_paths is not None:
            path = self.submodule_paths.get(mod)
            if path is None:
                raise NameError("module is not installed as a submodule")
            return path
        for name, module in self.root.named_modules():
            if module is mod:
                return name
        raise NameError("module is not installed as a submodule")

    def call_module(self, m: Module, forward: Callable, args: Any, kwargs: Any) -> Any:
        """What a call of a submodule gives: a node for leaves, its forward's trace for others."""
        path = self.path_of_module(m)
        if self.is_leaf_module(m, path):
            return self.create_proxy("call_module", path, args, kwargs)
        return forward(*args, **kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """What reading an attribute of a module gives: a proxy for parameters."""
        wanted = Tensor if self.proxy_buffer_attributes else Parameter
        if isinstance(attr_val, wanted) and not isinstance(attr_val, Proxy):
            members = list(self.root.named_parameters(remove_duplicate=False))
            members += self.root.named_buffers(remove_duplicate=False)
            for name, member in members:
                if member is attr_val:
                    if name not in parameter_proxy_cache:
                        node = self.create_node("get_attr", name, (), {})
                        parameter_proxy_cache[name] = (
                            ParameterProxy(self, node, name, attr_val)
                            if self.param_shapes_constant
                            else self.proxy(node)
                        )
                    return parameter_proxy_cache[name]
        return attr_val

    def create_arg(self, a: Any) -> Any:
        """Tensors become attributes of the root, modules are an error, the rest as in TracerBase."""
        if isinstance(a, Tensor):
            for name, member in (
                *self.root.named_parameters(remove_duplicate=False),
                *self.root.named_buffers(remove_duplicate=False),
            ):
                if member is a:
                    return self.create_node("get_attr", name, (), {})
            name = self.tensor_attrs.get(id(a))
            if name is None:
                name = self._found_attribute(a) or self.get_fresh_qualname("_tensor_constant")
                if not hasattr(self.root, name.split(".")[0]):
                    setattr(self.root, name, a)
                self.tensor_attrs[id(a)] = name
            return self.create_node("get_attr", name, (), {})
        if isinstance(a, tuple) and hasattr(a, "_fields"):
            args = tuple([self.create_arg(x) for x in a])
            return self.create_node("call_function", type(a), args, {})
        return super().create_arg(a)

    def _found_attribute(self, tensor: Tensor) -> str | None:
        for path, module in self.root.named_modules():
            for name, value in module.__dict__.items():
                if value is tensor:
                    return f"{path}.{name}" if path else name
        return None

    def get_fresh_qualname(self, prefix: str) -> str:
        """A name that the root does not have yet."""
        i = 0
        while hasattr(self.root, f"{prefix}{i}"):
            i += 1
        return f"{prefix}{i}"

    # ---- tracing

    def create_args_for_root(
        self, root_fn: Callable, is_module: bool, concrete_args: Any = None
    ) -> tuple[Callable, list[Any]]:
        """The function to run, and the proxies and constants to run it on."""
        function = inspect.unwrap(root_fn)
        code = function.__code__
        total = code.co_argcount + code.co_kwonlyargcount
        names = list(code.co_varnames[:total])
        parameters = inspect.signature(function).parameters
        args: list[Any] = []
        if is_module:
            if not names:
                raise RuntimeError("`self` argument cannot be part of *args expansion!")
            names.pop(0)
            args.append(self.root)
        hints = getattr(function, "__annotations__", {})
        concrete = concrete_args or {}
        if isinstance(concrete, tuple):
            concrete = dict(zip(names, concrete, strict=True))
        for name in names[: len(names) - code.co_kwonlyargcount] + names[len(names) - code.co_kwonlyargcount :]:  # fmt: skip
            if name in concrete:
                args.append(self._concrete(name, concrete[name]))
                continue
            default = parameters[name].default
            given = () if default is inspect.Parameter.empty else (default,)
            args.append(
                self.create_proxy("placeholder", name, given, {}, type_expr=hints.get(name))
            )
        if code.co_flags & inspect.CO_VARARGS or code.co_flags & inspect.CO_VARKEYWORDS:
            place = total
            if code.co_flags & inspect.CO_VARARGS:
                args.append(self.create_proxy("placeholder", "*" + code.co_varnames[place], (), {}))
                place += 1
            if code.co_flags & inspect.CO_VARKEYWORDS:
                args.append(
                    self.create_proxy("placeholder", "**" + code.co_varnames[place], (), {})
                )
            if len(args) > 0:
                return _with_stars(function, code), args
        if code.co_kwonlyargcount:
            count = len(args) - code.co_kwonlyargcount
            keys = names[len(names) - code.co_kwonlyargcount :]
            return lambda *a: function(*a[:count], **dict(zip(keys, a[count:], strict=True))), args
        return function, args

    def _concrete(self, name: str, value: Any) -> Any:
        leaves, spec = tree_flatten(value)
        found = []
        for i, leaf in enumerate(leaves, 1):
            label = name if len(leaves) == 1 and leaves[0] is value else f"{name}_{i}"
            if isinstance(leaf, PHBase):
                found.append(self.create_proxy("placeholder", label, (), {}))
                continue
            self.create_proxy("placeholder", f"{name}_{i}", (leaf,), {})
            found.append(leaf)
        return tree_unflatten(found, spec)

    def trace(self, root: Module | Callable, concrete_args: Any = None) -> Graph:
        """The graph of a module's forward, or of a function.

        concrete_args: values for arguments that are not to be traced.
        """
        global _tracing
        if isinstance(root, Module):
            from .proxy import TracerBase as _Base

            assert isinstance(self, _Base)
            self.root = root
            function = type(root).forward
            if "forward" in root.__dict__:
                bound = root.__dict__["forward"]
                function = getattr(bound, "__func__", bound)
                if getattr(bound, "__self__", None) is not root:
                    function = lambda self, *a, **k: bound(*a, **k)
            self.root_module_name = type(root).__name__
            self.submodule_paths = {mod: name for name, mod in root.named_modules()}
            is_module = True
        else:
            self.root = Module()
            function = root
            self.root_module_name = getattr(root, "__name__", type(root).__name__)
            is_module = False
        self.graph = Graph(tracer_cls=type(self))
        self.tensor_attrs = {}
        hints = getattr(function, "__annotations__", {})
        function, args = self.create_args_for_root(function, is_module, concrete_args)
        before, _tracing = _tracing, True
        try:
            with _Patches() as patches:
                self._patch(patches)
                result = function(*args)
                self.create_node(
                    "output",
                    "output",
                    (self.create_arg(result),),
                    {},
                    type_expr=hints.get("return"),
                )
        finally:
            _tracing = before
        return self.graph

    def _patch(self, patches: _Patches) -> None:
        cache: dict[str, Any] = {}
        original_call = Module.__call__
        original_getattr = Module.__getattr__
        tracer = self

        def call(mod: Module, *args: Any, **kwargs: Any) -> Any:
            def forward(*a: Any, **k: Any) -> Any:
                return original_call(mod, *a, **k)

            return tracer.call_module(mod, forward, args, kwargs)

        def read(mod: Module, name: str) -> Any:
            return tracer.getattr(name, original_getattr(mod, name), cache)

        patches.attribute(Module, "__call__", call)
        patches.attribute(Module, "__getattr__", read)
        wanted = {id(f): f for f in self._autowrap}
        for module in self._autowrap_modules:
            for name, value in list(vars(module).items()):
                if id(value) in wanted:
                    patches.attribute(module, name, _recording(value))
        for (_, name), namespace in _wrapped.items():
            original = namespace.get(name, getattr(builtins, name, None))
            if original is not None:
                _originals.add(id(original))
                patches.entry(namespace, name, _recording(original))


def _with_stars(function: Callable, code: Any) -> Callable:
    """`function`, called with its `*args` and `**kwargs` as two last values, which are proxies."""

    count = code.co_argcount + code.co_kwonlyargcount
    made = code.replace(
        co_argcount=count + bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS),
        co_kwonlyargcount=0,
        co_flags=code.co_flags & ~inspect.CO_VARARGS & ~inspect.CO_VARKEYWORDS,
    )  # fmt: skip
    return types.FunctionType(
        made, function.__globals__, function.__name__, None, function.__closure__
    )


def symbolic_trace(root: Module | Callable, concrete_args: Any = None) -> GraphModule:
    """The `GraphModule` of a module's forward or of a function, found by running it on proxies.

    Raises TraceError where control flow depends on values.

    >>> import graphtorch as torch
    >>> traced = torch.fx.symbolic_trace(lambda x: torch.relu(x) + 1)
    >>> print(traced.code.strip())
    def forward(self, x):
        relu = torch.relu(x);  x = None
        add = relu + 1;  relu = None
        return add
    >>> traced(torch.tensor([-1.0, 2.0]))
    tensor([1., 3.])
    """
    tracer = Tracer()
    graph = tracer.trace(root, concrete_args)
    name = (
        type(root).__name__
        if isinstance(root, Module)
        else getattr(root, "__name__", "GraphModule")
    )
    return GraphModule(tracer.root, graph, name)


class ProxyableClassMeta(type):
    """A metaclass whose instances may be made from proxies inside a trace: the call is a node."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        proxy = _first_proxy(args, kwargs)
        if proxy is None:
            return super().__call__(*args, **kwargs)
        return proxy.tracer.create_proxy("call_function", cls, args, kwargs)


__all__ = ["PH", "Node", "PHBase", "PHWithMeta", "ProxyableClassMeta", "Tracer", "is_fx_tracing", "symbolic_trace", "wrap"]  # fmt: skip
