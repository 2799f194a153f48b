"""Eager execution: the interpreter at the bottom of the stack.

An op call runs its NumPy kernel at once, wraps the result and, where gradients are wanted, leaves a
node on the tape.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir import dispatch
from ..ir.op import Op
from .grad_mode import state as grad_state
from .tape import record
from .tensor import Tensor

_ndarray = np.ndarray
_new = Tensor.__new__


class Eager:
    """Runs ops one by one with NumPy."""

    def process(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Carry out one op; returns a Tensor, or a tuple of them for ops with several outputs."""
        kernel = op.numpy
        if kernel is None:
            if op.decompose is None:
                raise NotImplementedError(f"{op.name} has no eager kernel")
            return op.decompose(*inputs, **attrs)
        arrays = []
        tracked = False
        for x in inputs:
            if isinstance(x, Tensor):
                arrays.append(x._array)
                if x._requires_grad or x._node is not None or x._view is not None:
                    tracked = True
            else:
                arrays.append(x)
        result = kernel(*arrays, **attrs)
        if result.__class__ is tuple:
            output: Any = tuple([_wrap(y) for y in result])
        else:
            output = _new(Tensor)
            output._array = result if result.__class__ is _ndarray else np.asarray(result)
            if op.kind == "view":
                parent = inputs[0]
                if op.name != "reshape" or _shares(parent._array, output._array):
                    storage = parent._storage
                    output._storage_ = storage
                    output._view = (parent, op, attrs)
                    output._view_epoch = storage.epoch
        if (
            tracked
            and grad_state.enabled
            and op.vjp is not None
            and (output.__class__ is tuple or output._array.dtype.kind in "fcV")
        ):
            needs = tuple(
                [
                    isinstance(x, Tensor) and (x._requires_grad or x._history() is not None)
                    for x in inputs
                ]
            )
            if True in needs:
                needs = differentiable(op, needs)
                if True in needs:
                    record(
                        op, inputs, attrs, output if output.__class__ is tuple else (output,), needs
                    )
        return output


def differentiable(op: Op, needs: tuple[bool, ...]) -> tuple[bool, ...]:
    """`needs` without the inputs that `op` has no derivative for."""
    rules = op.vjp
    if rules.__class__ is tuple and None in rules:  # type: ignore[operator]
        return tuple([need and rule is not None for need, rule in zip(needs, rules, strict=True)])  # type: ignore[arg-type]
    return needs


def _wrap(array: Any) -> Tensor:
    tensor = _new(Tensor)
    tensor._array = array if array.__class__ is _ndarray else np.asarray(array)
    return tensor


def _shares(parent: np.ndarray, result: np.ndarray) -> bool:
    return parent.flags.c_contiguous or np.may_share_memory(parent, result)


dispatch.set_base(Eager())
