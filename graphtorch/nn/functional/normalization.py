"""Normalisation layers as functions."""

from __future__ import annotations

from collections.abc import Sequence

import graphtorch as torch

from ...errors import message
from ...frontend.tensor import Tensor
from ...ir import ops


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dimensions (Ba et al., 2016).

    Raises RuntimeError if the input does not end with `normalized_shape`.
    """
    shape = tuple(normalized_shape)
    count = len(shape)
    _check_shape(input, shape, weight, bias)
    if weight is None:
        y = ops.layer_norm(input, ndim=count, eps=eps)
        return y if bias is None else y + bias
    if bias is None:
        return ops.layer_norm(input, weight, ndim=count, eps=eps)
    return ops.layer_norm(input, weight, bias, ndim=count, eps=eps)


def _check_shape(
    input: Tensor, shape: tuple[int, ...], weight: Tensor | None, bias: Tensor | None
) -> None:
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but"
            " got normalized_shape = []"
        )
    for name, x in (("weight", weight), ("bias", bias)):
        if x is not None and x._array.shape != shape:
            raise RuntimeError(
                message(
                    f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape"
                    f" {list(x.shape)} and normalized_shape = {list(shape)}",
                    operands={"input": input.type_, name: x.type_},
                )
            )
        if x is not None and x._array.dtype != input._array.dtype:
            raise RuntimeError(
                message(
                    "expected scalar types of input and parameters to be equal",
                    operands={"input": input.type_, name: x.type_},
                )
            )
    if input._array.shape[-len(shape) :] != shape:
        raise RuntimeError(
            message(
                f"Given normalized_shape={list(shape)}, expected input with shape"
                f" [*, {', '.join(map(str, shape))}], but got input of size{list(input.shape)}",
                operands={"input": input.type_},
            )
        )


def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """x / sqrt(mean(x^2) + eps) * weight over the last dimensions (Zhang and Sennrich, 2019)."""
    shape = tuple(normalized_shape)
    _check_shape(input, shape, weight, None)
    eps = torch.finfo(input.dtype).eps if eps is None else eps
    if weight is None:
        return ops.rms_norm(input, ndim=len(shape), eps=eps)
    return ops.rms_norm(input, weight, ndim=len(shape), eps=eps)


def _per_channel(x: Tensor, ndim: int) -> Tensor:
    return x.reshape([1, -1] + [1] * (ndim - 2))


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel (dimension 1) by batch or running statistics (Ioffe and Szegedy, 2015).

    In training the running statistics are updated in place, with the unbiased variance.
    Raises ValueError for one value per channel in training.
    """
    affine = () if weight is None else (weight,) if bias is None else (weight, bias)
    if input.ndim < 2:
        if input.numel():
            raise RuntimeError(
                f"Expected more than 1 value per channel, got input size {list(input.shape)}"
            )
        return input * 1
    if training:
        count = input.numel() // max(input.shape[1], 1)
        if count <= 1 and input.numel() > 0:
            raise ValueError(
                f"Expected more than 1 value per channel when training, got input size {input.shape}"
            )
        y, mean, variance = ops.batch_norm(input, *affine, eps=eps)
        if running_mean is not None and running_var is not None and input.numel():
            with torch.no_grad():
                unbiased = variance * (count / (count - 1))
                running_mean.copy_(running_mean * (1 - momentum) + mean * momentum)
                running_var.copy_(running_var * (1 - momentum) + unbiased * momentum)
    else:
        if running_mean is None or running_var is None:
            raise RuntimeError(
                "Expected running_mean and running_var to be defined when training=False"
            )
        y = ops.batch_norm_inference(input, running_mean, running_var, *affine, eps=eps)
    return y + _per_channel(bias, input.ndim) if weight is None and bias is not None else y


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel of each sample over its spatial dimensions (Ulyanov et al., 2016)."""
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    dims = tuple(range(2, input.ndim))
    spatial = input[0, 0].numel()
    if spatial <= 1:
        raise ValueError(
            f"Expected more than 1 spatial element when training, got input size {input.shape}"
        )
    mean = input.mean(dims, keepdim=True)
    centred = input - mean
    variance = (centred * centred).mean(dims, keepdim=True)
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            unbiased = variance.reshape(input.shape[:2]).mean(0) * (spatial / (spatial - 1))
            running_mean.copy_(
                running_mean * (1 - momentum) + mean.reshape(input.shape[:2]).mean(0) * momentum
            )
            running_var.copy_(running_var * (1 - momentum) + unbiased * momentum)
    y = centred * torch.rsqrt(variance + eps)
    if weight is not None:
        y = y * _per_channel(weight, input.ndim)
    return y if bias is None else y + _per_channel(bias, input.ndim)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise groups of channels (Wu and He, 2018)."""
    if input.ndim < 2:
        raise RuntimeError(
            f"Expected at least 2 dimensions for input tensor but received {input.ndim}"
        )
    if input.shape[1] % num_groups:
        raise RuntimeError(
            f"Expected number of channels in input to be divisible by num_groups, but got input of shape"
            f" {list(input.shape)} and num_groups={num_groups}"
        )
    affine = () if weight is None else (weight,) if bias is None else (weight, bias)
    y = ops.group_norm(input, *affine, groups=num_groups, eps=eps)
    return y + _per_channel(bias, input.ndim) if weight is None and bias is not None else y


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """x / (k + alpha * mean of squares of `size` neighbouring channels)^beta (Krizhevsky et al., 2012)."""
    if input.ndim < 3:
        raise ValueError(
            f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)"
        )
    from .padding import pad

    if input.numel() == 0:
        return input
    squares = (input * input).unsqueeze(1)
    around = [0, 0] * (input.ndim - 2) + [size // 2, (size - 1) // 2]
    padded = pad(squares, around)
    total = sum(padded[:, :, i : i + input.shape[1]] for i in range(size))
    return input / ((total.squeeze(1) / size * alpha + k) ** beta)
