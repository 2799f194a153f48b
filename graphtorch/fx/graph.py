"""The fx graph: nodes in order, and how they are written as Python.

graph = Graph()
x = graph.placeholder("x")
y = graph.call_function(torch.relu, (x,))
graph.output(y)
print(graph.python_code("self").src)
"""

from __future__ import annotations

import builtins
import copy
import keyword
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .node import Node, map_arg, qualified_name, target_text, type_text

_ILLEGAL = {*keyword.kwlist, *dir(builtins), "inf", "nan", "NoneType", "torch", "device", "fx_pytree", "pytree"}  # fmt: skip

_BINARY = {
    "add": "+", "sub": "-", "mul": "*", "floordiv": "//", "truediv": "/", "mod": "%", "pow": "**",
    "lshift": "<<", "rshift": ">>", "and_": "&", "or_": "|", "xor": "^", "matmul": "@",
    "eq": "==", "ne": "!=", "lt": "<", "gt": ">", "le": "<=", "ge": ">=",
}  # fmt: skip
_INPLACE = {
    "iadd": "+=", "isub": "-=", "imul": "*=", "itruediv": "/=", "ifloordiv": "//=", "imod": "%=", "ipow": "**=",
    "iand": "&=", "ior": "|=", "ixor": "^=", "imatmul": "@=",
}  # fmt: skip
_UNARY = {"neg": "-", "pos": "+", "invert": "~"}


class _Names:
    """Names that are used once, and are names."""

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.counts: dict[str, int] = {}

    def create(self, candidate: str) -> str:
        candidate = re.sub(r"[^0-9a-zA-Z_]+", "_", candidate) or "_unnamed"
        if candidate[0].isdigit():
            candidate = f"_{candidate}"
        match = re.match(r"(.*)_(\d+)$", candidate)
        base, number = (match[1], int(match[2])) if match else (candidate, None)
        if number is None or candidate in self.used:
            number = self.counts.get(candidate if number is None else base, 0)
        while candidate in self.used or candidate in _ILLEGAL:
            number += 1
            candidate = f"{base}_{number}"
        self.used.add(candidate)
        self.counts[base] = max(number, self.counts.get(base, 0))
        return candidate


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


@dataclass
class PythonCode:
    """Generated source, and the objects its names mean."""

    src: str
    globals: dict[str, Any]


class CodeGen:
    """How the first and the last line of the code are written; users may override."""

    def gen_fn_def(self, free_vars: list[str], maybe_return_annotation: str) -> str:
        """`def forward(self, x):`."""
        if not free_vars or free_vars[0] != "self":
            free_vars.insert(0, "self")
        return f"def forward({', '.join(free_vars)}){maybe_return_annotation}:"

    def generate_output(self, output_args: Any) -> str:
        """`return y`."""
        return f"return {_text(output_args)}"

    def process_inputs(self, *args: Any) -> Any:
        """What the interpreter runs on, given the arguments."""
        return args

    def process_outputs(self, outputs: Any) -> Any:
        """What is returned, given the output node's value."""
        return outputs

    def additional_globals(self) -> list[tuple[str, Any]]:
        """Names that the code needs besides those of its nodes."""
        return []


class NodeList:
    """The nodes of a graph, as a sequence that may change while it is walked."""

    def __init__(self, graph: Graph, direction: str = "_next"):
        self.graph = graph
        self.direction = direction

    def __len__(self) -> int:
        return self.graph._length

    def __iter__(self) -> Iterator[Node]:
        root = self.graph._root
        node = getattr(root, self.direction)
        while node is not root:
            if not node._erased:
                yield node
            node = getattr(node, self.direction)

    def __reversed__(self) -> NodeList:
        return NodeList(self.graph, "_prev" if self.direction == "_next" else "_next")


