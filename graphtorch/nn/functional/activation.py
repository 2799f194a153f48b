"""Activation functions of `torch.nn.functional`.

Each takes a Tensor of any shape and returns one of the same shape and dtype; `inplace=True` also
writes the result into the input.  Formulas are those of PyTorch's documentation.
"""

from __future__ import annotations

from typing import Any

import graphtorch as torch

from ...errors import message
from ...frontend.functional.wrapping import accepts_out, concrete
from ...frontend.tensor import Tensor
from ...ir import ops


def _done(input: Tensor, result: Tensor, inplace: bool) -> Tensor:
    return input._write(result) if inplace else result


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0)."""
    return _done(input, ops.relu(input), inplace)


def relu_(input: Tensor) -> Tensor:
    """In-place `relu`."""
    return relu(input, True)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6)."""
    return hardtanh(input, 0.0, 6.0, inplace)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """x clamped to [min_val, max_val]; bounds are truncated for integers."""
    if input.dtype is torch.bool:
        raise NotImplementedError("hardtanh is not implemented for bool tensors")
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if input.dtype.kind in "iu":
        min_val, max_val = int(min_val), int(max_val)
    return _done(input, torch.clamp(input, min_val, max_val), inplace)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """In-place `hardtanh`."""
    return hardtanh(input, min_val, max_val, True)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x for x > 0, negative_slope * x otherwise."""
    return _done(input, torch.where(input > 0, input, input * negative_slope), inplace)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """In-place `leaky_relu`."""
    return leaky_relu(input, negative_slope, True)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x for x > 0, alpha * (exp(x) - 1) otherwise."""
    negative = torch.expm1(torch.clamp(input, max=0)) * alpha
    return _done(input, torch.where(input > 0, input, negative), inplace)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place `elu`."""
    return elu(input, alpha, True)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Klambauer et al., Self-Normalizing Neural Networks, 2017."""
    alpha, scale = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
    return _done(input, elu(input, alpha) * scale, inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """max(0, x) + min(0, alpha * (exp(x / alpha) - 1))."""
    negative = torch.expm1(torch.clamp(input, max=0) / alpha) * alpha
    return _done(input, torch.where(input > 0, input, negative), inplace)


@accepts_out
def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x * Phi(x), with the error function or (`approximate="tanh"`) its tanh approximation."""
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    return ops.gelu(input, approximate=approximate)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x)."""
    return _done(input, ops.silu(input), inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x))."""
    return _done(input, input * torch.tanh(softplus(input)), inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * relu6(x + 3) / 6."""
    return _done(input, input * relu6(input + 3) / 6, inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """relu6(x + 3) / 6."""
    return _done(input, relu6(input + 3) / 6, inplace)


@accepts_out
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta, and x where beta * x > threshold."""
    scaled = input * beta
    small = torch.clamp(scaled, max=threshold)
    return torch.where(scaled > threshold, input, torch.log1p(torch.exp(small)) / beta)


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    return input / (torch.abs(input) + 1)


@accepts_out
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved towards zero by lambd, zero within lambd of it."""
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    return torch.where(
        input > lambd, input - lambd, torch.where(input < -lambd, input + lambd, input * 0)
    )


@accepts_out
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x, or zero where |x| <= lambd."""
    return torch.where(
        (input > lambd) | (input < -lambd) | torch.isnan(input), input, torch.zeros_like(input)
    )


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x)."""
    return input - torch.tanh(input)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, value otherwise."""
    return _done(
        input, torch.where(input > threshold, input, torch.full_like(input, value)), inplace
    )


def threshold_(input: Tensor, threshold_: float, value: float) -> Tensor:
    """In-place `threshold`."""
    return threshold(input, threshold_, value, True)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x for x > 0, weight * x otherwise; weight has one element or one per channel (dimension 1)."""
    if weight.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}"
        )
    if weight.numel() != 1:
        if input.ndim < 2 or input.shape[1] != weight.numel():
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {weight.numel()},"
                f" and channel size = {input.shape[1] if input.ndim > 1 else 1}."
            )
        weight = weight.reshape([1, -1] + [1] * (input.ndim - 2))
    elif input.ndim == 0:
        weight = weight.reshape(())
    return torch.where(input > 0, input, input * weight)


def rrelu(
    input: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """leaky_relu with a slope drawn from U(lower, upper) per element in training, its mean otherwise."""
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    leaking = input.detach() <= 0
    count = int(concrete(leaking).sum())  # PyTorch draws for these elements only
    draws = torch.empty(count, dtype=torch.float64).uniform_(lower, upper).to(input.dtype)
    slope = torch.ones_like(input).masked_scatter(leaking, draws)
    return _done(input, input * slope, inplace)


@accepts_out
def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(x)) = min(x, 0) - log1p(exp(-|x|))."""
    return torch.clamp(input, max=0) - torch.log1p(torch.exp(-torch.abs(input)))


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    return torch.sigmoid(input)


def tanh(input: Tensor) -> Tensor:
    """tanh(x)."""
    return torch.tanh(input)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a * sigmoid(b), a and b the halves along `dim`."""
    if input.ndim == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    if input.shape[dim] % 2:
        raise RuntimeError(
            message(
                f"Halving dimension must be even, but dimension {dim % input.ndim} is size {input.shape[dim]}",
                operands={"input": input.type_},
            )
        )
    a, b = torch.chunk(input, 2, dim)
    return a * torch.sigmoid(b)


def _softmax_dim(name: str, ndim: int, dim: int | None) -> int:
    if dim is None:  # PyTorch's deprecated choice
        return 0 if ndim in (0, 1, 3) else 1
    limit = max(ndim, 1)
    if not -limit <= dim < limit:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-limit}, {limit - 1}], but got {dim})"
        )
    return dim % limit


def _softmax(op: Any, input: Tensor, dim: int | None, dtype: Any) -> Tensor:
    if dtype is not None:
        input = input.to(dtype)
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            f"\"softmax_lastdim_kernel_impl\" not implemented for '{input.dtype.name}'"
        )
    dim = _softmax_dim(op.name, input.ndim, dim)
    if input.ndim == 0:
        return op(input.reshape(1), dim=0).reshape(())
    return op(input, dim=dim)


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """exp(x) / sum(exp(x)) along `dim`."""
    return _softmax(ops.softmax, input, dim, dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """x - log(sum(exp(x))) along `dim`."""
    return _softmax(ops.log_softmax, input, dim, dtype)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """softmax(-x)."""
    return softmax(-input, dim, dtype=dtype)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A sample of the Gumbel-softmax distribution (Jang et al., 2016); one-hot forward if `hard`."""
    gumbels = -torch.empty_like(logits).exponential_().log()
    soft = softmax((logits + gumbels) / tau, dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    return torch.zeros_like(logits).scatter_(dim, index, 1.0) - soft.detach() + soft
