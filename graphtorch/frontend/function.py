"""`autograd.Function`: operations whose derivative the user writes.

The forward runs without the tape; one `FunctionNode` stands for it, and calls the user's `backward`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import message
from ..ir import dispatch
from . import grad_mode
from .tape import TapeNode, code_position, position_line, zero_of
from .tensor import Tensor


class FunctionCtx:
    """What `forward` leaves for `backward`: saved tensors and any attribute the user sets."""

    def __init__(self) -> None:
        self._to_save: tuple[Any, ...] = ()
        self._saved: list[Any] | None = []
        self._non_differentiable: set[int] = set()
        self._dirty: tuple[Tensor, ...] = ()
        self._materialize = True
        self.needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors (inputs or outputs) for `backward`; they are checked for in-place writes."""
        self._to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Accepted for PyTorch's sake: forward mode runs through the same saved tensors."""

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """Declare outputs that have no gradient."""
        self._non_differentiable.update(id(t) for t in outputs)

    def mark_dirty(self, *inputs: Tensor) -> None:
        """Declare inputs that `forward` wrote in place."""
        self._dirty = inputs

    def set_materialize_grads(self, value: bool) -> None:
        """Whether missing output gradients arrive as zeros (default) or as None."""
        self._materialize = value

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The tensors given to `save_for_backward`; raises RuntimeError once freed."""
        if self._saved is None:
            raise RuntimeError(
                message(
                    "Trying to backward through the graph a second time (or directly access saved tensors"
                    " after they have already been freed).",
                    hint="specify retain_graph=True in the first backward() call",
                )
            )
        found = []
        for tensor, version in self._saved:
            if tensor is not None and tensor._version != version:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace"
                    f" operation: [{tensor.type_}] is at version {tensor._version}; expected version {version}"
                    " instead."
                )
            found.append(tensor)
        return tuple(found)


class FunctionNode(TapeNode):
    """The tape node of one call of a user's Function."""

    __slots__ = ("cls", "ctx")

    def name(self) -> str:
        return self.cls.__name__ + "Backward"

    def cotangents(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        if self.ctx._materialize:
            grads = [
                zero_of(t.shape, t.dtype) if g is None and t is not None else g
                for g, t in zip(grads, self.output, strict=True)
            ]
        found = self.cls.backward(self.ctx, *grads)
        if not isinstance(found, tuple):
            found = (found,)
        count = len(self.edges)
        if len(found) > count and any(g is not None for g in found[count:]) or len(found) < count:
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected {count},"
                f" got {len(found)}), forward at {position_line(self.position)}"
            )
        for gradient, type in zip(found, self.saved, strict=False):
            if gradient is not None and type is not None and tuple(gradient.shape) != type.shape:
                raise RuntimeError(
                    f"Function {self.name()} returned an invalid gradient: got {gradient.type_} but expected"
                    f" shape compatible with {type}, forward at {position_line(self.position)}"
                )
        return found[:count]

    def release(self) -> None:
        self.freed = True
        self.ctx._saved = None


class Function:
    """Base class of user-defined operations.

    >>> import graphtorch as torch
    >>> class Square(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return g * 2 * x
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> Square.apply(x).backward()
    >>> x.grad
    tensor(6.)
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the outputs; to be overridden."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Compute one cotangent per argument of `forward`; to be overridden."""
        raise NotImplementedError(
            "You must implement the backward for your custom autograd.Function to use it."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run `forward` and record `backward`."""
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        recording = grad_mode.state.enabled and any(ctx.needs_input_grad)
        split = cls.setup_context is not Function.setup_context  # type: ignore[attr-defined]
        with grad_mode.no_grad():
            outputs = cls.forward(*args, **kwargs) if split else cls.forward(ctx, *args, **kwargs)
            if split:
                cls.setup_context(ctx, args, outputs)  # type: ignore[attr-defined]
        single = not isinstance(outputs, tuple)
        listed = [outputs] if single else list(outputs)
        if recording:
            tracer = dispatch._stack.top
            if tracer is not None:
                tracer.custom_function(cls)  # type: ignore[attr-defined]
            dirty = {id(t) for t in ctx._dirty}
            arguments = {id(a) for a in args if isinstance(a, Tensor)}
            for i, y in enumerate(listed):
                if isinstance(y, Tensor) and id(y) in arguments and id(y) not in dirty:
                    listed[i] = y.view_as(y)  # type: ignore[attr-defined]
                    if id(y) in ctx._non_differentiable:
                        ctx._non_differentiable.add(id(listed[i]))
            node = FunctionNode(
                None,  # type: ignore[arg-type]
                tuple(
                    ((a._node, a._index) if a._history() is not None else a) if need else None
                    for a, need in zip(args, ctx.needs_input_grad, strict=True)
                ),
                {},
            )
            node.cls, node.ctx = cls, ctx
            node.position = code_position()
            node.saved = [a.type_ if isinstance(a, Tensor) else None for a in args]
            node.output = node.outputs = tuple(
                y.type_ if isinstance(y, Tensor) else None for y in listed
            )
            for index, y in enumerate(listed):
                if (
                    isinstance(y, Tensor)
                    and y.dtype.kind in "fc"
                    and id(y) not in ctx._non_differentiable
                ):
                    y._node, y._index = node, index
            saved = [y if not isinstance(y, Tensor) else y for y in ctx._to_save]
        else:
            saved = list(ctx._to_save)
        ctx._saved = [(t, t._version if isinstance(t, Tensor) else 0) for t in saved]
        return listed[0] if single else tuple(listed)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> Any:
        """PyTorch's second style: `forward` without ctx, and this to fill it."""
        raise NotImplementedError


def once_differentiable(backward: Any) -> Any:
    """Decorator for a `backward` that cannot itself be differentiated."""

    def wrapper(ctx: Any, *grads: Any) -> Any:
        with grad_mode.no_grad():
            return backward(ctx, *grads)

    return wrapper
