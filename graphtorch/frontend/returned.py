"""What a traced call leaves behind, sorted: fresh tensors, inputs handed back, views, constants."""

from __future__ import annotations

import enum
import types
from typing import Any

from ..errors import UnsupportedError
from ..ir.types import DType
from .device import device
from .tensor import Tensor
from .trace import Tracer

# what a call may hand back as the very thing that the traced call made
_CONSTANT = (
    int, float, complex, str, bytes, bool, types.NoneType, types.EllipsisType, slice, range, enum.Enum,
    DType, device, type, types.ModuleType, types.BuiltinFunctionType,
)  # fmt: skip


class Outputs:
    """Sorts what a traced call leaves behind: fresh tensors, inputs handed back, views, constants."""

    def __init__(
        self,
        tracer: Tracer,
        leaves: list[Any],
        grads: list[tuple[Tensor, Tensor | None]],
        arguments: list[Any],
    ):
        self.tracer = tracer
        self._given = {id(x) for x in arguments}
        self.produced: list[Tensor] = []
        self._positions: dict[int, int] = {}
        roots: dict[int, set[int]] = {}
        tensors = [x for x in leaves if isinstance(x, Tensor)] + [
            g for _, g in grads if g is not None
        ]
        for tensor in tensors:
            roots.setdefault(id(tracer.root(tensor)), set()).add(id(tensor))
        self._shared = {root for root, members in roots.items() if len(members) > 1}
        self.leaves = [self._place(leaf) for leaf in leaves]
        self.grads = [
            (tensor, None if final is None else self._place(final)) for tensor, final in grads
        ]
        self.differentiable = [
            i for i, t in enumerate(self.produced) if t._node is not None and not t._node.freed
        ]

    def _place(self, leaf: Any) -> tuple:
        if not isinstance(leaf, Tensor):
            if not (isinstance(leaf, _CONSTANT) or id(leaf) in self._given):
                raise UnsupportedError(
                    f"returns a {type(leaf).__name__}, which a replay would not make anew"
                )
            return ("constant", leaf)
        tracer = self.tracer
        if id(leaf) in tracer.captured:
            return ("input", tracer.captured[id(leaf)])
        root = tracer.root(leaf)
        if id(root) in tracer.captured and root is not leaf:
            return ("view", ("input", tracer.captured[id(root)]), chain_of(tracer, leaf))
        if id(root) in self._shared and root is not leaf:
            return ("view", self._produce(root), chain_of(tracer, leaf))
        return self._produce(leaf)

    def _produce(self, tensor: Tensor) -> tuple:
        position = self._positions.get(id(tensor))
        if position is None:
            position = self._positions[id(tensor)] = len(self.produced)
            self.produced.append(tensor)
        return ("output", position)


def chain_of(tracer: Tracer, tensor: Tensor) -> list[tuple[Any, Any]]:
    """The view ops from the root to `tensor`, outermost first."""
    steps = []
    while (view := tracer.view_of(tensor)) is not None:
        parent, op, attrs = view
        steps.append((op, attrs))
        tensor = parent
    return steps[::-1]


def replay(tensor: Tensor, chain: list[tuple[Any, Any]]) -> Tensor:
    for op, attrs in chain:
        tensor = op(tensor, **attrs)
    return tensor
