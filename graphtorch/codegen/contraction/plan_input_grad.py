"""Plans of convolution input gradients.

For every residue of the input position modulo the stride: a direct convolution of g, stride 1, with
the taps that reach it, turned; its results lie `stride` apart.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...ir.types import DType, TensorType, contiguous_strides
from ..llvm.target import Target
from .describe import Convolution, Layout, Plan, Step
from .plan_direct import Direct, output_layouts, plan_direct, triple
from .turn import CHANNELS, TurnKernel
from .turn import PARAMS as TURN_PARAMS


@dataclass(frozen=True, slots=True)
class Taps:
    """Of one axis: the taps that reach input positions of one residue, `first + step * u`, u < count.

    Tap u finds the output at position q + at - u * apart for input position stride * q + residue.
    """

    first: int
    step: int
    count: int
    at: int
    apart: int


def reaching_taps(residue: int, kernel: int, stride: int, padding: int, dilation: int) -> Taps:
    """See `Taps`.

    >>> reaching_taps(0, kernel=3, stride=2, padding=1, dilation=1)
    Taps(first=1, step=2, count=1, at=0, apart=1)
    """
    found = [k for k in range(kernel) if (residue + padding - k * dilation) % stride == 0]
    if not found:
        return Taps(0, 1, 0, 0, 1)
    step = stride // math.gcd(stride, dilation)
    at = (residue + padding - found[0] * dilation) // stride
    return Taps(found[0], step, len(found), at, step * dilation // stride)


def _turn(d: Direct, taps: Sequence[Taps], w_strides: Sequence[int], to: int, dtype: DType) -> Step:
    """The launch that turns the weights of one direct convolution, to `to` elements into its result."""
    last = [t.first + t.step * (t.count - 1) for t in taps]
    offset = sum(a * s for a, s in zip(last, w_strides[3:], strict=True))
    sizes = [t.count for t in taps]
    steps = [-t.step * s for t, s in zip(taps, w_strides[3:], strict=True)]
    for axis in (1, 0):  # taps that follow each other evenly are one axis
        if sizes[axis] == 1 or steps[axis] == steps[2] * sizes[2]:
            sizes[2] *= sizes[axis]
            sizes[axis] = 1
        else:
            break
    blocks = -(-d.m // CHANNELS)
    in_bytes = (to, offset, w_strides[0], w_strides[1], w_strides[2], *steps)
    params = (d.channels, d.m, blocks, *sizes, *(x * dtype.itemsize for x in in_bytes))
    assert len(params) == len(TURN_PARAMS)
    work = d.groups * d.m * d.k // 2 + 1
    return Step(TurnKernel(dtype), (0, 1), (1,), params, d.groups * blocks, 1, work)


def plan_input_grad(c: Convolution, target: Target) -> Plan:
    operands, results = output_layouts(c)
    kernel, stride = triple(c.weight[2:], 1), triple(c.stride, 1)
    padding, dilation = triple(c.padding, 0), triple(c.dilation, 1)
    size_in, positions = triple(c.input[2:], 1), triple(c.positions, 1)
    outputs, channels = c.weight[0] // c.groups, c.weight[1]  # per group
    w_strides = contiguous_strides((c.groups, outputs, channels, *kernel))
    count = 2 + len(operands) + len(results)
    steps: list[Step] = []
    used = 0
    for residues in itertools.product(*(range(s) for s in stride)):
        sizes = [-(-(i - r) // s) for i, r, s in zip(size_in, residues, stride, strict=True)]
        if min(sizes) <= 0:
            continue
        taps = [
            reaching_taps(*each)
            for each in zip(residues, kernel, stride, padding, dilation, strict=True)
        ]
        if min(t.count for t in taps) == 0:
            taps = [Taps(0, 1, 0, 0, 1)] * 3
        counts = [t.count for t in taps]

        def moved(layout: Layout, residues: tuple[int, ...] = residues) -> Layout:
            spatial = layout.strides[2:]
            offset = layout.offset + sum(r * s for r, s in zip(residues, spatial, strict=True))
            scaled = (s * t for s, t in zip(spatial, stride, strict=True))
            return replace(layout, offset=offset, strides=(*layout.strides[:2], *scaled))

        d = Direct(
            c.input[0], c.groups, channels, outputs, positions, (counts[0], counts[1], counts[2]), (1, 1, 1),
            tuple((t.count - 1) * t.apart - t.at for t in taps), tuple(t.apart for t in taps),  # type: ignore[arg-type]
            (sizes[0], sizes[1], sizes[2]), tuple(map(moved, operands)), tuple(map(moved, results)), used,
        )  # fmt: skip
        if d.k:
            turn = _turn(d, taps, w_strides, used, c.dtype)
            steps.append(replace(turn, operands=(1, count)))
        slots = (count if d.k else 1, 0, *range(2, count))  # without taps no weight is read
        steps.append(plan_direct(d, c.epilogue, slots, target, c.dtype))
        used += c.groups * channels * d.k
    # One temporary; every residue's weights have a place of their own in it.
    return Plan(tuple(steps), (TensorType(c.dtype, (max(used, 1),)),))
