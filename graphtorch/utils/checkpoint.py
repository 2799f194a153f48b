"""Activation checkpointing: compute a part of a model again in backward instead of keeping its values."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from .. import absent as absent
from ..frontend.autograd import backward as _backward
from ..frontend.function import Function
from ..frontend.generator import default_generator
from ..frontend.grad_mode import enable_grad, is_grad_enabled, no_grad
from ..frontend.tensor import Tensor


class CheckpointFunction(Function):
    """Runs a function without a tape and again, with one, when gradients are wanted."""

    @staticmethod
    def forward(ctx: Any, function: Callable, preserve_rng_state: bool, *args: Any) -> Any:
        ctx.function = function
        ctx.state = default_generator.get_state() if preserve_rng_state else None
        ctx.places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        ctx.others = [None if isinstance(a, Tensor) else a for a in args]
        ctx.save_for_backward(*(args[i] for i in ctx.places))
        with no_grad():
            return function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple:
        args = list(ctx.others)
        for i, tensor in zip(ctx.places, ctx.saved_tensors, strict=True):
            args[i] = tensor.detach().requires_grad_(tensor.requires_grad)
        now = default_generator.get_state()
        if ctx.state is not None:
            default_generator.set_state(ctx.state)
        with enable_grad():
            outputs = ctx.function(*args)
        if ctx.state is not None:
            default_generator.set_state(now)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        pairs = [
            (y, g)
            for y, g in zip(outputs, grads, strict=True)
            if isinstance(y, Tensor) and y.requires_grad and g is not None
        ]
        if not pairs:
            raise RuntimeError(
                "none of output has requires_grad=True, this checkpoint() is not necessary"
            )
        for i, (y, g) in enumerate(pairs):
            _backward(y, g, retain_graph=i < len(pairs) - 1)
        return None, None, *(a.grad if isinstance(a, Tensor) else None for a in args)


def checkpoint(
    function: Callable,
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Any = None,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """Call `function(*args)`; with `use_reentrant=True` its values are computed again in backward.

    use_reentrant=False gives the same numbers and keeps the values: the tape has no way to drop the
    values of a part, and the compiler decides by itself what to compute again.
    """
    if not use_reentrant:
        return function(*args, **kwargs)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if not is_grad_enabled() or not any(isinstance(a, Tensor) and a.requires_grad for a in args):
        return function(*args)
    return CheckpointFunction.apply(function, preserve_rng_state, *args)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Checkpoint a sequence of functions in segments; the last one keeps its values."""
    parts = list(functions.children()) if hasattr(functions, "children") else list(functions)

    def run(start: int, stop: int) -> Callable[[Any], Any]:
        def forward(x: Any) -> Any:
            for function in parts[start:stop]:
                x = function(x)
            return x

        return forward

    size = len(parts) // segments
    stop = 0
    for start in range(0, size * (segments - 1), size):
        stop = start + size
        input = checkpoint(run(start, stop), input, use_reentrant=use_reentrant, **kwargs)
    return run(stop, len(parts))(input)


@contextlib.contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Any:
    """Accepted: there is nothing to trace."""
    yield


def get_device_states(*args: Any) -> tuple[list[int], list[Tensor]]:
    """Numbers and generator states of the GPUs that the arguments lie on."""
    from .. import cuda

    devices = sorted({a.get_device() for a in args if isinstance(a, Tensor) and a.is_cuda})
    return devices, [cuda.get_rng_state(number) for number in devices]


def set_device_states(devices: Any, states: Any, *, device_type: str | None = None) -> None:
    """Put back what `get_device_states` returned."""
    from .. import cuda

    for number, state in zip(devices, states, strict=True):
        cuda.set_rng_state(state, number)

__getattr__ = absent.names_of(__name__)
