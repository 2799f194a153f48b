"""Multi-head attention as a function (Vaswani et al., 2017); the module is `nn.MultiheadAttention`."""

from __future__ import annotations

import math
from typing import Any

import graphtorch as torch

from ...frontend.tensor import Tensor
from .activation import softmax
from .attention import scaled_dot_product_attention
from .dropout import dropout
from .linear import linear
from .padding import pad


def _additive(mask: Tensor | None, name: str, dtype: Any) -> Tensor | None:
    """A mask to add to the scores: boolean masks become 0 and -inf."""
    if mask is None:
        return None
    if mask.dtype is torch.bool:
        return torch.zeros_like(mask, dtype=dtype).masked_fill_(mask, float("-inf"))
    if not mask.is_floating_point():
        raise AssertionError(f"only bool and floating types of {name} are supported")
    return mask


def _merged(
    mask: Tensor | None, padding: Tensor | None, batch: int, heads: int, length: int, source: int, extra: int
) -> Tensor | None:  # fmt: skip
    """Both masks as one [N or 1, heads or 1, L or 1, S + extra]."""
    if mask is not None:
        shapes = {2: (length, source), 3: (batch * heads, length, source)}
        if mask.dim() not in shapes:
            raise RuntimeError(f"attn_mask's dimension {mask.dim()} is not supported")
        wanted = shapes[mask.dim()]
        if tuple(mask.shape) != wanted:
            raise RuntimeError(
                f"The shape of the {mask.dim()}D attn_mask is {mask.shape}, but should be {wanted}."
            )
        mask = mask.reshape((1, 1, *wanted) if mask.dim() == 2 else (batch, heads, length, source))
        mask = pad(mask, (0, extra)) if extra else mask
    if padding is None:
        return mask
    if tuple(padding.shape) != (batch, source):
        raise AssertionError(
            f"expecting key_padding_mask shape of {(batch, source)}, but got {padding.shape}"
        )
    padding = pad(padding, (0, extra)) if extra else padding
    padding = padding.reshape(batch, 1, 1, source + extra)
    return padding if mask is None else mask + padding


def _projected(
    inputs: tuple[Tensor, ...], packed: Tensor | None, separate: tuple[Tensor | None, ...], bias: Tensor | None
) -> list[Tensor]:  # fmt: skip
    weights = separate if packed is None else packed.chunk(3)
    biases = (None,) * 3 if bias is None else bias.chunk(3)
    return [linear(x, w, b) for x, w, b in zip(inputs, weights, biases, strict=True)]


def multi_head_attention_forward(
    query: Tensor, key: Tensor, value: Tensor, embed_dim_to_check: int, num_heads: int,
    in_proj_weight: Tensor | None, in_proj_bias: Tensor | None, bias_k: Tensor | None, bias_v: Tensor | None,
    add_zero_attn: bool, dropout_p: float, out_proj_weight: Tensor, out_proj_bias: Tensor | None,
    training: bool = True, key_padding_mask: Tensor | None = None, need_weights: bool = True,
    attn_mask: Tensor | None = None, use_separate_proj_weight: bool = False, q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None, v_proj_weight: Tensor | None = None, static_k: Tensor | None = None,
    static_v: Tensor | None = None, average_attn_weights: bool = True, is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """Attention of `num_heads` heads with these projections.

    query [L, N, E] or [L, E], key and value [S, N, E] or [S, E]; masks: bool (True is left out) or added to the
    scores.  Returns the output in the query's shape and, if asked for, the weights [N, L, S] (averaged over heads)
    or [N, heads, L, S].  Raises AssertionError and RuntimeError for shapes that do not fit.
    """
    if is_causal and attn_mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
    batched = query.dim() == 3
    if not batched:
        query, key, value = (x.unsqueeze(1) for x in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, batch, size = query.shape
    if size != embed_dim_to_check:
        raise AssertionError(
            f"was expecting embedding dimension of {embed_dim_to_check}, but got {size}"
        )
    head = size // num_heads
    if head * num_heads != size:
        raise AssertionError(f"embed_dim {size} not divisible by num_heads {num_heads}")
    hint_only = is_causal and key_padding_mask is None and not need_weights
    packed = None if use_separate_proj_weight else in_proj_weight
    separate = (q_proj_weight, k_proj_weight, v_proj_weight)
    q, k, v = _projected((query, key, value), packed, separate, in_proj_bias)
    mask = None if hint_only else _additive(attn_mask, "attn_mask", q.dtype)
    padding = _additive(key_padding_mask, "key_padding_mask", q.dtype)
    if bias_k is not None and bias_v is not None:
        k = torch.cat([k, bias_k.expand(1, batch, -1)])
        v = torch.cat([v, bias_v.expand(1, batch, -1)])

    def heads(x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], batch, num_heads, head).permute(1, 2, 0, 3)

    q = heads(q)
    k = heads(k) if static_k is None else static_k.reshape(batch, num_heads, -1, head)
    v = heads(v) if static_v is None else static_v.reshape(batch, num_heads, -1, head)
    source = k.shape[2] - (bias_k is not None and static_k is None)
    if add_zero_attn:
        zeros = torch.zeros(batch, num_heads, 1, head, dtype=k.dtype)
        k, v = torch.cat([k, zeros], dim=2), torch.cat([v, zeros], dim=2)
    mask = _merged(mask, padding, batch, num_heads, length, source, k.shape[2] - source)
    rate = dropout_p if training else 0.0
    weights = None
    if need_weights:
        scores = (q * math.sqrt(1.0 / head)) @ k.transpose(-2, -1)
        weights = softmax(scores if mask is None else scores + mask, dim=-1)
        weights = dropout(weights, p=rate) if rate > 0.0 else weights
        attended = weights @ v
    else:
        attended = scaled_dot_product_attention(q, k, v, mask, rate, hint_only)
    output = linear(
        attended.permute(2, 0, 1, 3).reshape(length, batch, size), out_proj_weight, out_proj_bias
    )
    if weights is not None and average_attn_weights:
        weights = weights.mean(dim=1)
    if batched:
        return output, weights
    return output.squeeze(1), None if weights is None else weights.squeeze(0)
