"""Scaled dot product attention and its backward op.

    scores = scale * q @ k^T [+ mask]     p = softmax(scores)     y = p @ v

q[..., t, d], k[..., s, d], v[..., s, e]; equal batch sizes.  The mask, already of the scores' shape
[..., t, s], is bool (False hides) or floating (added).  `is_causal` hides key j from query i < j.
The second output is log(sum(exp(scores))), which a backward kernel starts from; it carries no
derivative of its own.  A query that sees no key gives zeros.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..op import Joint, declare
from ..types import TensorType, bool_, int64
from .contraction import matmul, transposed
from .creation import iota
from .derived import derived
from .inference import require, require_kind
from .kernels import Array, widened
from .pointwise import eq, exp_nonpositive, le, log, where
from .reduction import amax, restored, sum
from .samples import Case, flags, normal
from .view import expand, reshape, stop_gradient

_BLOCK = 1 << 18  # elements of the score matrix worked on at a time

Mask = Any


def _scores_type(
    name: str, q: TensorType, k: TensorType, v: TensorType, mask: TensorType | None
) -> TensorType:
    operands = {"query": q, "key": k, "value": v} | ({} if mask is None else {"mask": mask})
    require_kind(name, q, "f")
    fits = (
        q.ndim == k.ndim == v.ndim >= 2
        and q.dtype is k.dtype is v.dtype
        and q.shape[:-2] == k.shape[:-2] == v.shape[:-2]
        and q.shape[-1] == k.shape[-1]
        and k.shape[-2] == v.shape[-2]
    )
    require(
        fits,
        f"{name}: query, key and value do not fit",
        "wanted are query[..., t, d], key[..., s, d] and value[..., s, e] of one dtype",
        **operands,
    )
    shape = (*q.shape[:-1], k.shape[-2])
    require(
        mask is None or (mask.shape == shape and (mask.dtype is bool_ or mask.dtype is q.dtype)),
        f"{name}: the mask must be bool or {q.dtype.short}, of shape {list(shape)}",
        **operands,
    )
    return TensorType(q.dtype, shape)


def _type(
    q: TensorType,
    k: TensorType,
    v: TensorType,
    mask: TensorType | None = None,
    *,
    is_causal: bool,
    scale: float,
) -> tuple[TensorType, ...]:
    _scores_type("scaled_dot_product_attention", q, k, v, mask)
    return TensorType(q.dtype, (*q.shape[:-1], v.shape[-1])), TensorType(q.dtype, q.shape[:-1])


def _backward_type(
    dy: TensorType, q: TensorType, k: TensorType, v: TensorType, result: TensorType, logsumexp: TensorType,
    mask: TensorType | None = None, *, is_causal: bool, scale: float,
) -> tuple[TensorType, ...]:  # fmt: skip
    scores = _scores_type("scaled_dot_product_attention_backward", q, k, v, mask)
    return (q, k, v) if mask is None or mask.dtype is bool_ else (q, k, v, scores)


# ---- NumPy: a block of heads at a time, so that their scores stay in the cache


def _flat(x: Array) -> Array:
    return x if x.ndim == 3 else x.reshape(-1, *x.shape[-2:])


def _blocks(heads: int, scores: int) -> list[slice]:
    step = max(1, _BLOCK // max(scores, 1))
    return [slice(i, min(i + step, heads)) for i in range(0, heads, step)]


def _probabilities(
    q: Array, k: Array, mask: Array | None, hidden: Array | None, scale: float
) -> tuple[Array, Array]:
    """Softmax of the scores, and log(sum(exp(scores)))."""
    p = np.matmul(q * q.dtype.type(scale), np.swapaxes(k, -1, -2))
    if mask is not None and mask.dtype == bool:
        p[~mask] = -np.inf
    elif mask is not None:
        p += mask
    if hidden is not None:
        p += hidden
    if not p.shape[-1]:
        return p, np.full(p.shape[:-1], -np.inf, p.dtype)
    top = np.maximum.reduce(p, axis=-1, keepdims=True)
    if hidden is not None or mask is not None:
        top[top == -np.inf] = 0
    p -= top
    np.exp(p, out=p)
    total = np.add.reduce(p, axis=-1, keepdims=True)
    logsumexp = (np.log(total) + top)[..., 0]
    if hidden is not None or mask is not None:
        total[total == 0] = 1
    p /= total
    return p, logsumexp


def _hidden(t: int, s: int, dtype: Any, is_causal: bool) -> Array | None:
    if not is_causal:
        return None
    hidden = np.zeros((t, s), dtype)
    hidden[np.arange(s) > np.arange(t)[:, None]] = -np.inf
    return hidden


def _attention(
    q: Array, k: Array, v: Array, mask: Array | None = None, *, is_causal: bool, scale: float
) -> tuple[Array, Array]:
    t, s = q.shape[-2], k.shape[-2]
    flat_q, flat_k, flat_v = _flat(q), _flat(k), _flat(v)
    flat_mask = None if mask is None else _flat(mask)
    hidden = _hidden(t, s, q.dtype, is_causal)
    heads = flat_q.shape[0]
    y, logsumexp = np.empty((heads, t, v.shape[-1]), q.dtype), np.empty((heads, t), q.dtype)
    for part in _blocks(heads, t * s):
        p, logsumexp[part] = _probabilities(
            flat_q[part],
            flat_k[part],
            None if flat_mask is None else flat_mask[part],
            hidden,
            scale,
        )
        np.matmul(p, flat_v[part], out=y[part])
    return y.reshape(*q.shape[:-1], v.shape[-1]), logsumexp.reshape(q.shape[:-1])


def _attention_backward(
    dy: Array, q: Array, k: Array, v: Array, result: Array, logsumexp: Array, mask: Array | None = None, *,
    is_causal: bool, scale: float,
) -> tuple[Array, ...]:  # fmt: skip
    t, s = q.shape[-2], k.shape[-2]
    flat_dy, flat_q, flat_k, flat_v = _flat(dy), _flat(q), _flat(k), _flat(v)
    flat_mask = None if mask is None else _flat(mask)
    hidden = _hidden(t, s, q.dtype, is_causal)
    heads = flat_q.shape[0]
    dq, dk, dv = (np.empty(x.shape, x.dtype) for x in (flat_q, flat_k, flat_v))
    dmask = None if mask is None or mask.dtype == bool else np.empty((heads, t, s), q.dtype)
    for part in _blocks(heads, t * s):
        p, _ = _probabilities(
            flat_q[part],
            flat_k[part],
            None if flat_mask is None else flat_mask[part],
            hidden,
            scale,
        )
        np.matmul(np.swapaxes(p, -1, -2), flat_dy[part], out=dv[part])
        ds = np.matmul(flat_dy[part], np.swapaxes(flat_v[part], -1, -2))
        ds -= np.einsum("hts,hts->ht", p, ds)[..., None]
        ds *= p
        if dmask is not None:
            dmask[part] = ds
        ds *= q.dtype.type(scale)
        np.matmul(ds, flat_k[part], out=dq[part])
        np.matmul(np.swapaxes(ds, -1, -2), flat_q[part], out=dk[part])
    found = (dq.reshape(q.shape), dk.reshape(k.shape), dv.reshape(v.shape))
    return found if dmask is None else (*found, dmask.reshape(mask.shape))  # type: ignore[union-attr]


# ---- decompositions


def _scores(q: Any, k: Any, mask: Mask, is_causal: bool, scale: float) -> Any:
    scores = matmul(q * float(scale), transposed(k))
    shape = tuple(scores.shape)
    if mask is not None:
        scores = where(mask, scores, -math.inf) if mask.dtype is bool_ else scores + mask
    if is_causal:
        query = reshape(iota(length=shape[-2], start=0, step=1, dtype=int64), shape=(shape[-2], 1))
        key = iota(length=shape[-1], start=0, step=1, dtype=int64)
        seen = le(expand(key, shape=shape), expand(query, shape=shape))
        scores = where(seen, scores, -math.inf)
    return scores


def _softmax_and_logsumexp(scores: Any, hides: bool) -> tuple[Any, Any]:
    shape, last = tuple(scores.shape), scores.ndim - 1
    top = stop_gradient(amax(scores, dims=(last,)))
    if hides:
        top = where(eq(top, -math.inf), 0, top)
    e = exp_nonpositive(scores - restored(top, shape, (last,)))
    total = sum(e, dims=(last,))
    logsumexp = log(total) + top
    if hides:
        total = where(eq(total, 0), 1, total)
    return e / restored(total, shape, (last,)), logsumexp


def _decomposed(
    q: Any, k: Any, v: Any, mask: Mask = None, *, is_causal: bool, scale: float
) -> tuple[Any, Any]:
    scores = _scores(q, k, mask, is_causal, scale)
    p, logsumexp = _softmax_and_logsumexp(scores, is_causal or mask is not None)
    return matmul(p, v), stop_gradient(logsumexp)


def _backward_decomposed(
    dy: Any,
    q: Any,
    k: Any,
    v: Any,
    result: Any,
    logsumexp: Any,
    mask: Mask = None,
    *,
    is_causal: bool,
    scale: float,
) -> tuple[Any, ...]:
    scores = _scores(q, k, mask, is_causal, scale)
    p, _ = _softmax_and_logsumexp(scores, is_causal or mask is not None)
    shape, last = tuple(p.shape), p.ndim - 1
    dp = matmul(dy, transposed(v))
    along = restored(sum(p * dp, dims=(last,)), shape, (last,))
    ds = p * (dp - along)
    scaled = ds * float(scale)
    found = (matmul(scaled, k), matmul(transposed(scaled), q), matmul(transposed(p), dy))
    return found if mask is None or mask.dtype is bool_ else (*found, ds)


def _rule(
    g: tuple[Any, ...],
    y: tuple[Any, ...],
    q: Any,
    k: Any,
    v: Any,
    mask: Any,
    is_causal: bool,
    scale: float,
) -> tuple[Any, ...]:
    operands = (g[0], q, k, v, *y) if mask is None else (g[0], q, k, v, *y, mask)
    found: tuple[Any, ...] = scaled_dot_product_attention_backward(
        *operands, is_causal=is_causal, scale=scale
    )
    return found


# ---- rows


def _samples() -> list[Case]:
    q, k, v = normal(2, 3, 4, 8), normal(2, 3, 5, 8, seed=1), normal(2, 3, 5, 6, seed=2)
    seen = flags(2, 3, 4, 5, seed=3)
    seen[..., 0] = True
    bias = normal(2, 3, 4, 5, seed=4)
    square = normal(5, 8), normal(5, 8, seed=1), normal(5, 8, seed=2)
    plain = {"is_causal": False, "scale": 0.35}
    return [
        ((q, k, v), plain),
        ((q, k, v), {"is_causal": True, "scale": 0.35}),
        ((q, k, v, seen), plain),
        ((q, k, v, bias), plain),
        (square, {"is_causal": True, "scale": 0.35}),
    ]


def _backward_samples() -> list[Case]:
    found: list[Case] = []
    for (q, k, v, *mask), attrs in _samples():
        y, logsumexp = _attention(q, k, v, *mask, **attrs)
        found.append(((normal(*y.shape, seed=9), q, k, v, y, logsumexp, *mask), attrs))
    return found


# scaled_dot_product_attention(q, k, v, [mask], is_causal=, scale=): (y, logsumexp)
scaled_dot_product_attention = declare(
    "scaled_dot_product_attention", "composite", "q k v mask", _type, widened(_attention),
    decompose=_decomposed, vjp=Joint(_rule), samples=_samples,
)  # fmt: skip

# scaled_dot_product_attention_backward(dy, q, k, v, result, logsumexp, [mask], is_causal=, scale=):
# (dq, dk, dv), and the mask's gradient if it is floating.  result and logsumexp are what the forward op
# gave; they are functions of q, k and v, so all derivatives go to these.
scaled_dot_product_attention_backward = declare(
    "scaled_dot_product_attention_backward", "composite", "dy q k v result logsumexp mask", _backward_type,
    widened(_attention_backward), decompose=_backward_decomposed, samples=_backward_samples,
    vjp=derived(
        "scaled_dot_product_attention_backward", "dy q k v result logsumexp mask",
        _backward_type, _backward_decomposed,
    ),
)  # fmt: skip
