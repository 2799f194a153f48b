"""`torch._foreach_*`: one operation on every tensor of a list.

    _foreach_mul(tensors, 2.0)          one number for all
    _foreach_mul(tensors, [1.0, 2.0])   one number each
    _foreach_mul_(tensors, others)      one tensor each, in place

PyTorch uses them to batch an optimiser's work; here they are loops, and the compiler batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .tensor import Tensor

# fmt: off
_UNARY = (
    "abs", "acos", "asin", "atan", "ceil", "cos", "cosh", "erf", "erfc", "exp", "expm1", "floor",
    "frac", "lgamma", "log", "log10", "log1p", "log2", "neg", "reciprocal", "round", "rsqrt", "sigmoid", "sign",
    "sin", "sinh", "sqrt", "tan", "tanh", "trunc",
)
_BINARY = ("add", "sub", "mul", "div", "pow", "clamp_min", "clamp_max", "maximum", "minimum")
_TERNARY = ("addcmul", "addcdiv")
# fmt: on


def _each(value: Any, count: int, what: str) -> Sequence[Any]:
    """One value for each tensor: a list as it is, anything else repeated."""
    if isinstance(value, list | tuple):
        if len(value) != count:
            raise RuntimeError(
                f"Tensor lists must have the same number of tensors, got {count} and {len(value)} ({what})"
            )
        return value
    if isinstance(value, Tensor) and value.dim() == 1 and value.numel() == count:
        return value.tolist()
    return [value] * count


def _larger(x: Tensor, other: Any) -> Tensor:
    return x.maximum(other) if isinstance(other, Tensor) else x.clamp(min=other)


def _smaller(x: Tensor, other: Any) -> Tensor:
    return x.minimum(other) if isinstance(other, Tensor) else x.clamp(max=other)


_SPECIAL: dict[str, Callable[[Tensor, Any], Tensor]] = {
    "maximum": _larger,
    "clamp_min": _larger,
    "minimum": _smaller,
    "clamp_max": _smaller,
}


def _binary(name: str) -> Callable[..., list[Tensor]]:
    function = _SPECIAL.get(name) or (
        lambda x, other, **options: getattr(x, name)(other, **options)
    )

    def foreach(self: Sequence[Tensor], other: Any, **options: Any) -> list[Tensor]:
        others = _each(other, len(self), "other")
        return [function(x, y, **options) for x, y in zip(self, others, strict=True)]

    return foreach


def _unary(name: str) -> Callable[..., list[Tensor]]:
    def foreach(self: Sequence[Tensor]) -> list[Tensor]:
        return [getattr(x, name)() for x in self]

    return foreach


def _ternary(name: str) -> Callable[..., list[Tensor]]:
    def foreach(
        self: Sequence[Tensor],
        tensor1: Sequence[Tensor],
        tensor2: Sequence[Tensor],
        value: Any = 1,
        *,
        scalars: Any = None,
    ) -> list[Tensor]:
        values = _each(value if scalars is None else scalars, len(self), "value")
        rows = zip(self, tensor1, tensor2, values, strict=True)
        if name == "addcmul":
            return [x + a * b * v for x, a, b, v in rows]
        return [x + a / b * v for x, a, b, v in rows]

    return foreach


def _in_place(function: Callable[..., list[Tensor]]) -> Callable[..., None]:
    def foreach(self: Sequence[Tensor], *args: Any, **kwargs: Any) -> None:
        for x, new in zip(self, function(self, *args, **kwargs), strict=True):
            x.copy_(new)

    return foreach


def _foreach_lerp(self: Sequence[Tensor], tensors1: Sequence[Tensor], weight: Any) -> list[Tensor]:
    """self + weight * (tensors1 - self)."""
    weights = _each(weight, len(self), "weight")
    return [x.lerp(y, w) for x, y, w in zip(self, tensors1, weights, strict=True)]


def _foreach_norm(self: Sequence[Tensor], ord: float = 2, dtype: Any = None) -> list[Tensor]:
    """The vector norm of each tensor."""
    import graphtorch

    return [graphtorch.linalg.vector_norm(x, ord, dtype=dtype) for x in self]


def _foreach_max(self: Sequence[Tensor]) -> list[Tensor]:
    """The largest element of each tensor."""
    return [x.max() for x in self]


def _foreach_zero_(self: Sequence[Tensor]) -> None:
    """Set every tensor to zero."""
    for x in self:
        x.zero_()


def _foreach_copy_(
    self: Sequence[Tensor], src: Sequence[Tensor], non_blocking: bool = False
) -> None:
    """Copy tensor by tensor."""
    for x, y in zip(self, src, strict=True):
        x.copy_(y)


_foreach_lerp_ = _in_place(_foreach_lerp)

for _names, _make in ((_UNARY, _unary), (_BINARY, _binary), (_TERNARY, _ternary)):
    for _name in _names:
        _function = _make(_name)
        _function.__name__ = f"_foreach_{_name}"
        globals()[f"_foreach_{_name}"] = _function
        globals()[f"_foreach_{_name}_"] = _in_place(_function)
