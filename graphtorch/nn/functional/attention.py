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
            message(
                "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True"
            )
        )
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        count = query.shape[:-2].numel()
        raise RuntimeError(
            message(
                f"Expected size for first two dimensions of batch2 tensor to be: [{count}, {query.shape[-1]}] but"
                f" got: [{count}, {key.shape[-1]}]."
                if query.shape[-1] != key.shape[-1]
                else f"Expected size for first two dimensions of batch2 tensor to be: [{count}, {key.shape[-2]}]"
                f" but got: [{count}, {value.shape[-2]}].",
                operands={"query": query.type_, "key": key.type_, "value": value.type_},
            )
        )
    if enable_gqa and key.shape[-3] != query.shape[-3]:
        repeats = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(repeats, -3), value.repeat_interleave(repeats, -3)
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    batch = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    query, key, value = (
        x if tuple(x.shape[:-2]) == tuple(batch) else x.expand(*batch, *x.shape[-2:])
        for x in (query, key, value)
    )
    if attn_mask is not None:
        if attn_mask.dtype is torch.bool:
            zero = torch.zeros(attn_mask.shape, dtype=query.dtype)
            attn_mask = zero.masked_fill(attn_mask.logical_not(), float("-inf"))
        attn_mask = attn_mask.expand(*batch, query.shape[-2], key.shape[-2])
    if dropout_p == 0.0:
        operands = (query, key, value) if attn_mask is None else (query, key, value, attn_mask)
        return ops.scaled_dot_product_attention(*operands, is_causal=is_causal, scale=float(scale))[
            0
        ]
    scores = torch.matmul(query, key.transpose(-2, -1)) * scale
    if is_causal:
        allowed = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool).tril()
        scores = scores.masked_fill(allowed.logical_not(), float("-inf"))
    if attn_mask is not None:
        scores = scores + attn_mask
    return torch.matmul(dropout(softmax(scores, -1), dropout_p), value)
