"""Adam and its relatives.

m = beta1 m + (1 - beta1) g         v = beta2 v + (1 - beta2) g²
p = p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
"""

from __future__ import annotations

from typing import Any

from ..frontend.tensor import Tensor
from ..ir import ops
from .checks import check_fused, check_options, checked_betas
from .rules import (
    RuleOptimizer,
    absolute,
    as_scalar,
    count,
    counter,
    maximum,
    put,
    read,
    sqrt,
    store,
    where,
    zeros_like,
)


class Adam(RuleOptimizer):
    """Kingma and Ba (2015).

    weight_decay: adds weight_decay * p to g, or, if decoupled_weight_decay, shrinks p by lr * weight_decay.
    amsgrad: divide by the largest v so far (Reddi et al., 2018).
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ):
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ValueError(
                "lr as a Tensor is not supported for capturable=False and foreach=True"
            )
        betas = checked_betas(betas, foreach, capturable)
        check_options(lr=lr, eps=eps, betas=betas, weight_decay=weight_decay)
        check_fused(fused, foreach, differentiable)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
            "maximize": maximize, "foreach": foreach, "capturable": capturable, "differentiable": differentiable,
            "fused": fused, "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for key in (
                "amsgrad",
                "maximize",
                "capturable",
                "differentiable",
                "decoupled_weight_decay",
            ):
                group.setdefault(key, False)
            group.setdefault("foreach", None)
            group.setdefault("fused", None)
        _count_in_tensors(self)

    def _names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return (
            ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
            if group["amsgrad"]
            else ("exp_avg", "exp_avg_sq")
        )

    def _new_state(self, group: dict[str, Any], parameter: Tensor) -> dict[str, Any]:
        return {"step": counter(), **{name: zeros_like(parameter) for name in self._names(group)}}

    def _scalars(self, group: dict[str, Any], lr: Any, state: dict[str, Any]) -> tuple:
        beta1, beta2 = group["betas"]
        t = count(state["step"])
        shrink = 1 - lr * group["weight_decay"] if group["decoupled_weight_decay"] else None
        return shrink, lr / (1 - beta1**t), sqrt(1 - beta2**t)

    def _update(
        self,
        group: dict[str, Any],
        lr: Any,
        state: dict,
        parameter: Tensor,
        gradient: Tensor,
        buffers: list[Tensor],
    ) -> None:
        beta1, beta2 = group["betas"]
        t = as_scalar(count(state["step"]), parameter)
        row = ops.adamw_step if group["decoupled_weight_decay"] else ops.adam_step
        moments, largest = buffers[:2], buffers[2:]
        scalars = (as_scalar(lr, parameter), 1 - beta1**t, 1 - beta2**t)
        options = {
            "beta1": beta1,
            "beta2": beta2,
            **{key: group[key] for key in ("eps", "weight_decay", "maximize")},
        }
        new = row(parameter, gradient, *moments, *scalars, *largest, **options)
        for target, value in zip((parameter, *buffers), new, strict=True):
            target._write(value)

    def _rule(self, group: dict[str, Any], scalars: tuple, p: Any, g: Any, *buffers: Any) -> None:
        shrink, step_size, correction = scalars
        beta1, beta2 = group["betas"]
        m, v, *v_max = buffers
        if group["weight_decay"] != 0:
            if shrink is None:
                g = g + p * group["weight_decay"]
            else:
                p *= shrink
        m += (g - m) * (1 - beta1)
        v *= beta2
        v += g * g * (1 - beta2)
        if v_max:
            v = maximum(v_max[0], v)
            put(v_max[0], v)
        p -= m / (sqrt(v) / correction + group["eps"]) * step_size


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize,
            capturable=capturable, differentiable=differentiable, fused=fused, decoupled_weight_decay=True,
        )  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True


class Adamax(RuleOptimizer):
    """Adam with the infinity norm instead of the second moment (Kingma and Ba, 2015)."""

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ):
        check_options(lr=lr, eps=eps, betas=betas, weight_decay=weight_decay)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_inf")

    def _new_state(self, group: dict[str, Any], parameter: Tensor) -> dict[str, Any]:
        return {
            "step": counter(),
            "exp_avg": zeros_like(parameter),
            "exp_inf": zeros_like(parameter),
        }

    def _scalars(self, group: dict[str, Any], lr: Any, state: dict[str, Any]) -> tuple:
        return (lr / (1 - group["betas"][0] ** count(state["step"])),)

    def _rule(self, group: dict[str, Any], scalars: tuple, p: Any, g: Any, *buffers: Any) -> None:
        beta1, beta2 = group["betas"]
        m, u = buffers
        if group["weight_decay"] != 0:
            g = g + p * group["weight_decay"]
        m += (g - m) * (1 - beta1)
        put(u, maximum(u * beta2, absolute(g) + group["eps"]))
        p -= m / u * scalars[0]


class NAdam(RuleOptimizer):
    """Adam with Nesterov momentum (Dozat, 2016)."""

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ):
        check_options(
            lr=lr, eps=eps, betas=betas, weight_decay=weight_decay, momentum_decay=momentum_decay)  # fmt: skip
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize, "foreach": foreach,
            "capturable": capturable, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def _new_state(self, group: dict[str, Any], parameter: Tensor) -> dict[str, Any]:
        return {
            "step": counter(),
            "mu_product": counter(1.0),
            "exp_avg": zeros_like(parameter),
            "exp_avg_sq": zeros_like(parameter),
        }

    def _scalars(self, group: dict[str, Any], lr: Any, state: dict[str, Any]) -> tuple:
        beta1, beta2 = group["betas"]
        t = count(state["step"])
        decay = group["momentum_decay"]
        mu = beta1 * (1.0 - 0.5 * 0.96 ** (t * decay))
        mu_next = beta1 * (1.0 - 0.5 * 0.96 ** ((t + 1) * decay))
        store(state["mu_product"], read(state["mu_product"]) * mu)
        product = read(state["mu_product"])
        shrink = 1 - lr * group["weight_decay"]
        return (
            shrink,
            1 - beta2**t,
            lr * (1.0 - mu) / (1.0 - product),
            lr * mu_next / (1.0 - product * mu_next),
        )

    def _rule(self, group: dict[str, Any], scalars: tuple, p: Any, g: Any, *buffers: Any) -> None:
        shrink, correction, from_gradient, from_momentum = scalars
        beta1, beta2 = group["betas"]
        m, v = buffers
        if group["weight_decay"] != 0:
            if group["decoupled_weight_decay"]:
                p *= shrink
            else:
                g = g + p * group["weight_decay"]
        m += (g - m) * (1 - beta1)
        v *= beta2
        v += g * g * (1 - beta2)
        scale = sqrt(v / correction) + group["eps"]
        p -= g / scale * from_gradient
        p -= m / scale * from_momentum


class RAdam(RuleOptimizer):
    """Adam whose adaptive rate is rectified by its variance (Liu et al., 2020)."""

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ):
        check_options(lr=lr, eps=eps, betas=betas, weight_decay=weight_decay)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "foreach": foreach, "capturable": capturable, "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def _new_state(self, group: dict[str, Any], parameter: Tensor) -> dict[str, Any]:
        return {
            "step": counter(),
            "exp_avg": zeros_like(parameter),
            "exp_avg_sq": zeros_like(parameter),
        }

    def _scalars(self, group: dict[str, Any], lr: Any, state: dict[str, Any]) -> tuple:
        beta1, beta2 = group["betas"]
        t = count(state["step"])
        correction = 1 - beta2**t
        rho_inf = 2 / (1 - beta2) - 1
        rho = rho_inf - 2 * t * beta2**t / correction
        ratio = (
            (rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * maximum(rho, 1e-3))
        )
        trusted = rho > 5.0
        rectified = sqrt(maximum(ratio, 0.0)) * sqrt(correction)
        return 1 - lr * group["weight_decay"], lr / (1 - beta1**t), trusted, rectified

    def _rule(self, group: dict[str, Any], scalars: tuple, p: Any, g: Any, *buffers: Any) -> None:
        shrink, step_size, trusted, rectified = scalars
        beta1, beta2 = group["betas"]
        m, v = buffers
        if group["weight_decay"] != 0:
            if group["decoupled_weight_decay"]:
                p *= shrink
            else:
                g = g + p * group["weight_decay"]
        m += (g - m) * (1 - beta1)
        v *= beta2
        v += g * g * (1 - beta2)
        p -= m * step_size * where(trusted, rectified / (sqrt(v) + group["eps"]), 1.0)


def _count_in_tensors(optimizer: RuleOptimizer) -> None:
    """Turn step counts of old checkpoints, which are numbers, into tensors."""
    for state in optimizer.state.values():
        if "step" in state and not isinstance(state["step"], Tensor):
            state["step"] = counter(float(state["step"]))
