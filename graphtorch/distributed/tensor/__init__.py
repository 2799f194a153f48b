"""`torch.distributed.tensor`: tensors spread over processes.  Here no tensor is one."""

from __future__ import annotations

from typing import Any

from ... import absent
from .. import _alone


class Placement:
    """How a dim of processes holds a tensor."""

    def is_shard(self, dim: int | None = None) -> bool:
        """Whether each process holds a piece (of dim `dim`)."""
        return isinstance(self, Shard) and (dim is None or dim == self.dim)

    def is_replicate(self) -> bool:
        """Whether each process holds all of it."""
        return isinstance(self, Replicate)

    def is_partial(self, reduce_op: Any = None) -> bool:
        """Whether the pieces are still to be added."""
        return isinstance(self, Partial)


class Replicate(Placement):
    """Everyone holds all of it."""


class Partial(Placement):
    """Everyone holds a summand."""


class Shard(Placement):
    """Everyone holds a piece along a dim."""

    def __init__(self, dim: int):
        self.dim = dim


class DTensor:
    """A tensor spread over processes; for isinstance checks, which answer no."""

    def __init__(self, *args: Any, **kwargs: Any):
        _alone("tensor.DTensor")()

    @classmethod
    def from_local(cls, *args: Any, **kwargs: Any) -> Any:
        """Raises UnsupportedError."""
        return cls()


distribute_tensor = _alone("tensor.distribute_tensor")
distribute_module = _alone("tensor.distribute_module")

__getattr__ = absent.names_of(__name__)
