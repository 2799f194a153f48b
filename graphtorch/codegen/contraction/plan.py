"""From a description to launches: which algorithm, which block sizes, which parameters.

Everything here follows from sizes, layouts and the target, never from the number of threads.
"""

from __future__ import annotations

from ..llvm.target import Target
from .describe import Attention, AttentionBackward, Contraction, Convolution, Plan
from .plan_attention import plan_attention, plan_attention_backward
from .plan_convolution import plan_convolution
from .plan_matmul import plan_contraction

Description = Contraction | Convolution | Attention | AttentionBackward


def plan(thing: Description, target: Target) -> Plan:
    """The launches that compute `thing` on `target`; raises UnsupportedError if there are none."""
    if isinstance(thing, Convolution):
        return plan_convolution(thing, target)
    if isinstance(thing, Attention):
        return plan_attention(thing, target)
    if isinstance(thing, AttentionBackward):
        return plan_attention_backward(thing, target)
    return plan_contraction(thing, target)
