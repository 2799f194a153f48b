"""`VmapLevel`: every op of a function at once on a whole batch of examples.

    user sees   x[3]            one example: `_array` is the first of the batch
    wraps       x[B, 3]         a tensor of the levels below, the batch always in front

The rules are `ir/batching.py`'s; ops without one are taken apart, and what cannot be taken apart runs
example by example, with a warning once per op.
"""

from __future__ import annotations

import warnings
import weakref
from typing import Any

import numpy as np

from ..errors import UnsupportedError, message
from ..ir import batching, ops
from ..ir.op import Op
from . import views
from .level import Level
from .tensor import Tensor

_slow: set[str] = set()  # ops whose slowness was told


class Escaped(Tensor):
    """A tensor made inside `vmap` and used after it returned."""

    @property
    def _array(self) -> Any:  # type: ignore[override]
        raise RuntimeError(
            message(
                "this tensor stands for one example of a batch inside vmap(), which has returned",
                hint="return it from the function instead of storing it",
            )
        )


class VmapLevel(Level):
    """See the module docstring.  randomness: "error", "same" or "different"."""

    name = "vmap"
    title, details = "BatchedTensor", "bdim=0, "

    def __init__(self, size: int, randomness: str = "error"):
        super().__init__()
        self.size = size
        self.randomness = randomness
        self._own: dict[int, weakref.ref] = {}  # tensors made inside that are the same for all

    def dress(self, wrapper: Tensor, value: Tensor) -> None:
        super().dress(wrapper, value)
        wrapper._storage_ = value._storage  # its version counts the writes
        array = value._array
        wrapper._array = array[0, ...] if array.shape[0] else np.zeros(array.shape[1:], array.dtype)

    def outlived(self, tensor: Tensor) -> None:
        tensor.__dict__.clear()
        tensor.__class__ = Escaped

    def noted(self, tensor: Tensor) -> None:
        super().noted(tensor)
        self._own[id(tensor)] = weakref.ref(tensor)

    # ---- ops

    def process(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        flags = tuple([isinstance(x, Tensor) and x._level is self for x in inputs])
        if op.kind == "random":
            return self._draw(op, inputs, flags, attrs)
        if True not in flags:
            found = self.pass_down(op, inputs, attrs)
            for y in found if found.__class__ is tuple else (found,):
                self.noted(y)
            return found
        values = tuple([x._inner if f else x for x, f in zip(inputs, flags, strict=True)])
        with self.below():
            found = batching.batched(op, self.size, values, flags, attrs)
        if found is NotImplemented:
            if op.decompose is not None:
                return op.decompose(*inputs, **attrs)
            found = self._one_by_one(op, values, flags, attrs)
        return self._wrapped(found)

    def _wrapped(self, found: Any) -> Any:
        if found.__class__ is tuple:
            return tuple([self.wrap(y) for y in found])
        return self.wrap(found)

    def _one_by_one(self, op: Op, values: Any, flags: Any, attrs: dict[str, Any]) -> Any:
        if op.name not in _slow:
            _slow.add(op.name)
            warnings.warn(
                f"vmap: there is a performance drop because {op.name} has no batching rule: it runs once"
                " per example",
                stacklevel=2,
            )
        if not self.size:
            raise UnsupportedError(message(f"vmap of {op.name} over a batch of no examples"))
        with self.below():
            return batching.one_by_one(op, self.size, values, flags, attrs)

    def _draw(self, op: Op, inputs: tuple[Any, ...], flags: Any, attrs: dict[str, Any]) -> Any:
        if self.randomness == "error":
            raise RuntimeError(
                "vmap: called random operation while in randomness error mode. Please either use the"
                " 'same' or 'different' randomness flags on vmap or perform the randomness operation out"
                " of vmap"
            )
        if self.randomness == "same":
            if any(flags):
                raise RuntimeError(
                    "Vmap does not currently support same randomness with a batched tensor input"
                )
            found = self.pass_down(op, inputs, attrs)
            self.noted(found)
            return found
        with self.below():
            if not inputs and "shape" in attrs:
                return self.wrap(op(**{**attrs, "shape": (self.size, *attrs["shape"])}))
            values = [batching.front(self.inner(x), f, self.size) for x, f in zip(inputs, flags, strict=True)]  # fmt: skip
            if op.name == "bernoulli":
                return self.wrap(op(*values, **attrs))
            if op.name == "multinomial" and len(values[0].shape) == 2:
                return self.wrap(op(*values, **attrs))
            all_flags = (True,) * len(values)
            return self.wrap(batching.one_by_one(op, self.size, tuple(values), all_flags, attrs))

    # ---- what cannot be batched

    def read_value(self, tensor: Tensor) -> None:
        if self.owns(tensor):
            raise RuntimeError(
                "vmap: It looks like you're calling .item() on a Tensor, or attempting to use a Tensor in"
                " some data-dependent control flow. We don't support vmap over calling .item() on a"
                " Tensor, please try to rewrite what you're doing with other operations."
            )
        super().read_value(tensor)

    # ---- writes

    def assign(self, tensor: Tensor, value: Tensor) -> Tensor:
        if tensor._level is not self:
            if value._level is not self:
                with self.below():
                    tensor._write(value)
                return tensor
            return self._grow(tensor, value)
        with self.below():
            tensor._inner._write(batching.front(self.inner(value), value._level is self, self.size))
        return tensor

    def _grow(self, tensor: Tensor, value: Tensor) -> Tensor:
        """A tensor that all examples share is written with what differs: now each has its own."""
        view = tensor._view
        root = tensor
        while root._view is not None:
            root = root._view[0]
        known = self._own.get(id(root))
        if known is None or known() is not root:
            raise RuntimeError(
                message(
                    "vmap: an in-place write is not possible because the value written is batched and"
                    " the tensor written to, made outside of vmap, is not",
                    operands={"self": tensor.type_, "value": value.type_},
                    hint="write out of place, or clone() the tensor inside of vmap",
                )
            )
        if view is not None:
            parent, op, attrs = view
            self._grow(parent, views.updated(op, attrs, parent, value))
            shown = op(parent, **attrs)
            inner = shown._inner
        else:
            inner = value._inner
            with self.below():
                inner = ops.copy(inner)
        state = tensor.__dict__
        for name in ("_view", "_view_epoch", "_node", "_index", "_requires_grad", "_traced", "_storage_"):  # fmt: skip
            state.pop(name, None)
        self.dress(tensor, inner)
        self._made.append(weakref.ref(tensor))
        return tensor
