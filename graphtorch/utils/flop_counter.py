"""`torch.utils.flop_counter`: how many floating-point operations the products of a program take.

>>> import graphtorch as torch
>>> from graphtorch.utils.flop_counter import FlopCounterMode
>>> layer = torch.nn.Linear(8, 4)
>>> with FlopCounterMode(display=False) as counter:
...     _ = layer(torch.ones(2, 8))
>>> counter.get_total_flops()
128

Counted where the public functions are called: matrix products, linear layers, convolutions and attention,
two operations for each multiplication and addition.  What backward computes is not counted.
"""

from __future__ import annotations

import math
from typing import Any

from .. import absent
from ..frontend.tensor import Tensor
from ..overrides import TorchFunctionMode


def _product(result: Tensor, a: Tensor, *_: Any, **__: Any) -> int:
    return 2 * result.numel() * a.shape[-1]


def _added(result: Tensor, _: Any, a: Tensor, *__: Any, **___: Any) -> int:
    return 2 * result.numel() * a.shape[-1]


def _convolution(result: Tensor, _: Any, weight: Tensor, *__: Any, **___: Any) -> int:
    return 2 * result.numel() * math.prod(weight.shape[1:])


def _transposed(result: Tensor, x: Tensor, weight: Tensor, *_: Any, **__: Any) -> int:
    return 2 * x.numel() * math.prod(weight.shape[1:])


def _attention(result: Tensor, q: Tensor, k: Tensor, v: Tensor, *_: Any, **__: Any) -> int:
    return 2 * math.prod(q.shape[:-1]) * k.shape[-2] * (q.shape[-1] + v.shape[-1])


flop_registry: dict[str, Any] = {
    **dict.fromkeys(("mm", "bmm", "matmul", "mv", "linear"), _product),
    **dict.fromkeys(("addmm", "baddbmm", "addmv"), _added),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _convolution),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _transposed),
    "scaled_dot_product_attention": _attention,
}


class FlopCounterMode(TorchFunctionMode):
    """Counts while it is active; `display` prints the counts when it ends."""

    def __init__(
        self,
        mods: Any = None,
        depth: int = 2,
        display: bool = True,
        custom_mapping: dict[Any, Any] | None = None,
    ):
        super().__init__()
        self.display = display
        self.flop_counts: dict[str, dict[str, int]] = {"Global": {}}
        self._rules = {**flop_registry, **{str(k): f for k, f in (custom_mapping or {}).items()}}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the function and count it."""
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        rule = self._rules.get(name)
        if rule is not None:
            counts = self.flop_counts["Global"]
            counts[name] = counts.get(name, 0) + rule(result, *args, **(kwargs or {}))
        return result

    def get_total_flops(self) -> int:
        """Sum of all counts."""
        return sum(self.flop_counts["Global"].values())

    def get_flop_counts(self) -> dict[str, dict[str, int]]:
        """Counts by function, under "Global"."""
        return {name: dict(counts) for name, counts in self.flop_counts.items()}

    def get_table(self, depth: int | None = None) -> str:
        """The counts as lines of text."""
        counts = self.flop_counts["Global"]
        return "\n".join(f"{name:32}{count:>16,}" for name, count in counts.items())

    def __exit__(self, *error: Any) -> Any:
        found = super().__exit__(*error)
        if self.display:
            print(self.get_table())
        return found


__getattr__ = absent.names_of(__name__)
