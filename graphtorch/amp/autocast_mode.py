"""`torch.amp.autocast`: products in bfloat16 or float16, delicate functions in float32."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from ..frontend import autocasting
from ..frontend.tensor import Tensor
from ..ir.types import DType, bfloat16, float16

__all__ = ["autocast", "autocast_decorator", "custom_bwd", "custom_fwd", "is_autocast_available"]


def is_autocast_available(device_type: str) -> bool:
    """Whether `autocast` can be on for a device type."""
    from .. import cuda

    return device_type == "cpu" or (device_type == "cuda" and cuda.is_available())


class autocast:
    """A context manager and decorator: inside, listed functions cast their operands (`frontend.autocasting`).

    dtype: bfloat16 (the CPU's default) or float16.  For "cuda" without a GPU it warns and is off.
    Raises ValueError for a device type that is no text, RuntimeError for one that is not known.

    >>> import graphtorch as torch
    >>> x = torch.ones(2, 2)
    >>> with torch.autocast("cpu", dtype=torch.bfloat16):
    ...     y = x @ x
    >>> y.dtype
    torch.bfloat16
    """

    def __init__(
        self,
        device_type: str,
        dtype: DType | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ):
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        if device_type not in ("cpu", "cuda"):
            raise RuntimeError(
                f"User specified an unsupported autocast device_type '{device_type}'"
            )
        self.device = device_type
        self.fast_dtype = autocasting.get_autocast_dtype(device_type) if dtype is None else dtype
        self._cache_enabled = (
            autocasting.is_autocast_cache_enabled() if cache_enabled is None else cache_enabled
        )
        if enabled and not is_autocast_available(device_type):
            warnings.warn(
                f"User provided device_type of '{device_type}', but CUDA is not available. Disabling",
                stacklevel=2,
            )
            enabled = False
        if enabled and self.fast_dtype not in (bfloat16, float16):
            warnings.warn(
                f"In {device_type.upper()} autocast, but the target dtype is not supported. Disabling autocast.\n"
                f"{device_type.upper()} Autocast only supports dtype of torch.bfloat16, torch.float16 currently.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        self._before: list[tuple] = []

    def __enter__(self) -> autocast:
        state = autocasting.state
        self._before.append((state.enabled, state.dtype, state.caching))
        if self._enabled:
            autocasting.install()
        # a GPU's eager ops run as the CPU's do
        kinds = ("cpu", "cuda") if self.device == "cuda" and self._enabled else (self.device,)
        state.switch(
            {**state.enabled, **dict.fromkeys(kinds, self._enabled)},
            {**state.dtype, **dict.fromkeys(kinds, self.fast_dtype)},
        )
        state.caching = self._cache_enabled
        autocasting.autocast_increment_nesting()
        return self

    def __exit__(self, *error: Any) -> None:
        state = autocasting.state
        if autocasting.autocast_decrement_nesting() == 0:
            autocasting.clear_autocast_cache()
        enabled, dtype, state.caching = self._before.pop()
        state.switch(enabled, dtype)

    def __call__(self, function: Callable) -> Callable:
        return autocast_decorator(self, function)


def autocast_decorator(instance: autocast, function: Callable) -> Callable:
    """`function`, run inside `instance`."""

    @functools.wraps(function)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        with instance:
            return function(*args, **kwargs)

    return decorated


def custom_fwd(
    fwd: Callable | None = None, *, device_type: str = "cuda", cast_inputs: DType | None = None
) -> Any:
    """A decorator of `autograd.Function.forward` for use under autocast.

    cast_inputs: floating inputs are cast to this type and the body runs without autocast; None: the body
    runs in the autocast state it is called in.
    """
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def forward(*args: Any, **kwargs: Any) -> Any:
        first = args[0]
        enabled = autocasting.is_autocast_enabled(device_type)
        first._dtype = autocasting.get_autocast_dtype(device_type)
        if cast_inputs is None:
            first._fwd_used_autocast = enabled
            return fwd(*args, **kwargs)
        first._fwd_used_autocast = False
        if not enabled:
            return fwd(*args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(*_cast(args, cast_inputs), **_cast(kwargs, cast_inputs))

    return forward


def _cast(value: Any, dtype: DType) -> Any:
    if isinstance(value, Tensor):
        is_wanted = value.is_floating_point() and value.dtype.itemsize <= 4
        return value.to(dtype) if is_wanted else value
    if isinstance(value, dict):
        return {_cast(k, dtype): _cast(v, dtype) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([_cast(v, dtype) for v in value])
    return value


def custom_bwd(bwd: Callable | None = None, *, device_type: str = "cuda") -> Any:
    """A decorator of `autograd.Function.backward`: it runs in the autocast state of the forward."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def backward(*args: Any, **kwargs: Any) -> Any:
        with autocast(device_type, enabled=args[0]._fwd_used_autocast, dtype=args[0]._dtype):
            return bwd(*args, **kwargs)

    return backward
