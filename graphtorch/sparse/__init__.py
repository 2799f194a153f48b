"""`torch.sparse`: functions of sparse tensors; see `frontend/sparse_functions.py`.

>>> import graphtorch as torch
>>> a = torch.eye(2).to_sparse()
>>> torch.sparse.mm(a, torch.ones(2, 1))
tensor([[1.],
        [1.]])
"""

from __future__ import annotations

from typing import Any

from ..frontend.sparse_functions import addmm, log_softmax, mm, softmax, sum

__all__ = ["addmm", "check_sparse_tensor_invariants", "log_softmax", "mm", "softmax", "sum"]


class check_sparse_tensor_invariants:
    """Accepted: the parts of a sparse tensor are always checked."""

    def __init__(self, enable: bool = True):
        pass

    @staticmethod
    def is_enabled() -> bool:
        """True."""
        return True

    @staticmethod
    def enable() -> None:
        """Accepted."""

    @staticmethod
    def disable() -> None:
        """Accepted."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        pass
