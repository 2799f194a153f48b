"""`GraphModule`: a module whose forward is generated from a graph."""

from __future__ import annotations

import copy
import itertools
import linecache
from collections.abc import Callable
from typing import Any

from ..frontend.tensor import Tensor
from ..nn.module import Module
from .graph import Graph, PythonCode

_count = itertools.count()
_USER_PRESERVED_ATTRIBUTES_KEY = "_user_preserved_attributes"


def _compiled(code: PythonCode) -> Callable:
    """The `forward` of generated source; its lines show in tracebacks."""
    name = f"<eval_with_key>.{next(_count)}"
    linecache.cache[name] = (len(code.src), None, code.src.splitlines(True), name)
    namespace = dict(code.globals)
    exec(
        compile(code.src, name, "exec"), namespace
    )  # the graph's own text, written by `Graph.python_code`
    return namespace["forward"]


def _copy_attr(source: Module, target: Module, path: str) -> None:
    *prefix, field = path.split(".")
    for part in prefix:
        below = getattr(source, part)
        known = getattr(target, part, None)
        if below is known:
            return
        if known is None:
            known = Module()
            setattr(target, part, known)
        source, target = below, known
    value = getattr(source, field)
    if isinstance(value, Tensor) and not _is_parameter(value):
        persistent = field not in source._non_persistent_buffers_set
        target.register_buffer(field, value, persistent)
    else:
        setattr(target, field, value)


def _assign(value: Any, target: Module, path: str) -> None:
    *prefix, field = path.split(".")
    for part in prefix:
        known = getattr(target, part, None)
        if known is None:
            known = Module()
            setattr(target, part, known)
        target = known
    if isinstance(value, Tensor) and not _is_parameter(value):
        target.register_buffer(field, value)
    else:
        setattr(target, field, value)


def _is_parameter(value: Tensor) -> bool:
    from ..nn.parameter import Parameter

    return isinstance(value, Parameter)


