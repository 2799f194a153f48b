"""Plans of convolutions.

    forward        direct convolution of x with w
    input_grad     see plan_input_grad
    weight_grad    see plan_weight_grad

A 1 x 1 kernel with stride 1 and no padding is a matrix product and planned as one (plan_pointwise).
Spatial shapes are extended to three axes (z, y, x) at the front.
"""

from __future__ import annotations

import math

from ...errors import UnsupportedError
from ...ir.types import float32, float64
from ..llvm.target import Target
from .describe import Convolution, Plan
from .plan_direct import Direct, output_layouts, plan_direct, triple
from .plan_input_grad import plan_input_grad
from .plan_pointwise import plan_outer_product, plan_product
from .plan_weight_grad import plan_weight_grad


def plan_convolution(c: Convolution, target: Target) -> Plan:
    """Launches of a convolution or one of its gradients."""
    if c.dtype is not float32 and c.dtype is not float64:
        raise UnsupportedError(f"no convolution kernel for {c.dtype.short}; cast to float32")
    if math.prod(c.shape) == 0:
        return Plan(())
    pointwise = set(c.weight[2:]) | set(c.stride) == {1} and not any(c.padding) and c.groups == 1
    if c.kind == "weight_grad" and (pointwise or c.input[0] == 0):
        return plan_outer_product(c, target)
    if c.kind == "weight_grad":
        return plan_weight_grad(c, target)
    if pointwise:
        return plan_product(c, target)
    return _plan_forward(c, target) if c.kind == "forward" else plan_input_grad(c, target)


def _plan_forward(c: Convolution, target: Target) -> Plan:
    operands, results = output_layouts(c)
    d = Direct(
        c.input[0], c.groups, c.weight[0] // c.groups, c.weight[1], triple(c.input[2:], 1),
        triple(c.weight[2:], 1), triple(c.stride, 1), triple(c.padding, 0), triple(c.dilation, 1),
        triple(c.positions, 1), operands, results,
    )  # fmt: skip
    slots = (1, 0, *range(2, 2 + len(operands) + len(results)))
    return Plan((plan_direct(d, c.epilogue, slots, target, c.dtype),))
