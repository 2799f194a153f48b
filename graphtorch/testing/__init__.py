"""`torch.testing`: comparing tensors in tests."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import absent as absent
from ..frontend.from_data import as_tensor, tensor
from ..frontend.promotion import promote_types
from ..frontend.tensor import Tensor
from ..ir.types import DType

# PyTorch's defaults: (rtol, atol)
_TOLERANCES = {
    "float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7), "complex64": (1.3e-6, 1e-5), "complex128": (1e-7, 1e-7),
}  # fmt: skip


def _default_tolerances(*dtypes: DType) -> tuple[float, float]:
    pairs = [_TOLERANCES.get(d.name, (0.0, 0.0)) for d in dtypes]
    return max(r for r, _ in pairs), max(a for _, a in pairs)


def assert_close(
    actual: Any, expected: Any, *, allow_subclasses: bool = True, rtol: float | None = None,
    atol: float | None = None, equal_nan: bool = False, check_device: bool = True, check_dtype: bool = True,
    check_layout: bool = True, check_stride: bool = False, msg: str | Callable[[str], str] | None = None,
) -> None:  # fmt: skip
    """Raise AssertionError unless the values (tensors, numbers, or containers of them) are close.

    |actual - expected| <= atol + rtol * |expected|, with defaults by dtype.

    >>> import graphtorch as torch
    >>> torch.testing.assert_close(torch.tensor([1.0]), torch.tensor([1.0 + 1e-7]))
    """
    if (rtol is None) != (atol is None):
        raise ValueError(
            "rtol and atol must both be specified or both be unspecified, but got"
            f" rtol={rtol} and atol={atol} instead"
        )
    problem = _difference(
        actual, expected, rtol, atol, equal_nan, check_dtype, check_device, check_stride, ""
    )
    if problem is not None:
        raise AssertionError(msg(problem) if callable(msg) else msg or problem)


def _difference(
    actual: Any, expected: Any, rtol: Any, atol: Any, equal_nan: bool, check_dtype: bool, check_device: bool,
    check_stride: bool, where: str,
) -> str | None:  # fmt: skip
    rest = (rtol, atol, equal_nan, check_dtype, check_device, check_stride)
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if set(actual) != set(expected):
            return (
                "The keys of the mappings do not match:\n"
                f"Missing keys in the actual mapping: {sorted(set(expected) - set(actual))}\n"
                f"Additional keys in the actual mapping: {sorted(set(actual) - set(expected))}"
            )
        pairs = [(key, actual[key], expected[key]) for key in expected]
    elif _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            return f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
        pairs = [(i, a, e) for i, (a, e) in enumerate(zip(actual, expected, strict=True))]
    else:
        found = _leaf_difference(actual, expected, *rest)
        return (
            found
            if found is None or not where
            else f"{found}\n\nThe failure occurred for item {where}"
        )
    for key, a, e in pairs:
        found = _difference(a, e, *rest, where=f"{where}[{key}]")
        if found is not None:
            return found
    return None


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _leaf_difference(
    actual: Any, expected: Any, rtol: Any, atol: Any, equal_nan: bool, check_dtype: bool, check_device: bool,
    check_stride: bool,
) -> str | None:  # fmt: skip
    if actual is None and expected is None:
        return None
    numbers = (bool, int, float, complex)
    scalar = isinstance(actual, numbers) and isinstance(expected, numbers)
    try:
        a, e = as_tensor(actual), as_tensor(expected)
    except (TypeError, RuntimeError, ValueError):
        return None if actual == expected else f"{actual!r} != {expected!r}"
    if not scalar:
        if a.shape != e.shape:
            return f"The values for attribute 'shape' do not match: {a.shape} != {e.shape}."
        if check_device and a.device != e.device:
            return f"The values for attribute 'device' do not match: {a.device} != {e.device}."
        if check_dtype and a.dtype is not e.dtype:
            return f"The values for attribute 'dtype' do not match: {a.dtype} != {e.dtype}."
        if check_stride and a.stride() != e.stride():
            return (
                f"The values for attribute 'stride()' do not match: {a.stride()} != {e.stride()}."
            )
    if rtol is None:
        rtol, atol = _default_tolerances(a.dtype, e.dtype)
    common = promote_types(a.dtype, e.dtype)
    return _values_difference(_wide(a, common), _wide(e, common), rtol, atol, equal_nan, scalar)


def _wide(x: Tensor, dtype: DType) -> np.ndarray:
    array = x.detach().cpu().to(dtype)._array
    if dtype.kind == "f":
        return array.astype(np.float64)
    return array.astype(np.int64) if dtype.kind in "iub" else array


def _values_difference(
    a: np.ndarray, e: np.ndarray, rtol: float, atol: float, equal_nan: bool, scalar: bool
) -> str | None:
    with np.errstate(all="ignore"):
        gap = np.abs(a - e)
        close = (a == e) | (np.isfinite(gap) & (gap <= atol + rtol * np.abs(e)))
        if equal_nan and a.dtype.kind in "fc":
            close |= np.isnan(a) & np.isnan(e)
    if close.all():
        return None
    exact = rtol == 0 and atol == 0
    kind = "Scalars" if scalar else "Tensor-likes"
    head = f"{kind} are not {'equal' if exact else 'close'}!\n\n"
    with np.errstate(all="ignore"):
        relative = np.where(close, 0, gap / np.abs(e))
    gap = np.where(close, 0, gap)
    if a.ndim == 0:
        allowed = "" if exact else f" (up to {atol} allowed)"
        allowed_r = "" if exact else f" (up to {rtol} allowed)"
        return (
            f"{head}Expected {e.item()} but got {a.item()}.\n"
            f"Absolute difference: {_number(gap)}{allowed}\nRelative difference: {_number(relative)}{allowed_r}"
        )
    wrong = int((~close).sum())
    at = tuple(
        int(i)
        for i in np.unravel_index(np.argmax(np.where(np.isnan(gap), math.inf, gap)), gap.shape)
    )
    at_r = tuple(
        int(i)
        for i in np.unravel_index(
            np.argmax(np.where(np.isnan(relative), math.inf, relative)), gap.shape
        )
    )
    allowed = "" if exact else f" (up to {atol} allowed)"
    allowed_r = "" if exact else f" (up to {rtol} allowed)"
    return (
        f"{head}Mismatched elements: {wrong} / {a.size} ({100 * wrong / a.size:.1f}%)\n"
        f"Greatest absolute difference: {_number(gap[at])} at index {at}{allowed}\n"
        f"Greatest relative difference: {_number(relative[at_r])} at index {at_r}{allowed_r}"
    )


def _number(x: Any) -> Any:
    return np.asarray(x).item()


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """The older `assert_close`: dtypes may differ."""
    if not isinstance(actual, Tensor):
        actual = tensor(actual)
    if not isinstance(expected, Tensor):
        expected = tensor(expected, dtype=actual.dtype)
    assert_close(
        actual,
        expected,
        rtol=rtol,
        atol=atol,
        equal_nan=equal_nan,
        check_dtype=False,
        msg=msg or None,
    )


def make_tensor(
    *shape: Any, dtype: DType, device: Any = None, low: float | None = None, high: float | None = None,
    requires_grad: bool = False, noncontiguous: bool = False, exclude_zero: bool = False,
) -> Tensor:  # fmt: skip
    """Random numbers of any dtype between low and high (by default -9 and 9), for tests."""
    from ..frontend.random import rand, randint
    from ..frontend.size import sizes

    size = sizes(shape)
    if dtype.kind == "b":
        x = randint(0, 2, size).to(dtype)
    elif dtype.kind in "iu":
        bottom = int(low if low is not None else 0 if dtype.kind == "u" else -9)
        x = randint(bottom, int(10 if high is None else high), size, dtype=dtype)
    else:
        bottom, top = -9.0 if low is None else low, 9.0 if high is None else high
        x = (rand(size) * (top - bottom) + bottom).to(dtype)
    if exclude_zero:
        x = x.masked_fill(x == 0, 1)
    return x.requires_grad_(True) if requires_grad else x


__getattr__ = absent.names_of(__name__)
