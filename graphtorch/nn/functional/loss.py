"""Loss functions; `reduction` is none, mean or sum, the deprecated size_average and reduce are honoured."""

from __future__ import annotations

import math
import warnings
from typing import Any

import graphtorch as torch

from ...errors import message
from ...frontend.functional.wrapping import scalar_name
from ...frontend.tensor import Tensor
from ...ir import ops
from ...ir.dispatch import _stack
from .activation import log_softmax, logsigmoid


def _reduction(reduction: str, size_average: Any, reduce: Any) -> str:
    if size_average is not None or reduce is not None:
        reduce = True if reduce is None else reduce
        size_average = True if size_average is None else size_average
        reduction = "none" if not reduce else "mean" if size_average else "sum"
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def _reduce(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return loss.mean()
    return loss.sum() if reduction == "sum" else loss


def _pair(input: Tensor, target: Tensor, name: str) -> tuple[Tensor, Tensor]:
    if tuple(input.shape) != tuple(target.shape):
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will"
            " likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
            stacklevel=3,
        )
    return torch.broadcast_tensors(input, target)


def _regression(op: Any, input: Tensor, target: Tensor, reduction: str, **attrs: Any) -> Tensor:
    if input._array.shape != target._array.shape:
        input, target = _pair(input, target, op.name)
    if input._array.dtype != target._array.dtype:
        dtype = torch.promote_types(input.dtype, target.dtype)
        input, target = input.to(dtype), target.to(dtype)
    return op(input, target, reduction=reduction, **attrs)


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """(input - target)^2."""
    reduction = _reduction(reduction, size_average, reduce)
    if weight is not None:
        loss = (input - target) ** 2 * weight
        return loss.sum() / weight.sum() if reduction == "mean" else _reduce(loss, reduction)
    return _regression(ops.mse_loss, input, target, reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """|input - target|."""
    reduction = _reduction(reduction, size_average, reduce)
    if weight is not None:
        loss = (input - target).abs() * weight
        return loss.sum() / weight.sum() if reduction == "mean" else _reduce(loss, reduction)
    return _regression(ops.l1_loss, input, target, reduction)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """d^2 / (2 beta) for |d| < beta, |d| - beta / 2 otherwise."""
    reduction = _reduction(reduction, size_average, reduce)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    return _regression(ops.smooth_l1_loss, input, target, reduction, beta=float(beta))


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """d^2 / 2 for |d| < delta, delta (|d| - delta / 2) otherwise."""
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    if weight is not None:
        loss = huber_loss(input, target, "none", delta) * weight
        return loss.sum() / weight.sum() if reduction == "mean" else _reduce(loss, reduction)
    return _regression(
        ops.huber_loss, input, target, _reduction(reduction, None, None), delta=float(delta)
    )


def _classes_last(input: Tensor) -> Tensor:
    """[N, C, d1, ...] to [N * d1 * ..., C]."""
    if input.ndim == 2:
        return input
    return input.permute(0, *range(2, input.ndim), 1).reshape(-1, input.shape[1])


def _check_classes(input: Tensor, target: Tensor) -> None:
    batch = input.shape[:1] + input.shape[2:] if input.ndim > 1 else ()
    if tuple(target.shape) != tuple(batch):
        if input.ndim > 1 and target.ndim > 0 and input.shape[0] != target.shape[0]:
            text = f"Expected input batch_size ({input.shape[0]}) to match target batch_size ({target.shape[0]})."
            raise ValueError(message(text, operands={"input": input.type_, "target": target.type_}))
        raise RuntimeError(
            message(
                f"Expected target size {list(batch)}, got {list(target.shape)}",
                operands={"input": input.type_, "target": target.type_},
                hint="class indices have the input's shape without its class dimension 1",
            )
        )
    if target.dtype not in (torch.int64, torch.uint8):
        raise RuntimeError(
            message(
                f"expected target dtype to be Long or Byte, but got {scalar_name(target.dtype)}",
                operands={"input": input.type_, "target": target.type_},
            )
        )


def _classification(
    op: Any, input: Tensor, target: Tensor, weight: Any, reduction: str, **attrs: Any
) -> Tensor:
    single = input.ndim == 1
    rows = input.unsqueeze(0) if single else _classes_last(input)
    target = target if target.dtype is torch.int64 else target.to(torch.int64)
    flat = target.reshape(-1)
    operands = (rows, flat) if weight is None else (rows, flat, weight)
    loss = op(*operands, reduction=reduction, **attrs)
    return loss.reshape(target.shape) if reduction == "none" else loss


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(input) at the target class; input [C], [N, C] or [N, C, d1, ...].

    target: class indices i64 without the class dimension, or class probabilities of the input's shape.
    Raises IndexError for a class outside [0, C).
    """
    reduction = _reduction(reduction, size_average, reduce)
    if target.dtype.is_floating_point and target.shape == input.shape:
        dim = 0 if input.ndim == 1 else 1
        if ignore_index >= 0:
            raise RuntimeError("ignore_index is not supported for floating point target")
        if label_smoothing > 0:
            target = target * (1 - label_smoothing) + label_smoothing / input.shape[dim]
        logs = log_softmax(input, dim)
        if weight is not None:
            logs = logs * weight.reshape([-1 if i == dim else 1 for i in range(input.ndim)])
        loss = -(logs * target).sum(dim)
        return (
            loss.sum() / max(loss.numel(), 1) if reduction == "mean" else _reduce(loss, reduction)
        )
    if target.shape == input.shape and input.ndim > 1:
        raise RuntimeError(
            "Expected floating point type for target with class probabilities, got"
            f" {scalar_name(target.dtype)}"
        )
    _check_classes(input, target)
    classes = input.shape[0 if input.ndim == 1 else 1]
    if weight is not None and tuple(weight.shape) != (classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but got weight"
            f" tensor of shape: {list(weight.shape)}"
        )
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    return _classification(
        ops.cross_entropy, input, target, weight, reduction,
        ignore_index=ignore_index, label_smoothing=float(label_smoothing),
    )  # fmt: skip


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """-input at the target class, for log-probabilities [C], [N, C] or [N, C, d1, ...]."""
    _check_classes(input, target)
    if weight is not None and weight.dtype is not input.dtype:
        raise RuntimeError(
            f"expected scalar type {scalar_name(input.dtype)} but found {scalar_name(weight.dtype)}"
        )
    return _classification(
        ops.nll_loss,
        input,
        target,
        weight,
        _reduction(reduction, size_average, reduce),
        ignore_index=ignore_index,
    )


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """-(t log p + (1 - t) log(1 - p)), logarithms clamped at -100."""
    if tuple(input.shape) != tuple(target.shape):
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated."
            " Please ensure they have the same size."
        )
    with torch.no_grad():
        outside = (
            bool(((input < 0) | (input > 1)).any()) if not torch.compiler.is_compiling() else False
        )
    if outside:
        raise RuntimeError("all elements of input should be between 0 and 1")
    log_p = torch.clamp(torch.log(input), min=-100)
    log_q = torch.clamp(torch.log1p(-input), min=-100)
    loss = -(target * log_p + (1 - target) * log_q)
    if weight is not None:
        loss = loss * weight
    return _reduce(loss, _reduction(reduction, size_average, reduce))


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Binary cross entropy of sigmoid(input), computed without overflow."""
    if tuple(input.shape) != tuple(target.shape):
        raise ValueError(
            f"Target size ({target.shape}) must be the same as input size ({input.shape})"
        )
    if pos_weight is None:
        loss = (1 - target) * input - logsigmoid(input)
    else:
        loss = (1 - target) * input - ((pos_weight - 1) * target + 1) * logsigmoid(input)
    if weight is not None:
        loss = loss * weight
    return _reduce(loss, _reduction(reduction, size_average, reduce))


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """target * (log target - input); `reduction="batchmean"` divides the sum by the batch size."""
    if log_target:
        loss = torch.exp(target) * (target - input)
    else:
        loss = torch.xlogy(target, target) - target * input
    if reduction == "batchmean" and size_average is None and reduce is None:
        return loss.sum() / (input.shape[0] if input.ndim else 1)
    return _reduce(loss, _reduction(reduction, size_average, reduce))


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool = True, full: bool = False, size_average: Any = None,
    eps: float = 1e-8, reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """exp(x) - t x for log_input, x - t log(x + eps) otherwise; `full` adds Stirling's term."""
    loss = (
        torch.exp(input) - target * input if log_input else input - target * torch.log(input + eps)
    )
    if full:
        safe = torch.where(target > 1, target, torch.ones_like(target))
        stirling = target * torch.log(safe) - target + 0.5 * torch.log(2 * math.pi * safe)
        loss = loss + torch.where(target > 1, stirling, torch.zeros_like(stirling))
    return _reduce(loss, _reduction(reduction, size_average, reduce))


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log var + (x - t)^2 / var) / 2, var at least eps; `full` adds log(2 pi) / 2."""
    if not isinstance(var, Tensor):
        var = torch.full_like(input, float(var))
    elif _stack.top is None and bool((var.detach() < 0).any()):
        raise ValueError("var has negative entry/entries")
    if tuple(var.shape) != tuple(input.shape):
        if tuple(input.shape[:-1]) == tuple(var.shape):
            var = var.unsqueeze(-1)
        elif (
            input.ndim != var.ndim
            or sum(
                theirs for own, theirs in zip(input.shape, var.shape, strict=True) if own != theirs
            )
            != 1
        ):
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    with torch.no_grad():
        floor = torch.clamp(var, min=eps) - var
    var = var + floor
    loss = 0.5 * (torch.log(var) + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return _reduce(loss, reduction)


def ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: int = 0,
    reduction: str = "mean", zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """Connectionist temporal classification (Graves et al., 2006); log_probs [T, N, C] or [T, C].

    targets: [N, S], or all targets one after another; lengths: one per batch element, numbers or a tensor.
    As in PyTorch the gradient is that of a log-softmax before the loss: log_probs are taken for normalised.
    """
    single = log_probs.ndim == 2
    logs = log_probs.unsqueeze(1) if single else log_probs
    times, sizes = _lengths(input_lengths), _lengths(target_lengths)
    if not 0 <= blank < logs.shape[2]:
        raise RuntimeError("blank must be in label range")
    if times.shape[0] != logs.shape[1]:
        raise RuntimeError("input_lengths must be of size batch_size")
    if sizes.shape[0] != logs.shape[1]:
        raise RuntimeError("target_lengths must be of size batch_size")
    labels = targets.to(torch.int64)
    if targets.ndim == 1:
        starts = torch.cumsum(sizes, 0) - sizes
        widest = targets.shape[0] if single else int(sizes.max()) if sizes.numel() else 0
        places = starts.unsqueeze(1) + torch.arange(widest)
        labels = torch.cat([labels, labels.new_zeros(1)])[places.clamp(max=labels.shape[0])]
    loss = ops.ctc_loss(logs, labels, times, sizes, blank=blank)
    mass = torch.exp(logs)
    within = torch.arange(logs.shape[0]).reshape(-1, 1, 1) < times.reshape(1, -1, 1)
    mass = torch.where(within, mass, torch.zeros_like(mass)).sum((0, 2))
    loss = loss + (mass - mass.detach())
    if zero_infinity:
        loss = torch.where(torch.isinf(loss), torch.zeros_like(loss), loss)
    if reduction == "mean":
        return (loss / sizes.clamp(min=1).to(loss.dtype)).mean()
    loss = _reduce(loss, reduction)
    return loss.squeeze(0) if single and reduction == "none" else loss


def _lengths(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value.reshape(-1).to(torch.int64)
    listed = list(value) if hasattr(value, "__iter__") else [value]
    return torch.tensor([int(x) for x in listed], dtype=torch.int64)
