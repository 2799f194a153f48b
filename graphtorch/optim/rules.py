"""How an update rule is run: in chunks on NumPy arrays in eager mode, on tensors in a trace.

A rule is written once, with operators that arrays and tensors share, and updates in place:

    def rule(lr, p, g, m):
        m += g
        p -= m * lr

Eagerly it runs chunk by chunk, so that all its temporaries stay in the processor's cache; the tracer
sees the same lines as tensor operations.  Scalars are Python floats in eager mode and 0-d tensors in a
trace.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..frontend import trace
from ..frontend.tensor import Tensor, calling_line, wrap
from .optimizer import Optimizer, with_closure

_CHUNK = 65536  # elements of all arrays of one chunk; with temporaries they fit a 512 KiB cache


def sqrt(x: Any) -> Any:
    """Square root of a number, array or tensor."""
    if isinstance(x, Tensor):
        return x.sqrt()
    return np.sqrt(x) if isinstance(x, np.ndarray) else math.sqrt(x)


def absolute(x: Any) -> Any:
    """Absolute value of an array or tensor."""
    return x.abs() if isinstance(x, Tensor) else np.abs(x)


def sign(x: Any) -> Any:
    """Sign of an array or tensor."""
    return x.sign() if isinstance(x, Tensor) else np.sign(x)


def maximum(a: Any, b: Any) -> Any:
    """Larger of two arrays, tensors or numbers, element by element."""
    if isinstance(a, Tensor):
        return a.clamp(min=b) if isinstance(b, float | int) else a.maximum(b)
    return np.maximum(a, b) if isinstance(a, np.ndarray) else max(a, b)


def minimum(a: Any, b: Any) -> Any:
    """Smaller of two arrays or tensors, or of one and a number."""
    if isinstance(a, Tensor):
        return a.clamp(max=b) if isinstance(b, float | int) else a.minimum(b)
    return np.minimum(a, b)


def where(condition: Any, a: Any, b: Any) -> Any:
    """a where the condition holds, else b; a or b may be a number."""
    if isinstance(condition, Tensor):
        import graphtorch

        return graphtorch.where(condition, a, b)
    if isinstance(condition, np.ndarray):
        like = a if isinstance(a, np.ndarray) else b
        kind = getattr(like, "dtype", None)
        return np.where(condition, np.asarray(a, kind), np.asarray(b, kind))
    return a if condition else b


def put(target: Any, value: Any) -> None:
    """Overwrite `target` with `value`."""
    if isinstance(target, Tensor):
        target.copy_(value)
    else:
        target[...] = value


def as_scalar(value: Any, like: Tensor) -> Tensor:
    """A number as a 0-d float64 tensor, as the optimiser ops take them."""
    if isinstance(value, Tensor):
        return value
    return _placed(wrap(np.asarray(value, np.float64)), like)


def zeros_like(parameter: Tensor, value: float = 0.0) -> Tensor:
    """A new state tensor of the parameter's shape and dtype; never part of a trace."""
    array = np.full_like(parameter._array, value, order="C", subok=False)
    return _placed(wrap(array), parameter)


def counter(value: float = 0.0) -> Tensor:
    """A new 0-d float32 state tensor: a step count."""
    return wrap(np.array(value, np.float32))


