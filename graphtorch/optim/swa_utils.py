"""Averages of a model's weights over training (Izmailov et al., 2018)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import graphtorch as torch

from ..frontend.grad_mode import no_grad
from ..frontend.tensor import Tensor
from ..nn.module import Module
from ..nn.modules.batchnorm import _BatchNorm
from .lr_scheduler.base import LRScheduler, for_groups
from .optimizer import Optimizer

Average = Callable[[Tensor, Tensor, Any], Tensor]


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """Exponential moving average: decay * old + (1 - decay) * new."""
    if decay < 0.0 or decay > 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )

    def average(old: Tensor, new: Tensor, count: Any) -> Tensor:
        return decay * old + (1 - decay) * new

    return average


def get_swa_avg_fn() -> Average:
    """Plain average of everything seen."""

    def average(old: Tensor, new: Tensor, count: Any) -> Tensor:
        return old + (new - old) / (count + 1)

    return average


def _several(average: Average) -> Callable[[Any, Any, Any], None]:
    def update(old: Iterable[Tensor], new: Iterable[Tensor], count: Any) -> None:
        for a, b in zip(old, new, strict=True):
            a.copy_(average(a, b, count))

    return update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable:
    """`get_ema_avg_fn` for lists of tensors, in place."""
    return _several(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Callable:
    """`get_swa_avg_fn` for lists of tensors, in place."""
    return _several(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of a model whose parameters are averages; `update_parameters(model)` takes the next."""

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: Callable | None = None,
        use_buffers: bool = False,
    ):
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", torch.tensor(0, dtype=torch.int64))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def _tensors(self, module: Module) -> list[Tensor]:
        buffers = list(module.buffers()) if self.use_buffers else []
        return [*module.parameters(), *buffers]

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the present parameters of `model` into the average."""
        own, new = self._tensors(self.module), [t.detach() for t in self._tensors(model)]
        if int(self.n_averaged) == 0:
            for a, b in zip(own, new, strict=True):
                a.copy_(b)
        elif self.multi_avg_fn is not None:
            self.multi_avg_fn(own, new, self.n_averaged)
        else:
            average = self.avg_fn or get_swa_avg_fn()
            for a, b in zip(own, new, strict=True):
                a.copy_(average(a, b, self.n_averaged))
        if not self.use_buffers:
            for a, b in zip(self.module.buffers(), model.buffers(), strict=True):
                a.copy_(b)
        self.n_averaged.add_(1)


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of all batch norms anew from the data of `loader`."""
    momenta = {}
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.reset_running_stats()
            momenta[module] = module.momentum
    if not momenta:
        return
    training = model.training
    model.train()
    for module in momenta:
        module.momentum = None
    for batch in loader:
        x = batch[0] if isinstance(batch, list | tuple) else batch
        model(x if device is None else x.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(training)


class SWALR(LRScheduler):
    """Anneal the rate to a fixed one and keep it."""

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ):
        for group, rate in zip(
            optimizer.param_groups, for_groups("swa_lr", optimizer, swa_lr), strict=True
        ):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must by one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _alpha(self, t: float) -> float:
        t = max(0.0, min(1.0, t))
        return (1 - math.cos(math.pi * t)) / 2 if self._anneal_strategy == "cos" else t

    def get_lr(self) -> list[Any]:
        """The next rates."""
        self._warn_if_called_directly()
        step = self._step_count - 1
        length = max(1, self.anneal_epochs) if self.anneal_epochs == 0 else self.anneal_epochs
        before, now = self._alpha((step - 1) / length), self._alpha(step / length)
        rates = []
        for group in self.optimizer.param_groups:
            rate, goal = group["lr"], group["swa_lr"]
            start = goal if before == 1 else (rate - before * goal) / (1 - before)
            rates.append(goal * now + start * (1 - now))
        return rates
