"""`torch.utils.dlpack`."""

from typing import Any

from ..frontend.from_data import from_dlpack as from_dlpack
from ..frontend.tensor import Tensor


def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule over the tensor's memory."""
    return tensor.__dlpack__()  # type: ignore[attr-defined]