def zeros(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """A new state tensor of a parameter's dtype on its device; never part of a trace."""
    return _placed(wrap(np.zeros(shape, like._array.dtype)), like)


def as_number(x: Tensor) -> Any:
    """A 0-d tensor as a number; in a trace as a 0-d float64 tensor."""
    if trace.is_tracing():
        import graphtorch

        return x.to(graphtorch.float64)
    return x.item()


def _placed(tensor: Tensor, like: Tensor) -> Tensor:
    return tensor if like._device is None else tensor.to(like.device)


def count(step: Tensor) -> Any:
    """Add one to a step count and return it: a float, or in a trace a 0-d float64 tensor."""
    if trace.is_tracing():
        import graphtorch

        step.add_(1)
        return step.to(graphtorch.float64)
    step._array[...] += 1
    _written(step)
    return float(step._array)


def store(target: Tensor, value: Any) -> None:
    """Set a 0-d state tensor."""
    if trace.is_tracing():
        target.copy_(value)
    else:
        target._array[...] = value
        _written(target)


def read(value: Tensor) -> Any:
    """A 0-d state tensor as a number; in a trace as a 0-d float64 tensor."""
    if trace.is_tracing():
        import graphtorch

        return value.to(graphtorch.float64)
    return float(value._array)


def _written(tensor: Tensor, line: tuple[str, int] | None = None) -> None:
    storage = tensor._storage
    storage.version += 1
    if line is not None:
        storage.written_at = line


class RuleOptimizer(Optimizer):
    """An optimiser given by `_names`, `_new_state`, `_scalars` and `_rule`.

    _whole: the update needs whole tensors, so `_update` is it, in eager mode too.
    """

    _whole = False

    def _names(self, group: dict[str, Any]) -> tuple[str, ...]:
        """Names of the state tensors of the parameter's shape that the rule takes."""
        raise NotImplementedError

    def _new_state(self, group: dict[str, Any], parameter: Tensor) -> dict[str, Any]:
        """State of a parameter before its first step."""
        raise NotImplementedError

    def _scalars(self, group: dict[str, Any], lr: Any, state: dict[str, Any]) -> tuple:
        """The rule's scalars at this step."""
        return (lr,)

    def _rule(self, group: dict[str, Any], scalars: tuple, p: Any, g: Any, *buffers: Any) -> None:
        """Update p and the buffers in place."""
        raise NotImplementedError

    def _init_state(self) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None and not self.state[parameter]:
                    self.state[parameter].update(self._new_state(group, parameter))

    @with_closure
    def step(self) -> None:
        """Update every parameter that has a gradient."""
        self._init_state()
        tracing = trace.is_tracing()
        line = None if tracing else calling_line()
        for group in self.param_groups:
            lr = None
            names = self._names(group)
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is None:
                    continue
                if lr is None:
                    lr = group["lr"] if group.get("differentiable") else self._scalar(group, "lr")
                self._check_gradient(parameter, gradient)
                state = self.state[parameter] if parameter in self.state else {}
                buffers = [state[name] for name in names]
                if group.get("differentiable"):
                    self._differentiable_update(group, lr, state, parameter, gradient)
                elif self._whole or tracing or parameter._device is not None:
                    self._update(group, lr, state, parameter, gradient, buffers)
                else:
                    self._run(group, self._scalars(group, lr, state), parameter, gradient, buffers)
                    for tensor in (parameter, *buffers):
                        _written(tensor, line)

    def _check_gradient(self, parameter: Tensor, gradient: Tensor) -> None:
        """Raise for a gradient this optimiser cannot use."""
        if gradient.is_sparse:
            raise RuntimeError(f"{type(self).__name__} does not support sparse gradients")

    def _differentiable_update(
        self, group: dict[str, Any], lr: Any, state: dict, parameter: Tensor, gradient: Tensor
    ) -> None:
        """Update one parameter on the tape; state entries become new tensors, what a tape saved stays."""
        for name in self._names(group):
            state[name] = state[name].clone()
        buffers = [state[name] for name in self._names(group)]
        scalars = self._scalars(group, lr, state)
        self._rule(
            group, scalars, parameter, -gradient if group["maximize"] else gradient, *buffers
        )

    def _update(
        self,
        group: dict[str, Any],
        lr: Any,
        state: dict,
        parameter: Tensor,
        gradient: Tensor,
        buffers: list[Tensor],
    ) -> None:
        """Update one parameter with tensor operations."""
        scalars = self._scalars(group, lr, state)
        self._rule(
            group, scalars, parameter, -gradient if group["maximize"] else gradient, *buffers
        )

    def _run(
        self,
        group: dict[str, Any],
        scalars: tuple,
        parameter: Tensor,
        gradient: Tensor,
        buffers: list[Tensor],
    ) -> None:
        arrays = [parameter._array, gradient._array, *(buffer._array for buffer in buffers)]
        apply = _widened if arrays[0].dtype.itemsize < 4 else _chunked
        apply(
            lambda p, g, *b: self._rule(group, scalars, p, -g if group["maximize"] else g, *b),
            arrays,
        )


def _widened(rule: Callable, arrays: list[np.ndarray]) -> None:
    """Run a rule on narrow floats in float32."""
    wide = [array.astype(np.float32) for array in arrays]
    _chunked(rule, wide)
    for i, array in enumerate(arrays):
        if i != 1:  # the gradient is only read
            array[...] = wide[i].astype(array.dtype)


def _chunked(rule: Callable, arrays: list[np.ndarray]) -> None:
    if not all(array.flags.c_contiguous for i, array in enumerate(arrays) if i != 1):
        rule(*arrays)
        return
    flat = [array.reshape(-1) for array in arrays]  # copies a gradient that is not contiguous
    size = flat[0].size
    chunk = _CHUNK // len(flat)
    if size <= chunk:
        rule(*flat)
        return
    for start in range(0, size, chunk):
        rule(*[array[start : start + chunk] for array in flat])
