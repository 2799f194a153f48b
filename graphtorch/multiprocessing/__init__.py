"""`torch.multiprocessing`: Python's `multiprocessing`; tensors travel by value.

>>> import graphtorch.multiprocessing as mp
>>> mp.get_sharing_strategy()
'file_system'
"""

from __future__ import annotations

import multiprocessing as _python
from multiprocessing import *  # noqa: F403
from typing import Any

from .. import absent
from .spawn import ProcessContext as ProcessContext
from .spawn import ProcessExitedException as ProcessExitedException
from .spawn import ProcessRaisedException as ProcessRaisedException
from .spawn import SpawnContext as SpawnContext
from .spawn import spawn as spawn
from .spawn import start_processes as start_processes

_strategy = "file_system"


def get_all_sharing_strategies() -> set[str]:
    """How tensors could be shared between processes."""
    return {"file_system", "file_descriptor"}


def get_sharing_strategy() -> str:
    """The chosen way; tensors are sent by value either way."""
    return _strategy


def set_sharing_strategy(new_strategy: str) -> None:
    """Choose a way."""
    global _strategy
    if new_strategy not in get_all_sharing_strategies():
        raise AssertionError(f"unknown sharing strategy {new_strategy}")
    _strategy = new_strategy


def __getattr__(name: str) -> Any:
    if hasattr(_python, name):
        return getattr(_python, name)
    raise absent.error(__name__, name)
