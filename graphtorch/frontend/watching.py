"""What may look on while the tape is written and run: saved-tensor hooks and anomaly detection.

Both are off as a rule: the tape asks one flag, `grad_mode.state.watching`.
"""

from __future__ import annotations

import threading
import traceback
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import grad_mode
from .grad_mode import state as grad_state
from .tensor import Tensor


class _Watchers(threading.local):
    """Per thread: the saved-tensor hooks (innermost last), and whether anomalies are looked for."""

    hooks: tuple[tuple[Callable, Callable], ...] = ()
    disabled: str | None = None
    anomaly = False
    check_nan = True


state = _Watchers()
_stacks: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()


def refresh() -> None:
    """Set the tape's flag."""
    grad_state.watching = bool(state.hooks) or state.anomaly


def recorded(node: Any, plan: Any) -> None:
    """A node was put on the tape while something looks on."""
    if state.anomaly:
        _stacks[node] = "".join(traceback.format_stack()[:-3])
    if state.hooks:
        _pack(node, plan)


# ---- saved tensors


class Packed:
    """A saved tensor in the form a pack hook gave it."""

    __slots__ = ("index", "leaf", "node", "payload", "unpack")

    def __init__(self, tensor: Tensor, output_of: Any = None):
        pack, self.unpack = state.hooks[-1]
        self.node, self.index = (tensor._node, tensor._index) if output_of is None else (None, 0)
        self.leaf = tensor if tensor._requires_grad and tensor._node is None else None
        hooks, state.hooks = state.hooks, ()
        try:
            with grad_mode.no_grad():
                self.payload = pack(tensor if output_of is None else tensor.detach())
        finally:
            state.hooks = hooks

    def value(self, node: Any = None, index: int = 0) -> Tensor:
        """The tensor again, with its place on the tape."""
        from .storage import alias_of

        with grad_mode.no_grad():
            found = self.unpack(self.payload)
        if not isinstance(found, Tensor):
            raise TypeError("Output of saved tensor unpack_hook expected to be a Tensor")
        owner, place = (self.node, self.index) if node is None else (node, index)
        if found is self.leaf or (owner is None and self.leaf is None):
            return found
        fresh = alias_of(found)
        fresh._requires_grad = False
        if owner is not None:
            fresh._node, fresh._index = owner, place
        elif grad_state.enabled:
            from ..ir import ops
            from .tape import record

            record(ops.copy, (self.leaf,), {}, (fresh,), (True,))
        return fresh


def _pack(node: Any, plan: Any) -> None:
    from .tape import SavedOutput, TapeNode

    class_ = _hooked_class()
    if node.__class__ is not TapeNode:
        return
    saved = list(node.saved)
    for place in plan.values:
        if isinstance(saved[place], Tensor):
            saved[place] = Packed(saved[place])
    node.saved, node.versions = saved, []
    output = node.output
    if output.__class__ is SavedOutput:
        node.output = Packed(_bare(output), node)
    elif output.__class__ is tuple and output and output[0].__class__ is SavedOutput:
        node.output = tuple([Packed(_bare(o), node) for o in output])
    node.__class__ = class_


def _bare(saved: Any) -> Tensor:
    tensor = Tensor.__new__(Tensor)
    tensor._array, tensor._storage_, tensor._traced = saved.array, saved.storage, saved.traced
    if saved.device is not None:
        tensor._device = saved.device
    return tensor


_class: Any = None


def _hooked_class() -> Any:
    global _class
    if _class is None:
        from .tape import TapeNode

        class HookedNode(TapeNode):
            """A node whose saved tensors went through hooks."""

            __slots__ = ()

            def cotangents(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
                packed, output = self.saved, self.output
                self.saved = [p.value() if p.__class__ is Packed else p for p in packed]
                if output.__class__ is Packed:
                    self.output = output.value(self, 0)
                elif output.__class__ is tuple and output and output[0].__class__ is Packed:
                    self.output = tuple([o.value(self, i) for i, o in enumerate(output)])
                try:
                    return super().cotangents(grads)
                finally:
                    self.saved, self.output = packed, output

        _class = HookedNode
    return _class


# ---- anomalies


def ran(node: Any, cotangents: Sequence[Any]) -> None:
    """Look for NaN in what a node returned; raises RuntimeError naming it and its forward line."""
    if not (state.anomaly and state.check_nan):
        return
    for index, g in enumerate(cotangents):
        if g is None or not isinstance(g, Tensor) or g._array.dtype.kind not in "fcV":
            continue
        values = g._array.astype(np.float32) if g._array.dtype.kind == "V" else g._array
        if np.isnan(values).any():
            tell(node)
            raise RuntimeError(
                f"Function '{node.name()}' returned nan values in its {index}th output."
            )


def tell(node: Any) -> None:
    """Warn with the stack of the forward call."""
    stack = _stacks.get(node)
    if stack is None:
        text = (
            f"Error detected in {node.name()}. No forward pass information available. Enable detect"
            " anomaly during forward pass for more information."
        )
    else:
        text = (
            f"Error detected in {node.name()}. Traceback of forward call that caused the error:\n"
            f"{stack}"
        )
    warnings.warn(text, stacklevel=3)
