"""`torch.utils.model_zoo`: older names of `torch.hub`."""

from __future__ import annotations

from typing import Any

from .. import absent
from ..hub import load_state_dict_from_url as load_url

__all__ = ["load_url"]

_names = absent.names_of(__name__)


def __getattr__(name: str) -> Any:
    if name == "tqdm":
        from .progress import tqdm

        return tqdm
    return _names(name)
