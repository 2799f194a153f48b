"""The tape: what executed operations leave behind for the backward pass.

    loss._node ──edges──> TapeNode(mul) ──edges──> TapeNode(exp) ──edges──> leaf x

A node keeps only what its op's derivative rule names (`ir/op.py`).  `engine` walks the nodes.
"""

from __future__ import annotations

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
from .tensor import Tensor

next_sequence = itertools.count(1).__next__

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


def code_position() -> tuple[CodeType, int]:
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


class SavedOutputs(Sequence):
    """The outputs of a node, each unpacked (and checked for writes) when a derivative rule reads it."""

    def __init__(self, node: TapeNode, items: tuple[SavedOutput, ...]):
        self._node, self._items = node, items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: Any) -> Any:
        return self._node._unpack(self._items[index], index)


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
        self.sequence = next_sequence()
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
                found.append((accumulator(edge), 0))
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

    def __getattr__(self, name: str) -> Any:
        if name == "_saved_result":
            return self._saved_output()
        if name in ("_saved_self", "_saved_other"):
            found = self.saved[name == "_saved_other"]
            if isinstance(found, Tensor):
                return found
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def _saved_output(self) -> Tensor:
        if self.output.__class__ is not SavedOutput:
            raise AttributeError(f"{self.name()} does not save its result")
        return self._unpack(self.output, 0)

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
                y = SavedOutputs(self, y)
            g: Any = fill_cotangents(grads, self.outputs)
        else:
            g = grads[0]
            if y.__class__ is SavedOutput:
                y = self._unpack(y, 0)
        return self.plan(self.saved, y, g, self.attrs)

    def keep_before_write(self, storage: Any) -> None:
        """The result is about to be written over an operand: keep copies of what was saved of it."""
        for place, (index, _) in enumerate(self.versions):
            operand = self.saved[index]
            if operand._storage_ is storage:
                kept = kept_copy(operand)
                self.saved[index] = kept
                self.versions[place] = (index, kept._version)

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
        """Forget saved values; a second backward raises, unless the rules read none."""
        self.freed = True
        plan = getattr(self.plan, "plan", self.plan)  # of a Conjugated
        if plan.values or plan.output:
            self.saved = self.output = ()

    def gone(self) -> bool:
        """Whether what a backward needs was forgotten."""
        return self.freed and self.saved == ()


class AccumulateGrad:
    """What `next_functions` shows for a leaf."""

    def __init__(self, variable: Tensor):
        self.variable = variable
        self.next_functions = ()

    def name(self) -> str:
        """PyTorch's name."""
        return "torch::autograd::AccumulateGrad"

    def register_prehook(self, hook: Callable) -> RemovableHandle:
        """Call `hook((grad,))` before the gradient is added to `.grad`; it may return another."""

        def before(grad: Tensor) -> Tensor | None:
            found = hook((grad,))
            return found[0] if isinstance(found, tuple) else found

        return self.variable.register_hook(before)

    def register_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook((), (grad,))` after the gradient was added to `.grad`."""
        return self.variable.register_post_accumulate_grad_hook(  # type: ignore[attr-defined]
            lambda leaf: hook((), (leaf.grad,))
        )

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {hex(id(self))}>"


def kept_copy(tensor: Tensor) -> Tensor:
    """The same value and history in memory of its own."""
    from ..ir import ops

    with grad_mode.no_grad():
        kept = ops.copy(tensor)
    kept._node, kept._index = tensor._node, tensor._index
    return kept


def accumulator(leaf: Tensor) -> AccumulateGrad:
    """The node that adds to `leaf.grad`: one per leaf."""
    known = leaf.__dict__.get("_accumulator")
    if known is None:
        known = leaf.__dict__["_accumulator"] = AccumulateGrad(leaf)
    return known


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
    kind = (
        outputs[0]._array.dtype.kind
        if len(outputs) == 1
        else "".join([y._array.dtype.kind for y in outputs])
    )
    node.plan = Conjugated(plan) if "c" in kind and "conjugates" not in op.meta else plan
    node.position = code_position()
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
    if grad_mode.state.watching:
        from .watching import recorded

        recorded(node, plan)


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
