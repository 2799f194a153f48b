"""`torch.distributed._composable.fsdp`: older names of `torch.distributed.fsdp`."""

from __future__ import annotations

from ... import absent
from ..fsdp import CPUOffloadPolicy as CPUOffloadPolicy
from ..fsdp import FSDPModule as FSDPModule
from ..fsdp import MixedPrecisionPolicy as MixedPrecisionPolicy
from ..fsdp import OffloadPolicy as OffloadPolicy
from ..fsdp import fully_shard as fully_shard

__getattr__ = absent.names_of(__name__)
