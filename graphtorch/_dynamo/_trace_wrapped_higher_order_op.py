"""`torch._dynamo._trace_wrapped_higher_order_op`: what mask functions of transformers run under."""

from contextlib import nullcontext


class TransformGetItemToIndex(nullcontext):
    """Accepted: `x[index]` with a tensor that is being mapped over works as it is."""
