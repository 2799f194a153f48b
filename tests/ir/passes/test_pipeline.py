"""All passes in a row on a train step: every graph valid, the numbers the same."""

import numpy as np

from graphtorch.ir import ops
from graphtorch.ir.builder import GraphBuilder
from graphtorch.ir.interpret import evaluate, interpret
from graphtorch.ir.parse import parse
from graphtorch.ir.passes.pipeline import keeping, pipeline, printing, run_passes, timing, verifying
from graphtorch.ir.transforms import vjp
from graphtorch.ir.types import float32 as f32
from tests.ir.gradients import graph_of

B, T, C = 2, 3, 4


def linear(x, w, b):
    flat = ops.matmul(ops.reshape(x, shape=(B * T, x.shape[2])), ops.permute(w, dims=(1, 0)))
    y = ops.reshape(flat, shape=(B, T, w.shape[0]))
    return y + ops.expand(b, shape=y.shape)


def normalised(x):
    mean = ops.mean(x, dims=(2,))
    centred = x - ops.expand(ops.reshape(mean, shape=(B, T, 1)), shape=x.shape)
    variance = ops.mean(centred * centred, dims=(2,))
    scale = ops.rsqrt(variance + 1e-5)
    return centred * ops.expand(ops.reshape(scale, shape=(B, T, 1)), shape=x.shape)


def loss_of(x, w1, b1, w2, b2):
    hidden = ops.tanh(linear(normalised(x), w1, b1))
    return ops.sum(ops.square(x + linear(hidden, w2, b2)), dims=(0, 1, 2))


def train_step():
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s).astype("f4") for s in ((B, T, C), (8, C), (8,), (C, 8), (C,))]
    joint = vjp(graph_of(loss_of, arrays), wrt=range(1, 5))
    with GraphBuilder("step") as b:
        inputs = [b.input(n.type, n.name) for n in joint.inputs[:5]]
        rate = b.input(f32[()], "rate")
        loss, *gradients = evaluate(joint, *inputs, ops.full(shape=(), value=1.0, dtype=f32))
        for parameter, gradient in zip(inputs[1:], gradients, strict=True):
            b.update(parameter, parameter - ops.expand(rate, shape=gradient.shape) * gradient)
        return b.finish((loss,)), [*arrays, np.array(0.01, "f4")]


def test_every_stage_computes_the_same():
    graph, arrays = train_step()
    stages = []
    run_passes(graph, pipeline(), [verifying, keeping(stages)])
    names = [name for name, _ in stages]
    assert names[:3] == ["dce", "decompose", "simplify"] and names[-1] == "fuse"
    expected = interpret(graph, *arrays)
    for name, stage in stages:
        assert str(parse(str(stage))) == str(stage), name
        for a, b in zip(expected, interpret(stage, *arrays), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6, err_msg=name)


def test_the_loss_falls():
    graph, arrays = train_step()
    graph = run_passes(graph, pipeline())
    losses = []
    for _ in range(5):
        loss, *arrays[1:5] = interpret(graph, *arrays)
        losses.append(float(loss))
    assert losses == sorted(losses, reverse=True) and losses[-1] < 0.9 * losses[0]


def test_composites_can_be_claimed():
    graph, _ = train_step()
    stages = []
    run_passes(graph, pipeline(keep={"mean"}), [keeping(stages)])
    assert "mean" in {n.op.name for n in dict(stages)["decompose"].nodes}


def test_hooks():
    graph, _ = train_step()
    seconds, written = {}, []
    run_passes(graph, pipeline()[:2], [timing(seconds), printing(written.append)])
    assert set(seconds) == {"dce", "decompose"} and all(s >= 0 for s in seconds.values())
    assert written[0].startswith("# after dce (") and "def step(" in written[0]
