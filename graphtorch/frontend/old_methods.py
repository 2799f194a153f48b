"""Tensor's methods that PyTorch keeps for old programs, and flags of devices that are not here."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .functional.wrapping import concrete, fresh
from .size import sizes
from .tensor import Tensor


def resize(self: Tensor, *sizes_: Any) -> Tensor:
    """The elements in another shape of as many; raises RuntimeError otherwise."""
    warnings.warn("non-inplace resize is deprecated", stacklevel=2)
    shape = sizes(sizes_)
    if int(np.prod(shape, dtype=np.int64)) != self._array.size:
        raise RuntimeError(
            f"requested resize to {'x'.join(map(str, shape))} ({int(np.prod(shape, dtype=np.int64))} elements in total),"
            f" but the given tensor has a size of {'x'.join(map(str, self._array.shape))} ({self._array.size} elements)."
            " autograd's resize can only change the shape of a given tensor, while preserving the number of elements. "
        )
    return self.reshape(shape)  # type: ignore[attr-defined]


def resize_as(self: Tensor, tensor: Tensor) -> Tensor:
    """The elements in the shape of another tensor of as many."""
    return resize(self, tensor._array.shape)


def map_(self: Tensor, other: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Replace every element by `callable(element, element of other)`, in Python."""
    mine, theirs = np.broadcast_arrays(concrete(self), concrete(other))
    if mine.shape != self._array.shape:
        raise RuntimeError("map_: the other tensor does not broadcast to this one's shape")
    values = [callable(a.item(), b.item()) for a, b in zip(mine.flat, theirs.flat, strict=True)]
    return self._write(fresh(np.asarray(values, self._array.dtype).reshape(self._array.shape)))


def map2_(self: Tensor, x: Tensor, y: Tensor, callable: Callable[[Any, Any, Any], Any]) -> Tensor:
    """Replace every element by `callable(element, element of x, element of y)`, in Python."""
    arrays = np.broadcast_arrays(concrete(self), concrete(x), concrete(y))
    if arrays[0].shape != self._array.shape:
        raise RuntimeError("map2_: the other tensors do not broadcast to this one's shape")
    values = [
        callable(a.item(), b.item(), c.item())
        for a, b, c in zip(*(r.flat for r in arrays), strict=True)
    ]
    return self._write(fresh(np.asarray(values, self._array.dtype).reshape(self._array.shape)))


def dim_order(self: Tensor, *, ambiguity_check: Any = False) -> tuple[int, ...]:
    """The dims from the largest step to the smallest."""
    steps = self.stride()  # type: ignore[attr-defined]
    return tuple(sorted(range(len(steps)), key=lambda d: -steps[d]))


def module_load(self: Tensor, other: Tensor, assign: bool = False) -> Tensor:
    """What `load_state_dict` puts in place of this tensor for `other`: `other`'s values."""
    if assign:
        return other.detach()
    return self.copy_(other).detach()  # type: ignore[attr-defined]


def _flag(what: str) -> property:
    return property(lambda self: False, doc=f"{what} Never.")


TABLE: dict[str, Any] = {
    "resize": resize, "resize_as": resize_as, "map_": map_, "map2_": map2_, "dim_order": dim_order,
    "module_load": module_load,
    "is_sparse_csr": _flag("Sparse by rows?"), "is_xla": _flag("On an XLA device?"),
    "is_vulkan": _flag("On a Vulkan device?"), "is_ipu": _flag("On an IPU?"), "is_maia": _flag("On a Maia device?"),
    "is_mtia": _flag("On an MTIA device?"), "volatile": _flag("Without history, as of old?"),
    "name": property(lambda self: None, doc="The name of a variable, as of old: None."),
    "grad_dtype": property(lambda self: self.dtype, doc="The dtype of its gradient."),
    "is_distributed": lambda self: False,
    "_is_view": lambda self: self._view is not None,
    "_is_zerotensor": lambda self: False,
    "_is_all_true": lambda self: self.all(), "_is_any_true": lambda self: self.any(),
    "_typed_storage": lambda self: self.storage(),
}  # fmt: skip


def install(cls: type = Tensor) -> None:
    """Put them on the class."""
    for name, attribute in TABLE.items():
        if name not in vars(cls):
            setattr(cls, name, attribute)


install()
