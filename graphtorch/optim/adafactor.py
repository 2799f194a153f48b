"""Adafactor: second moments of matrices kept as one row and one column (Shazeer and Stern, 2018).

v ≈ r c / mean(r)      r, c: running means of g² over the last and the last but one dim
p = p - alpha u / max(1, rms(u) / d)        u = g / sqrt(v)        alpha = max(eps2, rms(p)) min(lr, 1 / sqrt(t))
"""

from __future__ import annotations

from typing import Any

import graphtorch as torch

from ..frontend.tensor import Tensor
from .checks import one_element
from .rules import RuleOptimizer, as_number, count, counter, maximum, minimum, zeros


class Adafactor(RuleOptimizer):
    """Adaptive steps with sublinear memory; parameters of one dim keep the whole second moment.

    beta2_decay: the second moment's decay is 1 - t^beta2_decay.  d: clipping threshold of the update's root mean square.
    Raises RuntimeError for complex parameters and sparse gradients.

    >>> import graphtorch as torch
    >>> w = torch.nn.Parameter(torch.ones(2, 3))
    >>> w.sum().backward()
    >>> torch.optim.Adafactor([w], lr=0.1).step()
    >>> w.detach()[0, 0].item()
    0.8999999761581421
    """

    _whole = True

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ):
        one_element(lr=lr)
        for wrong, text in (
            (not lr >= 0.0, f"Learning rate should be >= 0 but is: {lr}"),
            (not beta2_decay <= 0.0, f"beta2_decay should be <= 0 but is: {beta2_decay}"),
            (
                eps[0] is not None and not eps[0] >= 0.0,
                f"epsilon1 should be >= 0 but is: {eps[0]}",
            ),
            (not eps[1] >= 0.0, f"epsilon2 should be >= 0 but is: {eps[1]}"),
            (not d >= 1.0, f"Clipping threshold d should be >= 1 but is: {d}"),
            (not weight_decay >= 0.0, f"weight_decay should be >= 0 but is: {weight_decay}"),
        ):
            if wrong:
                raise ValueError(text)
        defaults = {
            "lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d, "weight_decay": weight_decay,
            "foreach": foreach, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _new_state(self, group: dict[str, Any], parameter: Tensor) -> dict[str, Any]:
        shape = tuple(parameter.shape)
        if len(shape) < 2:
            return {"step": counter(), "variance": zeros(shape, parameter)}
        return {
            "step": counter(),
            "row_var": zeros((*shape[:-1], 1), parameter),
            "col_var": zeros((*shape[:-2], 1, shape[-1]), parameter),
        }

    def _names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ()

    def _check_gradient(self, parameter: Tensor, gradient: Tensor) -> None:
        if parameter.is_complex():
            raise RuntimeError("Adafactor does not support complex parameters")
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
        g = -gradient if group["maximize"] else gradient
        eps1, eps2 = group["eps"]
        if eps1 is None:
            eps1 = torch.finfo(parameter.dtype).eps
        t = count(state["step"])
        fresh = t ** group["beta2_decay"]
        size = max(parameter.numel(), 1) ** 0.5
        alpha = maximum(as_number(parameter.norm(2)) / size, eps2) * minimum(t**-0.5, lr)
        if group["weight_decay"] != 0:
            parameter.mul_(1 - lr * group["weight_decay"])
        if g.dim() > 1:
            row, column = state["row_var"], state["col_var"]
            row.add_(((g * g).mean(-1, keepdim=True) - row) * fresh)
            column.add_(((g * g).mean(-2, keepdim=True) - column) * fresh)
            variance = row @ column / row.mean(-2, keepdim=True).clamp(min=eps1)
        else:
            variance = state["variance"]
            variance.add_((g * g - variance) * fresh)
        update = variance.clamp(min=eps1 * eps1).rsqrt() * g
        clip = maximum(as_number(update.norm(2)) / (size * group["d"]), 1.0)
        parameter.sub_(update * (alpha / clip))
