"""`torch.amp`.  Kernels compute in the dtype of their operands; nothing is cast behind the user's back.

`autocast` where it has nothing to do (disabled, or for a device that is not there) is accepted;
on the CPU it would have to change dtypes, so it says that it does not.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from .. import absent as absent
from ..errors import UnsupportedError, message
from ..ir.types import DType


class autocast:
    """A context manager and decorator; see the module docstring.

    Raises UnsupportedError when entered enabled for the CPU.
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
        if enabled and device_type == "cuda":
            warnings.warn(
                "User provided device_type of 'cuda', but CUDA is not available. Disabling",
                stacklevel=2,
            )
            enabled = False
        self.device, self.fast_dtype, self._enabled = device_type, dtype, enabled

    def __enter__(self) -> autocast:
        if self._enabled:
            raise UnsupportedError(
                message(
                    f"autocast on device '{self.device}' is not supported",
                    hint="cast the model: model.to(torch.bfloat16), or pass enabled=False",
                )
            )
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return wrapper


class GradScaler:
    """Loss scaling against float16 underflow.  Disabled (as PyTorch's is without a GPU) it passes everything through."""

    def __init__(
        self, device: str = "cuda", init_scale: float = 65536.0, growth_factor: float = 2.0,
        backoff_factor: float = 0.5, growth_interval: int = 2000, enabled: bool = True,
    ):  # fmt: skip
        if enabled and device == "cuda":
            warnings.warn(
                "torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.",
                stacklevel=2,
            )
            enabled = False
        if enabled:
            raise UnsupportedError(
                message(
                    f"GradScaler on device '{device}' is not supported", hint="pass enabled=False"
                )
            )
        self._scale = init_scale

    def scale(self, outputs: Any) -> Any:
        """The outputs unchanged."""
        return outputs

    def unscale_(self, optimizer: Any) -> None:
        """Nothing was scaled."""

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """`optimizer.step()`."""
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale: Any = None) -> None:
        """Nothing to adapt."""

    def get_scale(self) -> float:
        """The scale in force: 1."""
        return 1.0

    def is_enabled(self) -> bool:
        """Always False."""
        return False

    def state_dict(self) -> dict[str, Any]:
        """Empty, as PyTorch's is when disabled."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing to restore."""


def custom_fwd(
    fwd: Callable | None = None, *, device_type: str = "cuda", cast_inputs: Any = None
) -> Any:
    """A decorator of `autograd.Function.forward`; without autocast it changes nothing."""
    return (lambda f: f) if fwd is None else fwd


def custom_bwd(bwd: Callable | None = None, *, device_type: str = "cuda") -> Any:
    """A decorator of `autograd.Function.backward`; without autocast it changes nothing."""
    return (lambda f: f) if bwd is None else bwd


def is_autocast_available(device_type: str) -> bool:
    """Whether `autocast` can be enabled for a device type: never."""
    return False

__getattr__ = absent.names_of(__name__)
