"""`torch._functorch`: the private home of `torch.func`."""

from __future__ import annotations

from .. import absent

__getattr__ = absent.names_of(__name__)
