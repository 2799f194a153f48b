"""`torch.nn.parallel.distributed`: see the package."""

from . import DistributedDataParallel as DistributedDataParallel
