"""Softmax over very many classes in clusters by frequency (Grave et al., 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import graphtorch as torch

from ...frontend.tensor import Tensor
from .. import functional as F
from ..module import Module
from .container import ModuleList, Sequential
from .linear import Linear

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class _ASMoutput(NamedTuple):
    output: Tensor  # log probability of each row's target
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """Classes up to the first cutoff and one entry per cluster in the head, each cluster in a narrower tail.

    Classes must be sorted by falling frequency.  div_value: how much narrower each next cluster is.
    forward(input [N, D] or [D], target [N] or []): (log probability of each target, mean loss).
    Raises ValueError for cutoffs that are not rising, RuntimeError for shapes or targets that do not fit.

    >>> import graphtorch as torch
    >>> layer = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10], div_value=2.0)
    >>> layer(torch.randn(3, 8), torch.tensor([0, 5, 19])).output.shape
    torch.Size([3])
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if (
            cutoffs != sorted(set(cutoffs))
            or cutoffs[0] <= 0
            or cutoffs[-1] > n_classes - 1
            or any(int(c) != c for c in cutoffs)
        ):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where"
                " each value is between 1 and n_classes-1"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        where = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **where)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            width = int(in_features // div_value ** (i + 1))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(
                Sequential(
                    Linear(in_features, width, bias=False, **where),
                    Linear(width, size, bias=False, **where),
                )
            )

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.head.reset_parameters()
        for first, second in self.tail:  # type: ignore[misc]
            first.reset_parameters()
            second.reset_parameters()

    def forward(self, input: Tensor, target: Tensor) -> _ASMoutput:
        if target.dim() == 1:
            if input.shape[0] != target.shape[0]:
                raise RuntimeError(
                    "Input and target should have the same size in the batch dimension."
                )
            if input.dim() != 2:
                raise RuntimeError(
                    f"1D target tensor expects 2D input tensors, but found inputs with size {input.size()}"
                )
        elif target.dim() == 0:
            if input.dim() != 1:
                raise RuntimeError(
                    f"0D target tensor expects 1D input tensors, but found inputs with size {input.size()}"
                )
        else:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        single = target.dim() == 0
        x, t = (input.unsqueeze(0), target.unsqueeze(0)) if single else (input, target)
        if t.numel() and (int(t.min()) < 0 or int(t.max()) >= self.n_classes):
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range"
                f" [{int(t.min())}, {int(t.max())}] were found. "
            )
        logs = F.log_softmax(self.head(x), dim=1)
        place = torch.where(t < self.shortlist_size, t, torch.zeros_like(t))
        output = logs.gather(1, place.unsqueeze(1)).squeeze(1)
        for i in range(self.n_clusters):
            low, high = self.cutoffs[i], self.cutoffs[i + 1]
            rows = ((t >= low) & (t < high)).nonzero().squeeze(1)
            if rows.numel() == 0:
                continue
            inner = F.log_softmax(self.tail[i](x.index_select(0, rows)), dim=1)
            local = inner.gather(1, (t.index_select(0, rows) - low).unsqueeze(1)).squeeze(1)
            cluster = logs.index_select(0, rows)[:, self.shortlist_size + i]
            output = output.index_copy(0, rows, cluster + local)
        loss = (-output).mean()
        return _ASMoutput(output.squeeze(0) if single else output, loss)

    def _all_log_probabilities(self, input: Tensor, head: Tensor) -> Tensor:
        logs = F.log_softmax(head, dim=1)
        parts = [logs[:, : self.shortlist_size]]
        for i in range(self.n_clusters):
            inner = F.log_softmax(self.tail[i](input), dim=1)
            parts.append(inner + logs[:, self.shortlist_size + i].unsqueeze(1))
        return torch.cat(parts, 1)

    def log_prob(self, input: Tensor) -> Tensor:
        """Log probabilities [N, n_classes] of all classes, for an input [N, D]."""
        return self._all_log_probabilities(input, self.head(input))

    def predict(self, input: Tensor) -> Tensor:
        """The most likely class [N] of each row; tails are looked at only where the head leads there."""
        head = self.head(input)
        best = head.argmax(dim=1)
        uncertain = best >= self.shortlist_size
        if not bool(uncertain.any()):
            return best
        rows = uncertain.nonzero().squeeze(1)
        logs = self._all_log_probabilities(input[rows], head[rows])
        return best.index_copy(0, rows, logs.argmax(dim=1))
