"""`torch.ao`: quantisation's home in PyTorch; here only what float models of such packages are made of."""

from __future__ import annotations

from .. import absent
from . import quantization as quantization

__getattr__ = absent.names_of(__name__)
