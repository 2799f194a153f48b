"""Shapes and dtypes of every node, found by running the graph on examples."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...frontend.tensor import Tensor
from ..interpreter import Interpreter
from ..node import Node, map_aggregate


class TensorMetadata(NamedTuple):
    """What a node's tensor looks like."""

    shape: Any
    dtype: Any
    requires_grad: bool
    stride: tuple[int, ...]
    memory_format: Any
    is_quantized: bool
    qparams: dict


def _extract_tensor_metadata(result: Tensor, include_contiguity: bool = True) -> TensorMetadata:
    import graphtorch

    contiguous = graphtorch.contiguous_format if result.is_contiguous() else None  # type: ignore[attr-defined]
    return TensorMetadata(
        result.shape, result.dtype, result.requires_grad, result.stride(), contiguous, False, {},  # type: ignore[attr-defined]
    )  # fmt: skip


class ShapeProp(Interpreter):
    """`ShapeProp(gm).propagate(*examples)` puts `tensor_meta` and `type` into every node's `meta`.

    >>> import graphtorch as torch
    >>> from graphtorch.fx.passes.shape_prop import ShapeProp
    >>> gm = torch.fx.symbolic_trace(lambda x: x.sum(0))
    >>> _ = ShapeProp(gm).propagate(torch.ones(2, 3))
    >>> [n.meta["tensor_meta"].shape for n in gm.graph.nodes]
    [torch.Size([2, 3]), torch.Size([3]), torch.Size([3])]
    """

    def run_node(self, n: Node) -> Any:
        result = super().run_node(n)
        found = False

        def extract(x: Any) -> Any:
            nonlocal found
            if isinstance(x, Tensor):
                found = True
                return _extract_tensor_metadata(x)
            return x

        meta = map_aggregate(result, extract)
        if found:
            n.meta["tensor_meta"] = meta
        n.meta["type"] = type(result)
        return result

    def propagate(self, *args: Any) -> Any:
        """Run on examples; returns the result."""
        return super().run(*args)
