"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from ..errors import UnsupportedError
from ..frontend import trace
from ..frontend.tensor import Tensor
from ..ir import ops
from .checks import check_fused, check_options
from .rules import RuleOptimizer, as_scalar, zeros_like


class SGD(RuleOptimizer):
    """Gradient descent with momentum (Sutskever et al., 2013), Nesterov's too.

        b = momentum * b + (1 - dampening) * g      (b = g at the first step)
        p = p - lr * b                              (nesterov: lr * (g + momentum * b))

    weight_decay: adds weight_decay * p to g.  maximize: goes up the gradient.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        check_options(lr=lr, momentum=momentum, weight_decay=weight_decay)
        check_fused(fused, foreach, differentiable)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "maximize": maximize, "foreach": foreach, "differentiable": differentiable,
            "fused": fused,
        }  # fmt: skip
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for key, value in (
                ("nesterov", False),
                ("maximize", False),
                ("foreach", None),
                ("fused", None),
            ):
                group.setdefault(key, value)
            group.setdefault("differentiable", False)

    def _names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] != 0 else ()

    def _init_state(self) -> None:
        for group in self.param_groups:
            if group["momentum"] == 0:
                continue
            for parameter in group["params"]:
                state = self.state[parameter] if parameter.grad is not None else None
                if state is not None and state.get("momentum_buffer") is None:
                    if group["dampening"] != 0 and trace.is_tracing():
                        raise UnsupportedError(
                            "SGD with dampening treats its first step differently: run one step before compiling"
                        )
                    state["momentum_buffer"] = zeros_like(parameter)
                    if group["dampening"] != 0 or group["differentiable"]:
                        self._fresh.add(id(parameter))

    def _differentiable_update(
        self, group: dict[str, Any], lr: Any, state: dict, parameter: Tensor, gradient: Tensor
    ) -> None:
        g = -gradient if group["maximize"] else gradient
        momentum = group["momentum"]
        if group["weight_decay"] != 0:
            g = g + parameter * group["weight_decay"]
        if momentum != 0:
            if id(parameter) in self._fresh:  # the first gradient becomes the buffer as a constant
                self._fresh.discard(id(parameter))
                b = g.detach().clone()
            else:
                b = state["momentum_buffer"] * momentum + g * (1 - group["dampening"])
            state["momentum_buffer"] = b
            g = g + b * momentum if group["nesterov"] else b
        parameter.sub_(g * lr)

    @property
    def _fresh(self) -> set[int]:
        """Parameters whose momentum buffer has not been written yet."""
        return self.__dict__.setdefault("_fresh_parameters", set())

    def _scalars(self, group: dict[str, Any], lr: Any, state: dict[str, Any]) -> tuple:
        return (lr, group["momentum"], 1 - group["dampening"])

    def _run(
        self,
        group: dict[str, Any],
        scalars: tuple,
        parameter: Tensor,
        gradient: Tensor,
        buffers: list[Tensor],
    ) -> None:
        if id(parameter) in self._fresh:
            self._fresh.discard(id(parameter))
            scalars = (*scalars[:2], 1)
        super()._run(group, scalars, parameter, gradient, buffers)

    def _update(
        self,
        group: dict[str, Any],
        lr: Any,
        state: dict,
        parameter: Tensor,
        gradient: Tensor,
        buffers: list[Tensor],
    ) -> None:
        options = {
            key: group[key]
            for key in ("weight_decay", "momentum", "dampening", "nesterov", "maximize")
        }
        new = ops.sgd_step(parameter, gradient, as_scalar(lr, parameter), *buffers, **options)
        for target, value in zip((parameter, *buffers), new if buffers else (new,), strict=True):
            target._write(value)

    def _rule(self, group: dict[str, Any], scalars: tuple, p: Any, g: Any, *buffers: Any) -> None:
        lr, momentum, gain = scalars
        if group["weight_decay"] != 0:
            g = g + p * group["weight_decay"]
        if buffers:
            (b,) = buffers
            b *= momentum
            b += g if gain == 1 else g * gain
            g = g + b * momentum if group["nesterov"] else b
        p -= g * lr
