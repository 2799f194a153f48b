"""Optimisers that scale each coordinate by its gradients' history: Adagrad, Adadelta, RMSprop; and others."""

from __future__ import annotations

from typing import Any

from ..frontend.tensor import Tensor
from .checks import check_fused, check_options
from .rules import (
    RuleOptimizer,
    count,
    counter,
    maximum,
    minimum,
    put,
    read,
    sign,
    sqrt,
    store,
    where,
    zeros_like,
)


class Adagrad(RuleOptimizer):
    """Divide by the root of the sum of all squared gradients (Duchi et al., 2011)."""

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        check_options(
            lr=lr, lr_decay=lr_decay, weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value, eps=eps,
        )  # fmt: skip
        check_fused(fused, foreach, differentiable)
        defaults = {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, defaults)
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter].update(self._new_state(group, parameter))

    def _names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("sum",)

    def _new_state(self, group: dict[str, Any], parameter: Tensor) -> dict[str, Any]:
        return {"step": counter(), "sum": zeros_like(parameter, group["initial_accumulator_value"])}

    def _scalars(self, group: dict[str, Any], lr: Any, state: dict[str, Any]) -> tuple:
        return (lr / (1 + (count(state["step"]) - 1) * group["lr_decay"]),)

    def _rule(self, group: dict[str, Any], scalars: tuple, p: Any, g: Any, *buffers: Any) -> None:
        (total,) = buffers
        if group["weight_decay"] != 0:
            g = g + p * group["weight_decay"]
        total += g * g
        p -= g / (sqrt(total) + group["eps"]) * scalars[0]


class Adadelta(RuleOptimizer):
    """Scale by the ratio of typical updates to typical gradients (Zeiler, 2012)."""

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        check_options(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)
        if rho > 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        defaults = {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "capturable": capturable, "foreach": foreach, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("square_avg", "acc_delta")

    def _new_state(self, group: dict[str, Any], parameter: Tensor) -> dict[str, Any]:
        return {
            "step": counter(),
            "square_avg": zeros_like(parameter),
            "acc_delta": zeros_like(parameter),
        }

    def _scalars(self, group: dict[str, Any], lr: Any, state: dict[str, Any]) -> tuple:
        count(state["step"])
        return (lr,)

    def _rule(self, group: dict[str, Any], scalars: tuple, p: Any, g: Any, *buffers: Any) -> None:
        rho, eps = group["rho"], group["eps"]
        squares, deltas = buffers
        if group["weight_decay"] != 0:
            g = g + p * group["weight_decay"]
        put(squares, squares * rho + g * g * (1 - rho))
        delta = sqrt(deltas + eps) / sqrt(squares + eps) * g
        put(deltas, deltas * rho + delta * delta * (1 - rho))
        p -= delta * scalars[0]


class RMSprop(RuleOptimizer):
    """Divide by the root of a running mean of squared gradients (Hinton, 2012).

    centered: by the root of their running variance (Graves, 2013).
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        check_options(lr=lr, eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        defaults = {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _names(self, group: dict[str, Any]) -> tuple[str, ...]:
        momentum = ("momentum_buffer",) if group["momentum"] > 0 else ()
        return ("square_avg", *momentum, *(("grad_avg",) if group["centered"] else ()))

    def _new_state(self, group: dict[str, Any], parameter: Tensor) -> dict[str, Any]:
        return {"step": counter(), **{name: zeros_like(parameter) for name in self._names(group)}}

    def _scalars(self, group: dict[str, Any], lr: Any, state: dict[str, Any]) -> tuple:
        count(state["step"])
        return (lr,)

    def _rule(self, group: dict[str, Any], scalars: tuple, p: Any, g: Any, *buffers: Any) -> None:
        (lr,) = scalars
        alpha = group["alpha"]
        squares, *rest = buffers
        if group["weight_decay"] != 0:
            g = g + p * group["weight_decay"]
        put(squares, squares * alpha + g * g * (1 - alpha))
        variance = squares
        if group["centered"]:
            mean = rest[-1]
            mean += (g - mean) * (1 - alpha)
            variance = squares - mean * mean
        update = g / (sqrt(variance) + group["eps"])
        if group["momentum"] > 0:
            b = rest[0]
            put(b, b * group["momentum"] + update)
            update = b
        p -= update * lr


class Rprop(RuleOptimizer):
    """Steps that grow while the gradient keeps its sign and shrink when it flips (Riedmiller, 1993)."""

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        check_options(lr=lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("prev", "step_size")

    def _new_state(self, group: dict[str, Any], parameter: Tensor) -> dict[str, Any]:
        return {
            "step": counter(),
            "prev": zeros_like(parameter),
            "step_size": zeros_like(parameter, float(group["lr"])),
        }

    def _scalars(self, group: dict[str, Any], lr: Any, state: dict[str, Any]) -> tuple:
        count(state["step"])
        return ()

    def _rule(self, group: dict[str, Any], scalars: tuple, p: Any, g: Any, *buffers: Any) -> None:
        shrink, grow = group["etas"]
        smallest, largest = group["step_sizes"]
        previous, size = buffers
        agreement = g * previous
        factor = where(agreement > 0, grow, where(agreement < 0, shrink, agreement * 0 + 1))
        put(size, minimum(maximum(size * factor, smallest), largest))
        g = where(agreement < 0, 0.0, g)
        p -= sign(g) * size
        put(previous, g)


class ASGD(RuleOptimizer):
    """Averaged stochastic gradient descent (Polyak and Juditsky, 1992)."""

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ):
        check_options(lr=lr, weight_decay=weight_decay)
        defaults = {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("ax",)

    def _new_state(self, group: dict[str, Any], parameter: Tensor) -> dict[str, Any]:
        return {
            "step": counter(),
            "eta": counter(float(group["lr"])),
            "mu": counter(1.0),
            "ax": zeros_like(parameter),
        }

    def _scalars(self, group: dict[str, Any], lr: Any, state: dict[str, Any]) -> tuple:
        t = count(state["step"])
        eta, mu = read(state["eta"]), read(state["mu"])
        store(state["eta"], lr / (1 + group["lambd"] * lr * t) ** group["alpha"])
        store(state["mu"], 1 / maximum(t - group["t0"], 1.0))
        return eta, mu

    def _rule(self, group: dict[str, Any], scalars: tuple, p: Any, g: Any, *buffers: Any) -> None:
        eta, mu = scalars
        (average,) = buffers
        if group["weight_decay"] != 0:
            g = g + p * group["weight_decay"]
        p *= 1 - group["lambd"] * eta
        p -= g * eta
        average += (p - average) * mu
