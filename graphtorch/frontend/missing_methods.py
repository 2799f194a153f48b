"""Tensor's names that PyTorch has and graphtorch does not: asking for one raises an error that says why.

They are descriptors on the class, not a `__getattr__`, which would make every attribute of a tensor slower.
"""

from __future__ import annotations

from typing import Any

from ..absent import MissingNameError
from .tensor import Tensor

NAMES = (
    # sparse
    "_coalesced_ _dimI _dimV _indices _nnz _to_sparse _values ccol_indices col_indices crow_indices indices"
    " is_coalesced row_indices resize_as_sparse_ smm sparse_dim sparse_mask sparse_resize_ sparse_resize_and_clear_"
    " sspaddmm to_sparse to_sparse_bsc to_sparse_bsr to_sparse_coo to_sparse_csc to_sparse_csr values"
    # quantised, ragged, of other libraries
    " dequantize int_repr q_per_channel_axis q_per_channel_scales q_per_channel_zero_points q_scale q_zero_point"
    " qscheme _nested_tensor_size to_padded_tensor to_mkldnn chalf"
    # other devices
    " ipu mtia xpu"
    # removed by PyTorch, or only raising there
    " eig index lstsq reinforce solve symeig"
).split()


class _Missing:
    def __init__(self, name: str):
        self._name = name

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        raise MissingNameError(f"torch.Tensor.{self._name}", _known)


def _known() -> list[str]:
    return [n for n in dir(Tensor) if n not in NAMES]


def install(cls: type = Tensor) -> None:
    """Put the descriptors on the class, for names that it does not have."""
    for name in NAMES:
        if name not in vars(cls):
            setattr(cls, name, _Missing(name))


install()
