"""`torch.onnx.symbolic_opset11`: empty, since nothing is exported."""

from __future__ import annotations

from .. import absent

__getattr__ = absent.names_of(__name__)
