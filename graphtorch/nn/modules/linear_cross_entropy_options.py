"""How many rows at a time `linear_cross_entropy` takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["LinearCrossEntropyOptions"]


@dataclass(slots=True, frozen=True)
class LinearCrossEntropyOptions:
    """Rows at a time: `batch_chunk_size`, or chosen by `chunking_method`.

    chunking_method: "aspect_ratio:N" makes the product of so many rows about as large as the input, over N;
    "auto" means "aspect_ratio:2".  Products are added in the input's dtype and a second backward always
    works: acc_policy, acc_dtype and allow_retain_graph are checked and change nothing here.
    Raises ValueError for values that are not among PyTorch's.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: Any = None

    def __post_init__(self) -> None:
        if self.acc_policy not in ("auto", "accurate", "balanced", "compact"):
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}")
        if self.chunking_method not in (None, "auto"):
            self._divisor()
        size = self.batch_chunk_size
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size!r}")
        if self.acc_dtype is not None and not self.acc_dtype.is_floating_point:
            raise ValueError(
                "acc_dtype must be one of {None, torch.float16, torch.bfloat16, torch.float32, torch.float64},"
                f" got {self.acc_dtype!r}. Pass acc_dtype=None to let the op pick automatically."
            )

    def _divisor(self) -> int:
        name, colon, factor = str(self.chunking_method).partition(":")
        factor = factor if colon else "1"
        if name != "aspect_ratio" or not factor.isdigit() or int(factor) < 1:
            raise ValueError(f"invalid chunking_method: {self.chunking_method!r}")
        return int(factor)

    def rows(self, batch: int, features: int, classes: int) -> int:
        """Rows at a time for an input [batch, features] and so many classes."""
        if self.batch_chunk_size is not None:
            return min(self.batch_chunk_size, batch)
        if self.chunking_method is None:
            return batch
        divisor = 2 if self.chunking_method == "auto" else self._divisor()
        growth = -(-classes // features)
        share = -(-batch // growth)
        return max(1, min((1 << (share - 1).bit_length()) // divisor, batch))
