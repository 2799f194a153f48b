"""`torch.nn.parallel.scatter_gather`: see `spread.py`."""

from .spread import gather as gather
from .spread import scatter as scatter
from .spread import scatter_kwargs as scatter_kwargs
