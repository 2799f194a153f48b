"""`torch.ao.quantization`: the marks of a float model that could be quantised elsewhere.

`QuantStub` and `DeQuantStub` pass their input through, as they do in PyTorch until a model is converted.
"""

from __future__ import annotations

from typing import Any

from ... import absent
from ...nn.module import Module


class QuantStub(Module):
    """Where a converted model would begin to use integers: passes its input through."""

    def __init__(self, qconfig: Any = None):
        super().__init__()
        if qconfig:
            self.qconfig = qconfig

    def forward(self, x: Any) -> Any:
        """Return `x`."""
        return x


class DeQuantStub(QuantStub):
    """Where a converted model would go back to floats: passes its input through."""


class QuantWrapper(Module):
    """A module between the two marks."""

    def __init__(self, module: Module):
        super().__init__()
        self.quant, self.dequant, self.module = QuantStub(), DeQuantStub(), module
        self.train(module.training)

    def forward(self, x: Any) -> Any:
        """Return `module(x)`."""
        return self.dequant(self.module(self.quant(x)))


__getattr__ = absent.names_of(__name__)
