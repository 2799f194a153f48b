"""Attention, forward and backward, against softmax in float64."""

from __future__ import annotations

import numpy as np
import pytest

from graphtorch.codegen.contraction import Attention, AttentionBackward, Layout, plan
from graphtorch.codegen.llvm.target import target
from graphtorch.errors import UnsupportedError

from .running import layout, relative_error, run

# batch, queries, keys, width, value width
CASES = [
    ((1,), 1, 1, 1, 1), ((2, 3), 4, 5, 8, 6), ((2,), 17, 33, 16, 16), ((1, 2), 100, 100, 64, 64),
    ((1,), 130, 530, 24, 40), ((1,), 300, 70, 8, 8), ((3,), 7, 16, 5, 3), ((1,), 1, 700, 64, 64),
]  # fmt: skip


def inputs(case, seed=0):
    batch, queries, keys, width, value_width = case
    rng = np.random.default_rng(seed)
    q = rng.standard_normal((*batch, queries, width)).astype("f")
    k = rng.standard_normal((*batch, keys, width)).astype("f")
    v = rng.standard_normal((*batch, keys, value_width)).astype("f")
    return q, k, v


def softmax(q, k, causal, scale):
    scores = scale * q.astype("d") @ k.astype("d").swapaxes(-1, -2)
    if causal:
        hidden = np.arange(k.shape[-2]) > np.arange(q.shape[-2])[:, None]
        scores = np.where(hidden, -np.inf, scores)
    top = scores.max(-1, keepdims=True)
    e = np.exp(scores - top)
    total = e.sum(-1, keepdims=True)
    return e / total, (np.log(total) + top)[..., 0]


def describe(q, k, v, result, causal, scale=0.3, bases=(None, None, None)):
    layouts = [layout(x, b) for x, b in zip((q, k, v), bases, strict=True)]
    return Attention(
        q.shape[:-2],
        q.shape[-2],
        k.shape[-2],
        q.shape[-1],
        v.shape[-1],
        scale,
        causal,
        *layouts,
        result,
    )


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward(case, causal):
    q, k, v = inputs(case)
    shape = (*q.shape[:-1], v.shape[-1])
    p = plan(describe(q, k, v, Layout.of(shape), causal), target())
    result, logsumexp = run(p, [q, k, v], [shape, q.shape[:-1]])
    weights, expected = softmax(q, k, causal, 0.3)
    assert relative_error(result, weights @ v) < 1e-6
    np.testing.assert_allclose(logsumexp, expected, rtol=1e-6, atol=1e-6)
    again = run(p, [q, k, v], [shape, q.shape[:-1]], order="shuffled", at_end=False)
    np.testing.assert_array_equal(result, again[0])
    np.testing.assert_array_equal(logsumexp, again[1])


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    "case", [*CASES, ((1,), 40, 300, 16, 16), ((2,), 300, 290, 32, 48)], ids=str
)
def test_backward(case, causal):
    q, k, v = inputs(case)
    g = np.random.default_rng(9).standard_normal((*q.shape[:-1], v.shape[-1])).astype("f")
    p, logsumexp = softmax(q, k, causal, 0.3)
    result = p @ v
    forward = describe(q, k, v, Layout.of(result.shape), causal)
    dense = [Layout.of(x.shape) for x in (g, q, k, v)]
    planned = plan(AttentionBackward(forward, *dense), target())
    arrays = [g, q, k, v, result.astype("f"), logsumexp.astype("f")]
    found = run(planned, arrays, [q.shape, k.shape, v.shape])
    dp = g.astype("d") @ v.swapaxes(-1, -2)
    ds = p * (dp - (g * result).sum(-1, keepdims=True)) * 0.3
    expected = ds @ k, ds.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ g
    for name, a, b in zip(("dq", "dk", "dv"), found, expected, strict=True):
        norm = max(np.linalg.norm(b), 0.1 * np.linalg.norm(g))  # where terms cancel
        assert np.linalg.norm(a - b) / norm < 3e-6, name
    again = run(planned, arrays, [q.shape, k.shape, v.shape], order="shuffled", at_end=False)
    for a, b in zip(found, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_heads_inside_rows():
    """The layout of a transformer: q, k and v are slices of one [batch, position, 3 * heads * width]."""
    rng = np.random.default_rng(1)
    qkv = rng.standard_normal((2, 50, 3, 4, 16)).astype("f")
    q, k, v = (qkv[:, :, i].transpose(0, 2, 1, 3) for i in range(3))
    result = Layout((50 * 64, 16, 64, 1))  # [batch, position, head, width]
    p = plan(describe(q, k, v, result, True, bases=(qkv, qkv, qkv)), target())
    found, _ = run(p, [qkv, qkv, qkv], [(2, 50, 4, 16), (2, 4, 50)])
    weights, _ = softmax(q, k, True, 0.3)
    assert relative_error(found.transpose(0, 2, 1, 3), weights @ v) < 1e-6


def test_large_scores_do_not_overflow():
    q, k, v = inputs(((1,), 20, 300, 8, 8))
    q *= 1000
    p = plan(describe(q, k, v, Layout.of((1, 20, 8)), False), target())
    result, logsumexp = run(p, [q, k, v], [(1, 20, 8), (1, 20)])
    weights, expected = softmax(q, k, False, 0.3)
    assert relative_error(result, weights @ v) < 1e-3
    np.testing.assert_allclose(logsumexp, expected, rtol=1e-6)


def test_not_a_number_spoils_only_its_row():
    q, k, v = inputs(((1,), 20, 30, 8, 8))
    q[0, 7, 3] = np.nan
    p = plan(describe(q, k, v, Layout.of((1, 20, 8)), False), target())
    result, _ = run(p, [q, k, v], [(1, 20, 8), (1, 20)])
    assert np.isnan(result[0, 7]).all()
    assert not np.isnan(np.delete(result, 7, axis=1)).any()


def test_what_it_cannot_do():
    q, k, v = inputs(CASES[2])
    with pytest.raises(UnsupportedError, match="positive scale"):
        plan(describe(q, k, v, Layout.of((2, 17, 16)), False, scale=-1.0), target())
    turned = np.ascontiguousarray(q.swapaxes(-1, -2)).swapaxes(-1, -2)
    with pytest.raises(UnsupportedError, match="columns of query contiguous"):
        plan(describe(turned, k, v, Layout.of((2, 17, 16)), False), target())
