"""Scaled dot product attention."""

from __future__ import annotations

import graphtorch as torch

from ...errors import message
from ...frontend.tensor import Tensor
from ...ir import ops
from .activation import softmax
from .dropout import dropout


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query key^T * scale + mask) value (Vaswani et al., 2017).

    query [..., L, E], key [..., S, E], value [..., S, Ev]; the result is [..., L, Ev].
    attn_mask: bool (True takes part) or added to the scores; scale: 1 / sqrt(E) unless given.
    Raises RuntimeError if a mask is given together with `is_causal`.
    """
    if attn_mask is not None and is_causal:
        raise RuntimeError(
            message("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
        )
    if enable_gqa and key.shape[-3] != query.shape[-3]:
        repeats = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(repeats, -3), value.repeat_interleave(repeats, -3)
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    batch = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    query, key, value = (
        x if tuple(x.shape[:-2]) == tuple(batch) else x.expand(*batch, *x.shape[-2:]) for x in (query, key, value)
    )
    if dropout_p == 0.0 and attn_mask is None:
        return ops.scaled_dot_product_attention(query, key, value, is_causal=is_causal, scale=float(scale))
    scores = torch.matmul(query, key.transpose(-2, -1)) * scale
    if is_causal:
        attn_mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool).tril()
    if attn_mask is not None:
        if attn_mask.dtype is torch.bool:
            scores = scores.masked_fill(attn_mask.logical_not(), float("-inf"))
        else:
            scores = scores + attn_mask
    weights = softmax(scores, -1)
    if attn_mask is not None and attn_mask.dtype is torch.bool:
        weights = torch.where(attn_mask.any(-1, keepdim=True), weights, torch.zeros_like(weights))
    return torch.matmul(dropout(weights, dropout_p, dropout_p > 0), value)
