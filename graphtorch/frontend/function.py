"""`autograd.Function`: operations whose derivative the user writes.

The forward runs without the tape; one `FunctionNode` stands for it, and calls the user's `backward`.
"""

from __future__ import annotations

import functools
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
        self._to_save_forward: tuple[Any, ...] = ()
        self._saved: list[Any] | None = []
        self._non_differentiable: set[int] = set()
        self._dirty: tuple[Tensor, ...] = ()
        self._materialize = True
        self.needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors (inputs or outputs) for `backward`; they are checked for in-place writes."""
        self._to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for `jvp`."""
        self._to_save_forward = tensors

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

    def gone(self) -> bool:
        return bool(self.freed and self.ctx._to_save)

    def __getattr__(self, name: str) -> Any:
        if name in ("ctx", "cls"):
            raise AttributeError(name)
        return getattr(self.ctx, name)  # PyTorch's ctx is the node itself


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

    generate_vmap_rule = False  # whether `vmap` maps forward and backward themselves

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """Compute one tangent per output from one per argument of `forward` (forward mode)."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> Any:
        """Compute (outputs, out_dims) for a batch along `in_dims` of the arguments."""
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or set"
            " generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run `forward` and record `backward`."""
        custom = getattr(dispatch._stack.top, "custom", None)
        if custom is not None:
            return custom(cls, args, kwargs)
        return cls._run(args, kwargs)[0]

    @classmethod
    def _run(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, FunctionCtx]:
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple([isinstance(a, Tensor) and a.requires_grad for a in args])
        recording = grad_mode.state.enabled and any(ctx.needs_input_grad)
        split = cls.setup_context is not Function.setup_context
        with grad_mode.no_grad():
            outputs = cls.forward(*args, **kwargs) if split else cls.forward(ctx, *args, **kwargs)
            if split:
                cls.setup_context(ctx, args, outputs)
        single = not isinstance(outputs, tuple)
        listed = [outputs] if single else list(outputs)
        if recording:
            tracer = dispatch._stack.top
            if tracer is not None:
                tracer.custom_function(cls)  # type: ignore[attr-defined]
            dirty = {id(t) for t in ctx._dirty}
            arguments = {id(a) for a in args if isinstance(a, Tensor)}
            plain = [id(y) in ctx._non_differentiable for y in listed]
            for i, y in enumerate(listed):
                if isinstance(y, Tensor) and id(y) in arguments and id(y) not in dirty:
                    listed[i] = y.view_as(y)  # type: ignore[attr-defined]
            attach(cls, ctx, args, listed, plain)
        ctx._saved = [(t, t._version if isinstance(t, Tensor) else 0) for t in ctx._to_save]
        return (listed[0] if single else tuple(listed)), ctx

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> Any:
        """PyTorch's second style: `forward` without ctx, and this to fill it."""
        raise NotImplementedError


def attach(
    cls: Any, ctx: FunctionCtx, args: tuple[Any, ...], outputs: list[Any], plain: list[bool]
) -> None:
    """Put one call of a Function on the tape; `plain` outputs have no gradient."""
    node = FunctionNode(
        None,  # type: ignore[arg-type]
        tuple(
            [
                ((a._node, a._index) if a._history() is not None else a) if need else None
                for a, need in zip(args, ctx.needs_input_grad, strict=True)
            ]
        ),
        {},
    )
    node.cls, node.ctx = cls, ctx
    node.position = code_position()
    node.saved = [a.type_ if isinstance(a, Tensor) else None for a in args]
    node.output = node.outputs = tuple(
        [y.type_ if isinstance(y, Tensor) else None for y in outputs]
    )
    for index, (y, without) in enumerate(zip(outputs, plain, strict=True)):
        if isinstance(y, Tensor) and y.dtype.kind in "fc" and not without:
            y._node, y._index = node, index


class _Refusing(Function):
    """What the gradients of a once-differentiable backward are attached to."""

    @staticmethod
    def forward(ctx: Any, *tensors: Any) -> Any:
        return tuple([t if t is None else t.detach() for t in tensors])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )


def once_differentiable(backward: Any) -> Any:
    """Decorator for a `backward` that cannot itself be differentiated: doing so raises RuntimeError."""

    @functools.wraps(backward)
    def wrapper(ctx: Any, *grads: Any) -> Any:
        with grad_mode.no_grad():
            found = backward(ctx, *grads)
        if not grad_mode.state.enabled:
            return found
        if not any(isinstance(g, Tensor) and g.requires_grad for g in grads):
            return found
        listed = found if isinstance(found, tuple) else (found,)
        with grad_mode.enable_grad():
            marked = [
                t.detach().requires_grad_() if isinstance(t, Tensor) and t.dtype.kind in "fc" else t
                for t in listed
            ]
            refused = _Refusing.apply(*marked)
        return refused if isinstance(found, tuple) else refused[0]

    return wrapper
