"""`torch.autograd.forward_ad`: tensors that carry a tangent through the program.

with dual_level():
    dual = make_dual(x, tangent)
    primal, moved = unpack_dual(f(dual))        moved = J_f(x) tangent
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..frontend.functional.conversion import view_of
from ..frontend.jvp_level import JvpLevel
from ..frontend.level import levels
from ..frontend.tensor import Tensor


class DualLevel(JvpLevel):
    """The level of a `dual_level()` block."""

    transparent = True  # `backward()` of a dual tensor is that of its primal

    def __exit__(self, *error: Any) -> None:
        from ..frontend.grad_mode import state

        self._grad_mode = state.enabled
        super().__exit__(*error)


def _current() -> DualLevel | None:
    return next((level for level in levels() if isinstance(level, DualLevel)), None)


def enter_dual_level() -> int:
    """Start a level; returns its number (always 0: levels do not nest)."""
    if _current() is not None:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    DualLevel().__enter__()
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """End the level: all tangents are forgotten."""
    current = _current()
    if current is None:
        raise RuntimeError(
            "Trying to exit a forward AD level but no level is active, make sure to enter_dual_level() first."
        )
    current.__exit__(None, None, None)


class dual_level:
    """A `with` block in which tensors may carry tangents.

    >>> import graphtorch as torch
    >>> import graphtorch.autograd.forward_ad as fwAD
    >>> with fwAD.dual_level():
    ...     dual = fwAD.make_dual(torch.tensor(3.0), torch.tensor(1.0))
    ...     fwAD.unpack_dual(dual * dual).tangent
    tensor(6.)
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *error: Any) -> None:
        exit_dual_level()


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """`tensor` carrying `tangent`, which has its shape and dtype.

    Raises RuntimeError outside a level, ValueError for dtypes that are not floating.
    """
    current = _current()
    if current is None:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to"
            " enter_dual_level() first."
        )
    for name, x in (("tensor", tensor), ("tangent", tangent)):
        if x.dtype.kind not in "fc":
            raise ValueError(
                f"Expected {name} to be floating point or complex, but got: {x.dtype!r}"
            )
    if tensor._array.shape != tangent._array.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor,"
            f" this is not supported. Tensor is of size {list(tensor._array.shape)} while the given forward"
            f" gradient is of size {list(tangent._array.shape)}."
        )
    with current.below():
        return current.dual(view_of(current.inner(tensor)), current.inner(tangent))


class UnpackedDualTensor(NamedTuple):
    """What `unpack_dual` returns."""

    primal: Tensor
    tangent: Tensor | None


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The value and the tangent (None for tensors without)."""
    current = _current()
    if current is None or not current.owns(tensor):
        return UnpackedDualTensor(tensor, None)
    return UnpackedDualTensor(current.inner(tensor), current.tangent(tensor))


class _set_fwd_grad_enabled:
    """Switch tangents off for a `with` block."""

    def __init__(self, mode: bool):
        self.mode = mode

    def __enter__(self) -> None:
        self.before = JvpLevel.enabled
        JvpLevel.enabled = self.mode

    def __exit__(self, *error: Any) -> None:
        JvpLevel.enabled = self.before
