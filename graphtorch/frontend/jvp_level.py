"""`JvpLevel`: forward mode.  Every tensor of the level carries a tangent beside its value.

    level.dual(x, t)     x with the tangent t
    process(op, ...)     y = op(x) below, and dy = J t by the rule of the op's kind:

        pointwise        sum of partial(x) * t: the op's own derivative rules, a diagonal
        linear           op(t)
        bilinear         op(ta, b) + op(a, tb)
        the rest         reverse mode twice: g -> J^T g is linear, its gradient along t is J t

The op table thus needs no second set of rules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import UnsupportedError, message
from ..ir import ops
from ..ir.derivative import fill_cotangents, plan_for, type_of
from ..ir.op import Op
from .grad_level import GradLevel, pull
from .grad_mode import state as grad_state
from .level import Level, shares_memory
from .tensor import Tensor

# one operand, and linear in it
LINEAR = frozenset(
    "reshape permute expand slice flip windows diagonal sum mean copy neg cast tril triu windows_add"
    " avg_pool avg_pool_backward adaptive_avg_pool cumsum real imag conj view_as_real view_as_complex fft_c2c"
    " fft_r2c fft_c2r".split()
)
# linear in all floating operands together
JOINTLY_LINEAR = frozenset("concat slice_update diagonal_update add sub complex".split())
# linear in the operands at these places, the others being indices or masks
LINEAR_AT = {"take": (0,), "gather": (0,), "index": (0,), "where": (1, 2), "index_add": (0, 2),
             "scatter_add": (0, 2), "scatter": (0, 2), "index_put": (0, 1), "max_pool_backward": (0,)}  # fmt: skip
BILINEAR = frozenset(("matmul", "conv", "conv_input_grad", "conv_weight_grad", "mul"))
CONSTANT = frozenset(("stop_gradient",))


class JvpLevel(Level):
    """See the module docstring."""

    name = "jvp"
    isolates_grad_mode = False
    enabled = True

    def dual(self, value: Tensor, tangent: Tensor | None) -> Tensor:
        """A tensor of this level."""
        wrapper = self.wrap(value)
        wrapper._tangent = tangent
        return wrapper

    def tangent(self, x: Any) -> Tensor | None:
        """The tangent of a tensor of this level, None for constants."""
        return x._tangent if isinstance(x, Tensor) and x._level is self else None

    def text(self, tensor: Tensor) -> str:
        with self.below():
            shown = repr(tensor._inner)
            if tensor._tangent is None:
                return shown
            return f"{shown[:-1]}, tangent={tensor._tangent!r})"

    def process(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        tangents = [self.tangent(x) for x in inputs]
        mine = [isinstance(x, Tensor) and x._level is self for x in inputs]
        if True not in mine:
            return self.pass_down(op, inputs, attrs)
        if op.numpy is None:
            return op.decompose(*inputs, **attrs)  # type: ignore[misc]
        values = tuple([x._inner if m else x for x, m in zip(inputs, mine, strict=True)])
        found = self.pass_down(op, values, attrs)
        several = found.__class__ is tuple
        results = found if several else (found,)
        moving = [t is not None for t in tangents]
        pushed: Any = (None,) * len(results)
        if True in moving and self.enabled and op.name not in CONSTANT and _floating(results):
            with self.below():
                pushed = push(op, values, tangents, found, attrs)
            pushed = pushed if several else (pushed,)
        outputs = tuple([self.dual(y, t) for y, t in zip(results, pushed, strict=True)])
        if (
            op.kind == "view"
            and mine[0]
            and (op.name != "reshape" or shares_memory(values[0], found))
        ):
            outputs[0]._view = (inputs[0], op, attrs)
            outputs[0]._storage_ = inputs[0]._storage
        return outputs if several else outputs[0]

    def assign(self, tensor: Tensor, value: Tensor) -> Tensor:
        if value._level is not self and tensor._level is not self:
            with self.below():
                tensor._write(value)
            return tensor
        if tensor._level is not self:
            self.adopt(tensor)
        with self.below():
            tensor._inner._write(self.inner(value))
        tensor._count_write()
        tangent = self.tangent(value)
        if tangent is None and tensor._tangent is None:
            return tensor
        self._own_tangent(tensor)
        with self.below():
            if tangent is None:
                tangent = ops.full(shape=tensor._array.shape, value=0, dtype=tensor.dtype)
            tensor._tangent._write(tangent)
        return tensor

    def _own_tangent(self, tensor: Tensor) -> None:
        """Give `tensor`, and the tensors it views, tangents that may be written to."""
        view = tensor._view
        if view is not None and view[0]._level is self:
            parent, op, attrs = view
            if parent._tangent is None or tensor._tangent is None or not tensor._owns_tangent:
                self._own_tangent(parent)
                with self.below():
                    tensor._tangent = op(parent._tangent, **attrs)
                tensor._owns_tangent = True
            return
        if not tensor._owns_tangent:
            with self.below():
                tensor._tangent = (
                    ops.full(shape=tensor._array.shape, value=0, dtype=tensor.dtype)
                    if tensor._tangent is None
                    else ops.copy(tensor._tangent)
                )
            tensor._owns_tangent = True


def _floating(results: tuple[Any, ...]) -> bool:
    return any(y._array.dtype.kind in "fcV" for y in results)


# ---- tangents of results


def push(op: Op, values: Any, tangents: list[Tensor | None], found: Any, attrs: Any) -> Any:
    """The tangent of the result (a tuple of them, None for integers), given those of the operands."""
    name = op.name
    if name in LINEAR or (name == "pad"):
        return op(tangents[0], **({**attrs, "value": 0} if name == "pad" else attrs))
    if name in JOINTLY_LINEAR:
        return op(*[_filled(t, x, found) for t, x in zip(tangents, values, strict=True)], **attrs)
    if name in BILINEAR:
        return _bilinear(op, values, tangents, attrs)
    if name in LINEAR_AT:
        places = LINEAR_AT[name]
        operands = [
            _filled(t, x, found) if i in places else x
            for i, (t, x) in enumerate(zip(tangents, values, strict=True))
        ]
        return op(*operands, **attrs)
    if op.vjp is None:
        raise UnsupportedError(
            message(f"forward-mode differentiation: op {name} has no derivative")
        )
    if "conjugates" in op.meta and any(
        type_of(x).dtype.kind == "c" for x in values if isinstance(x, Tensor)
    ):
        return _not_holomorphic(op, values, tangents, found, attrs)
    if op.kind == "pointwise" or (len(values) == 1 and op.kind == "composite" and _diagonal(op)):
        return _pointwise(op, values, tangents, found, attrs)
    return reverse_twice(op, values, tangents, found, attrs)


def _diagonal(op: Op) -> bool:
    from ..ir.batching import ELEMENTWISE

    return op.name in ELEMENTWISE


def _filled(tangent: Tensor | None, value: Any, found: Any) -> Any:
    if tangent is not None:
        return tangent
    if not isinstance(value, Tensor):  # a number beside a tensor
        return ops.full(shape=found._array.shape, value=0, dtype=found.dtype)
    return ops.full(shape=value._array.shape, value=0, dtype=value.dtype)


def _total(parts: list[Any]) -> Any:
    total = parts[0]
    for part in parts[1:]:
        total = ops.add(total, part)
    return total


def _bilinear(op: Op, values: Any, tangents: list[Tensor | None], attrs: Any) -> Any:
    a, b = values
    parts = []
    if tangents[0] is not None:
        parts.append(op(tangents[0], b, **attrs))
    if tangents[1] is not None:
        parts.append(op(a, tangents[1], **attrs))
    return _total(parts)


def _pointwise(op: Op, values: Any, tangents: list[Tensor | None], found: Any, attrs: Any) -> Any:
    parts = []
    for i, tangent in enumerate(tangents):
        if tangent is None:
            continue
        needs = tuple([j == i for j in range(len(values))])
        part = plan_for(op, needs)(values, found, tangent, attrs)[i]
        if part is not None:
            parts.append(part)
    return _total(parts) if parts else None


def _not_holomorphic(
    op: Op, values: Any, tangents: list[Tensor | None], found: Any, attrs: Any
) -> Any:
    """A real function of complex elements: its gradient for g = 1 is conj(df), so dy = Re(conj(grad) t)."""
    if (
        found.__class__ is tuple
        or found.dtype.kind == "c"
        or found._array.shape != values[0]._array.shape
    ):
        raise UnsupportedError(
            message(
                f"forward-mode differentiation of {op.name} for complex tensors is not supported"
            )
        )
    one = ops.full(shape=found._array.shape, value=1, dtype=found.dtype)
    parts = []
    for i, tangent in enumerate(tangents):
        if tangent is not None:
            needs = tuple([j == i for j in range(len(values))])
            gradient = plan_for(op, needs)(values, found, one, attrs)[i]
            parts.append(ops.real(ops.mul(ops.conj(gradient), tangent)))
    return _total(parts)


def reverse_twice(
    op: Op, values: Any, tangents: list[Tensor | None], found: Any, attrs: Any
) -> Any:
    """J t as the derivative, along t, of the linear function g -> J^T g."""
    given = [
        x
        for x in (*values, *(found if found.__class__ is tuple else (found,)))
        if isinstance(x, Tensor)
    ]
    if any(x.dtype.kind == "c" for x in given):
        raise UnsupportedError(
            message(
                f"forward-mode differentiation of {op.name} for complex tensors is not supported"
            )
        )
    needs = tuple([t is not None for t in tangents])
    results = found if found.__class__ is tuple else (found,)
    level = GradLevel()
    with level:
        cotangents = [
            level.leaf(ops.full(shape=y._array.shape, value=0, dtype=y.dtype))
            if y._array.dtype.kind in "fcV"
            else None
            for y in results
        ]
        g: Any = cotangents[0]
        if found.__class__ is tuple:
            g = fill_cotangents(cotangents, [type_of(y) for y in results])
        reached = plan_for(op, needs)(values, found, g, attrs)
        pairs = [
            (level.keep(x), t)
            for x, t in zip(reached, tangents, strict=True)
            if t is not None and x is not None and x._level is level
        ]
    leaves = [c for c in cotangents if c is not None]
    pulled = iter(pull([x for x, _ in pairs], [t for _, t in pairs], leaves))
    pushed = tuple([None if c is None else next(pulled) for c in cotangents])
    return pushed if found.__class__ is tuple else pushed[0]


Push = Callable[..., Any]
__all__ = ["JvpLevel", "grad_state", "push", "reverse_twice"]