class Graph:
    """See the module docstring."""

    def __init__(
        self, owning_module: Any = None, tracer_cls: Any = None, tracer_extras: Any = None
    ):
        self._root = Node(self, "", "root", "", (), {})
        self._length = 0
        self._names = _Names()
        self._insert: Callable[[Node], None] = self._root.prepend
        self.owning_module = owning_module
        self._tracer_cls = tracer_cls
        self._tracer_extras = tracer_extras
        self._codegen = CodeGen()
        self.meta: dict[str, Any] = {}

    @property
    def nodes(self) -> NodeList:
        """All nodes, in the order in which they run."""
        return NodeList(self)

    def output_node(self) -> Node:
        """The node that returns."""
        return next(n for n in reversed(self.nodes) if n.op == "output")

    def find_nodes(self, *, op: str, target: Any = None, sort: bool = True) -> list[Node]:
        """All nodes of one op and target."""
        return [n for n in self.nodes if n.op == op and (target is None or n.target == target)]

    # ---- making nodes

    def create_node(
        self, op: str, target: Any, args: Any = None, kwargs: Any = None, name: str | None = None,
        type_expr: Any = None,
    ) -> Node:  # fmt: skip
        """A new node at the insertion point (the end, unless inside `inserting_before/after`)."""
        args = () if args is None else args
        kwargs = {} if kwargs is None else kwargs
        assert isinstance(args, tuple), "args must be a tuple"
        assert isinstance(kwargs, dict), "kwargs must be a dict"
        chosen = self._names.create(name if name is not None else self._target_to_str(target))
        node = Node(self, chosen, op, target, args, kwargs, type_expr)
        self._insert(node)
        self._length += 1
        return node

    def _target_to_str(self, target: Any) -> str:
        name = (
            target
            if isinstance(target, str)
            else getattr(target, "__name__", type(target).__name__)
        )
        if name.startswith("__") and name.endswith("__"):
            name = name[2:-2]
        return _snake_case(name)

    def placeholder(self, name: str, type_expr: Any = None, default_value: Any = ...) -> Node:
        """An argument of the function."""
        args = () if default_value is ... else (default_value,)
        return self.create_node("placeholder", name, args=args, type_expr=type_expr)

    def get_attr(self, qualified_name: str, type_expr: Any = None) -> Node:
        """A parameter, buffer or other attribute of the module: `layer.weight`."""
        return self.create_node("get_attr", qualified_name, type_expr=type_expr)

    def call_function(
        self, the_function: Callable, args: Any = None, kwargs: Any = None, type_expr: Any = None,
        name: str | None = None,
    ) -> Node:  # fmt: skip
        """A call of a function."""
        return self.create_node("call_function", the_function, args, kwargs, name, type_expr)

    def call_method(
        self, method_name: str, args: Any = None, kwargs: Any = None, type_expr: Any = None
    ) -> Node:
        """A call of a method of the first operand."""
        return self.create_node("call_method", method_name, args, kwargs, type_expr=type_expr)

    def call_module(
        self, module_name: str, args: Any = None, kwargs: Any = None, type_expr: Any = None
    ) -> Node:
        """A call of a submodule: `layers.0`."""
        return self.create_node("call_module", module_name, args, kwargs, type_expr=type_expr)

    def output(self, result: Any, type_expr: Any = None) -> Node:
        """The return."""
        return self.create_node("output", "output", args=(result,), type_expr=type_expr)

    def node_copy(self, node: Node, arg_transform: Callable[[Node], Any] = lambda x: x) -> Node:
        """A copy of another graph's node here, its operands mapped."""
        copied = self.create_node(
            node.op, node.target, map_arg(node.args, arg_transform),
            dict(map_arg(node.kwargs, arg_transform)), node.name, node.type,
        )  # fmt: skip
        copied.meta = copy.copy(node.meta)
        return copied

    def graph_copy(
        self, g: Graph, val_map: dict[Node, Node], return_output_node: bool = False
    ) -> Any:
        """Copy all nodes of `g` here; returns what its output returns, in terms of the copies."""
        for node in g.nodes:
            if node in val_map:
                continue
            if node.op == "output":
                found = map_arg(node.args[0], lambda n: val_map[n])
                return (found, node) if return_output_node else found
            val_map[node] = self.node_copy(node, lambda n: val_map[n])
        return None

    # ---- changing

    def erase_node(self, to_erase: Node) -> None:
        """Remove a node that nobody reads; raises RuntimeError otherwise."""
        if to_erase.users:
            raise RuntimeError(
                f"Tried to erase Node {to_erase} but it still had {len(to_erase.users)} users in the graph:"
                f" {to_erase.users}!"
            )
        if to_erase.graph is not self:
            raise RuntimeError(f"Attempting to remove {to_erase} from wrong graph!")
        if to_erase._erased:
            return
        to_erase._remove_from_list()
        to_erase._erased = True
        self._length -= 1
        to_erase._update((), {})

    @contextmanager
    def _inserting(self, insert: Callable[[Node], None]) -> Iterator[None]:
        before, self._insert = self._insert, insert
        try:
            yield
        finally:
            self._insert = before

    def inserting_before(self, n: Node | None = None) -> Any:
        """A `with` block whose new nodes stand before `n` (None: at the start)."""
        if n is None:
            return self.inserting_after(self._root)
        assert n.graph is self, "Node to insert before is not in graph."
        return self._inserting(n.prepend)

    def inserting_after(self, n: Node | None = None) -> Any:
        """A `with` block whose new nodes stand after `n`, in order (None: at the end)."""
        if n is None:
            return self._inserting(self._root.prepend)
        assert n.graph is self, "Node to insert after is not in graph."
        place = [n]

        def insert(node: Node) -> None:
            place[0]._next.prepend(node)
            place[0] = node

        return self._inserting(insert)

    def eliminate_dead_code(self, is_impure_node: Callable[[Node], bool] | None = None) -> bool:
        """Remove nodes that nobody reads and that do nothing else; returns whether there were any."""
        impure = is_impure_node or (lambda n: n.is_impure())
        changed = False
        for node in reversed(self.nodes):
            if not impure(node) and not node.users:
                self.erase_node(node)
                changed = True
        return changed

    def lint(self) -> None:
        """Check that operands come before their users, names are unique, and targets exist; RuntimeError."""
        seen: set[Node] = set()
        names: set[str] = set()
        for node in self.nodes:
            if node.graph is not self:
                raise RuntimeError(f"Node '{node}' does not belong to this Graph!")
            for used in node.all_input_nodes:
                if used not in seen:
                    raise RuntimeError(
                        f"Argument '{used}' of Node '{node}' was used before it has been defined! Please check"
                        f" that Nodes in the graph are topologically ordered\n{self}"
                    )
            if node.name in names:
                raise RuntimeError(f"Node redefined name {node.name}!")
            names.add(node.name)
            seen.add(node)
            if self.owning_module is not None and node.op in ("get_attr", "call_module"):
                place = self.owning_module
                for part in node.target.split("."):
                    if not hasattr(place, part):
                        raise RuntimeError(
                            f"Node {node} target {node.target} references nonexistent attribute {part}"
                        )
                    place = getattr(place, part)

    def set_codegen(self, codegen: CodeGen) -> None:
        """Write the code another way."""
        self._codegen = codegen

    def on_generate_code(self, make_transformer: Callable) -> Any:
        """Accepted: transform the lines of generated code."""
        raise NotImplementedError(
            "Graph.on_generate_code is not supported; override CodeGen instead"
        )

    # ---- text

    def python_code(self, root_module: str, *, verbose: bool = False, **_: Any) -> PythonCode:
        """The graph as Python: a `forward` whose attributes are those of `root_module`."""
        return _Writer(self, root_module).write()

    def __str__(self) -> str:
        lines = "".join(f"\n    {node.format_node()}" for node in self.nodes)
        return f"graph():{lines}"

    def print_tabular(self) -> None:
        """Print the nodes as a table."""
        head = ("opcode", "name", "target", "args", "kwargs")
        rows = [(n.op, n.name, str(n.target), str(n.args), str(dict(n.kwargs))) for n in self.nodes]
        widths = [max(len(r[i]) for r in (head, *rows)) for i in range(len(head))]

        def line(row: tuple[str, ...]) -> str:
            return "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()

        print(line(head))
        print("  ".join("-" * w for w in widths))
        for row in rows:
            print(line(row))

    def __deepcopy__(self, memo: dict) -> Graph:
        made = Graph(tracer_cls=self._tracer_cls)
        memo[id(self)] = made
        made._codegen = copy.deepcopy(self._codegen, memo)
        found = made.graph_copy(self, known := {}, return_output_node=True)
        if found is not None:
            result, old = found
            output = made.output(result, old.type)
            output.meta = copy.copy(old.meta)
            known[old] = output
        return made

    def __getstate__(self) -> dict:
        return {"nodes": _as_data(self), "tracer": None}

    def __setstate__(self, state: dict) -> None:
        Graph.__init__(self)
        known: dict[str, Node] = {}

        def real(a: Any) -> Any:
            return known[a.name] if isinstance(a, _Reference) else a

        from .node import map_aggregate

        for op, name, target, args, kwargs, kind in state["nodes"]:
            known[name] = self.create_node(
                op, target, map_aggregate(args, real), dict(map_aggregate(kwargs, real)), name, kind
            )


