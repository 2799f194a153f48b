"""`torch.finfo` and `torch.iinfo`."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from ..ir.types import DType
from . import promotion


class finfo:
    """Limits of a floating-point dtype: bits, eps, max, min, tiny, smallest_normal, resolution."""

    def __init__(self, type: DType | None = None):
        dtype = type or promotion.get_default_dtype()
        if not isinstance(dtype, DType):
            raise TypeError(
                f"finfo(): argument 'type' (position 1) must be torch.dtype, not {dtype.__class__.__name__}"
            )
        if dtype.kind not in "fc":
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.finfo'"
            )
        dtype = dtype.to_real()
        info: Any = ml_dtypes.finfo(dtype.numpy)
        self.dtype = dtype.name
        self.bits = int(info.bits)
        self.eps = float(info.eps)
        self.max = float(info.max)
        self.min = float(info.min)
        self.tiny = self.smallest_normal = float(info.smallest_normal)
        # the digits that survive: float8 has none
        self.resolution = 10.0 ** -(info.precision if dtype.itemsize > 1 else 0)

    def __repr__(self) -> str:
        def brief(x: float) -> str:
            return f"{x:g}"

        return (
            f"finfo(resolution={brief(self.resolution)}, min={brief(self.min)}, max={brief(self.max)},"
            f" eps={brief(self.eps)}, smallest_normal={brief(self.smallest_normal)},"
            f" tiny={brief(self.tiny)}, dtype={self.dtype})"
        )


class iinfo:
    """Limits of an integer dtype: bits, max, min."""

    def __init__(self, type: DType):
        if not isinstance(type, DType):
            raise TypeError(
                f"iinfo(): argument 'type' (position 1) must be torch.dtype, not {type.__class__.__name__}"
            )
        if type.kind == "b":
            raise TypeError("torch.bool is not supported by torch.iinfo")
        if type.kind not in "iu":
            raise TypeError(
                "torch.iinfo() requires an integer input type. Use torch.finfo to handle 'torch.iinfo'"
            )
        info = np.iinfo(type.numpy)
        self.dtype = type.name
        self.bits = int(info.bits)
        self.max = int(info.max)
        self.min = int(info.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
