"""`GradLevel`: a tape of its own for one transformed function (`torch.func.grad`, `vjp`).

    w = level.leaf(x)         a wrapper of x, a leaf of this level's tape
    y = function(w)           ops compute on the wrapped values below, and leave nodes here
    pull(...)                 the engine runs those nodes with whoever is on top then

Nodes keep values of the levels *below*, so gradients of this level are ordinary computations there:
they can be batched, differentiated again, and traced.
"""

from __future__ import annotations

from typing import Any

from ..ir.derivative import plan_for, type_of
from ..ir.op import Op
from .eager import differentiable
from .engine import engine as _engine
from .grad_mode import state as grad_state
from .level import Level, shares_memory
from .tape import TapeNode, code_position
from .tensor import Tensor


class GradLevel(Level):
    """See the module docstring."""

    name = "grad"
    title = "GradTrackingTensor"
    isolates_grad_mode = True

    def __init__(self) -> None:
        super().__init__()
        self.kept: set[int] = set()

    def __enter__(self) -> GradLevel:
        super().__enter__()
        grad_state.enabled = True
        return self

    def leaf(self, value: Tensor) -> Tensor:
        """A leaf of this level's tape, if `value` is floating; a constant otherwise."""
        wrapper = self.wrap(value)
        wrapper._requires_grad = value._array.dtype.kind in "fcV"
        self.kept.add(id(wrapper))
        return wrapper

    def keep(self, wrapper: Tensor) -> Tensor:
        """Let a result live on when the level ends, so that its tape can be run."""
        wrapper._history()
        self.kept.add(id(wrapper))
        return wrapper

    def outlived(self, tensor: Tensor) -> None:
        if id(tensor) not in self.kept:
            super().outlived(tensor)

    def process(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        mine = [isinstance(x, Tensor) and x._level is self for x in inputs]
        if True not in mine:
            return self.pass_down(op, inputs, attrs)
        if op.numpy is None:
            return op.decompose(*inputs, **attrs)  # type: ignore[misc]
        values = tuple([x._inner if m else x for x, m in zip(inputs, mine, strict=True)])
        found = self.pass_down(op, values, attrs)
        if found.__class__ is tuple:
            result: Any = tuple([self.wrap(y) for y in found])
            outputs, results = result, found
        else:
            result = self.wrap(found)
            outputs, results = (result,), (found,)
            if op.kind == "view" and (op.name != "reshape" or shares_memory(values[0], found)):
                parent = inputs[0]
                result._view, result._storage_ = (parent, op, attrs), parent._storage
                result._view_epoch = parent._storage.epoch
        if grad_state.enabled and op.vjp is not None and results[0]._array.dtype.kind in "fcV":
            needs = tuple(
                [
                    m and (x._requires_grad or x._history() is not None)
                    for x, m in zip(inputs, mine, strict=True)
                ]
            )
            if True in needs:
                needs = differentiable(op, needs)
                if True in needs:
                    record_on_level(op, inputs, values, attrs, outputs, results, needs)
        return result

    def assign(self, tensor: Tensor, value: Tensor) -> Tensor:
        if value._level is not self and tensor._level is not self:
            with self.below():
                tensor._write(value)
            return tensor
        if tensor._level is not self:
            self.adopt(tensor)
        source = value if value._level is self else self.wrap(value)
        tracked = grad_state.enabled and (tensor.requires_grad or source.requires_grad)
        if tracked:
            tensor._check_write()
            if source._requires_grad and source._node is None:
                from ..ir import ops

                source = ops.reshape(source, shape=source._array.shape)
        history = source._history(), source._index
        with self.below():
            if tracked and history[0] is not None and history[0].versions:
                history[0].keep_before_write(tensor._inner._storage)
            tensor._inner._write(self.inner(source))
        tensor._count_write()
        if tracked:
            tensor._rebase(source, *history)
        return tensor


def record_on_level(
    op: Op, inputs: tuple[Any, ...], values: tuple[Any, ...], attrs: dict[str, Any],
    outputs: tuple[Tensor, ...], results: tuple[Tensor, ...], needs: tuple[bool, ...],
) -> None:  # fmt: skip
    """Put an op on a level's tape: edges between wrappers, saved values from below."""
    plan = plan_for(op, needs)
    node = TapeNode(
        op,
        tuple(
            [
                None if not need else (x if x._node is None else (x._node, x._index))
                for x, need in zip(inputs, needs, strict=True)
            ]
        ),
        attrs,
    )
    node.plan = plan
    node.position = code_position()
    saved: list[Any] = [None if isinstance(x, Tensor) else x for x in values]
    versions = []
    for index in plan.values:
        saved[index] = values[index]
        if isinstance(values[index], Tensor):
            versions.append((index, values[index]._version))
    for index in plan.types:
        saved[index] = type_of(values[index])
    node.saved, node.versions = saved, versions
    if len(outputs) == 1:
        node.outputs = None
        node.output = results[0] if plan.output else type_of(results[0])
        outputs[0]._node = node
        if outputs[0]._view is not None:
            outputs[0]._view_epoch = outputs[0]._storage.epoch
    else:
        node.outputs = tuple([type_of(y) for y in results])
        node.output = results if plan.output else node.outputs
        for index, output in enumerate(outputs):
            if output._array.dtype.kind in "fcV":
                output._node, output._index = node, index


def pull(
    outputs: list[Tensor], cotangents: list[Tensor], inputs: list[Tensor], retain: bool = True
) -> list[Tensor | None]:
    """Run a level's tape from `outputs` back to `inputs`; None where there is no path.

    The cotangents, and the gradients returned, are values of whoever is on top now.
    """
    roots = [
        (y, g)
        for y, g in zip(outputs, cotangents, strict=True)
        if y._node is not None or y._requires_grad
    ]
    if not roots:
        return [None] * len(inputs)
    return _engine(roots, retain, grad_state.enabled, inputs) or []
