"""`torch.types`: names for annotations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union

from .frontend.device import device
from .frontend.formats import layout
from .frontend.size import Size
from .frontend.tensor import Tensor
from .ir.types import DType

Number = Union[int, float, bool]
Device = Union[device, str, int, None]
FileLike = Any
Storage = Any
_TensorOrTensors = Union[Tensor, Sequence[Tensor]]
_TensorOrTensorsOrGradEdge = Any
_int, _float, _bool = int, float, bool
_dtype, _device, _layout = DType, device, layout
_size = Union[Size, list[int], tuple[int, ...]]
_symsize = _size
_dispatchkey = str
_qscheme = Any
