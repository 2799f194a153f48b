"""Plans of convolutions that are matrix products: kernels of one tap, stride 1, no padding."""

from __future__ import annotations

import math
from dataclasses import replace

from ...errors import UnsupportedError
from ..llvm.target import Target
from .describe import Contraction, Convolution, Layout, Plan, Step
from .plan_direct import output_layouts
from .plan_matmul import plan_contraction


def plan_product(c: Convolution, target: Target) -> Plan:
    """A 1 x 1 convolution: w[o, c] @ x[image, c, position], or its transpose for the gradient."""
    images, channels = c.input[:2]
    outputs, positions = c.weight[0], math.prod(c.positions)
    operands, results = output_layouts(c)
    spatial = c.shape[2:]

    def flat(layout: Layout) -> Layout:
        strides = layout.strides[5 - len(spatial) :]
        if any(a != b * n for a, b, n in zip(strides, strides[1:], spatial[1:], strict=False)):
            raise UnsupportedError(
                f"the positions of {layout} are not evenly spaced; make it contiguous"
            )
        return replace(layout, strides=(*layout.strides[:2], strides[-1]))

    epilogue = replace(
        c.epilogue, operands=tuple(map(flat, operands)), results=tuple(map(flat, results))
    )
    forward = c.kind == "forward"
    m, k = (outputs, channels) if forward else (channels, outputs)
    a = Layout((0, channels, 1) if forward else (0, 1, channels), 0, c.dtype)
    b = Layout((k * positions, positions, 1), 0, c.dtype)
    plan = plan_contraction(Contraction(m, positions, k, a, b, (images,), epilogue), target)

    def swapped(step: Step) -> Step:  # the product's slots are (w, x)
        order = {0: 1, 1: 0}
        return replace(step, operands=tuple(order.get(i, i) for i in step.operands))

    return replace(plan, steps=tuple(map(swapped, plan.steps)))


def plan_outer_product(c: Convolution, target: Target) -> Plan:
    """The weight gradient of a 1 x 1 convolution, g[image, o, position] @ x[image, c, position]^T
    summed over images; or zeros, if there are none."""
    images, channels = c.input[:2]
    outputs, positions = c.weight[0], math.prod(c.positions)
    columns = math.prod(c.weight[1:])
    operands, results = (
        tuple(map(even_layout, x, [c.weight] * len(x))) for x in _weight_layouts(c)
    )
    a, b = Layout((positions, 1), 0, c.dtype), Layout((1, positions), 0, c.dtype)
    product = Contraction(
        outputs, columns, positions if images else 0, a, b, (),
        replace(c.epilogue, operands=operands, results=results),
        (images, outputs * positions, channels * positions),
    )  # fmt: skip
    return plan_contraction(product, target)


def _weight_layouts(c: Convolution) -> tuple[tuple[Layout, ...], tuple[Layout, ...]]:
    """The layouts of a weight gradient's epilogue."""
    return c.epilogue.operands, c.epilogue.results or (Layout.of(c.weight, c.dtype),)


def even_layout(layout: Layout, shape: tuple[int, ...]) -> Layout:
    """A weight's layout by (output channel, everything else)."""
    rest = [(s, n) for s, n in zip(layout.strides[1:], shape[1:], strict=False) if n != 1]
    if any(a != b * n for (a, _), (b, n) in zip(rest, rest[1:], strict=False)):
        raise UnsupportedError(
            f"the elements of {layout} are not evenly spaced; make it contiguous"
        )
    return replace(layout, strides=(layout.strides[0], rest[-1][0] if rest else 1))
