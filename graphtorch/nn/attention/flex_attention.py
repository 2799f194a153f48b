"""Attention whose scores and mask are given as functions: `flex_attention`.

A `score_mod(score, b, h, q_idx, kv_idx)` and a `mask_mod(b, h, q_idx, kv_idx)` are called once, with
index tensors that broadcast against [B, H, Q, KV]; so they may use any elementwise operation and
index other tensors.  A mask is kept whole; blocks of it that are empty save no work here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import graphtorch

from ...frontend.tensor import Tensor

_DEFAULT_SPARSE_BLOCK_SIZE = 128
_score_mod_signature = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
_mask_mod_signature = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

__all__ = [
    "AuxOutput",
    "AuxRequest",
    "BlockMask",
    "and_masks",
    "create_block_mask",
    "create_mask",
    "flex_attention",
    "noop_mask",
    "or_masks",
]


class AuxRequest(NamedTuple):
    """What `flex_attention(return_aux=...)` gives beside the result."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """What was asked for by an `AuxRequest`; None for the rest."""

    lse: Tensor | None = None
    max_scores: Tensor | None = None


FlexKernelOptions = dict


def _indices(batch: int, heads: int, queries: int, keys: int) -> tuple[Tensor, ...]:
    sizes = (batch, heads, queries, keys)
    return tuple(
        graphtorch.arange(n).reshape([n if d == dim else 1 for d in range(4)])
        for dim, n in enumerate(sizes)
    )


def noop_mask(batch: Tensor, head: Tensor, token_q: Tensor, token_kv: Tensor) -> Tensor:
    """A mask that hides nothing."""
    return (batch + head + token_q + token_kv) >= 0


def and_masks(*mask_mods: Any) -> Any:
    """A mask that shows what all of the given ones show."""
    if not all(callable(mask) for mask in mask_mods):
        raise RuntimeError(f"All inputs should be callable mask_mods: {mask_mods}")

    def combined(b: Tensor, h: Tensor, q_idx: Tensor, kv_idx: Tensor) -> Any:
        result: Any = noop_mask(b, h, q_idx, kv_idx)
        for mask in mask_mods:
            result = result & mask(b, h, q_idx, kv_idx)
        return result

    return combined


def or_masks(*mask_mods: Any) -> Any:
    """A mask that shows what any of the given ones shows."""
    if not all(callable(mask) for mask in mask_mods):
        raise RuntimeError(f"All inputs should be callable mask_mods: {mask_mods}")

    def combined(b: Tensor, h: Tensor, q_idx: Tensor, kv_idx: Tensor) -> Any:
        result: Any = ~noop_mask(b, h, q_idx, kv_idx)  # type: ignore[operator]
        for mask in mask_mods:
            result = result | mask(b, h, q_idx, kv_idx)
        return result

    return combined


def create_mask(
    mod_fn: Any, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = None
) -> Tensor:
    """The bool tensor [B, H, Q_LEN, KV_LEN] of a mask function (1 for a size of None).

    >>> create_mask(lambda b, h, q, k: q >= k, None, None, 2, 2).tolist()
    [[[[True, False], [True, True]]]]
    """
    shape = (B or 1, H or 1, Q_LEN, KV_LEN)
    shown = mod_fn(*_indices(*shape))
    return graphtorch.as_tensor(shown, dtype=graphtorch.bool).expand(shape).contiguous()  # type: ignore[attr-defined]


class BlockMask:
    """A mask for `flex_attention`: its function, and what it shows.

    shape: (B, H, Q_LEN, KV_LEN); B and H of 1 stand for all.
    """

    def __init__(self, mask_mod: Any, shown: Tensor, block_size: tuple[int, int]):
        self.mask_mod = mask_mod
        self.shown = shown
        self.BLOCK_SIZE = block_size

    @property
    def shape(self) -> tuple[int, ...]:
        """(B, H, Q_LEN, KV_LEN)."""
        return tuple(self.shown.shape)

    @property
    def seq_lengths(self) -> tuple[int, int]:
        """Number of queries and of keys."""
        return self.shape[-2], self.shape[-1]

    def numel(self) -> int:
        """Number of elements of the whole mask."""
        return math.prod(self.shape)

    def _blocks(self) -> Any:
        """Which blocks show anything: bool [B, H, Q blocks, KV blocks]."""
        b, h, q, k = self.shape
        rows, columns = self.BLOCK_SIZE
        padded = graphtorch.nn.functional.pad(
            self.shown.to(graphtorch.uint8),  # type: ignore[attr-defined]
            (0, -k % columns, 0, -q % rows),
        )
        grid = padded.reshape(b, h, -(-q // rows), rows, -(-k // columns), columns)
        return grid.amax((3, 5)) > 0

    def to_dense(self) -> Tensor:
        """1 for every block that shows anything."""
        return self._blocks().to(graphtorch.int32)

    def sparsity(self) -> float:
        """Share of empty blocks, in percent."""
        return 100 * (1 - float(self._blocks().double().mean()))

    def to(self, device: Any) -> BlockMask:
        """The mask on a device."""
        return BlockMask(self.mask_mod, self.shown.to(device), self.BLOCK_SIZE)  # type: ignore[attr-defined]

    def __getitem__(self, index: Any) -> BlockMask:
        index = (index,) if not isinstance(index, tuple) else index
        if len(index) > 2:
            raise IndexError("a block mask is indexed by batch and head")
        parts = [slice(i, i + 1) if isinstance(i, int) and i >= 0 else i for i in index]
        return BlockMask(self.mask_mod, self.shown[tuple(parts)], self.BLOCK_SIZE)

    def __repr__(self) -> str:
        return f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%)"


def create_block_mask(
    mask_mod: Any,
    B: int | None,
    H: int | None,
    Q_LEN: int,
    KV_LEN: int,
    device: Any = None,
    BLOCK_SIZE: int | tuple[int, int] = _DEFAULT_SPARSE_BLOCK_SIZE,
    _compile: bool = False,
) -> BlockMask:
    """A `BlockMask` of a mask function."""
    sizes = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
    return BlockMask(mask_mod, create_mask(mask_mod, B, H, Q_LEN, KV_LEN, device), sizes)


def flex_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score_mod: Any = None,
    block_mask: BlockMask | None = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    kernel_options: Any = None,
    *,
    return_aux: Any = None,
) -> Any:
    """Attention over [B, H, Q, E], [B, Hkv, KV, E] and [B, Hkv, KV, Ev], with scores changed by `score_mod`.

    enable_gqa: each head of keys serves H / Hkv heads of queries.
    return_lse: also give the scores' logsumexp, [B, H, Q]; return_aux: an `AuxRequest`, for an `AuxOutput`.
    A query that sees nothing gets zeros.
    """
    q: Any = query
    k: Any = key
    v: Any = value
    if q.dim() != 4 or k.dim() != 4 or v.dim() != 4:
        raise ValueError("Expected query, key and value to be 4D tensors")
    if not enable_gqa and q.size(-3) != k.size(-3):
        raise ValueError(
            f"Expect query and key/value to have the same number of heads but got Hq={q.size(-3)} and"
            f" Hkv={k.size(-3)}. Try setting enable_gqa=True for GQA."
        )
    if q.size(-3) != k.size(-3):
        groups = q.size(-3) // k.size(-3)
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    factor = 1.0 / math.sqrt(q.size(-1)) if scale is None else scale
    scores = (q @ k.transpose(-2, -1)).float() * factor
    if score_mod is not None:
        scores = score_mod(scores, *_indices(*scores.shape)).float()
    if block_mask is not None:
        if block_mask.seq_lengths != tuple(scores.shape[-2:]):
            raise ValueError(
                f"block_mask was created for block_mask.shape={block_mask.shape} but got q_len={q.size(-2)} and"
                f" kv_len={k.size(-2)}."
            )
        scores = scores.masked_fill(~block_mask.shown, -math.inf)  # type: ignore[operator]
    lse = scores.logsumexp(-1)
    blind = lse == -math.inf
    weights = (scores - lse.masked_fill(blind, 0.0).unsqueeze(-1)).exp()
    result = (weights.to(v.dtype) @ v).to(q.dtype)
    if return_aux is not None:
        largest = scores.amax(-1) if return_aux.max_scores else None
        return result, AuxOutput(lse if return_aux.lse else None, largest)
    return (result, lse) if return_lse else result
