"""Matrix products, convolutions, max pooling and attention: what `codegen.lower` asks for, and gets.

    Contraction    result[b, m, n] = epilogue(sum_k a[b, m, k] * b[b, k, n])
    Convolution    the same over image patches (forward, input gradient, weight gradient)
    Attention      scaled dot products with an online softmax, forward and backward
    MaxPool        the maximum over windows, and its backward pass

Each is a frozen description of sizes, layouts and the fused scalar program.  `plan(thing, target)`
turns it into a `Plan`: launches in order and the temporaries they share.  Operands of a launch are
*slots*, numbered as the description documents (a, b, epilogue operands, results), temporaries last:

    plan = contraction.plan(Contraction(m, n, k, a=..., b=..., epilogue=...), target)
    temporaries = [builder.value("packed", t) for t in plan.temporaries]
    slots = [*buffers_of_the_description, *temporaries]
    for step in plan.steps:
        builder.launch(step.kernel, [slots[i] for i in step.operands], step.writes,
                       params=step.params, chunks=step.chunks, grain=step.grain, work=step.work)

Sizes and strides reach the machine code as parameters, so one kernel serves many shapes; its key
holds dtypes, the *kind* of layout (which dimension is contiguous) and the epilogue's key.
This package does not know graphs, buffers or threads.
"""

from __future__ import annotations

from .describe import (
    Attention,
    AttentionBackward,
    Contraction,
    Convolution,
    Epilogue,
    Layout,
    MaxPool,
    MaxPoolBackward,
    Plan,
    Step,
)
from .plan import plan

__all__ = [
    "Attention",
    "AttentionBackward",
    "Contraction",
    "Convolution",
    "Epilogue",
    "Layout",
    "MaxPool",
    "MaxPoolBackward",
    "Plan",
    "Step",
    "plan",
]
