"""Muon: momentum whose update is made orthogonal (Jordan et al., 2024).

b = mu b + (1 - mu) g          o = NS(b), or NS((1 - mu) g + mu b) with Nesterov momentum
p = (1 - lr lambda) p - lr' o

NS, some steps of the odd polynomial a X + (b X X^T + c (X X^T)²) X in bfloat16, pushes all singular
values towards one.  lr' is lr scaled by the matrix's shape.
"""

from __future__ import annotations

import math
from typing import Any

import graphtorch as torch

from ..frontend.tensor import Tensor
from .checks import one_element
from .rules import RuleOptimizer, zeros_like

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalised(
    x: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float
) -> Tensor:
    """Newton-Schulz iteration of a matrix [m, n], in bfloat16 with sums in float32.

    Raises ValueError for other shapes, more than 99 steps or other than three coefficients.
    """
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if x.dim() != 2:
        raise ValueError("Input tensor gradient must be a 2D matrix")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    is_tall = x.shape[0] > x.shape[1]
    narrow, wide = torch.bfloat16, torch.float32
    y = x.to(narrow)
    y = y.t() if is_tall else y
    y = y / y.to(wide).norm().to(narrow).clamp(min=eps)
    for _ in range(steps):
        full = y.to(wide)
        gram = (full @ full.t()).to(narrow).to(wide)
        polynomial = (gram * b + (gram @ gram) * c).to(narrow).to(wide)
        y = (full * a + polynomial @ full).to(narrow)
    return y.t() if is_tall else y


def _mixed(gradient: Tensor, momentum: Tensor, mu: float) -> Tensor:
    """(1 - mu) g + mu b, rounded once: the iteration magnifies differences of small singular values."""
    if mu < 0.5:
        return gradient.lerp(momentum, mu)
    wide = torch.float64
    less = torch.tensor(mu, dtype=gradient.dtype) - 1
    return (momentum.to(wide) + (momentum - gradient).to(wide) * less.to(wide)).to(gradient.dtype)


class Muon(RuleOptimizer):
    """Orthogonalised momentum for weight matrices; other parameters want another optimiser.

    adjust_lr_fn: None or "original" scales lr by sqrt(max(1, m / n)), "match_rms_adamw" by
    0.2 sqrt(max(m, n)).  Raises ValueError for parameters that are not matrices.

    >>> import graphtorch as torch
    >>> w = torch.nn.Parameter(torch.eye(3))
    >>> w.sum().backward()
    >>> torch.optim.Muon([w], lr=0.1).step()
    >>> bool(w.mean() < 1 / 3)
    True
    """

    _whole = True

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = _COEFFICIENTS,
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ):
        one_element(lr=lr)
        for name, value in (
            ("Learning rate", lr),
            ("momentum", momentum),
            ("weight decay", weight_decay),
        ):
            if not value >= 0.0:
                raise ValueError(f"{name} should be >= 0 but is: {value}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        defaults = {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
            "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn,
        }  # fmt: skip
        super().__init__(params, defaults)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim != 2:
                    raise ValueError(
                        "Muon only supports 2D parameters whereas we found a parameter with size:"
                        f" {parameter.size()}"
                    )

    def _names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("momentum_buffer",)

    def _new_state(self, group: dict[str, Any], parameter: Tensor) -> dict[str, Any]:
        return {"momentum_buffer": zeros_like(parameter)}

    def _check_gradient(self, parameter: Tensor, gradient: Tensor) -> None:
        if parameter.is_complex():
            raise RuntimeError("Muon does not support complex parameters")
        super()._check_gradient(parameter, gradient)

    def _update(
        self,
        group: dict[str, Any],
        lr: Any,
        state: dict,
        parameter: Tensor,
        gradient: Tensor,
        buffers: list[Tensor],
    ) -> None:
        (b,) = buffers
        mu = group["momentum"]
        b.lerp_(gradient, 1 - mu)
        update = _mixed(gradient, b, mu) if group["nesterov"] else b
        update = orthogonalised(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
        m, n = parameter.shape
        match_adamw = group["adjust_lr_fn"] == "match_rms_adamw"
        ratio = 0.2 * math.sqrt(max(m, n)) if match_adamw else math.sqrt(max(1.0, m / n))
        parameter.mul_(1 - lr * group["weight_decay"])
        parameter.sub_(update.to(parameter.dtype) * (lr * ratio))
