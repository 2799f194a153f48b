"""The tape and the engine: reverse mode for eager execution, and for whatever is being traced.

Every recorded operation leaves a `TapeNode`:

    loss._node ──edges──> TapeNode(mul) ──edges──> TapeNode(exp) ──edges──> leaf x

A node keeps only what its op's derivative rule names (`ir/op.py`).  The engine visits nodes newest
first, which is a reverse topological order because a node is always younger than what it consumed.
Rules are written with ops, so under `create_graph` they are recorded in turn, and under the tracer
they extend the graph: there is one autograd.
"""

from __future__ import annotations

import heapq
import itertools
import os
import sys
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any

from ..errors import message, user_frame
from ..ir import dispatch
from ..ir.derivative import Conjugated, fill_cotangents, plan_for, type_of
from ..ir.op import Op
from ..ir.types import BY_NUMPY, TensorType
from . import grad_mode
from .backward_names import backward_name
from .grad_mode import state as grad_state
from .tensor import Tensor

_sequence = itertools.count(1).__next__

Edge = "tuple[TapeNode, int] | Tensor | None"


class SavedOutput:
    """A node's own output, kept without the cycle output -> node -> output."""

    __slots__ = ("array", "device", "storage", "traced", "version", "view")

    def __init__(self, tensor: Tensor):
        self.array = tensor._array
        self.storage = tensor._storage
        self.version = self.storage.version
        self.traced = tensor._traced
        self.view = tensor._view
        self.device = tensor._device

    def unpack(self, node: TapeNode, index: int) -> Tensor:
        tensor = Tensor.__new__(Tensor)
        tensor._array = self.array
        tensor._storage_ = self.storage
        if self.traced is not None:
            tensor._traced = self.traced
        elif (
            (tracer := dispatch._stack.top) is not None
            and tracer.left is None  # type: ignore[attr-defined]
            and node.sequence >= tracer.start  # type: ignore[attr-defined]
        ):
            raise AssertionError(f"{node.name()}: a traced output was saved without its graph node")
        if self.device is not None:
            tensor._device = self.device
        tensor._view = self.view
        tensor._view_epoch = self.storage.epoch
        tensor._node, tensor._index = node, index
        return tensor


def _code_position() -> tuple[CodeType, int]:
    """Where the user's program is, as cheaply as possible; `position_line` makes it readable."""
    frame = user_frame(sys._getframe(2))
    return frame.f_code, frame.f_lasti


def position_line(position: tuple[CodeType, int] | None) -> str:
    """Return `file.py:12` for a recorded position."""
    if position is None:
        return "<unknown>"
    code, instruction = position
    for start, end, line in code.co_lines():
        if start <= instruction < end:
            return f"{os.path.basename(code.co_filename)}:{line}"
    return os.path.basename(code.co_filename)


