"""PyTorch's `torch.utils`; the rooms load when first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .. import absent

_ROOMS = (
    "_contextlib", "_foreach_utils", "_pytree", "benchmark", "checkpoint", "data", "dlpack", "hooks", "model_zoo",
    "safetensors", "tensorboard",
)  # fmt: skip


def swap_tensors(t1: Any, t2: Any) -> None:
    """Exchange what two tensors are: data, history, attributes and class.

    Raises RuntimeError if one of them is held by the history of another tensor.
    """
    for x in (t1, t2):
        if x._node is not None:
            raise RuntimeError("swap_tensors: a tensor with history cannot be swapped; detach() it")
    t1.__class__, t2.__class__ = t2.__class__, t1.__class__
    t1.__dict__, t2.__dict__ = t2.__dict__, t1.__dict__


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        try:
            return import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            raise absent.error(__name__, name) from error
    raise absent.error(__name__, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS})
