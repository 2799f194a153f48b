"""The older weight normalisation: parameters `weight_g` and `weight_v`, and `weight` computed when read.

PyTorch recomputes `weight` in a hook before every forward.  Here it is a property, so that nothing
about the module changes from call to call.
"""

from __future__ import annotations

import warnings

from ...frontend.tensor import Tensor
from ..hooks import Epoch
from ..module import Module
from ..parameter import Parameter
from .parametrizations import norm_except_dim
from .parametrize import computed_class

_DIMS = "_weight_norm_dims"


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Split a weight into length (`<name>_g`) and direction (`<name>_v`) (Salimans and Kingma, 2016)."""
    warnings.warn(
        "`torch.nn.utils.weight_norm` is deprecated in favor of `torch.nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
        stacklevel=2,
    )
    dims = module.__dict__.get(_DIMS, {})
    if name in dims:
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    axis = -1 if dim is None else dim
    weight = getattr(module, name)
    del module._parameters[name]
    module.register_parameter(f"{name}_g", Parameter(norm_except_dim(weight, axis).detach()))
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))
    if not dims:
        module.__class__ = computed_class(module, type(module).__name__)
    object.__setattr__(module, _DIMS, {**dims, name: axis})

    def compute(self: Module) -> Tensor:
        v = getattr(self, f"{name}_v")
        return v * (getattr(self, f"{name}_g") / norm_except_dim(v, axis))

    setattr(type(module), name, property(compute))
    Epoch.value += 1
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Make the weight a plain parameter again."""
    dims = dict(module.__dict__.get(_DIMS, {}))
    if name not in dims:
        raise ValueError(f"weight_norm of '{name}' not found in {module}")
    weight = getattr(module, name).detach()
    del dims[name]
    delattr(type(module), name)
    del module._parameters[f"{name}_g"], module._parameters[f"{name}_v"]
    object.__setattr__(module, _DIMS, dims)
    if not dims:
        module.__class__ = type(module).__mro__[1]
    module.register_parameter(name, Parameter(weight))
    return module
