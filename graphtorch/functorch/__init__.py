"""`functorch`: the package `torch.func` grew out of, which PyTorch still ships beside it."""

from __future__ import annotations

import copy
from typing import Any

from .. import absent
from ..func import functional_call
from ..func import functionalize as functionalize
from ..func import grad as grad
from ..func import grad_and_value as grad_and_value
from ..func import hessian as hessian
from ..func import jacfwd as jacfwd
from ..func import jacrev as jacrev
from ..func import jvp as jvp
from ..func import vjp as vjp
from ..func import vmap as vmap
from ..nn.module import Module


class FunctionalModuleWithBuffers(Module):
    """A module as a function: `f(params, buffers, *args)`."""

    def __init__(self, stateless_model: Module, names: tuple[list[str], list[str]]):
        super().__init__()
        self.stateless_model = stateless_model
        self.param_names, self.buffer_names = names

    @classmethod
    def _create_from(cls, model: Module, disable_autograd_tracking: bool = False) -> Any:
        params, buffers = dict(model.named_parameters()), dict(model.named_buffers())
        values = tuple(params.values())
        if disable_autograd_tracking:
            values = tuple(value.detach() for value in values)
        made = cls(copy.deepcopy(model), (list(params), list(buffers)))
        return made, values, tuple(buffers.values())

    def forward(self, params: Any, buffers: Any, *args: Any, **kwargs: Any) -> Any:
        """Run the module with these tensors in place of its own."""
        state = dict(zip(self.param_names, params, strict=True))
        state.update(zip(self.buffer_names, buffers, strict=True))
        return functional_call(self.stateless_model, state, args, kwargs)


class FunctionalModule(FunctionalModuleWithBuffers):
    """A module without buffers as a function: `f(params, *args)`."""

    @classmethod
    def _create_from(cls, model: Module, disable_autograd_tracking: bool = False) -> Any:
        made, params, buffers = super()._create_from(model, disable_autograd_tracking)
        if buffers:
            raise RuntimeError(
                "make_functional(model): `model` has buffers. Please use make_functional_with_buffers(model) instead."
            )
        return made, params

    def forward(self, params: Any, *args: Any, **kwargs: Any) -> Any:
        """Run the module with these parameters in place of its own."""
        return super().forward(params, (), *args, **kwargs)


def make_functional(model: Module, disable_autograd_tracking: bool = False) -> Any:
    """Return (f, params) with f(params, x) == model(x).

    >>> import graphtorch as torch
    >>> from graphtorch.functorch import make_functional
    >>> f, params = make_functional(torch.nn.Linear(3, 1))
    >>> f(params, torch.ones(2, 3)).shape
    torch.Size([2, 1])
    """
    return FunctionalModule._create_from(model, disable_autograd_tracking)


def make_functional_with_buffers(model: Module, disable_autograd_tracking: bool = False) -> Any:
    """Return (f, params, buffers) with f(params, buffers, x) == model(x)."""
    return FunctionalModuleWithBuffers._create_from(model, disable_autograd_tracking)


__getattr__ = absent.names_of(__name__)
