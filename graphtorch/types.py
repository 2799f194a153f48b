"""`torch.types`: names for annotations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .frontend.device import device
from .frontend.formats import layout
from .frontend.size import Size
from .frontend.tensor import Tensor
from .ir.types import DType

Number = int | float | bool
Device = device | str | int | None
FileLike = Any
Storage = Any
_TensorOrTensors = Tensor | Sequence[Tensor]
_TensorOrTensorsOrGradEdge = Any
_int, _float, _bool = int, float, bool
_dtype, _device, _layout = DType, device, layout
_size = Size | list[int] | tuple[int, ...]
_symsize = _size
_dispatchkey = str
_qscheme = Any
