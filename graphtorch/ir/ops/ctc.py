"""Connectionist temporal classification (Graves et al., 2006): its loss and the posterior of the labels.

alpha[t, s] is the log probability of all alignments of the first s of blank l1 blank l2 ... blank that end
at time t, beta[t, s] of all that go on from there.  Both run over time with the whole batch at once.

    loss = -log sum of alpha at the end           d loss / d log_probs[t, c] = -posterior[t, c]
    posterior[t, c] = sum over s with label c of exp(alpha[t, s] + beta[t, s] - log_probs[t, c] + loss)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import UnsupportedError
from ..op import declare
from ..types import TensorType
from .index import require_index
from .inference import require, require_kind
from .kernels import Array, quiet
from .pointwise import neg
from .samples import normal
from .view import expand, reshape


def _check(
    name: str, log_probs: TensorType, labels: TensorType, times: TensorType, sizes: TensorType
) -> None:
    require_kind(name, log_probs, "f")
    for lengths in (labels, times, sizes):
        require_index(name, lengths)
    require(
        log_probs.ndim == 3 and labels.ndim == 2 and labels.shape[0] == log_probs.shape[1],
        f"{name}: log_probs [T, N, C] and labels [N, S] do not go together",
        log_probs=log_probs,
        labels=labels,
    )
    require(
        times.shape == sizes.shape == (log_probs.shape[1],),
        f"{name}: one length per batch element is needed",
        input_lengths=times,
        target_lengths=sizes,
    )


def _loss_type(
    log_probs: TensorType, labels: TensorType, times: TensorType, sizes: TensorType, *, blank: int
) -> TensorType:
    _check("ctc_loss", log_probs, labels, times, sizes)
    return TensorType(log_probs.dtype, (log_probs.shape[1],))


def _posterior_type(
    log_probs: TensorType, labels: TensorType, times: TensorType, sizes: TensorType, *, blank: int
) -> TensorType:
    _check("ctc_posterior", log_probs, labels, times, sizes)
    return log_probs


class _Lattice:
    """Blank l1 blank l2 ... blank for every batch element, padded to one length."""

    def __init__(self, log_probs: Array, labels: Array, times: Array, sizes: Array, blank: int):
        batch = labels.shape[0]
        self.times, self.sizes = times, sizes
        self.length = 2 * int(sizes.max(initial=0)) + 1
        self.symbols = np.full((batch, self.length), blank)
        self.symbols[:, 1::2] = labels[:, : self.length // 2]
        inside = np.arange(self.length) <= 2 * sizes[:, None]
        self.symbols[~inside] = blank
        self.inside = inside
        skips = np.zeros((batch, self.length), bool)
        skips[:, 2:] = (self.symbols[:, 2:] != blank) & (
            self.symbols[:, 2:] != self.symbols[:, :-2]
        )
        self.may_skip = skips
        self.scores = np.take_along_axis(log_probs, self.symbols[None], 2)  # [T, N, length]
        self.everyone = np.arange(batch)

    def forward(self) -> Array:
        """alpha [T, N, length]."""
        alpha = np.full(self.scores.shape, -np.inf, self.scores.dtype)
        alpha[:1, :, :2] = self.scores[:1, :, :2]
        for t in range(1, len(alpha)):
            before = alpha[t - 1]
            total = before.copy()
            total[:, 1:] = np.logaddexp(total[:, 1:], before[:, :-1])
            twice = np.where(self.may_skip[:, 2:], before[:, :-2], -np.inf)
            total[:, 2:] = np.logaddexp(total[:, 2:], twice)
            alpha[t] = total + self.scores[t]
        alpha[:, ~self.inside] = -np.inf
        return alpha

    def loss(self, alpha: Array) -> Array:
        """Minus the log probability of all alignments; inf where there is none."""
        last = np.maximum(self.times - 1, 0)
        if len(alpha) == 0:
            return np.where(self.sizes == 0, 0, np.inf).astype(alpha.dtype)
        ends = alpha[last, self.everyone, 2 * self.sizes]
        labels = alpha[last, self.everyone, np.maximum(2 * self.sizes - 1, 0)]
        total = np.where(self.sizes > 0, np.logaddexp(ends, labels), ends)
        empty = np.where(self.sizes == 0, 0, np.inf)
        return np.asarray(np.where(self.times > 0, -total, empty), alpha.dtype)

    def backward(self) -> Array:
        """beta [T, N, length], the score at t included."""
        beta = np.full(self.scores.shape, -np.inf, self.scores.dtype)
        may_skip = np.zeros_like(self.may_skip)
        may_skip[:, :-2] = self.may_skip[:, 2:]
        starts = np.full(beta.shape[1:], -np.inf, beta.dtype)
        starts[self.everyone, 2 * self.sizes] = 0
        starts[self.everyone, np.maximum(2 * self.sizes - 1, 0)] = 0
        after = np.full_like(starts, -np.inf)
        for t in reversed(range(len(beta))):
            total = after.copy()
            total[:, :-1] = np.logaddexp(total[:, :-1], after[:, 1:])
            twice = np.where(may_skip[:, :-2], after[:, 2:], -np.inf)
            total[:, :-2] = np.logaddexp(total[:, :-2], twice)
            is_last = (self.times == t + 1)[:, None]
            after = np.where(is_last, starts, total) + self.scores[t]
            after = np.where(self.inside & (t < self.times)[:, None], after, -np.inf)
            beta[t] = after
        return beta


def _loss(log_probs: Array, labels: Array, times: Array, sizes: Array, *, blank: int) -> Array:
    lattice = _Lattice(log_probs.astype(np.float64), labels, times, sizes, blank)
    return lattice.loss(lattice.forward()).astype(log_probs.dtype)


def _posterior(log_probs: Array, labels: Array, times: Array, sizes: Array, *, blank: int) -> Array:
    lattice = _Lattice(log_probs.astype(np.float64), labels, times, sizes, blank)
    alpha = lattice.forward()
    joint = alpha + lattice.backward() - lattice.scores + lattice.loss(alpha)[:, None]
    share = np.where(np.isneginf(alpha), 0, np.exp(joint))
    found = np.zeros_like(log_probs)
    steps = np.arange(len(found))
    for n in range(found.shape[1]):
        for s, symbol in enumerate(lattice.symbols[n]):
            found[:, n, symbol] += share[:, n, s]
    found[steps[:, None] >= times] = 0
    return found


def _loss_rule(
    g: Any, log_probs: Any, labels: Any, input_lengths: Any, target_lengths: Any, blank: int
) -> Any:
    each = expand(reshape(g, shape=(1, g.shape[0], 1)), shape=tuple(log_probs.shape))
    posterior = ctc_posterior(log_probs, labels, input_lengths, target_lengths, blank=blank)
    return neg(each * posterior)


def _no_second(g: Any) -> Any:
    raise UnsupportedError("ctc_loss has no second derivative here")


def _samples() -> list[Any]:
    logs = normal(5, 2, 4)
    logs = logs - np.log(np.exp(logs).sum(-1, keepdims=True))
    labels = np.array([[1, 1, 2], [3, 0, 0]])
    lengths = np.array([5, 4]), np.array([3, 1])
    return [((logs, labels, *lengths), {"blank": 0}), ((logs[:3], labels[:, :1], np.array([3, 2]), np.array([1, 0])), {"blank": 2})]  # fmt: skip


# fmt: off
ctc_loss = declare(
    "ctc_loss", "host", "log_probs labels input_lengths target_lengths", _loss_type, quiet(_loss),
    vjp=(_loss_rule, None, None, None), samples=_samples,
)

ctc_posterior = declare(
    "ctc_posterior", "host", "log_probs labels input_lengths target_lengths", _posterior_type, quiet(_posterior),
    vjp=(_no_second, None, None, None), samples=_samples,
)
# fmt: on
