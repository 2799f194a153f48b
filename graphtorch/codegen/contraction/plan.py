"""From a description to launches: which algorithm, which block sizes, which parameters.

Everything here follows from sizes, layouts and the target, never from the number of threads.
"""

from __future__ import annotations

from ..llvm.target import Target
from .describe import (
    Attention,
    AttentionBackward,
    Contraction,
    Convolution,
    MaxPool,
    MaxPoolBackward,
    Plan,
)
from .plan_attention import plan_attention, plan_attention_backward
from .plan_convolution import plan_convolution
from .plan_matmul import plan_contraction
from .pooling import plan_max_pool, plan_max_pool_backward

Description = Contraction | Convolution | Attention | AttentionBackward | MaxPool | MaxPoolBackward


def plan(thing: Description, target: Target) -> Plan:
    """The launches that compute `thing` on `target`; raises UnsupportedError if there are none."""
    match thing:
        case Contraction():
            return plan_contraction(thing, target)
        case Convolution():
            return plan_convolution(thing, target)
        case Attention():
            return plan_attention(thing, target)
        case AttentionBackward():
            return plan_attention_backward(thing, target)
        case MaxPool():
            return plan_max_pool(thing, target)
        case MaxPoolBackward():
            return plan_max_pool_backward(thing, target)
