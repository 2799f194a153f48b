"""`torch.autograd.graph`."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..frontend.tape import AccumulateGrad
from ..frontend.tape import TapeNode as Node
from ..frontend.tensor import Tensor


class GradientEdge(NamedTuple):
    """A node and which of its outputs is meant."""

    node: Any
    output_nr: int


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The edge along which `tensor` receives its gradient."""
    node = tensor.grad_fn
    return GradientEdge(AccumulateGrad(tensor) if node is None else node, tensor._index)


__all__ = ["GradientEdge", "Node", "get_gradient_edge"]
