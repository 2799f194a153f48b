"""Modules as functions: their state as arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..frontend.functional.joining import stack
from ..frontend.tensor import Tensor
from ..nn.module import Module
from ..nn.modules import batchnorm


def stack_module_state(
    models: list[Module] | Any,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parameters, and the buffers, of several equal modules, each stacked along a new first dim.

    Use them with `functional_call` under `vmap` to run an ensemble at once.
    Raises RuntimeError for no models, models of different classes, or of mixed training mode.

    >>> import graphtorch as torch
    >>> models = [torch.nn.Linear(2, 3) for _ in range(4)]
    >>> params, buffers = torch.func.stack_module_state(models)
    >>> params["weight"].shape
    torch.Size([4, 3, 2])
    """
    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all(m.training for m in models) or all(not m.training for m in models)):
        raise RuntimeError(
            "stack_module_state: Expected all models to have the same training/eval mode."
        )
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    parameters = {
        name: _stacked([dict(m.named_parameters())[name] for m in models])
        for name, _ in models[0].named_parameters()
    }
    buffers = {
        name: _stacked([dict(m.named_buffers())[name] for m in models])
        for name, _ in models[0].named_buffers()
    }
    return parameters, buffers


def _stacked(tensors: list[Tensor]) -> Tensor:
    wanted = {t.requires_grad for t in tensors}
    if len(wanted) > 1:
        raise RuntimeError(
            "Expected the parameters or buffers of all models to agree in requires_grad"
        )
    return stack(tensors).detach().requires_grad_(wanted.pop())


def functionalize(func: Callable, *, remove: str = "mutations") -> Callable:
    """`func` itself: in-place writes become values in every trace anyway."""
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove='{remove}'): remove must be 'mutations' or 'mutations_and_views'"
        )
    return func


def replace_all_batch_norm_modules_(root: Module) -> Module:
    """Let no batch norm of `root` keep running statistics, in place; returns `root`."""
    for module in root.modules():
        if isinstance(module, batchnorm._BatchNorm) and module.track_running_stats:
            module.running_mean = None
            module.running_var = None
            module.num_batches_tracked = None
            module.track_running_stats = False
    return root


__all__ = ["functionalize", "replace_all_batch_norm_modules_", "stack_module_state"]
