"""Optimiser steps as composites: what one parameter and its state become.

Formulas and the order of roundings are those of PyTorch 2.13's single-tensor implementations
(`torch/optim/sgd.py`, `adam.py`).  What changes at run time (learning rate, bias corrections) comes
in as 0-d tensors, float64 where the optimiser keeps Python floats, so that no step is compiled
twice; scalars are combined in that precision and rounded to the parameter's dtype once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..op import Op, declare
from ..types import TensorType
from .inference import require, require_kind
from .kernels import Array, widened
from .pointwise import cast, maximum, sqrt
from .samples import Case, between, normal
from .view import expand


def _check(
    name: str, param: TensorType, like: dict[str, TensorType | None], scalars: dict[str, TensorType]
) -> None:
    require_kind(name, param, "f")
    for operand, type in like.items():
        require(
            type is None or type == param,
            f"{name}: {operand} must be {param}",
            param=param,
            **{operand: type},
        )
    for operand, type in scalars.items():
        require(
            type.shape == () and type.dtype.kind == "f",
            f"{name}: {operand} must be a 0-d floating tensor",
            **{operand: type},
        )


def _number(x: Array, dtype: np.dtype[Any]) -> Any:
    """A scalar of the parameter's dtype."""
    return dtype.type(x)


def _spread(scalar: Any, like: Any) -> Any:
    """A 0-d value, rounded to `like`'s dtype and repeated to its shape."""
    rounded = scalar if scalar.dtype is like.dtype else cast(scalar, dtype=like.dtype)
    return expand(rounded, shape=tuple(like.shape))


# ---- SGD


def _sgd_type(
    param: TensorType, grad: TensorType, lr: TensorType, buffer: TensorType | None = None, *,
    weight_decay: float, momentum: float, dampening: float, nesterov: bool, maximize: bool,
) -> TensorType | tuple[TensorType, TensorType]:  # fmt: skip
    _check("sgd_step", param, {"grad": grad, "buffer": buffer}, {"lr": lr})
    return (param, param) if momentum else param


def _sgd(
    param: Array, grad: Array, lr: Array, buffer: Array | None = None, *,
    weight_decay: float, momentum: float, dampening: float, nesterov: bool, maximize: bool,
) -> Any:  # fmt: skip
    number = param.dtype.type
    d = -grad if maximize else grad
    if weight_decay:
        d = d + number(weight_decay) * param
    new_buffer = None
    if momentum:
        if buffer is None:
            new_buffer = d.copy()
        else:
            new_buffer = buffer * number(momentum)
            new_buffer += d if dampening == 0 else number(1 - dampening) * d
        d = d + number(momentum) * new_buffer if nesterov else new_buffer
    step = np.asarray(d * _number(-lr, param.dtype))
    step += param
    return step if new_buffer is None else (step, new_buffer)


def _sgd_decomposed(
    param: Any, grad: Any, lr: Any, buffer: Any = None, *,
    weight_decay: float, momentum: float, dampening: float, nesterov: bool, maximize: bool,
) -> Any:  # fmt: skip
    d = -grad if maximize else grad
    if weight_decay:
        d = d + weight_decay * param
    new_buffer = None
    if momentum:
        if buffer is None:
            new_buffer = d
        else:
            new_buffer = buffer * momentum + (d if dampening == 0 else (1 - dampening) * d)
        d = d + momentum * new_buffer if nesterov else new_buffer
    step = param + d * _spread(-lr, param)
    return step if new_buffer is None else (step, new_buffer)


