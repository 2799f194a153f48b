"""`torch.distributed.fsdp`: models spread over processes.  Here no model is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ... import absent
from .. import _alone


class FSDPModule:
    """A module that `fully_shard` changed; for isinstance checks, which answer no."""


class FullyShardedDataParallel(FSDPModule):
    """A module spread over processes; for isinstance checks, which answer no."""

    def __init__(self, *args: Any, **kwargs: Any):
        _alone("fsdp.FullyShardedDataParallel")()


@dataclass(frozen=True)
class MixedPrecisionPolicy:
    """The dtypes a spread module would compute and add up in."""

    param_dtype: Any = None
    reduce_dtype: Any = None
    output_dtype: Any = None
    cast_forward_inputs: bool = True


@dataclass
class OffloadPolicy:
    """Where a spread module would keep its parameters: on its device."""


@dataclass
class CPUOffloadPolicy(OffloadPolicy):
    """Where a spread module would keep its parameters: on the CPU."""

    pin_memory: bool = True


fully_shard = _alone("fsdp.fully_shard")

__getattr__ = absent.names_of(__name__)