@dataclass(frozen=True)
class _Reference:
    """A node in pickled operands."""

    name: str


def _as_data(graph: Graph) -> list[tuple[Any, ...]]:
    def named(n: Node) -> _Reference:
        return _Reference(n.name)

    return [
        (n.op, n.name, n.target, map_arg(n.args, named), dict(map_arg(n.kwargs, named)), n.type)
        for n in graph.nodes
    ]


def _text(a: Any, name: Callable[[Any], str] | None = None) -> str:
    """An operand as source."""

    def inner(x: Any) -> str:
        return _text(x, name)

    if isinstance(a, Node):
        return a.name
    if isinstance(a, tuple):
        if hasattr(a, "_fields"):
            return f"{name(type(a)) if name else type(a).__name__}({', '.join(map(inner, a))})"
        return f"({inner(a[0])},)" if len(a) == 1 else f"({', '.join(map(inner, a))})"
    if isinstance(a, list):
        return f"[{', '.join(map(inner, a))}]"
    if isinstance(a, dict):
        return "{" + ", ".join(f"{k!r}: {inner(v)}" for k, v in a.items()) + "}"
    if isinstance(a, slice):
        return f"slice({inner(a.start)}, {inner(a.stop)}, {inner(a.step)})"
    if a is None or a is ... or isinstance(a, (bool, int, str, bytes)):
        return "Ellipsis" if a is ... else repr(a)
    if isinstance(a, (float, complex)):
        return repr(a)
    shown = repr(a)
    if shown.startswith("torch.") and "(" not in shown:
        return shown
    return name(a) if name else shown