def _sgd_samples() -> list[Case]:
    p, g, lr, buffer = normal(3, 4), normal(3, 4, seed=1), np.array(0.1), normal(3, 4, seed=2)
    plain = {
        "weight_decay": 0.0,
        "momentum": 0.0,
        "dampening": 0.0,
        "nesterov": False,
        "maximize": False,
    }
    return [
        ((p, g, lr), plain),
        ((p, g, lr.astype(np.float32)), {**plain, "weight_decay": 0.1, "maximize": True}),
        ((p, g, lr), {**plain, "momentum": 0.9}),
        ((p, g, lr, buffer), {**plain, "momentum": 0.9, "dampening": 0.1}),
        ((p, g, lr, buffer), {**plain, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ]


# sgd_step(param, grad, lr, [buffer], weight_decay=, momentum=, dampening=, nesterov=, maximize=):
# the new parameter; with momentum (parameter, buffer).  No buffer: the first step, which starts one.
sgd_step = declare(
    "sgd_step", "composite", "param grad lr buffer", _sgd_type, widened(_sgd), decompose=_sgd_decomposed,
    samples=_sgd_samples,
)  # fmt: skip


# ---- Adam and AdamW


def _adam_row(name: str, decoupled: bool) -> Op:
    """`decoupled`: weight decay shrinks the parameter (AdamW) instead of joining the gradient."""

    def infer(
        param: TensorType, grad: TensorType, exp_avg: TensorType, exp_avg_sq: TensorType, lr: TensorType,
        bias_correction1: TensorType, bias_correction2: TensorType, max_exp_avg_sq: TensorType | None = None, *,
        beta1: float, beta2: float, eps: float, weight_decay: float, maximize: bool,
    ) -> tuple[TensorType, ...]:  # fmt: skip
        state = {
            "grad": grad,
            "exp_avg": exp_avg,
            "exp_avg_sq": exp_avg_sq,
            "max_exp_avg_sq": max_exp_avg_sq,
        }
        scalars = {
            "lr": lr,
            "bias_correction1": bias_correction1,
            "bias_correction2": bias_correction2,
        }
        _check(name, param, state, scalars)
        return (param,) * (3 if max_exp_avg_sq is None else 4)

    def numpy(
        param: Array, grad: Array, exp_avg: Array, exp_avg_sq: Array, lr: Array,
        bias_correction1: Array, bias_correction2: Array, max_exp_avg_sq: Array | None = None, *,
        beta1: float, beta2: float, eps: float, weight_decay: float, maximize: bool,
    ) -> tuple[Array, ...]:  # fmt: skip
        dtype = param.dtype
        number = dtype.type
        if maximize:
            grad = -grad
        if weight_decay and decoupled:
            new = param * _number(1 - lr * weight_decay, dtype)
        else:
            new = param.copy()
            if weight_decay:
                grad = grad + number(weight_decay) * param
        first = np.asarray(grad - exp_avg)
        weight = number(1 - beta1)
        if weight < 0.5:
            first *= weight
            first += exp_avg
        else:  # lerp counts from the nearer end
            first *= weight - number(1)
            first += grad
        second = np.asarray(grad * number(1 - beta2))
        second *= grad
        second += exp_avg_sq * number(beta2)
        largest = second if max_exp_avg_sq is None else np.maximum(max_exp_avg_sq, second)
        denominator = np.asarray(np.sqrt(largest))
        denominator /= _number(np.sqrt(bias_correction2), dtype)
        denominator += number(eps)
        step = np.divide(
            first * _number(-(lr / bias_correction1), dtype), denominator, out=denominator
        )
        new = np.asarray(new)
        new += step
        return (new, first, second) if max_exp_avg_sq is None else (new, first, second, largest)

    def decomposed(
        param: Any, grad: Any, exp_avg: Any, exp_avg_sq: Any, lr: Any,
        bias_correction1: Any, bias_correction2: Any, max_exp_avg_sq: Any = None, *,
        beta1: float, beta2: float, eps: float, weight_decay: float, maximize: bool,
    ) -> tuple[Any, ...]:  # fmt: skip
        if maximize:
            grad = -grad
        new = param
        if weight_decay and decoupled:
            new = param * _spread(1.0 - lr * weight_decay, param)
        elif weight_decay:
            grad = grad + weight_decay * param
        weight = 1 - beta1
        gap = grad - exp_avg
        first = exp_avg + gap * weight if weight < 0.5 else grad + gap * (weight - 1)
        second = exp_avg_sq * beta2 + (grad * (1 - beta2)) * grad
        largest = second if max_exp_avg_sq is None else maximum(max_exp_avg_sq, second)
        denominator = sqrt(largest) / _spread(sqrt(bias_correction2), param) + eps
        new = new + (first * _spread(-(lr / bias_correction1), param)) / denominator
        return (new, first, second) if max_exp_avg_sq is None else (new, first, second, largest)

    return declare(
        name, "composite",
        "param grad exp_avg exp_avg_sq lr bias_correction1 bias_correction2 max_exp_avg_sq",
        infer, widened(numpy), decompose=decomposed, samples=_adam_samples,
    )  # fmt: skip


def _adam_samples() -> list[Case]:
    tensors = (
        normal(3, 4),
        normal(3, 4, seed=1),
        normal(3, 4, seed=2),
        between(0, 1, 3, 4, seed=3),
    )
    scalars = (np.array(1e-2), np.array(1 - 0.9**3), np.array(1 - 0.999**3))
    attrs = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0, "maximize": False}
    return [
        ((*tensors, *scalars), attrs),
        ((*tensors, *scalars), {**attrs, "weight_decay": 0.1, "maximize": True, "beta1": 0.4}),
        ((*tensors, *scalars, between(0, 1, 3, 4, seed=4)), {**attrs, "weight_decay": 0.1}),
    ]


# adam_step, adamw_step(param, grad, exp_avg, exp_avg_sq, lr, bias_correction1, bias_correction2,
# [max_exp_avg_sq], beta1=, beta2=, eps=, weight_decay=, maximize=): the new param, exp_avg,
# exp_avg_sq [and max_exp_avg_sq: AMSGrad].  bias_correction = 1 - beta ** step.
# Kingma & Ba 2015; Loshchilov & Hutter 2019.
adam_step = _adam_row("adam_step", decoupled=False)
adamw_step = _adam_row("adamw_step", decoupled=True)
