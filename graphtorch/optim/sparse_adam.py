"""Adam for sparse gradients: moments and parameters change only where the gradient has values."""

from __future__ import annotations

import math
from typing import Any

from ..frontend.tensor import Tensor
from .checks import one_element
from .optimizer import Optimizer, with_closure
from .rules import zeros_like


class SparseAdam(Optimizer):
    """Adam (Kingma and Ba, 2015) on the rows that a sparse gradient holds, others untouched.

    Raises ValueError for sparse or complex parameters, RuntimeError in `step` for a dense gradient.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ):
        one_element(lr=lr)
        if not lr > 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps > 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for i, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        for wrong, what in (
            (lambda p: p.is_sparse, "requires dense parameter tensors"),
            (lambda p: p.is_complex(), "does not support complex parameters"),
        ):
            found = [
                [i, j]
                for i, group in enumerate(self.param_groups)
                for j, p in enumerate(group["params"])
                if wrong(p)
            ]
            if found:
                kind = "Sparse" if "dense" in what else "Complex"
                raise ValueError(f"{kind} params at indices {found}: SparseAdam {what}")

    @with_closure
    def step(self) -> None:
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                if not parameter.grad.is_sparse:
                    raise RuntimeError(
                        "SparseAdam does not support dense gradients, please consider Adam instead"
                    )
                state = self.state[parameter]
                if not state:
                    state.update(
                        step=0, exp_avg=zeros_like(parameter), exp_avg_sq=zeros_like(parameter)
                    )
                state["step"] += 1
                self._step_one(group, state, parameter)

    def _step_one(self, group: dict[str, Any], state: dict[str, Any], parameter: Tensor) -> None:
        lr = group["lr"].item() if isinstance(group["lr"], Tensor) else group["lr"]
        beta1, beta2 = group["betas"]
        gradient = parameter.grad.coalesce()
        where = tuple(gradient.indices())
        g = -gradient.values() if group["maximize"] else gradient.values()
        if g.numel() == 0:
            return
        m, v = state["exp_avg"], state["exp_avg_sq"]
        new_m = m[where] + (g - m[where]) * (1 - beta1)
        new_v = v[where] + (g * g - v[where]) * (1 - beta2)
        m[where], v[where] = new_m, new_v
        t = state["step"]
        size = lr * math.sqrt(1 - beta2**t) / (1 - beta1**t)
        parameter[where] -= new_m / (new_v.sqrt() + group["eps"]) * size
