"""The tracer: runs a program eagerly and writes down what it did.

    user's function ──ops──> Tracer.process ──> eager result (with tape)   the program goes on as usual
                                           └──> one node in a GraphBuilder

Because the program really runs, Python control flow, hooks, `print` and the autograd engine need no
special treatment: `backward()` and `optimizer.step()` are just more ops.  What the graph must not bake
in silently is noted on the way:

    tensors from outside      become graph inputs (`Captured`), found again by identity
    in-place writes           become values: the buffer's current value is looked up per storage
    `.grad` reads and writes  are inputs and outputs of the call
    values read in Python     become value guards (`ValueGuard`)
    what cannot be replayed   sets `left`: the function is left to eager, with the reason and the line

Nothing here compiles; `compile.py` turns a finished `Trace` into something callable.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..errors import CompileError, UnsupportedError, entered, line_of, message, user_frame
from ..ir import dispatch, ops
from ..ir.builder import INPUT, GraphBuilder
from ..ir.graph import Node, Source
from ..ir.op import Op
from ..ir.types import EAGER_ONLY, TensorType, float64
from . import views
from .eager import Eager
from .tape import SavedOutput, next_sequence
from .tensor import Storage, Tensor, wrap
from .traced import Captured, Leaving, RuntimeScalar, Trace, ValueGuard

_eager = Eager()


class Tracer:
    """An interpreter that runs ops eagerly and records them; see the module docstring."""

    def __init__(self, name: str):
        self.builder = GraphBuilder(name)
        self.captured: dict[int, Captured] = {}
        self.arguments: set[int] = set()  # ids of the call's tensors
        self.scalars: list[RuntimeScalar] = []
        self.value_guards: list[ValueGuard] = []
        self.deferred: list[Callable[[], Any]] = []
        self.detached: set[Node] = set()
        self.left: Leaving | None = None
        self.custom_functions: list[tuple[str, str]] = []  # class and line
        self._grads: dict[int, tuple[Tensor, Tensor | None]] = {}
        self._grad_inputs: dict[int, tuple[Tensor, Tensor | None]] = {}
        self._touched: list[weakref.ref] = []
        self._wishes: dict[int, str] = {}
        self._sources: dict[tuple, Source] = {}
        self._varying: dict[Node, bool] = {}
        self.watcher: Any = None  # guards.Watcher, while the function runs
        self.pulling_back = False  # the engine runs for `pullback`: nothing outside may change
        self.start = next_sequence()  # tape nodes older than this belong to the program outside

    # ---- recording

    def process(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        if op.numpy is None:
            return op.decompose(*inputs, **attrs)  # type: ignore[misc]
        if self.left is not None:  # nothing more to write down; the run itself goes on
            return _eager.process(op, inputs, attrs)
        for x in inputs:
            if isinstance(x, Tensor) and x._array.dtype in EAGER_ONLY:
                self.leave(f"{op.name}: {x.dtype} tensors are computed eagerly")
                return _eager.process(op, inputs, attrs)
        if op.effect and self.pulling_back:
            raise UnsupportedError("its backward draws random numbers")
        values = tuple([self.value(x) if isinstance(x, Tensor) else x for x in inputs])
        output = _eager.process(op, inputs, attrs)
        first = output[0] if output.__class__ is tuple else output
        if first._array.dtype in EAGER_ONLY:
            self.leave(f"{op.name}: {first.dtype} tensors are computed eagerly")
            return output
        try:
            node = self.builder.add(op, values, attrs, source=self._source())
        except NotImplementedError as error:  # eager took it: the graph cannot hold it
            self.leave(str(error).partition("\n")[0], op.name)
            return output
        except Exception as error:
            raise CompileError(
                message(f"the type rule of {op.name} refuses what its kernel computed: {error}")
            ) from error
        if output.__class__ is tuple:
            for index, part in enumerate(output):
                pick = self.builder.add(ops.pick, (node,), {"index": index}, source=node.source)
                self._bind(part, pick)
                if part._node is None:
                    self.detached.add(pick)
            self._tell_tape(output)
        else:
            self._bind(output, node)
            self._tell_tape((output,))
            if output._node is None:
                self.detached.add(node)
        return output

    def _bind(self, tensor: Tensor, node: Node) -> None:
        array = tensor._array
        if node.type.shape != array.shape or node.type.dtype.numpy != array.dtype:  # type: ignore[union-attr]
            raise CompileError(
                message(
                    f"{node.op.name}: the type rule says {node.type}, the kernel made {tensor.type_}"
                )
            )
        self._remember(tensor, node)

    def _tell_tape(self, outputs: tuple[Tensor, ...]) -> None:
        """The tape made its own handles of these outputs before they had nodes."""
        tape = next((t._node for t in outputs if t._node is not None), None)
        if tape is None:
            return
        kept = tape.output if tape.output.__class__ is tuple else (tape.output,)
        for handle, tensor in zip(kept, outputs, strict=False):
            if handle.__class__ is SavedOutput:
                handle.traced = tensor._traced

    def _remember(self, tensor: Tensor, node: Node) -> None:
        tensor._traced = (self, node, tensor._version)
        self._touched.append(weakref.ref(tensor))

    def _source(self) -> Source:
        frame = user_frame(sys._getframe(2))
        module = current_path()
        key = (frame.f_code, frame.f_lasti, module)
        source = self._sources.get(key)
        if source is None:
            source = self._sources[key] = Source(frame.f_code.co_filename, frame.f_lineno, module)
        return source

    # ---- values of tensors

    def value(self, tensor: Tensor) -> Node:
        """The node that holds this tensor's current value."""
        traced = tensor._traced
        here = traced is not None and traced[0] is self
        if here and traced[1] is not None and traced[2] == tensor._version:
            return traced[1]
        view = self.view_of(tensor)
        if view is not None:
            parent, op, attrs = view
            node = self.builder.add(op, (self.value(parent),), attrs, source=self._source())
            if tensor._node is None:
                self.detached.add(node)
            self._remember(tensor, node)
            return node
        if here and traced[1] is None:
            return self._constant(tensor)
        return self.capture(tensor).node

    def view_of(self, tensor: Tensor) -> Any:
        """(parent, op, attrs) of a view; None for what the graph must know by itself.

        An argument is another view at every call, whatever it shows; a leaf that requires grad is
        where gradients go.
        """
        view = tensor._view
        if view is None or id(tensor) in self.arguments or id(tensor) in self.captured:
            return None
        traced = tensor._traced
        if tensor._requires_grad and (traced is None or traced[0] is not self):
            return None
        return view

    def root(self, tensor: Tensor) -> Tensor:
        """The tensor whose buffer this one shows, as far as the graph goes."""
        while (view := self.view_of(tensor)) is not None:
            tensor = view[0]
        return tensor

    def name_input(self, tensor: Tensor, name: str) -> None:
        """Ask that `tensor`, if captured, be called `name`."""
        self._wishes.setdefault(id(tensor), name)

    def capture(self, tensor: Tensor) -> Captured:
        """Make a tensor from outside a graph input."""
        known = self.captured.get(id(tensor))
        if known is not None:
            return known
        name = self._wishes.get(id(tensor)) or _tensor_name(tensor)
        node = self.builder.input(tensor.type_, _identifier(name), self._source())
        found = Captured(tensor, node, name)
        self.captured[id(tensor)] = found
        self._remember(tensor, node)
        return found

    def _constant(self, tensor: Tensor) -> Node:
        """A tensor made inside the trace from Python data."""
        array = tensor._array
        if array.size and (array.size == 1 or not array.ndim or (array == array.flat[0]).all()):
            value = array.flat[0].item() if array.size else 0
            node = self.builder.add(
                ops.full,
                (),
                {"shape": array.shape, "value": value, "dtype": tensor.dtype},
                source=self._source(),
            )
            self._remember(tensor, node)
            return node
        frozen = Tensor.__new__(Tensor)
        frozen._array = array.copy()
        found = self.capture(frozen)
        self._varying[found.node] = False
        self._remember(tensor, found.node)
        return found.node

    # ---- writes

    def write(self, tensor: Tensor, value: Tensor) -> None:
        """`tensor`'s buffer now holds `value`: do it, and record what it means for the root."""
        self._refuse_in_pullback("writes into a tensor", self.root(tensor))
        node = self.value(value)
        if node.type != tensor.type_:
            raise CompileError(message(f"in-place write of {node.type} into {tensor.type_}"))
        root = self.root(tensor)
        self.value(root)  # a root made of Python data becomes a node before it changes
        captured = self.captured.get(id(root))
        if captured is not None and not captured.written:
            captured.backup = root._array.copy()
            captured.written = True
        tensor._array[...] = value._array
        storage = tensor._storage
        storage.version += 1
        source = self._source()
        storage.written_at = (source.file, source.line)
        self._put(tensor, node, storage)

    def _put(self, tensor: Tensor, node: Node, storage: Storage) -> None:
        view = self.view_of(tensor)
        if view is not None:
            parent, op, attrs = view
            storage.version -= 1
            old = self.value(parent)
            storage.version += 1
            with self.builder:
                self.builder.source = self._source()
                new = views.updated(op, attrs, old, node)
            self._put(parent, new, storage)
        self._remember(tensor, node)

    def detach_(self, tensor: Tensor) -> None:
        """`tensor.detach_()`: history goes, the value stays."""
        self.detached.add(self.value(tensor))

    # ---- gradients as inputs and outputs

    def read_grad(self, tensor: Tensor) -> Tensor | None:
        """`tensor.grad` inside the trace."""
        key = id(tensor)
        if key not in self._grads and key not in self._grad_inputs and self._outside(tensor):
            self._grad_inputs[key] = (tensor, tensor._grad)
            if tensor._grad is not None:
                self.name_input(tensor._grad, self._wishes.get(key, _tensor_name(tensor)) + ".grad")
        return tensor._grad

    def write_grad(self, tensor: Tensor, value: Tensor | None) -> None:
        """`tensor.grad = value` inside the trace."""
        self._refuse_in_pullback("assigns a .grad", tensor)
        if self._outside(tensor):
            if id(tensor) not in self._grads and id(tensor) not in self._grad_inputs:
                self._wishes.setdefault(id(tensor), _tensor_name(tensor))
            self._grads.setdefault(id(tensor), (tensor, tensor._grad))

    def _refuse_in_pullback(self, what: str, tensor: Tensor) -> None:
        if self.pulling_back and self._outside(tensor):
            raise UnsupportedError(f"its backward {what} from outside")

    def _outside(self, tensor: Tensor) -> bool:
        traced = tensor._traced
        return traced is None or traced[0] is not self or id(tensor) in self.captured

    # ---- what leaves the graph

    def leave(self, reason: str, op: str | None = None, line: str | None = None) -> None:
        """Leave this function to eager; the run itself goes on.

        op: what the program called (default: the package's function it is in); line: where.
        """
        frame = sys._getframe(1)
        op = entered(frame) if op is None else op
        line = line_of(user_frame(frame)) if line is None else line
        if self.pulling_back:
            raise UnsupportedError(reason, op=op, line=line)
        if self.left is None:
            self.left = Leaving(reason, line, op)

    def read_value(self, tensor: Tensor) -> None:
        """The program takes `tensor`'s value into Python: guard on it, unless it is always the same."""
        node = self.value(tensor)
        if not self._varies(node):
            return
        if self.pulling_back:
            raise UnsupportedError("its backward reads values into Python")
        if tensor._array.size > 64:
            self.leave(
                f"the program reads the {tensor._array.size} values of a traced tensor into Python",
                entered(sys._getframe(1)),
            )
            return
        frame = sys._getframe(1)
        line = line_of(user_frame(frame))
        self.value_guards.append(ValueGuard(node, tensor._array.copy(), line, entered(frame)))

    def _varies(self, node: Node) -> bool:
        """Whether a value may differ from call to call: it depends on an input, or is drawn."""
        known = self._varying
        if node not in known:
            waiting = [node]
            while waiting:
                top = waiting[-1]
                unknown = [x for x in top.operands if x not in known]
                if unknown:
                    waiting += unknown
                else:
                    varies = top.op is INPUT or top.op.effect
                    known[top] = varies or any(known[x] for x in top.operands)
                    waiting.pop()
        return known[node]

    def ran_node(self, node: Any) -> None:
        """The engine ran a tape node."""
        if node.sequence < self.start:
            self.leave("backward() reaches operations recorded outside the compiled function")

    def custom_function(self, cls: type) -> None:
        """An autograd.Function ran with gradients wanted."""
        self.custom_functions.append((cls.__name__, line_of(user_frame(sys._getframe(1)))))

    def runtime_scalar(self, holder: Any, key: Any) -> Tensor:
        """A 0-d float64 tensor bound at every call to `holder[key]`."""
        for known in self.scalars:
            if known.holder is holder and known.key == key:
                tensor = wrap(np.asarray(known.read(), dtype=np.float64))
                self._remember(tensor, known.node)
                return tensor
        if self.deferred:
            self.leave(f"{key!r} is read after a scheduler step inside the compiled function")
        tensor = wrap(np.asarray(holder[key], dtype=np.float64))
        node = self.builder.input(float64[()], _identifier(str(key)), self._source())
        self._remember(tensor, node)
        self.scalars.append(RuntimeScalar(holder, key, node))
        return tensor

    def defer(self, effect: Callable[[], Any]) -> None:
        """A Python effect (a scheduler's step) to repeat after every call of the compiled graph."""
        self.deferred.append(effect)

    # ---- the end

    def final_grads(self) -> list[tuple[Tensor, Tensor | None]]:
        """Outside tensors whose `.grad` was assigned, with what it is now."""
        return [(tensor, tensor._grad) for tensor, _ in self._grads.values()]

    def finish(self, outputs: Iterable[Tensor]) -> Trace:
        """Close the record; `outputs` become the graph's outputs, in order."""
        nodes = [self.value(t) for t in outputs]
        for captured in self.captured.values():
            if captured.written:
                final_node = self.value(captured.tensor)
                if final_node is not captured.node:
                    self.builder.update(captured.node, final_node)
        graph = self.builder.finish(nodes, stage="trace")
        return Trace(
            graph,
            list(self.captured.values()),
            self.scalars,
            self.value_guards,
            self.deferred,
            list(self._grad_inputs.values()),
            self.detached,
        )

    def nbytes(self) -> int:
        """Bytes of all values traced so far."""
        types = (node.type for node in self.builder.nodes)
        return sum(type.nbytes for type in types if type.__class__ is TensorType)

    def undo(self) -> None:
        """Put back every outside tensor and gradient as it was before the trace."""
        for captured in self.captured.values():
            if captured.backup is not None:
                captured.tensor._array[...] = captured.backup
        for tensor, before in self._grads.values():
            tensor._grad = before

    def forget_backups(self) -> None:
        """The run went well: nothing will be undone."""
        for captured in self.captured.values():
            captured.backup = None

    def close(self) -> None:
        """Let go of the tensors that carry values of this trace."""
        for reference in self._touched:
            tensor = reference()
            if tensor is not None and tensor._traced is not None and tensor._traced[0] is self:
                tensor._traced = None
        self._touched.clear()


def _tensor_name(tensor: Tensor) -> str:
    return getattr(tensor, "_name", None) or "t"


def _identifier(name: str) -> str:
    cleaned = "".join(c if c.isalnum() or c == "_" else "_" for c in name)
    return cleaned if cleaned and not cleaned[0].isdigit() else f"_{cleaned}"


def is_tracing() -> bool:
    """Whether a tracer answers on this thread."""
    return active() is not None


def active() -> Tracer | None:
    """The tracer of this thread, if any."""
    top: Any = dispatch._stack.top
    if top is None or top.__class__ is Tracer:
        return top
    below = getattr(top, "recorder", None)  # a level of torch.func above a tracer
    return below if below.__class__ is Tracer else None


def runtime_scalar(holder: Any, key: Any) -> Any:
    """`holder[key]` as a number in eager mode, as a tensor bound at every call in a trace."""
    tracer = active()
    return holder[key] if tracer is None else tracer.runtime_scalar(holder, key)


_current_path: Callable[[], str] | None = None


def current_path() -> str:
    """The path of the module whose forward is running (`layers.3.attn`)."""
    global _current_path
    if _current_path is None:
        from ..nn import module

        _current_path = module.current_path
    return _current_path()
