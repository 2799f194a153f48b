"""`backward` and `grad`: where a gradient computation starts.  See `tape` and `engine`."""

from __future__ import annotations

import warnings
from typing import Any

from ..errors import message
from ..ir import dispatch
from . import grad_mode
from .engine import accumulate, engine
from .tape import zero_of
from .tensor import Tensor


def _as_list(value: Any) -> list:
    listed = [value] if isinstance(value, Tensor) or value is None else list(value)
    return [_without_tangent(x) for x in listed] if dispatch._stack.top is not None else listed


def _without_tangent(x: Any) -> Any:
    """A tensor of forward mode stands for its value."""
    while isinstance(x, Tensor) and getattr(x._level, "transparent", False):
        x = x._inner
    return x


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
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Add the gradients of `tensors` to the `.grad` of the leaves they depend on.

    grad_tensors: cotangents, one per tensor; None for tensors of one element.
    inputs: accumulate into these tensors only.
    """
    if not getattr(dispatch._stack.top, "transparent", True):
        raise RuntimeError(
            "backward() called inside a functorch transform. This is not supported, please use functorch.grad"
            " or functorch.vjp instead or call backward() outside of functorch transforms."
        )
    if grad_variables is not None:
        warnings.warn(
            "`grad_variables` is deprecated. Use `grad_tensors` instead.",
            FutureWarning,
            stacklevel=2,
        )
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`."
                " Please only use `grad_tensors`."
            )
        grad_tensors = grad_variables
    retain = create_graph if retain_graph is None else retain_graph
    roots = _roots(tensors, grad_tensors)
    if inputs is None:
        engine(roots, retain, create_graph, None)
        return
    goals = _as_list(inputs)
    if not goals:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    found = engine(roots, retain, create_graph, goals)
    owned: set[int] = set()
    with grad_mode.set_grad_enabled(create_graph):
        for goal, grad in zip(goals, found or (), strict=True):
            if grad is not None:
                accumulate(goal, grad, owned, create_graph)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
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
        return _grads_of_a_batch(
            outputs,
            inputs,
            grad_outputs,
            retain_graph,
            create_graph,
            allow_unused,
            materialize_grads,
        )
    goals = _as_list(inputs)
    for goal in goals:
        if not goal.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    retain = create_graph if retain_graph is None else retain_graph
    found = engine(_roots(outputs, grad_outputs), retain, create_graph, goals) or []
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


def _grads_of_a_batch(
    outputs: Any, inputs: Any, grad_outputs: Any, retain: Any, create_graph: bool, allow_unused: Any,
    materialize: bool,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    """`grad` for many cotangents at once, stacked along a first dim of each of `grad_outputs`."""
    from ..ir import batching
    from .vmap_level import VmapLevel

    cotangents = _as_list(grad_outputs)
    size = next(g._array.shape[0] for g in cotangents if g is not None)
    level = VmapLevel(size)
    with level:
        given = [None if g is None else level.wrap(g) for g in cotangents]
        found = grad(
            outputs, inputs, given, retain, create_graph,
            allow_unused=allow_unused, materialize_grads=materialize,
        )  # fmt: skip
        with level.below():
            return tuple(
                [
                    g if g is None else batching.front(level.inner(g), level.owns(g), size)
                    for g in found
                ]
            )


def is_tracing() -> bool:
    """Whether a tracer answers on this thread."""
    return dispatch._stack.top is not None


__all__ = ["backward", "grad", "is_tracing"]
