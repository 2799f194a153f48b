"""`torch.jit.annotations`: type annotations that TorchScript reads; they say nothing to Python."""

from __future__ import annotations

import typing
from typing import Any

from .. import absent

# old spellings that programs import from here
Dict, List, Optional, Tuple = typing.Dict, typing.List, typing.Optional, typing.Tuple  # noqa: UP006


class _BroadcastingList:
    """`BroadcastingList2[int]`: an int, or a list of two."""

    def __getitem__(self, item: Any) -> None:
        return None


BroadcastingList1 = BroadcastingList2 = BroadcastingList3 = _BroadcastingList()
BroadcastingList4 = BroadcastingList5 = BroadcastingList6 = BroadcastingList1

__getattr__ = absent.names_of(__name__)
