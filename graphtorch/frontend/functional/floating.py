"""Floating-point numbers taken apart and put together: frexp, ldexp, heaviside, logaddexp2, renorm."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import message
from ...ir import ops
from .. import promotion, return_types
from ..promotion import operands
from ..size import wrap_dim
from ..tensor import Tensor
from .pointwise import mul, pow
from .wrapping import (
    accepts_out,
    check_operands,
    check_tensor,
    concrete,
    dtype_of,
    fresh,
    refuse,
    scalar_name,
)


@accepts_out
def frexp(input: Tensor) -> Any:
    """mantissa in [0.5, 1) and int32 exponent with input = mantissa * 2 ** exponent.

    >>> import graphtorch as torch
    >>> torch.frexp(torch.tensor([8.0]))
    torch.return_types.frexp(
    mantissa=tensor([0.5000]),
    exponent=tensor([4], dtype=torch.int32))
    """
    check_tensor("frexp", input)
    if input._array.dtype.kind not in "fV":
        raise RuntimeError(
            message(
                "torch.frexp() only supports floating-point dtypes",
                operands={"input": input.type_},
            )
        )
    array = concrete(input)
    wide = array.astype(np.float64)
    _, exponent = np.frexp(np.where(np.isfinite(wide), wide, 0.0))
    # in two steps, so that no power of two leaves the range of the dtype
    half = exponent // 2
    first = fresh(np.ldexp(1.0, -half).astype(array.dtype))
    second = fresh(np.ldexp(1.0, half - exponent).astype(array.dtype))
    mantissa = ops.mul(ops.mul(input, first), second)
    return return_types.frexp(mantissa, fresh(np.asarray(exponent, np.int32)))


@accepts_out
def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """input * 2 ** other."""
    check_operands("ldexp", input, other, "")
    if input._array.dtype.kind in "fV":
        refuse("ldexp_cpu_exp", other, "b")
    power = pow(2.0, other)
    if input._array.dtype.kind in "fV" and other._array.dtype.kind in "iu":
        power = ops.cast(power, dtype=dtype_of(input))
    return mul(input, power)


@accepts_out
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below zero, 1 above, `values` at zero; both of one dtype."""
    check_operands("heaviside", input, values, "")
    if input._array.dtype.kind == "c" or values._array.dtype.kind == "c":
        raise RuntimeError(message("heaviside is not yet implemented for complex tensors."))
    if input._array.dtype != values._array.dtype:
        raise RuntimeError(
            message("heaviside is not yet implemented for tensors with different dtypes.",
                    operands={"input": input.type_, "values": values.type_})
        )  # fmt: skip
    a, b = operands(input.detach(), values.detach())
    above = ops.cast(ops.gt(a, 0), dtype=b.dtype)
    return ops.where(ops.eq(a, 0), b, above)


@accepts_out
def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """log2(2 ** input + 2 ** other), safe from overflow."""
    check_operands("logaddexp2", input, other, "")
    a, b = operands(promotion.floating(input), promotion.floating(other))
    top = ops.maximum(a, b)
    gap = ops.neg(ops.abs(ops.sub(a, b)))
    more = ops.mul(ops.log1p(ops.exp2(gap)), 1 / math.log(2))
    return ops.where(ops.isinf(top), top, ops.add(top, more))


@accepts_out
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """`input` whose slices along `dim` are scaled down to at most `maxnorm` in the p-norm."""
    from .moments import vector_norm

    check_tensor("renorm", input)
    n = input._array.ndim
    if n < 2:
        raise RuntimeError(
            message(
                f"renorm: input needs at least 2 dimensions, got {n} dimensions",
                operands={"input": input.type_},
            )
        )
    if not p > 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if input._array.dtype.kind in "iub":
        raise RuntimeError(
            f"\"renorm\" not implemented for '{scalar_name(input.dtype)}': use a floating dtype"
        )
    dim = wrap_dim(dim, n)
    norms = vector_norm(input, p, tuple([d for d in range(n) if d != dim]), True)
    factor = ops.where(
        ops.gt(norms, float(maxnorm)),
        ops.div(ops.full(shape=norms._array.shape, value=float(maxnorm), dtype=norms.dtype), ops.add(norms, 1e-7)),
        1.0,
    )  # fmt: skip
    return mul(input, factor)
