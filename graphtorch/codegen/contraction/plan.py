"""From a description to launches: which algorithm, which block sizes, which parameters.

Everything here follows from sizes, layouts and the target, never from the number of threads.
"""

from __future__ import annotations

from .describe import Contraction, Plan
from ..llvm.target import Target
from .plan_matmul import plan_contraction


def plan(thing: Contraction, target: Target) -> Plan:
    """The launches that compute `thing` on `target`."""
    return plan_contraction(thing, target)
