"""Grouping lists of tensors, as optimisers written for PyTorch's batched operations do."""

from __future__ import annotations

from typing import Any

from ..frontend.tensor import Tensor

Indices = list[int]
TensorListList = list[list["Tensor | None"]]


def _group_tensors_by_device_and_dtype(
    tensorlistlist: TensorListList, with_indices: bool = False
) -> dict[tuple[Any, Any], tuple[TensorListList, Indices]]:
    """Split parallel lists by device and dtype of the first list's tensors."""
    groups: dict[tuple[Any, Any], tuple[TensorListList, Indices]] = {}
    for i, tensor in enumerate(tensorlistlist[0]):
        key = (tensor.device, tensor.dtype)  # type: ignore[union-attr]
        lists, indices = groups.setdefault(key, ([[] for _ in tensorlistlist], []))
        for part, source in zip(lists, tensorlistlist, strict=True):
            part.append(source[i])
        if with_indices:
            indices.append(i)
    return groups


def _device_has_foreach_support(device: Any) -> bool:
    """Whether PyTorch would batch operations on this device; never: the compiler does."""
    return False


def _has_foreach_support(tensors: Any, device: Any) -> bool:
    """Whether PyTorch would batch operations on these tensors; never: the compiler does."""
    return False


def _get_foreach_kernels_supported_devices() -> list[str]:
    return []


def _get_fused_kernels_supported_devices() -> list[str]:
    return []
