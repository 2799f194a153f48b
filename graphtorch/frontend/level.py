"""Levels: interpreters that stand on top of eager execution or of the tracer.

    torch.func.grad, vmap, jvp each push one:

        ops.mul(a, b) ──> JvpLevel ──> VmapLevel ──> GradLevel ──> Eager or Tracer

A level knows its own tensors: wrappers (`_level` is the level) around a tensor of the levels below
(`_inner`), whose `_array` shows what the function being transformed may see: shape, dtype, and for a
batch the first example.  Whatever is not its own is a constant to it and is passed down.  Because a
level ends in the interpreter below, a transformed function can be traced and compiled like any other.

When a level ends, wrappers that outlive it turn into what they wrap, or (for a batch) into tensors
that say so when they are used.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from ..ir import dispatch
from ..ir.dispatch import _stack
from ..ir.op import Op
from .grad_mode import state as grad_state
from .storage import alias_of
from .tensor import Storage, Tensor

_new = Tensor.__new__


class Level:
    """What all levels share: passing things down, and the part of a tracer that functions ask for."""

    name = "level"
    title, details = "TensorWrapper", ""  # how its tensors print
    transparent = False  # whether `backward()` may be called on top of it
    isolates_grad_mode = False  # whether the levels below keep the grad mode they had at the start

    def __init__(self) -> None:
        self.parent: Any = _stack.top
        self.ended = False
        self._made: list[weakref.ref] = []
        self._grad_mode = grad_state.enabled
        self._outer: tuple[Any, bool] = (None, True)

    # ---- being on top

    def __enter__(self) -> Any:
        self.parent = _stack.top
        self._grad_mode = grad_state.enabled
        _stack.top = self  # type: ignore[assignment]
        return self

    def __exit__(self, *error: Any) -> None:
        _stack.top = self.parent
        grad_state.enabled = self._grad_mode
        self.ended = True
        for reference in self._made:
            tensor = reference()
            if tensor is not None and tensor._level is self:
                self.outlived(tensor)
        self._made.clear()

    def below(self) -> Below:
        """A `with` block in which the interpreter below answers."""
        return Below(self)

    def pass_down(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Let the interpreter below carry out an op."""
        mode = grad_state.enabled
        _stack.top = self.parent
        if self.isolates_grad_mode:
            grad_state.enabled = self._grad_mode
        try:
            return dispatch.bind(op, inputs, attrs)
        finally:
            _stack.top = self  # type: ignore[assignment]
            grad_state.enabled = mode

    # ---- its tensors

    def owns(self, x: Any) -> bool:
        """Whether `x` is a wrapper of this level."""
        return isinstance(x, Tensor) and x._level is self

    def inner(self, x: Any) -> Any:
        """What this level's wrapper wraps; anything else as it is."""
        return x._inner if isinstance(x, Tensor) and x._level is self else x

    def wrap(self, value: Tensor) -> Tensor:
        """A tensor of this level around one of the levels below."""
        wrapper = _new(Tensor)
        self.dress(wrapper, value)
        self._made.append(weakref.ref(wrapper))
        return wrapper

    def dress(self, wrapper: Tensor, value: Tensor) -> None:
        """Let `wrapper` wrap `value`."""
        wrapper._array = value._array
        wrapper._inner, wrapper._level = value, self
        if value._device is not None:
            wrapper._device = value._device

    def adopt(self, tensor: Tensor) -> None:
        """Make a tensor of the levels below one of this level, in place (it is being written to)."""
        inner = alias_of(tensor)
        inner._level, inner._inner = tensor._level, tensor._inner
        view = tensor._view
        tensor._node, tensor._index, tensor._requires_grad = None, 0, False
        tensor._traced = None
        if view is not None:
            parent, op, attrs = view
            if parent._level is not self:
                self.adopt(parent)
            inner._view = (parent._inner, op, attrs)
            tensor._storage_ = parent._storage
            tensor._view_epoch = parent._storage.epoch
        else:
            tensor._storage_ = Storage()
        self.dress(tensor, inner)
        self._made.append(weakref.ref(tensor))

    def outlived(self, tensor: Tensor) -> None:
        """The level ended, `tensor` did not: it becomes what it wraps."""
        inner = tensor._inner
        known = dict(inner.__dict__)
        tensor.__dict__.clear()
        tensor.__dict__.update(known)
        tensor._storage_ = inner._storage

    @property
    def number(self) -> int:
        """How deep the level stands, counted from 1."""
        return 1 + (self.parent.number if isinstance(self.parent, Level) else 0)

    def text(self, tensor: Tensor) -> str:
        """What `repr` of a tensor of this level says, in PyTorch's words."""
        with self.below():
            inner = repr(tensor._inner)
        body = "\n".join("    " + line for line in inner.splitlines())
        return f"{self.title}(lvl={self.number}, {self.details}value=\n{body}\n)"

    # ---- what functions ask of whoever is on top

    @property
    def recorder(self) -> Any:
        """The tracer at the bottom, or None."""
        below = self.parent
        return below.recorder if isinstance(below, Level) else below

    @property
    def left(self) -> Any:
        return True if self.recorder is None else self.recorder.left

    @property
    def start(self) -> float:
        return float("inf") if self.recorder is None else self.recorder.start

    def leave(self, reason: str) -> None:
        if self.recorder is not None:
            self.recorder.leave(reason)

    def ran_node(self, node: Any) -> None:
        if self.recorder is not None:
            self.recorder.ran_node(node)

    def custom_function(self, cls: type) -> None:
        if self.recorder is not None:
            self.recorder.custom_function(cls)

    def custom(self, cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A user's `autograd.Function` is applied."""
        from .function_levels import custom

        return custom(self, cls, args, kwargs)

    def defer(self, effect: Any) -> None:
        if self.recorder is not None:
            self.recorder.defer(effect)

    def runtime_scalar(self, holder: Any, key: Any) -> Any:
        return holder[key] if self.recorder is None else self.recorder.runtime_scalar(holder, key)

    def noted(self, tensor: Tensor) -> None:
        """A tensor was made of Python data: a constant to a tracer."""
        if self.recorder is not None:
            tensor._traced = (self.recorder, None, 0)

    def _remember(self, tensor: Tensor, node: Any) -> None:
        if self.recorder is not None:
            self.recorder._remember(tensor, node)

    def _outside(self, tensor: Tensor) -> bool:
        return (
            self.recorder is not None and tensor._level is None and self.recorder._outside(tensor)
        )

    def read_grad(self, tensor: Tensor) -> Tensor | None:
        if self.recorder is not None and tensor._level is None:
            return self.recorder.read_grad(tensor)
        return tensor._grad

    def write_grad(self, tensor: Tensor, value: Tensor | None) -> None:
        if self.recorder is not None and tensor._level is None:
            self.recorder.write_grad(tensor, value)

    def read_value(self, tensor: Tensor) -> None:
        """The program takes a value into Python: the interpreter below may guard on it."""
        if self.parent is not None:
            with self.below():
                self.parent.read_value(self.inner(tensor))

    def detach_(self, tensor: Tensor) -> None:
        with self.below():
            self.inner(tensor).detach_()

    def write(self, tensor: Tensor, value: Tensor) -> None:
        """`Tensor._put`: the buffer of `tensor` now holds `value`."""
        self.assign(tensor, value)

    def assign(self, tensor: Tensor, value: Tensor) -> Tensor:
        """`Tensor._write` on this level."""
        raise NotImplementedError

    def process(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        raise NotImplementedError


class Below:
    """See `Level.below`."""

    def __init__(self, level: Level):
        self.level = level

    def __enter__(self) -> None:
        level = self.level
        self.before = _stack.top, grad_state.enabled
        _stack.top = level.parent
        if level.isolates_grad_mode:
            grad_state.enabled = level._grad_mode

    def __exit__(self, *error: Any) -> None:
        _stack.top, grad_state.enabled = self.before


def levels() -> list[Level]:
    """The levels of this thread, topmost first."""
    found, top = [], _stack.top
    while isinstance(top, Level):
        found.append(top)
        top = top.parent
    return found


def shares_memory(parent: Tensor, result: Tensor) -> bool:
    """Whether a reshape was a view."""
    return bool(np.may_share_memory(parent._array, result._array))
