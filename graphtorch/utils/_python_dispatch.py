"""`torch.utils._python_dispatch`: `__torch_dispatch__`, which is not called here."""

from __future__ import annotations

from typing import Any

from .. import absent
from ..errors import UnsupportedError, message


class TorchDispatchMode:
    """A mode asked below autograd; entering one raises UnsupportedError."""

    def __enter__(self) -> Any:
        raise UnsupportedError(
            message(
                "__torch_dispatch__ is not supported",
                hint="torch.overrides.TorchFunctionMode is asked at every public function",
            )
        )

    def __exit__(self, *_: Any) -> None:
        pass


def is_traceable_wrapper_subclass(t: Any) -> bool:
    """Whether a tensor is made of other tensors: none is."""
    return False


def _get_current_dispatch_mode() -> None:
    """None: there are no such modes."""


def _disable_current_modes() -> Any:
    """A context in which no such mode is active."""
    from contextlib import nullcontext

    return nullcontext()


__getattr__ = absent.names_of(__name__)