class GraphModule(Module):
    """A module made of a graph and of the submodules and parameters that its nodes name.

    root: the module (or a dict of names) they are taken from.  `graph` may be changed; call
    `recompile()` afterwards.  `code` is the generated source.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        for base in cls.__mro__:
            if base.__qualname__ == "GraphModuleImpl":
                return super().__new__(cls)
        made = type(
            "GraphModuleImpl", (cls,), {"__module__": cls.__module__}
        )  # a forward of its own
        return super().__new__(made)

    def __init__(
        self, root: Module | dict[str, Any], graph: Graph, class_name: str = "GraphModule"
    ):
        super().__init__()
        self.__class__.__name__ = class_name if class_name.isidentifier() else "GraphModule"
        if isinstance(root, Module):
            self.training = root.training
            for node in graph.nodes:
                if node.op in ("get_attr", "call_module"):
                    _copy_attr(root, self, node.target)
        elif isinstance(root, dict):
            wanted = {n.target for n in graph.nodes if n.op in ("get_attr", "call_module")}
            for path in sorted(wanted, key=lambda p: p.count(".")):
                if path not in root:
                    raise RuntimeError(
                        f"Node referenced target {path} but that target was not provided in ``root``!"
                    )
                _assign(root[path], self, path)
        else:
            raise RuntimeError(f"Unsupported type {root} passed for root!")
        self.__dict__["meta"] = dict(getattr(root, "meta", {})) if isinstance(root, Module) else {}
        self.graph = graph

    @property
    def graph(self) -> Graph:
        """The graph; assigning another one generates the code anew."""
        return self.__dict__["_graph"]

    @graph.setter
    def graph(self, graph: Graph) -> None:
        if not isinstance(graph, Graph):
            raise AssertionError(f"Expected a Graph instance, but got {type(graph)}")
        owned = copy.deepcopy(graph) if graph.owning_module not in (None, self) else graph
        self.__dict__["_graph"] = owned
        owned.owning_module = self
        self.recompile()

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "graph":
            GraphModule.graph.__set__(self, value)  # type: ignore[attr-defined]
        else:
            super().__setattr__(name, value)

    @property
    def code(self) -> str:
        """The source of `forward`."""
        return self.__dict__["_code"]

    def recompile(self) -> PythonCode:
        """Generate `forward` from the graph as it is now."""
        code = self.graph.python_code("self")
        self.__dict__["_code"] = code.src
        forward = _compiled(code)
        type(self).forward = forward  # type: ignore[method-assign, assignment]
        return code

    def print_readable(self, print_output: bool = True, **_: Any) -> str:
        """The source as that of a class; printed unless told otherwise."""
        body = "\n".join(f"    {line}" for line in self.code.strip().splitlines())
        text = f"class {type(self).__name__}(torch.nn.Module):\n{body}\n"
        if print_output:
            print(text)
        return text

    def to_folder(self, folder: Any, module_name: str = "FxModule") -> None:
        """Write `module.py` and `state_dict.pt`, for modules whose submodules print as they are made."""
        from pathlib import Path

        from ..frontend.serialization import save

        place = Path(folder)
        place.mkdir(exist_ok=True)
        save(self.state_dict(), place / "state_dict.pt")
        lines = ["import torch", "from torch.nn import *", "", f"class {module_name}(torch.nn.Module):", "    def __init__(self):", "        super().__init__()"]  # fmt: skip
        for name, module in self.named_children():
            lines.append(f"        self.{name} = {module!r}".replace("\n", "\n        "))
        for name, parameter in self._parameters.items():
            lines.append(
                f"        self.{name} = torch.nn.Parameter(torch.empty({list(parameter.shape)}))"
            )  # type: ignore[union-attr]
        for name, buffer in self._buffers.items():
            lines.append(
                f"        self.register_buffer({name!r}, torch.empty({list(buffer.shape)}))"
            )  # type: ignore[union-attr]
        lines.append(f"        self.load_state_dict(torch.load({str(place / 'state_dict.pt')!r}))")
        lines += ["", *[f"    {line}" for line in self.code.strip().splitlines()], ""]
        (place / "module.py").write_text("\n".join(lines))
        (place / "__init__.py").write_text("from .module import *\n")

    def add_submodule(self, target: str, m: Module) -> bool:
        """Add a submodule at a dotted name; False if something that is not a module is in the way."""
        *prefix, field = target.split(".")
        place: Module = self
        for part in prefix:
            below = getattr(place, part, None)
            if below is None:
                below = Module()
                setattr(place, part, below)
            if not isinstance(below, Module):
                return False
            place = below
        place.add_module(field, m)
        return True

    def delete_submodule(self, target: str) -> bool:
        """Remove a submodule by its dotted name; False if there is none."""
        *prefix, field = target.split(".")
        place: Any = self
        for part in prefix:
            place = getattr(place, part, None)
            if not isinstance(place, Module):
                return False
        if not isinstance(getattr(place, field, None), Module):
            return False
        delattr(place, field)
        return True

    def delete_all_unused_submodules(self) -> None:
        """Remove the submodules that no node names."""
        used: set[str] = set()
        for node in self.graph.nodes:
            if node.op in ("get_attr", "call_module"):
                parts = node.target.split(".")
                used.update(".".join(parts[: i + 1]) for i in range(len(parts)))
                if node.op == "call_module":
                    module = self.get_submodule(node.target)
                    used.update(
                        f"{node.target}.{name}" for name, _ in module.named_modules() if name
                    )
        for name in [name for name, _ in self.named_modules() if name and name not in used]:
            self.delete_submodule(name)

    def __deepcopy__(self, memo: dict) -> GraphModule:
        plain = Module()
        for name, value in self.__dict__.items():
            if name not in ("_graph", "_code"):
                plain.__dict__[name] = copy.deepcopy(value, memo)
        made = GraphModule.__new__(GraphModule)
        Module.__init__(made)
        made.__dict__.update(plain.__dict__)
        type(made).__name__ = type(self).__name__
        memo[id(self)] = made
        graph = copy.deepcopy(self.graph)
        graph.owning_module = None
        made.graph = graph
        return made

    def __copy__(self) -> GraphModule:
        made = GraphModule(self, copy.deepcopy(self.graph), type(self).__name__)
        made.__dict__["meta"] = dict(self.__dict__.get("meta", {}))
        return made

    def __reduce__(self) -> tuple:
        state = {k: v for k, v in self.__dict__.items() if k not in ("_graph", "_code")}
        return _rebuilt, (state, self.graph, type(self).__name__)

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return self.__reduce__()

    def __str__(self) -> str:
        return "\n".join([super().__repr__(), self.code, "# To see more debug info, please use `graph_module.print_readable()`"])  # fmt: skip


def _rebuilt(state: dict[str, Any], graph: Graph, name: str) -> GraphModule:
    """What a pickled GraphModule calls."""
    made = GraphModule.__new__(GraphModule)
    Module.__init__(made)
    made.__dict__.update(state)
    type(made).__name__ = name
    made.graph = graph
    return made
