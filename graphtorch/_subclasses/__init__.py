"""`torch._subclasses`: tensors of PyTorch's tracer.  Here no tensor is one."""

from __future__ import annotations

from .. import absent
from .fake_tensor import FakeTensor as FakeTensor
from .fake_tensor import FakeTensorMode as FakeTensorMode

__getattr__ = absent.names_of(__name__)
