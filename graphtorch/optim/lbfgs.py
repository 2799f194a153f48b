"""Limited-memory BFGS (Nocedal and Wright, Numerical Optimization, 2006, algorithms 7.4, 3.5 and 3.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import graphtorch as torch

from ..frontend.grad_mode import enable_grad, no_grad
from ..frontend.tensor import Tensor
from .checks import check_options
from .optimizer import Optimizer

Point = tuple[Any, float, Tensor, Any]  # step length, loss, gradient, slope along the direction


def _cubic_minimum(
    x1: float, f1: float, g1: float, x2: float, f2: float, g2: float, bounds: Any = None
) -> float:
    """Where the cubic through two points with given slopes is smallest, within bounds."""
    low, high = bounds if bounds is not None else ((x1, x2) if x1 <= x2 else (x2, x1))
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1**2 - g1 * g2
    if square < 0:
        return (low + high) / 2.0
    d2 = square**0.5
    if x1 <= x2:
        position = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
    else:
        position = x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(position, low), high)


def _strong_wolfe(
    evaluate: Callable[[float], tuple[float, Tensor]],
    direction: Tensor,
    t: float,
    loss: float,
    gradient: Tensor,
    slope: float,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance: float = 1e-9,
    limit: int = 25,
) -> tuple[float, Tensor, float, int]:
    """A step length that satisfies the strong Wolfe conditions: (loss, gradient, step, evaluations)."""
    size = direction.abs().max()
    gradient = gradient.clone()
    previous: Point = (0.0, loss, gradient, slope)
    new_loss, new_gradient = evaluate(t)
    new_slope = new_gradient.dot(direction)
    calls, steps = 1, 0
    bracket: list[Point] = []
    done = False
    while steps < limit:
        now: Point = (t, new_loss, new_gradient.clone(), new_slope)
        if new_loss > loss + c1 * t * slope or (steps > 1 and new_loss >= previous[1]):
            bracket = [previous, now]
            break
        if abs(new_slope) <= -c2 * slope:
            bracket, done = [now], True
            break
        if new_slope >= 0:
            bracket = [previous, now]
            break
        smallest, largest = t + 0.01 * (t - previous[0]), t * 10
        last = t
        t = _cubic_minimum(
            previous[0], previous[1], previous[3], t, new_loss, new_slope, (smallest, largest)
        )
        previous = (last, *now[1:])
        new_loss, new_gradient = evaluate(t)
        calls += 1
        new_slope = new_gradient.dot(direction)
        steps += 1
    if steps == limit:
        bracket = [(0.0, loss, gradient, slope), (t, new_loss, new_gradient, new_slope)]
    slow = False
    low, high = (0, 1) if len(bracket) == 2 and bracket[0][1] <= bracket[-1][1] else (1, 0)
    if len(bracket) == 1:
        low = high = 0
    while not done and steps < limit:
        ends = bracket[0][0], bracket[1][0]
        if abs(ends[1] - ends[0]) * size < tolerance:
            break
        (t1, f1, _, g1), (t2, f2, _, g2) = bracket
        t = _cubic_minimum(t1, f1, g1, t2, f2, g2)
        margin = 0.1 * (max(ends) - min(ends))
        if min(max(ends) - t, t - min(ends)) < margin:
            if slow or t >= max(ends) or t <= min(ends):
                t = (
                    max(ends) - margin
                    if abs(t - max(ends)) < abs(t - min(ends))
                    else min(ends) + margin
                )
                slow = False
            else:
                slow = True
        else:
            slow = False
        new_loss, new_gradient = evaluate(t)
        calls += 1
        new_slope = new_gradient.dot(direction)
        steps += 1
        now = (t, new_loss, new_gradient.clone(), new_slope)
        if new_loss > loss + c1 * t * slope or new_loss >= bracket[low][1]:
            bracket[high] = now
            low, high = (0, 1) if bracket[0][1] <= bracket[1][1] else (1, 0)
        else:
            if abs(new_slope) <= -c2 * slope:
                done = True
            elif new_slope * (bracket[high][0] - bracket[low][0]) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = now
    step, best_loss, best_gradient, _ = bracket[low]
    return best_loss, best_gradient, step, calls


class LBFGS(Optimizer):
    """Quasi-Newton steps from the last `history_size` gradients; `step` needs a closure.

    line_search_fn: None for steps of length lr, or "strong_wolfe".
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ):
        check_options(lr=lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    def _gradient(self) -> Tensor:
        return torch.cat(
            [(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in self._params]
        )

    def _move(self, length: float, direction: Tensor) -> None:
        start = 0
        for p in self._params:
            stop = start + p.numel()
            p.add_(direction[start:stop].reshape(p.shape), alpha=length)
            start = stop

    @no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Make up to max_iter steps; `closure` evaluates the loss and its gradients."""
        group = self.param_groups[0]
        lr = group["lr"]
        evaluate = enable_grad()(closure)
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        original = evaluate()
        loss = float(original)
        calls = 1
        state["func_evals"] += 1
        gradient = self._gradient()
        if float(gradient.abs().max()) <= group["tolerance_grad"]:
            return original
        direction, t = state.get("d"), state.get("t")
        old_steps, old_changes = state.get("old_stps", []), state.get("old_dirs", [])
        weights = state.get("ro", [])
        scale, previous, previous_loss = (
            state.get("H_diag"),
            state.get("prev_flat_grad"),
            state.get("prev_loss"),
        )
        done_here = 0
        while done_here < group["max_iter"]:
            done_here += 1
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                direction, old_changes, old_steps, weights, scale = gradient.neg(), [], [], [], 1
            else:
                change, moved = gradient - previous, direction * t
                curvature = change.dot(moved)
                if curvature > 1e-10:
                    if len(old_changes) == group["history_size"]:
                        for history in (old_changes, old_steps, weights):
                            history.pop(0)
                    old_changes.append(change)
                    old_steps.append(moved)
                    weights.append(1.0 / curvature)
                    scale = curvature / change.dot(change)
                factors = state.setdefault("al", [None] * group["history_size"])
                direction = self._direction(
                    gradient, old_changes, old_steps, weights, scale, factors
                )
            previous, previous_loss = gradient.clone(), loss
            t = min(1.0, 1.0 / gradient.abs().sum()) * lr if state["n_iter"] == 1 else lr
            slope = gradient.dot(direction)
            if slope > -group["tolerance_change"]:
                break
            used = 0
            if group["line_search_fn"] is not None:
                if group["line_search_fn"] != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")
                start = [p.clone() for p in self._params]

                def at(
                    length: float, start: list[Tensor] = start, d: Tensor = direction
                ) -> tuple[float, Tensor]:
                    self._move(length, d)
                    value, slope_here = float(evaluate()), self._gradient()
                    for p, before in zip(self._params, start, strict=True):
                        p.copy_(before)
                    return value, slope_here

                loss, gradient, t, used = _strong_wolfe(
                    at, direction, t, loss, gradient, slope, limit=group["max_eval"] - calls
                )
                self._move(t, direction)
                flat = float(gradient.abs().max()) <= group["tolerance_grad"]
            else:
                self._move(t, direction)
                flat = False
                if done_here != group["max_iter"]:
                    loss = float(evaluate())
                    gradient = self._gradient()
                    flat = float(gradient.abs().max()) <= group["tolerance_grad"]
                    used = 1
            calls += used
            state["func_evals"] += used
            if (
                done_here == group["max_iter"]
                or calls >= group["max_eval"]
                or flat
                or float((direction * t).abs().max()) <= group["tolerance_change"]
                or abs(loss - previous_loss) < group["tolerance_change"]
            ):
                break
        state.update(
            d=direction, t=t, old_dirs=old_changes, old_stps=old_steps, ro=weights, H_diag=scale,
            prev_flat_grad=previous, prev_loss=previous_loss,
        )  # fmt: skip
        return original

    @staticmethod
    def _direction(
        gradient: Tensor,
        changes: list[Tensor],
        steps: list[Tensor],
        weights: list[Tensor],
        scale: Any,
        factors: list[Any],
    ) -> Tensor:
        """The two-loop recursion: minus the inverse Hessian's estimate times the gradient."""
        q = gradient.neg()
        for i in reversed(range(len(changes))):
            factors[i] = steps[i].dot(q) * weights[i]
            q = q - changes[i] * factors[i]
        r = q * scale
        for i in range(len(changes)):
            r = r + steps[i] * (factors[i] - changes[i].dot(r) * weights[i])
        return r
