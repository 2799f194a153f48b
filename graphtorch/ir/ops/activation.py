"""Activations: composites that keep their name, most of them a line of pointwise ops.

GELU and SiLU, which every transformer runs, have NumPy kernels that work block by block in the
cache and backward ops of their own; for the others the decomposition says everything.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..op import Op, declare
from ..types import TensorType
from . import special
from .derived import derived
from .inference import operands_message, require_kind
from .kernels import Array, Kernel, in_blocks, widened
from .pointwise import abs, erf, exp, expm1, log1p, maximum, minimum, relu, sigmoid, tanh, where
from .samples import Case, Samples, normal
from .special import normal_tail

_ROOT_HALF = math.sqrt(0.5)
_SIGN = np.int32(-(2**31))  # the sign bit of a float32
_PDF_SCALE = 1 / math.sqrt(2 * math.pi)
_TANH_SCALE, _TANH_CUBIC = math.sqrt(2 / math.pi), 0.044715


def _float_type(name: str) -> Callable[..., TensorType]:
    def infer(x: TensorType) -> TensorType:
        require_kind(name, x, "f")
        return x

    return infer


# ---- gelu


def _gelu_type(x: TensorType, *, approximate: str = "none") -> TensorType:
    require_kind("gelu", x, "f")
    if approximate not in ("none", "tanh"):
        raise RuntimeError(
            operands_message(
                f"approximate argument must be either none or tanh, got {approximate}", x=x
            )
        )
    return x


def _gelu_block(x: Array, out: Array) -> None:
    if x.dtype != np.float32:
        out[...] = 0.5 * x * special.erfc(x * -_ROOT_HALF)
        return
    normal_tail(x, out)  # x Phi(x) = max(x, 0) - |x| Phi(-|x|)
    size = np.abs(x)
    out *= size
    positive = np.add(x, size, out=size)
    positive *= np.float32(0.5)
    np.subtract(positive, out, out=out)


def _gelu_tanh_block(x: Array, out: Array) -> None:
    number = x.dtype.type
    np.multiply(x, x, out=out)
    out *= number(_TANH_SCALE * _TANH_CUBIC)
    out += number(_TANH_SCALE)
    out *= x
    np.tanh(out, out=out)
    out += number(1)
    out *= x
    out *= number(0.5)


def _gelu_backward_block(dy: Array, x: Array, out: Array) -> None:
    number = x.dtype.type
    if x.dtype == np.float32:
        bell = normal_tail(x, out)
        # Phi(x) = 1/2 + (1/2 - Phi(-|x|)) with the sign of x, which is taken over bit by bit
        np.subtract(number(0.5), out, out=out)
        out.view(np.int32)[...] |= x.view(np.int32) & _SIGN
        out += number(0.5)
    else:
        out[...] = 0.5 * special.erfc(x * -_ROOT_HALF)
        bell = np.exp(-0.5 * x * x)
    bell *= number(_PDF_SCALE)
    bell *= x
    out += bell
    out *= dy


def _gelu_tanh_backward_block(dy: Array, x: Array, out: Array) -> None:
    number = x.dtype.type
    square = x * x
    np.multiply(square, number(_TANH_SCALE * _TANH_CUBIC), out=out)
    out += number(_TANH_SCALE)
    out *= x
    np.tanh(out, out=out)  # t
    slope = np.multiply(square, number(3 * _TANH_SCALE * _TANH_CUBIC), out=square)
    slope += number(_TANH_SCALE)
    slope *= x  # x u'
    slope *= number(1) - out * out
    out += number(1)
    out += slope
    out *= number(0.5)
    out *= dy


def _gelu(x: Array, *, approximate: str = "none") -> Array:
    return in_blocks(_gelu_block if approximate == "none" else _gelu_tanh_block, x)[0]


def _gelu_backward(dy: Array, x: Array, *, approximate: str = "none") -> Array:
    block = _gelu_backward_block if approximate == "none" else _gelu_tanh_backward_block
    return in_blocks(block, dy, x)[0]


def _tanh_inner(x: Any) -> Any:
    return tanh(_TANH_SCALE * (x + _TANH_CUBIC * (x * x * x)))


def _gelu_decomposed(x: Any, *, approximate: str = "none") -> Any:
    if approximate == "tanh":
        return 0.5 * x * (1 + _tanh_inner(x))
    return 0.5 * x * (1 + erf(x * _ROOT_HALF))


def _gelu_backward_decomposed(dy: Any, x: Any, *, approximate: str = "none") -> Any:
    if approximate == "tanh":
        t = _tanh_inner(x)
        slope = _TANH_SCALE * (1 + 3 * _TANH_CUBIC * (x * x))
        return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope)
    density = exp(-0.5 * (x * x)) * _PDF_SCALE
    return dy * (0.5 * (1 + erf(x * _ROOT_HALF)) + x * density)


def _gelu_backward_type(dy: TensorType, x: TensorType, *, approximate: str = "none") -> TensorType:
    return _gelu_type(x, approximate=approximate)


def _gelu_samples(operands: int) -> Samples:
    def cases() -> list[Case]:
        args = tuple(3 * normal(3, 5, seed=i) for i in range(operands))
        return [(args, {"approximate": a}) for a in ("none", "tanh")]

    return cases


# gelu(x, approximate="none"|"tanh"): x * Phi(x) (Hendrycks & Gimpel 2016)
gelu = declare(
    "gelu", "composite", "x", _gelu_type, widened(_gelu), decompose=_gelu_decomposed,
    vjp=(lambda g, x, approximate: gelu_backward(g, x, approximate=approximate),), samples=_gelu_samples(1),
)  # fmt: skip

# gelu_backward(dy, x, approximate=): dy * gelu'(x)
gelu_backward: Op = declare(
    "gelu_backward", "composite", "dy x", _gelu_backward_type, widened(_gelu_backward),
    decompose=_gelu_backward_decomposed,
    vjp=derived("gelu_backward", "dy x", _gelu_backward_type, _gelu_backward_decomposed),
    samples=_gelu_samples(2),
)  # fmt: skip


# ---- silu


def _logistic_block(x: Array, out: Array) -> None:
    np.negative(x, out=out)
    np.exp(out, out=out)
    out += x.dtype.type(1)
    np.reciprocal(out, out=out)


def _silu_block(x: Array, out: Array) -> None:
    np.negative(x, out=out)
    np.exp(out, out=out)
    out += x.dtype.type(1)
    np.divide(x, out, out=out)


def _silu_backward_block(dy: Array, x: Array, out: Array) -> None:
    _logistic_block(x, out)
    rest = x.dtype.type(1) - out
    rest *= x
    rest += x.dtype.type(1)
    out *= rest
    out *= dy


def _silu_backward_decomposed(dy: Any, x: Any) -> Any:
    y = sigmoid(x)
    return dy * (y * (1 + x * (1 - y)))


def _silu_backward_type(dy: TensorType, x: TensorType) -> TensorType:
    return _float_type("silu")(x)


# silu(x): x * sigmoid(x)
silu = declare(
    "silu", "composite", "x", _float_type("silu"), widened(lambda x: in_blocks(_silu_block, x)[0]),
    decompose=lambda x: x * sigmoid(x), vjp=(lambda g, x: silu_backward(g, x),),
    samples=lambda: [((3 * normal(3, 5),), {}), ((normal(),), {})],
)  # fmt: skip

# silu_backward(dy, x): dy * silu'(x)
silu_backward: Op = declare(
    "silu_backward", "composite", "dy x", _silu_backward_type,
    widened(lambda dy, x: in_blocks(_silu_backward_block, dy, x)[0]), decompose=_silu_backward_decomposed,
    vjp=derived("silu_backward", "dy x", _silu_backward_type, _silu_backward_decomposed),
    samples=lambda: [((normal(3, 5), 3 * normal(3, 5, seed=1)), {})],
)  # fmt: skip


# ---- the others


def _activation(
    name: str,
    numpy: Kernel,
    decompose: Callable[..., Any],
    rule: Callable[..., Any],
    **defaults: float,
) -> Op:
    """An activation of one operand whose attributes are numbers with the given defaults."""

    def infer(x: TensorType, **attrs: float) -> TensorType:
        require_kind(name, x, "f")
        unknown = attrs.keys() - defaults.keys()
        if unknown:
            raise TypeError(f"{name} has no attribute {', '.join(unknown)}")
        return x

    return declare(
        name, "composite", "x", infer, widened(numpy), decompose=decompose, vjp=(rule,),
        samples=lambda: [((3 * normal(3, 5),), dict(defaults)), ((normal(),), dict(defaults))],
    )  # fmt: skip


def _softplus(x: Array, *, beta: float = 1.0, threshold: float = 20.0) -> Any:
    scaled = x * beta
    return np.where(scaled > threshold, x, np.log1p(np.exp(np.minimum(scaled, threshold))) / beta)


def _softplus_decomposed(x: Any, *, beta: float = 1.0, threshold: float = 20.0) -> Any:
    scaled = x * beta
    return where(scaled > threshold, x, log1p(exp(minimum(scaled, threshold))) / beta)


def _softplus_rule(g: Any, x: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    scaled = x * beta
    return where(scaled > threshold, g, g * sigmoid(scaled))


def _log_sigmoid_decomposed(x: Any) -> Any:
    return minimum(x, 0.0) - log1p(exp(-abs(x)))


def _elu(x: Array, *, alpha: float = 1.0, scale: float = 1.0) -> Any:
    return np.where(x > 0, x * scale, np.expm1(np.minimum(x, 0)) * (alpha * scale))


def _elu_decomposed(x: Any, *, alpha: float = 1.0, scale: float = 1.0) -> Any:
    return where(x > 0, x * scale, expm1(minimum(x, 0.0)) * (alpha * scale))


def _elu_rule(g: Any, x: Any, alpha: float = 1.0, scale: float = 1.0) -> Any:
    return g * where(x > 0, scale, exp(minimum(x, 0.0)) * (alpha * scale))


def _mish_rule(g: Any, x: Any) -> Any:
    t = tanh(_softplus_decomposed(x))
    return g * (t + x * (1 - t * t) * sigmoid(x))


def _inside(x: Any, low: float, high: float) -> Any:
    return (x > low) & (x < high)


# fmt: off
softplus    = _activation("softplus",    _softplus, _softplus_decomposed, _softplus_rule, beta=1.0, threshold=20.0)
log_sigmoid = _activation("log_sigmoid", lambda x: np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))), _log_sigmoid_decomposed,
                          lambda g, x: g * sigmoid(-x))
elu         = _activation("elu",         _elu, _elu_decomposed, _elu_rule, alpha=1.0, scale=1.0)
leaky_relu  = _activation("leaky_relu",  lambda x, *, negative_slope=0.01: np.where(x > 0, x, x * negative_slope),
                          lambda x, *, negative_slope=0.01: where(x > 0, x, x * negative_slope),
                          lambda g, x, negative_slope=0.01: where(x > 0, g, g * negative_slope), negative_slope=0.01)
mish        = _activation("mish",        lambda x: x * np.tanh(_softplus(x)), lambda x: x * tanh(_softplus_decomposed(x)), _mish_rule)
hardtanh    = _activation("hardtanh",    lambda x, *, low=-1.0, high=1.0: np.clip(x, low, high),
                          lambda x, *, low=-1.0, high=1.0: minimum(maximum(x, low), high),
                          lambda g, x, low=-1.0, high=1.0: where(_inside(x, low, high), g, 0), low=-1.0, high=1.0)
hardsigmoid = _activation("hardsigmoid", lambda x: np.clip(x + 3, 0, 6) / 6, lambda x: minimum(relu(x + 3.0), 6.0) / 6.0,
                          lambda g, x: where(_inside(x, -3.0, 3.0), g / 6.0, 0))
hardswish   = _activation("hardswish",   lambda x: x * np.clip(x + 3, 0, 6) / 6, lambda x: x * minimum(relu(x + 3.0), 6.0) / 6.0,
                          lambda g, x: g * where(x <= -3.0, 0, where(x < 3.0, x / 3.0 + 0.5, 1)))
# fmt: on
