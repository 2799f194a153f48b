"""Compare a result of graphtorch with PyTorch's; a difference comes back as words, agreement as ''."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import graphtorch

from .convert import array_of

# relative and absolute tolerance; the absolute one grows with the largest value of the result
_TOLERANCE = {
    "float64": (1e-7, 1e-9), "complex128": (1e-7, 1e-9), "float32": (1e-4, 1e-5),
    "complex64": (1e-4, 1e-5), "float16": (1e-2, 1e-2), "bfloat16": (3e-2, 3e-2),
    "complex32": (1e-2, 1e-2),
}  # fmt: skip


def difference(theirs: Any, ours: Any, where: str = "", values: bool = True) -> str:
    """What differs first between two results, or ''."""
    if isinstance(theirs, torch.Tensor):
        return _tensors(theirs, ours, where, values)
    if isinstance(theirs, (tuple, list)):
        if not isinstance(ours, (tuple, list)):
            return f"{where}: {type(ours).__name__} for a {type(theirs).__name__}"
        if len(ours) != len(theirs):
            return f"{where}: {len(ours)} results for {len(theirs)}"
        return next(
            filter(None, (difference(a, b, f"{where}[{i}]", values) for i, (a, b) in enumerate(zip(theirs, ours, strict=True)))), ""
        )  # fmt: skip
    if isinstance(theirs, (bool, int, float, complex)):
        if type(ours) is not type(theirs):
            return f"{where}: {type(ours).__name__} for {type(theirs).__name__}"
        if values and not np.allclose(ours, theirs, rtol=1e-6, atol=1e-6, equal_nan=True):
            return f"{where}: {ours!r} for {theirs!r}"
        return ""
    if theirs is None:
        return "" if ours is None else f"{where}: {type(ours).__name__} for None"
    return "" if str(theirs) == str(ours) else f"{where}: {ours!s:.40} for {theirs!s:.40}"


def _tensors(theirs: torch.Tensor, ours: Any, where: str, values: bool) -> str:
    if not isinstance(ours, graphtorch.Tensor):
        return f"{where}: {type(ours).__name__} for a Tensor"
    if str(theirs.dtype) != str(ours.dtype):
        return f"{where}: dtype {ours.dtype} for {theirs.dtype}"
    if tuple(theirs.shape) != tuple(ours.shape):
        return f"{where}: shape {tuple(ours.shape)} for {tuple(theirs.shape)}"
    if not values:
        return ""
    a, b = array_of(theirs), np.asarray(ours.detach()._array)
    name = str(theirs.dtype).removeprefix("torch.")
    if name not in _TOLERANCE:
        wrong = a != b
    else:
        if name in ("bfloat16", "float16"):
            a, b = a.astype(np.float32), b.astype(np.float32)
        relative, absolute = _TOLERANCE[name]
        finite = np.abs(a[np.isfinite(a)])
        absolute *= max(1.0, float(finite.max()) * 1e-1) if finite.size else 1.0
        with np.errstate(all="ignore"):
            wrong = ~np.isclose(b, a, rtol=relative, atol=absolute, equal_nan=True)
    if not wrong.any():
        return ""
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"{where}: {int(wrong.sum())} of {a.size} values differ, at {list(at)} {b[at]!s} for {a[at]!s}"
