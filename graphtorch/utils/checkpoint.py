"""Activation checkpointing: compute a part of a model again in backward instead of keeping its values."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from .. import absent as absent
from ..autograd.graph import saved_tensors_hooks
from ..frontend import autocasting, trace
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


class CheckpointError(RuntimeError):
    """The second call of a checkpointed function saved other values than the first."""


class _Enough(Exception):
    """Ends the second call early."""


class _Frame:
    """One checkpointed call: what the tape saves is a number; the value comes from a second call."""

    def __init__(
        self,
        function: Callable,
        args: tuple,
        kwargs: dict[str, Any],
        preserve_rng_state: bool,
        early_stop: bool,
        context_fn: Callable[[], tuple[Any, Any]] | None,
    ):
        self.call = (function, args, kwargs)
        self.early_stop = early_stop
        self.contexts = (context_fn or noop_context_fn)()
        self.state = default_generator.get_state() if preserve_rng_state else None
        now = autocasting.state
        self.autocast = (now.enabled, now.dtype)
        self.count = 0
        self.values: dict[int, Tensor] = {}

    def run(self) -> Any:
        """The first call."""
        function, args, kwargs = self.call
        with self.contexts[0], saved_tensors_hooks(self._number, self._value):
            return function(*args, **kwargs)

    def _number(self, tensor: Tensor) -> int:
        self.count += 1
        return self.count - 1

    def _value(self, number: int) -> Tensor:
        if number not in self.values:
            self._again()
        return self.values.pop(number)

    def _again(self) -> None:
        """The second call: fills `values`."""
        function, args, kwargs = self.call
        values: dict[int, Tensor] = {}

        def keep(tensor: Tensor) -> None:
            values[len(values)] = tensor.detach()
            if self.early_stop and len(values) == self.count:
                raise _Enough

        def refuse(nothing: None) -> Tensor:
            raise CheckpointError("a value of a checkpoint's second call was asked for")

        now = default_generator.get_state()
        mode = autocasting.state.enabled, autocasting.state.dtype
        if self.state is not None:
            default_generator.set_state(self.state)
        autocasting.state.switch(*self.autocast)
        try:
            with enable_grad(), self.contexts[1], saved_tensors_hooks(keep, refuse):
                function(*args, **kwargs)
        except _Enough:
            pass
        finally:
            autocasting.state.switch(*mode)
            if self.state is not None:
                default_generator.set_state(now)
        if len(values) != self.count:
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original forward and"
                f" recomputation.\nNumber of tensors saved during forward: {self.count}\nNumber of tensors saved"
                f" during recomputation: {len(values)}."
            )
        self.values = values


def noop_context_fn() -> tuple[Any, Any]:
    """Two contexts that do nothing."""
    return contextlib.nullcontext(), contextlib.nullcontext()


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
    """Call `function(*args, **kwargs)` and keep no values for backward, which calls it again.

    use_reentrant: True runs a whole tape of its own inside the backward pass (and needs an argument that wants
    gradients); False, the default here, only makes the saved values again.
    context_fn: gives two context managers, for the first and for the second call (use_reentrant=False).
    early_stop: the second call ends with the last value that is needed.
    In a compiled step nothing is done: the compiler decides by itself what to compute again.

    >>> import graphtorch as torch
    >>> x = torch.ones(3, requires_grad=True)
    >>> checkpoint(lambda x: (x.exp() * 2).sum(), x, use_reentrant=False).backward()
    >>> x.grad
    tensor([5.4366, 5.4366, 5.4366])
    """
    if not use_reentrant:
        if not is_grad_enabled() or trace.is_tracing():
            return function(*args, **kwargs)
        frame = _Frame(function, args, kwargs, preserve_rng_state, early_stop, context_fn)
        return frame.run()
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