class TapeNode:
    """One recorded operation; PyTorch's `grad_fn`."""

    __slots__ = (
        "_post_hooks", "_pre_hooks", "attrs", "edges", "freed", "op", "output", "outputs", "plan",
        "position", "saved", "sequence", "versions", "watchers", "__weakref__",
    )  # fmt: skip

    def __init__(self, op: Op, edges: tuple[Any, ...], attrs: dict[str, Any]):
        self.op = op
        self.attrs = attrs
        self.edges = edges
        self.sequence = _sequence()
        self.freed = False
        self.watchers: list[Tensor] | None = None
        self._pre_hooks: dict | None = None
        self._post_hooks: dict | None = None

    # what PyTorch programs ask of a grad_fn

    def name(self) -> str:
        """PyTorch's name of the node: `MulBackward0`."""
        output = self.output
        return backward_name(
            self.op, self.attrs, output if isinstance(output, TensorType) else None, self.edges
        )

    @property
    def next_functions(self) -> tuple:
        """The nodes this one passes gradients to, with the index of the output meant."""
        found = []
        for edge in self.edges:
            if edge is None:
                found.append((None, 0))
            elif isinstance(edge, Tensor):
                found.append((AccumulateGrad(edge), 0))
            else:
                found.append(edge)
        return tuple(found)

    def register_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(grad_inputs, grad_outputs)` after this node ran."""
        if self._post_hooks is None:
            self._post_hooks = {}
        return RemovableHandle(self._post_hooks, hook)

    def register_prehook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(grad_outputs)` before this node runs."""
        if self._pre_hooks is None:
            self._pre_hooks = {}
        return RemovableHandle(self._pre_hooks, hook)

    def __repr__(self) -> str:
        return f"<{self.name()} object at {hex(id(self))}>"

    # what the engine asks

    def watch(self, tensor: Tensor) -> None:
        """Run `tensor`'s hooks (and fill its .grad if retained) when its gradient is known."""
        if self.watchers is None:
            self.watchers = []
        if not any(t is tensor for t in self.watchers):
            self.watchers.append(tensor)

    def cotangents(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        """One cotangent per input, given one per output."""
        for index, then in self.versions:
            storage = self.saved[index]._storage_
            if storage is not None and storage.version != then:
                self._raise_version(storage, then, self.saved[index]._array)
        y = self.output
        if y.__class__ is tuple:
            if y and y[0].__class__ is SavedOutput:
                y = tuple([self._unpack(item, index) for index, item in enumerate(y)])
            g: Any = fill_cotangents(grads, self.outputs)
        else:
            g = grads[0]
            if y.__class__ is SavedOutput:
                y = self._unpack(y, 0)
        return self.plan(self.saved, y, g, self.attrs)

    def _unpack(self, item: SavedOutput, index: int) -> Tensor:
        if item.storage.version != item.version:
            self._raise_version(item.storage, item.version, item.array)
        return item.unpack(self, index)

    def _raise_version(self, storage: Any, then: int, array: Any) -> None:
        now = storage.version
        written = storage.written_at
        where = f"{os.path.basename(written[0])}:{written[1]}" if written else "<unknown>"
        kind = TensorType(BY_NUMPY[array.dtype], array.shape)
        raise RuntimeError(
            message(
                "one of the variables needed for gradient computation has been modified by an inplace"
                f" operation: [{kind}], used by {self.name()} at {position_line(self.position)}, was"
                f" written in place at {where}; it is at version {now}; expected version {then} instead.",
                hint="write out of place, or clone() before writing",
            )
        )

    def release(self) -> None:
        """Forget saved values; a second backward raises."""
        self.freed = True
        self.saved = self.output = ()


class AccumulateGrad:
    """What `next_functions` shows for a leaf."""

    def __init__(self, variable: Tensor):
        self.variable = variable
        self.next_functions = ()

    def name(self) -> str:
        """PyTorch's name."""
        return "AccumulateGrad"

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {hex(id(self))}>"


def zero_of(shape: tuple[int, ...], dtype: Any) -> Any:
    """A zero cotangent."""
    from ..ir import ops

    return ops.full(shape=shape, value=0, dtype=dtype)


def record(
    op: Op,
    inputs: tuple[Any, ...],
    attrs: dict[str, Any],
    outputs: tuple[Tensor, ...],
    needs: tuple,
) -> None:
    """Put an executed operation on the tape."""
    plan = plan_for(op, needs)
    node = TapeNode(
        op,
        tuple(
            [
                None if not need else (x if x._node is None else (x._node, x._index))
                for x, need in zip(inputs, needs, strict=True)
            ]
        ),
        attrs,
    )
    kind = outputs[0]._array.dtype.kind if len(outputs) == 1 else "".join([y._array.dtype.kind for y in outputs])
    node.plan = Conjugated(plan) if "c" in kind and "conjugates" not in op.meta else plan
    node.position = _code_position()
    versions = []
    saved = [None if isinstance(x, Tensor) else x for x in inputs]
    for index in plan.values:
        x = inputs[index]
        saved[index] = x
        if isinstance(x, Tensor):
            versions.append((index, x._version))
    for index in plan.types:
        saved[index] = type_of(inputs[index])
    node.saved = saved
    node.versions = versions
    if len(outputs) == 1:
        output = outputs[0]
        node.outputs = None
        node.output = SavedOutput(output) if plan.output else output.type_
        output._node = node
        if op.kind == "view":
            output._view_epoch = output._storage.epoch
    else:
        node.outputs = tuple([y.type_ for y in outputs])
        node.output = tuple([SavedOutput(y) for y in outputs]) if plan.output else node.outputs
        for index, output in enumerate(outputs):
            if output._array.dtype.kind in "fcV":
                output._node, output._index = node, index


def history_only(function: Callable, *tensors: Tensor) -> Tensor:
    """Run `function` for its tape alone (the data it computes is not used)."""
    with grad_mode.enable_grad():
        return function(*tensors)


def replay_view(tensor: Tensor, parent: Tensor, op: Op, attrs: Any) -> None:
    """Remake the tape of a view whose buffer was written through another tensor."""
    if not parent.requires_grad:
        tensor._node, tensor._index = None, 0
        return
    fresh = history_only(lambda p: op(p, **attrs), parent)
    tensor._node, tensor._index = fresh._node, fresh._index


class RemovableHandle:
    """A registered hook; `remove()` takes it away.  Also a context manager."""

    _ids = itertools.count()

    def __init__(self, hooks: dict, hook: Callable):
        self.id = next(self._ids)
        self._hooks = hooks
        hooks[self.id] = hook

    def remove(self) -> None:
        """Take the hook away."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error: Any) -> None:
        self.remove()


# ---- the engine


def _add(a: Tensor | None, b: Tensor) -> Tensor:
    if a is None:
        return b
    from ..ir import ops

    return ops.add(a, b)


def _run_hooks(tensor: Tensor, grad: Tensor) -> Tensor:
    for hook in list(tensor._hooks.values()) if tensor._hooks else ():
        replaced = hook(grad)
        if replaced is not None:
            grad = replaced
    return grad


def _reach(roots: list[TapeNode], goals: set[int]) -> set[int]:
    """Ids of the nodes from which a goal (node or leaf id) can be reached; iterative for deep graphs."""
    reaches: dict[int, bool] = {}
    for root in roots:
        stack: list[tuple[TapeNode, bool]] = [(root, False)]
        while stack:
            node, done = stack.pop()
            if done:
                found = id(node) in goals
                for edge in node.edges:
                    if edge is None:
                        continue
                    if isinstance(edge, Tensor):
                        found = found or id(edge) in goals
                    else:
                        found = found or reaches.get(id(edge[0]), False)
                reaches[id(node)] = found
            elif id(node) not in reaches:
                reaches[id(node)] = False
                stack.append((node, True))
                for edge in node.edges:
                    if (
                        edge is not None
                        and not isinstance(edge, Tensor)
                        and id(edge[0]) not in reaches
                    ):
                        stack.append((edge[0], False))
    return {key for key, found in reaches.items() if found}


def _engine(
    roots: list[tuple[Tensor, Tensor]],
    retain_graph: bool,
    create_graph: bool,
    inputs: list[Tensor] | None,
) -> list[Tensor | None] | None:
    """Push cotangents from the roots to the leaves, or to `inputs` if given (then returned)."""
    pending: dict[TapeNode, list[Tensor | None]] = {}
    leaves: dict[int, tuple[Tensor, Tensor]] = {}
    heap: list[tuple[int, TapeNode]] = []
    wanted: dict[tuple[int, int], Tensor | None] = {}
    useful: set[int] | None = None
    if inputs is not None:
        for x in inputs:
            node = x._history()
            wanted[(id(node), x._index) if node is not None else (id(x), -1)] = None
        root_nodes = [n for t, _ in roots if (n := t._history()) is not None]
        useful = _reach(root_nodes, {key for key, _ in wanted})

    def send(edge: Any, grad: Tensor) -> None:
        if isinstance(edge, Tensor):
            known = leaves.get(id(edge))
            leaves[id(edge)] = (edge, grad if known is None else _add(known[1], grad))
            return
        node, index = edge
        if useful is not None and id(node) not in useful:
            return
        slots = pending.get(node)
        if slots is None:
            slots = pending[node] = [None] * (1 if node.outputs is None else len(node.outputs))
            heapq.heappush(heap, (-node.sequence, node))
        slots[index] = _add(slots[index], grad)

    tracer = dispatch._stack.top
    with grad_mode.set_grad_enabled(create_graph):
        for tensor, grad in roots:
            node = tensor._history()
            send((node, tensor._index) if node is not None else tensor, grad)
        while heap:
            _, node = heapq.heappop(heap)
            grads = pending.pop(node)
            if node.watchers is not None:
                for tensor in node.watchers:
                    grad = grads[tensor._index]
                    if tensor._node is node and grad is not None:
                        grads[tensor._index] = grad = _run_hooks(tensor, grad)
                        if tensor._retains_grad and inputs is None:
                            tensor._grad = (
                                grad if tensor._grad is None else _add(tensor._grad, grad)
                            )
            for key in wanted:
                if key[0] == id(node):
                    wanted[key] = grads[key[1]]
            if useful is not None and not any(
                edge is not None
                and (
                    id(edge if isinstance(edge, Tensor) else edge[0]) in useful
                    or (id(edge), -1) in wanted
                )
                for edge in node.edges
            ):
                continue
            if node.freed:
                raise RuntimeError(
                    message(
                        "Trying to backward through the graph a second time (or directly access saved tensors"
                        f" after they have already been freed): {node.name()} at {position_line(node.position)}.",
                        hint="specify retain_graph=True in the first backward() call",
                    )
                )
            if node._pre_hooks:
                for hook in list(node._pre_hooks.values()):
                    grads = list(hook(tuple(grads)) or grads)
            if tracer is not None:
                tracer.ran_node(node)  # type: ignore[attr-defined]
            cotangents = node.cotangents(grads)
            if node._post_hooks:
                for hook in list(node._post_hooks.values()):
                    cotangents = hook(tuple(cotangents), tuple(grads)) or cotangents
            if not retain_graph:
                node.release()
            for edge, cotangent in zip(node.edges, cotangents, strict=True):
                if edge is not None and cotangent is not None:
                    send(edge, cotangent)
        owned: set[int] = {id(grad._storage) for _, grad in roots}
        for key, (leaf, grad) in leaves.items():
            grad = _run_hooks(leaf, grad)
            if inputs is None:
                _accumulate(leaf, grad, owned, create_graph)
            elif (key, -1) in wanted:
                wanted[(key, -1)] = grad
    if inputs is None:
        return None
    return [wanted[(id(x._node), x._index) if x._node is not None else (id(x), -1)] for x in inputs]


def _accumulate(leaf: Tensor, grad: Tensor, owned: set[int], create_graph: bool) -> None:
    """Add to `leaf.grad`; a gradient buffer nobody else holds is taken over without a copy."""
    from ..ir import ops

    before = leaf.grad
    if before is not None:
        if create_graph:
            leaf.grad = _add(before, grad)
        else:
            before._write(_add(before, grad))
    else:
        storage = grad._storage
        if not create_graph and (
            id(storage) in owned or grad._view is not None or not grad._array.flags.c_contiguous
        ):
            grad = ops.copy(grad)
        owned.add(id(storage))
        leaf.grad = grad
    hooks = leaf.__dict__.get("_post_accumulate_hooks")
    if hooks:
        for hook in list(hooks.values()):
            hook(leaf)


def _as_list(value: Any) -> list:
    return [value] if isinstance(value, Tensor) or value is None else list(value)


def _roots(tensors: Any, grads: Any) -> list[tuple[Tensor, Tensor]]:
    tensors = _as_list(tensors)
    grads = [None] * len(tensors) if grads is None else _as_list(grads)
    if len(tensors) != len(grads):
        raise RuntimeError(f"got {len(tensors)} tensors and {len(grads)} gradients")
    from ..ir import ops

    roots = []
    for tensor, grad in zip(tensors, grads, strict=True):
        if not tensor.requires_grad:
            raise RuntimeError(
                message(
                    "element 0 of tensors does not require grad and does not have a grad_fn",
                    operands={"tensor": tensor.type_},
                    hint="were the inputs made with requires_grad=True, and grad mode on?",
                )
            )
        if grad is None:
            if tensor._array.size != 1:
                raise RuntimeError(
                    message(
                        "grad can be implicitly created only for scalar outputs",
                        operands={"tensor": tensor.type_},
                        hint="reduce to a scalar (.sum(), .mean()) or pass gradient=",
                    )
                )
            if tensor._array.dtype.kind == "c":
                raise RuntimeError(
                    message(
                        f"grad can be implicitly created only for real scalar outputs but got {tensor.dtype!r}",
                        operands={"tensor": tensor.type_},
                    )
                )
            grad = ops.full(shape=tensor._array.shape, value=1, dtype=tensor.dtype)
        elif grad._array.shape != tensor._array.shape:
            raise RuntimeError(
                message(
                    f"Mismatch in shape: grad_output[0] has a shape of {tuple(grad._array.shape)} and output[0]"
                    f" has a shape of {tuple(tensor._array.shape)}.",
                    operands={"output": tensor.type_, "grad": grad.type_},
                )
            )
        elif grad._array.dtype != tensor._array.dtype:
            grad = ops.cast(grad, dtype=tensor.dtype)
        roots.append((tensor, grad))
    return roots


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the gradients of `tensors` to the `.grad` of the leaves they depend on.

    grad_tensors: cotangents, one per tensor; None for tensors of one element.
    inputs: accumulate into these tensors only.
    """
    retain = create_graph if retain_graph is None else retain_graph
    roots = _roots(tensors, grad_tensors)
    if inputs is None:
        _engine(roots, retain, create_graph, None)
        return
    goals = _as_list(inputs)
    if not goals:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    found = _engine(roots, retain, create_graph, goals)
    owned: set[int] = set()
    with grad_mode.set_grad_enabled(create_graph):
        for goal, grad in zip(goals, found or (), strict=True):
            if grad is not None:
                _accumulate(goal, grad, owned, create_graph)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """Return d(outputs)/d(inputs) without touching any `.grad`.

    Raises RuntimeError if an input was not used and `allow_unused` is not set.

    >>> import graphtorch as torch
    >>> x = torch.tensor([3.0], requires_grad=True)
    >>> torch.autograd.grad(x * x, x)
    (tensor([6.]),)
    """
    if is_grads_batched:
        raise NotImplementedError(
            "autograd.grad(is_grads_batched=True) is not supported; loop over the gradients"
        )
    goals = _as_list(inputs)
    for goal in goals:
        if not goal.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    retain = create_graph if retain_graph is None else retain_graph
    found = _engine(_roots(outputs, grad_outputs), retain, create_graph, goals) or []
    result: list[Tensor | None] = []
    for goal, gradient in zip(goals, found, strict=True):
        if gradient is None:
            if materialize_grads:
                gradient = zero_of(goal._array.shape, goal.dtype)
            elif not allow_unused:
                raise RuntimeError(
                    "One of the differentiated Tensors appears to not have been used in the graph. Set"
                    " allow_unused=True if this is the desired behavior."
                )
        result.append(gradient)
    return tuple(result)


def is_tracing() -> bool:
    """Whether a tracer answers on this thread."""
    return dispatch._stack.top is not None


__all__ = ["TapeNode", "backward", "grad", "grad_state"]
