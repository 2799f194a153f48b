"""The tensor: a NumPy array with PyTorch's rules around it.

    Tensor._array     the data, an ndarray; views of one tensor are NumPy views of one buffer
    Tensor._storage   shared by all views of one buffer: version counter, last write; made on demand
    Tensor._view      (parent, op, attrs) if this tensor is a view
    Tensor._node      the tape node that computed it (`grad_fn`), `_index` which of its outputs

This file holds the core that the tape and the tracer lean on: wrapping, writing, gradients.  The
many methods a user calls are declared in `methods.py`.  Attributes have class-level defaults so that
making a tensor sets one slot only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import message, user_frame
from ..ir.arithmetic import Arithmetic
from ..ir.dispatch import _stack
from ..ir.op import Op
from ..ir.types import BY_NUMPY, DType, TensorType
from . import views
from .grad_mode import state as grad_state

if TYPE_CHECKING:
    from .tape import TapeNode

_ndarray = np.ndarray


class Storage:
    """What views of one buffer share."""

    __slots__ = ("epoch", "memory", "version", "written_at")

    def __init__(self, memory: np.ndarray | None = None) -> None:
        self.memory = memory  # all its bytes, where they are not one tensor's (a loaded file)
        self.version = 0  # bumped by every in-place write
        self.epoch = 0  # bumped when a write changes the history of the whole buffer
        self.written_at: tuple[str, int] | None = None  # file and line of the last write


def calling_line() -> tuple[str, int]:
    """File and line of the innermost frame outside the package."""
    frame = user_frame(sys._getframe(1))
    return frame.f_code.co_filename, frame.f_lineno


class Tensor(Arithmetic):
    """A multi-dimensional array of one dtype; see `graphtorch.tensor` for making one."""

    _array: np.ndarray
    _storage_: Storage | None = None
    _view: tuple[Tensor, Op, Mapping[str, Any]] | None = None
    _view_epoch = 0
    _node: TapeNode | None = None
    _index = 0
    _requires_grad = False
    _grad: Tensor | None = None
    _hooks: dict[int, Callable] | None = None
    _retains_grad = False
    _traced: Any = None  # (tracer, node, version), see trace.py
    _device: Any = None  # None: the CPU
    _level: Any = None  # the transform (grad, vmap, jvp) whose tensor this is, see level.py
    _inner: Any = None  # what it stands for one level below
    _tangent: Any = None  # of forward mode
    _owns_tangent = False
    _uncounted = False  # `x.data`: writes to it (and its views) do not raise the version
    __array_priority__ = 1000

    # ---- what it is

    @property
    def dtype(self) -> DType:
        """Element type."""
        return BY_NUMPY[self._array.dtype]

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the dimensions."""
        return self._array.shape

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self._array.ndim

    @property
    def type_(self) -> TensorType:
        """dtype and shape together, as the IR spells them."""
        return TensorType(BY_NUMPY[self._array.dtype], self._array.shape)

    @property
    def _storage(self) -> Storage:
        storage = self._storage_
        if storage is None:
            storage = self._storage_ = Storage()
        return storage

    @property
    def _version(self) -> int:
        storage = self._storage_
        return 0 if storage is None else storage.version

    # ---- gradients

    @property
    def requires_grad(self) -> bool:
        """Whether `backward` reaches this tensor."""
        return self._requires_grad or self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for gradients of this leaf; raises RuntimeError for integer dtypes and non-leaves."""
        if requires_grad and self._array.dtype.kind not in "fcV":
            raise RuntimeError(
                message(
                    "only Tensors of floating point dtype can require gradients",
                    operands={"self": self.type_},
                )
            )
        if not requires_grad and self._node is not None:
            raise RuntimeError(
                message(
                    "you can only change requires_grad flags of leaf variables.",
                    hint="use x.detach() for a tensor without history",
                )
            )
        if self._level is not None and requires_grad and not self._level.transparent:
            raise RuntimeError(
                "You are attempting to call Tensor.requires_grad_() (or perhaps using torch.autograd.functional.*"
                " APIs) inside of a function being transformed by a functorch transform. This is unsupported,"
                " please attempt to use the functorch transforms (e.g. grad, vjp, jacrev, jacfwd, hessian) or"
                " call requires_grad_() outside of a function being transformed instead."
            )
        self._requires_grad = bool(requires_grad)
        return self

    @property
    def is_leaf(self) -> bool:
        """True for tensors that no recorded operation computed."""
        return self._node is None

    @property
    def grad_fn(self) -> TapeNode | None:
        """The tape node that computed this tensor."""
        return self._history()

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient, or None."""
        tracer = _stack.top
        if tracer is not None:
            return tracer.read_grad(self)  # type: ignore[attr-defined]
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}"
                )
            sparse = value.is_sparse  # type: ignore[attr-defined]
            if (value.shape if sparse else value._array.shape) != self._array.shape:
                raise RuntimeError(
                    message(
                        "assigned grad has data of a different size",
                        operands={"self": self.type_, "grad": value.type_},
                    )
                )
            if (value.dtype.numpy if sparse else value._array.dtype) != self._array.dtype:
                raise RuntimeError(
                    message(
                        "assigned grad has data of a different type",
                        operands={"self": self.type_, "grad": value.type_},
                    )
                )
        tracer = _stack.top
        if tracer is not None:
            tracer.write_grad(self, value)  # type: ignore[attr-defined]
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self.grad = None

    def retain_grad(self) -> None:
        """Keep `.grad` of this non-leaf after `backward`."""
        node = self._history()
        if node is not None:
            self._retains_grad = True
            node.watch(self)

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was called on a non-leaf."""
        return self._retains_grad

    def register_hook(self, hook: Callable) -> Any:
        """Call `hook(grad)` when this tensor's gradient is computed; it may return a replacement."""
        from .tape import RemovableHandle

        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self._hooks is None:
            self._hooks = {}
            if self._node is not None:
                self._node.watch(self)
        return RemovableHandle(self._hooks, hook)

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add d(self)/d(leaf) to `leaf.grad` for every leaf this tensor depends on.

        gradient: cotangent of this tensor's shape and dtype; needed unless it has one element.
        Raises RuntimeError for a non-scalar without `gradient`, without history, or a freed graph.
        """
        from .autograd import backward

        backward(
            self, gradient, retain_graph=retain_graph, create_graph=create_graph, inputs=inputs
        )

    def detach(self) -> Tensor:
        """Return a view without history."""
        from ..ir import ops

        return ops.stop_gradient(self)

    def detach_(self) -> Tensor:
        """Cut this tensor from its history, in place."""
        if self._view is not None and self._view[1].name != "stop_gradient":
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        tracer = _stack.top
        if tracer is not None:
            tracer.detach_(self)  # type: ignore[attr-defined]
        self._node, self._index, self._requires_grad = None, 0, False
        return self

    # ---- history

    def _history(self) -> TapeNode | None:
        """The tape node, remade if the buffer this tensor views was written since."""
        view = self._view
        if view is not None and self._storage.epoch != self._view_epoch:
            parent, op, attrs = view
            self._view_epoch = self._storage.epoch
            if op.name != "stop_gradient":
                from .tape import replay_view

                replay_view(self, parent, op, attrs)
        return self._node

    def _write(self, value: Tensor) -> Tensor:
        """Write `value` (same shape and dtype) into this tensor's buffer, with PyTorch's rules.

        Raises RuntimeError on a leaf that requires grad while grad mode is on.
        """
        assign = getattr(_stack.top, "assign", None)
        if assign is not None:
            return assign(self, value)
        if grad_state.enabled and (
            self._requires_grad or value.requires_grad or self._node is not None
        ):
            self._check_write()
            if value._requires_grad and value._node is None:  # a leaf has no node to take over
                from ..ir import ops

                value = ops.reshape(value, shape=value._array.shape)
            history = value._history(), value._index
            if history[0] is not None and history[0].versions:
                history[0].keep_before_write(self._storage)
            self._put(value)
            self._rebase(value, *history)
        else:
            self._put(value)
        return self

    def _check_write(self) -> None:
        root = self
        while root._view is not None and root._view[1].name != "stop_gradient":
            root = root._view[0]
        if root._requires_grad and root._node is None:
            what = "a view of a leaf Variable" if root is not self else "a leaf Variable"
            raise RuntimeError(
                message(
                    f"{what} that requires grad is being used in an in-place operation.",
                    operands={"self": self.type_},
                    hint="put the update inside `with torch.no_grad():`",
                )
            )

    def _put(self, value: Tensor) -> None:
        """Copy the data and bump the version; no autograd."""
        array = self._array
        if value._device is not self._device and (self._is_meta() or value._is_meta()):
            if not self._is_meta():
                from .meta import no_data

                raise no_data(value)
            return
        if not array.flags.writeable:
            if self._is_meta():
                return
            if 0 in array.strides and array.size > 1:
                raise RuntimeError(
                    message(
                        "unsupported operation: more than one element of the written-to tensor refers to a"
                        " single memory location. Please clone() the tensor before performing the operation.",
                        operands={"self": self.type_},
                    )
                )
            raise RuntimeError(
                message("this tensor's memory is read-only", operands={"self": self.type_})
            )
        tracer = _stack.top
        if tracer is not None:
            tracer.write(self, value)  # type: ignore[attr-defined]
        else:
            array[...] = value._array
            self._count_write()

    def _count_write(self) -> None:
        """Raise the version of the buffer, unless the write goes through `.data`."""
        root = self
        while root._view is not None:
            if root._uncounted:
                return
            root = root._view[0]
        if not root._uncounted:
            storage = self._storage
            storage.version += 1
            storage.written_at = calling_line()

    def _is_meta(self) -> bool:
        return self._device is not None and self._device.type == "meta"

    def _rebase(self, value: Tensor, node: TapeNode | None, index: int) -> None:
        """Give this tensor `value`'s history, and the tensors it views a history that includes it."""
        view = self._view
        if view is not None and view[1].name != "stop_gradient":
            parent, op, attrs = view
            if parent.requires_grad or value.requires_grad:
                from .tape import history_only

                new_parent = history_only(
                    lambda p, v: views.updated(op, attrs, p, v), parent, value
                )
                parent._rebase(new_parent, new_parent._node, new_parent._index)
        self._node, self._index = node, index
        self._storage.epoch += 1
        self._view_epoch = self._storage.epoch


def wrap(array: np.ndarray) -> Tensor:
    """Return a new tensor over `array` (shared, not copied)."""
    tensor = Tensor.__new__(Tensor)
    tensor._array = array if array.__class__ is _ndarray else np.asarray(array)
    top: Any = _stack.top
    if top is not None:  # made of Python data: a constant of the trace
        noted = getattr(top, "noted", None)
        if noted is None:
            tensor._traced = (top, None, 0)
        else:
            noted(tensor)
    return tensor