class _Writer:
    """Writes one graph as Python."""

    def __init__(self, graph: Graph, root: str):
        self.graph = graph
        self.root = root
        self.globals: dict[str, Any] = {}
        self.names = _Names()
        self.wrapped: dict[str, None] = {}

    def write(self) -> PythonCode:
        import graphtorch

        self.globals["torch"] = graphtorch
        self.globals.update({"inf": float("inf"), "nan": float("nan"), "NoneType": type(None), "device": graphtorch.device})  # fmt: skip
        self.globals.update(self.graph._codegen.additional_globals())
        last = self._last_uses()
        free: list[str] = []
        body: list[str] = []
        annotation = ""
        for node in self.graph.nodes:
            if node.op == "placeholder":
                default = f" = {self.text(node.args[0])}" if node.args else ""
                typed = f" : {self.kind(node.type)}" if node.type is not None else ""
                free.append(f"{node.target}{typed}{default}")
                raw = node.target.replace("*", "")
                if raw != node.name:
                    body.append(f"{node.name} = {raw}\n")
                continue
            if node.op == "output":
                if node.type is not None:
                    annotation = f" -> {self.kind(node.type)}"
                body.append(self.graph._codegen.generate_output(node.args[0]) if type(self.graph._codegen) is not CodeGen else f"return {self.text(node.args[0])}")  # fmt: skip
                continue
            dead = last.get(node, [])
            after = f";  {' = '.join(n.name for n in dead)} = None" if dead else ""
            typed = f" : {self.kind(node.type)}" if node.type is not None else ""
            body.append(f"{self.line(node, typed)}{after}\n")
        head = self.graph._codegen.gen_fn_def(free, annotation)
        code = "".join(body) or "pass\n"
        lines = "".join(f"    {line}\n" for line in code.rstrip("\n").split("\n"))
        wraps = "".join(f'torch.fx._symbolic_trace.wrap("{name}")\n' for name in self.wrapped)
        return PythonCode(f"{wraps}\n\n\n{head}\n{lines}", self.globals)

    def _last_uses(self) -> dict[Node, list[Node]]:
        """What dies after each node."""
        last: dict[Node, Node] = {}
        found: dict[Node, list[Node]] = {}
        for node in reversed(self.graph.nodes):
            if not node.users and node.op not in ("placeholder", "output"):
                found.setdefault(node, []).append(node)
            for used in node.all_input_nodes:
                if used not in last:
                    last[used] = node
                    found.setdefault(node, []).append(used)
        return found

    def line(self, node: Node, typed: str) -> str:
        left = f"{node.name}{typed} = "
        args = [self.text(a) for a in node.args]
        if node.op == "get_attr":
            return left + _path(self.root, node.target)
        if node.op == "call_module":
            return f"{left}{_path(self.root, node.target)}({self.arguments(node)})"
        if node.op == "call_method":
            rest = self.arguments(node, skip=1)
            return f"{left}{_member(args[0], node.target)}({rest})"
        target = node.target
        name = getattr(target, "__name__", "")
        if getattr(target, "__module__", "") in ("_operator", "operator"):
            if name in _BINARY and len(args) == 2:
                return f"{left}{args[0]} {_BINARY[name]} {args[1]}"
            if name in _UNARY and len(args) == 1:
                return f"{left}{_UNARY[name]}{args[0]}"
            if name in _INPLACE and len(args) == 2:
                return f"{args[0]} {_INPLACE[name]} {args[1]};  {left}{args[0]}"
            if name == "getitem" and len(args) == 2:
                return f"{left}{args[0]}[{args[1]}]"
        if target is getattr and len(node.args) == 2 and isinstance(node.args[1], str) and node.args[1].isidentifier():  # fmt: skip
            return left + _member(args[0], node.args[1])
        from ._symbolic_trace import is_wrapped

        called = self.name_of(target)
        if is_wrapped(target) and "." not in called:
            self.wrapped[called] = None
        return f"{left}{called}({self.arguments(node)})"

    def arguments(self, node: Node, skip: int = 0) -> str:
        given = [self.text(a) for a in node.args[skip:]]
        given += [f"{k} = {self.text(v)}" for k, v in node.kwargs.items()]
        return ", ".join(given)

    def text(self, a: Any) -> str:
        return _text(a, self.name_of)

    def kind(self, kind: Any) -> str:
        if kind is None or isinstance(kind, str):
            return repr(kind)
        text = type_text(kind)
        if text.startswith("torch.") and isinstance(kind, type):
            return text
        if isinstance(kind, type) and kind.__module__ == "builtins":
            return text
        return self.remember(text, kind)

    def name_of(self, thing: Any) -> str:
        """A name under which the code finds a function, type or constant."""
        text = qualified_name(thing) if callable(thing) else type(thing).__name__
        if text.startswith("torch.") and callable(thing) and _resolves(text, thing):
            return text
        if getattr(builtins, text, None) is thing:
            return text
        return self.remember(text, thing)

    def remember(self, text: str, thing: Any) -> str:
        for known, value in self.globals.items():
            if value is thing:
                return known
        if text.startswith("operator."):
            text = f"_{text}"
        name = self.names.create(text.replace(".", "_"))
        self.globals[name] = thing
        return name


def _resolves(text: str, thing: Any) -> bool:
    import graphtorch

    place: Any = graphtorch
    for part in text.split(".")[1:]:
        place = getattr(place, part, None)
    return place is thing


def _member(owner: str, name: str) -> str:
    return f"{owner}.{name}" if name.isidentifier() and not keyword.iskeyword(name) else f'getattr({owner}, "{name}")'  # fmt: skip


def _path(root: str, target: str) -> str:
    for part in target.split("."):
        root = _member(root, part)
    return root


__all__ = ["CodeGen", "Graph", "PythonCode", "target_text"]
