"""What fuses, what does not and why: graphs as text, compared by the groups they end in."""

from __future__ import annotations

import numpy as np
import pytest

from graphtorch.ir import ops
from graphtorch.ir.builder import GraphBuilder
from graphtorch.ir.graph import Graph, Node
from graphtorch.ir.interpret import interpret
from graphtorch.ir.parse import parse
from graphtorch.ir.passes.cse import cse
from graphtorch.ir.passes.fuse import fuse
from graphtorch.ir.passes.pipeline import pipeline, run_passes
from graphtorch.ir.text import to_text
from graphtorch.ir.types import float32, int64
from graphtorch.ir.verify import verify


def fused(graph: Graph) -> Graph:
    """The fused graph, checked: valid, prints and parses, computes the same."""
    result = fuse(graph)
    verify(result)
    text = to_text(result, facts=False)
    assert to_text(parse(text), facts=False) == text
    random = np.random.default_rng(0)
    arrays = [
        random.integers(0, 4, n.shape) if n.dtype is int64 else random.normal(size=n.shape)
        for n in graph.inputs
    ]
    arrays = [a.astype(n.dtype.numpy) for a, n in zip(arrays, graph.inputs, strict=True)]
    for a, b in zip(interpret(graph, *arrays), interpret(result, *arrays), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)
    return result


def groups(graph: Graph) -> list[list[str]]:
    """The ops of every node or body, without views, creations and picks."""
    found = []
    for node in graph.nodes:
        nodes = node.attrs["body"].nodes if node.op.name == "fusion" else (node,)
        names = [n.op.name for n in nodes if n.op.kind not in ("view", "creation")]
        if names and names != ["pick"]:
            found.append(names)
    return found


def refusals(graph: Graph) -> dict[tuple[str, ...], str]:
    return {r.names: r.reason for r in graph.meta["fusion_report"] if not r.fused}


def kept(x: Node, dims: tuple[int, ...], shape: tuple[int, ...]) -> Node:
    """A reduction's result repeated to the shape it came from."""
    small = tuple(1 if d in dims else n for d, n in enumerate(shape))
    return ops.expand(ops.reshape(x, shape=small), shape=shape)


def test_a_chain_becomes_one_node_that_prints() -> None:
    graph = parse("""
def f(x: f32[4, 6], b: f32[6]):
    expand: f32[4, 6] = ops.expand(b, shape=(4, 6))
    add: f32[4, 6] = ops.add(x, expand)
    exp: f32[4, 6] = ops.exp(add)
    return exp
""")
    assert to_text(fused(graph), facts=False) == (
        """
def f(x: f32[4, 6], b: f32[6]):
    def add_exp(x: f32[4, 6], b: f32[6]):
        expand: f32[4, 6] = ops.expand(b, shape=(4, 6))
        add: f32[4, 6] = ops.add(x, expand)
        exp: f32[4, 6] = ops.exp(add)
        return exp
    exp: f32[4, 6] = ops.fusion(x, b, body=add_exp)
    return exp
""".strip()
    )


def test_several_results_are_picked_apart_under_their_own_names() -> None:
    graph = parse("""
def f(x: f32[8]):
    exp: f32[8] = ops.exp(x)
    neg: f32[8] = ops.neg(exp)
    return (exp, neg)
""")
    assert to_text(fused(graph), facts=False) == (
        """
def f(x: f32[8]):
    def exp_neg(x: f32[8]):
        exp: f32[8] = ops.exp(x)
        neg: f32[8] = ops.neg(exp)
        return (exp, neg)
    exp_neg_all: (f32[8], f32[8]) = ops.fusion(x, body=exp_neg)
    exp: f32[8] = ops.pick(exp_neg_all, index=0)
    neg: f32[8] = ops.pick(exp_neg_all, index=1)
    return (exp, neg)
""".strip()
    )


def test_a_lone_node_stays_what_it_is() -> None:
    graph = parse("""
def f(x: f32[8]):
    exp: f32[8] = ops.exp(x)
    return exp
""")
    assert to_text(fused(graph), facts=False) == to_text(graph, facts=False)


@pytest.mark.parametrize("dim", [0, 1])
def test_softmax_is_one_group(dim: int) -> None:
    with GraphBuilder("softmax") as b:
        x = b.input(float32[8, 16], "x")
        e = ops.exp(x - kept(ops.amax(x, dims=(dim,)), (dim,), (8, 16)))
        graph = b.finish((e / kept(ops.sum(e, dims=(dim,)), (dim,), (8, 16)),))
    assert groups(fused(graph)) == [["amax", "sub", "exp", "sum", "div"]]


def layer_norm_and_gradients(shape: tuple[int, ...]) -> Graph:
    with GraphBuilder("layer_norm") as b:
        attrs = {"ndim": 1, "eps": 1e-5}
        x, g = b.input(float32[shape], "x"), b.input(float32[shape], "g")
        w, bias = b.input(float32[shape[-1:]], "w"), b.input(float32[shape[-1:]], "bias")
        y = ops.layer_norm(x, w, bias, **attrs)
        graph = b.finish((y, *ops.layer_norm_backward(g, x, w, **attrs, bias=True)))
    return run_passes(graph, pipeline()[:-1])


def test_layer_norm_forward_and_backward_read_their_rows_once() -> None:
    (group,) = groups(fused(layer_norm_and_gradients((16, 8, 16))))
    assert (
        group.count("sum") == 6
    )  # mean, variance, two in dx, the weight's and the bias's gradient


def test_cross_entropy_and_its_gradient_are_two_groups() -> None:
    attrs = {"reduction": "mean", "ignore_index": -100, "label_smoothing": 0.0}
    with GraphBuilder("cross_entropy") as b:
        x, t = b.input(float32[6, 4], "x"), b.input(int64[6], "t")
        one = ops.full(shape=(), value=1.0, dtype=float32)
        loss = ops.cross_entropy(x, t, **attrs)
        graph = b.finish((loss, ops.cross_entropy_backward(one, x, t, **attrs)))
    result = fused(run_passes(graph, pipeline()[:-1]))
    weights, rows = groups(result)  # how many targets count, then everything else
    assert weights.count("sum") == 1 and "gather" not in weights
    assert {"amax", "gather", "scatter", "exp_nonpositive"} <= set(rows)


def test_column_sums_share_a_read_with_row_sums() -> None:
    with GraphBuilder("sums") as b:
        x = b.input(float32[64, 128], "x")
        graph = b.finish((ops.sum(x, dims=(1,)), ops.sum(x, dims=(0,)) * 0.5, ops.argmax(x, dim=1)))
    assert groups(fused(graph)) == [["sum", "sum", "mul", "argmax"]]


def test_a_norm_keeps_its_rows_though_other_axes_are_summed_later() -> None:
    shape = (4, 16, 32)
    with GraphBuilder("positions") as b:
        x, r = b.input(float32[shape], "x"), b.input(float32[shape], "r")
        y = x / kept(ops.sum(x, dims=(2,)), (2,), shape) + r
        graph = b.finish((y, ops.sum(y, dims=(0,))))
    assert groups(fused(graph)) == [["sum", "div", "add"], ["sum"]]


def test_an_argmax_cannot_be_put_together_from_blocks_of_rows() -> None:
    with GraphBuilder("argmax") as b:
        x = b.input(float32[64, 128], "x")
        graph = b.finish((ops.sum(x, dims=(1,)), ops.argmax(x, dim=0)))
    assert groups(fused(graph)) == [["sum"], ["argmax"]]


def test_what_needs_a_total_waits_for_it() -> None:
    with GraphBuilder("normalised") as b:
        x = b.input(float32[64, 2048], "x")
        total = ops.sum(x, dims=(0, 1))
        graph = b.finish((x / ops.expand(total, shape=(64, 2048)),))
    result = fused(graph)
    assert groups(result) == [["sum"], ["div"]]
    assert refusals(result) == {("sum", "div"): "a row is too long for one work item"}


def test_views_are_looked_through() -> None:
    with GraphBuilder("views") as b:
        x, y = b.input(float32[6, 4], "x"), b.input(float32[2, 12], "y")
        turned = ops.permute(ops.exp(x), dims=(1, 0))
        part = ops.slice(turned, starts=(1, 0), stops=(4, 6), steps=(1, 2))
        graph = b.finish((part * 2.0, ops.neg(ops.reshape(y, shape=(4, 6)))))
    assert groups(fused(graph)) == [["exp", "mul"], ["neg"]]


def linear(shape: tuple[int, ...]) -> tuple[GraphBuilder, Node]:
    b = GraphBuilder("linear")
    with b:
        *lead, width = shape
        x, w = b.input(float32[shape], "x"), b.input(float32[8, width], "w")
        bias = b.input(float32[8], "bias")
        rows = ops.reshape(x, shape=(int(np.prod(lead)), width))
        y = ops.matmul(rows, ops.permute(w, dims=(1, 0)))
        y = ops.reshape(y, shape=(*lead, 8)) + ops.expand(bias, shape=(*lead, 8))
    return b, y


def test_an_epilogue_takes_what_follows_in_order() -> None:
    b, y = linear((2, 3, 5))
    with b:
        residual = b.input(float32[2, 3, 8], "residual")
        graph = b.finish((ops.tanh(y) * y + residual,))
    assert groups(fused(graph)) == [["matmul", "add", "tanh", "mul", "add"]]


def test_an_epilogue_does_not_store_what_its_readers_can_compute() -> None:
    b, y = linear((6, 5))
    with b:
        graph = b.finish((y, ops.sum(ops.exp(y), dims=(1,))))
    result = fused(graph)
    assert groups(result) == [["matmul", "add"], ["exp", "sum"]]


def test_an_epilogue_cannot_wait_for_its_rows() -> None:
    b, y = linear((6, 5))
    with b:
        graph = b.finish((y - kept(ops.amax(y, dims=(1,)), (1,), (6, 8)),))
    result = fused(graph)
    assert groups(result) == [["matmul", "add"], ["amax", "sub"]]
    assert "cannot wait for a reduction" in refusals(result)["add", "amax"]


def test_one_kernel_computes_one_contraction() -> None:
    with GraphBuilder("two") as b:
        x, y = b.input(float32[6, 6], "x"), b.input(float32[6, 6], "y")
        graph = b.finish((ops.matmul(x, y) + ops.matmul(y, x),))
    assert sorted(groups(fused(graph))) == [["matmul"], ["matmul", "add"]]


def test_what_lies_on_a_path_between_keeps_groups_apart() -> None:
    with GraphBuilder("path") as b:
        x = b.input(float32[64], "x")
        y = ops.exp(x)
        order = ops.cumsum(y, dim=0)  # runs in NumPy
        graph = b.finish((y * order,))
    result = fused(graph)
    assert groups(result) == [["exp"], ["cumsum"], ["mul"]]


def test_cheap_values_are_computed_again_instead_of_stored() -> None:
    with GraphBuilder("mask") as b:
        x, g = b.input(float32[64], "x"), b.input(float32[64], "g")
        mask = ops.gt(x, 0)
        a = ops.where(mask, g, 0.0)
        c = ops.where(mask, ops.cumsum(a, dim=0), 1.0)
        graph = b.finish((a, c))
    assert groups(fused(graph)) == [["gt", "where"], ["cumsum"], ["gt", "where"]]


def test_dear_values_are_stored() -> None:
    with GraphBuilder("tanh") as b:
        x = b.input(float32[64], "x")
        y = ops.tanh(x)
        graph = b.finish((ops.cumsum(y, dim=0) + y,))
    assert groups(fused(graph)) == [["tanh"], ["cumsum"], ["add"]]


def test_optimiser_steps_join_the_gradient_they_wait_for() -> None:
    with GraphBuilder("step") as b:
        x, g = b.input(float32[6, 5], "x"), b.input(float32[6, 4], "g")
        w, bias = b.input(float32[5, 4], "w"), b.input(float32[4], "bias")
        lr = b.input(float32[()], "lr")
        for p, gradient in (
            (w, ops.matmul(ops.permute(x, dims=(1, 0)), g)),
            (bias, ops.sum(g, dims=(0,))),
        ):
            b.update(p, p - gradient * ops.expand(lr, shape=p.shape))
        graph = b.finish(())
    assert sorted(groups(fused(graph))) == [["matmul", "mul", "sub"], ["sum", "mul", "sub"]]


def test_effects_keep_their_order() -> None:
    with GraphBuilder("draws") as b:
        x = b.input(float32[8], "x")
        first = ops.uniform(shape=(8,), dtype=float32)
        second = ops.uniform(shape=(8,), dtype=float32)
        graph = b.finish((second * 2.0 + x, ops.exp(first) * x))
    result = fuse(graph)
    verify(result)
    assert [n.name for n in result.nodes if n.op.effect] == ["uniform", "uniform_1"]


def test_a_view_that_is_returned_is_copied_where_it_must_be() -> None:
    with GraphBuilder("views") as b:
        x = b.input(float32[4, 6], "x")
        y = ops.exp(x)
        graph = b.finish((ops.permute(y, dims=(1, 0)), ops.reshape(y, shape=(24,))))
    result = fused(graph)
    assert [n.type for n in result.outputs] == [float32[6, 4], float32[24]]


def test_empty_and_single_elements() -> None:
    with GraphBuilder("edges") as b:
        x, e = b.input(float32[()], "x"), b.input(float32[0, 3], "e")
        total = ops.sum(e, dims=(0, 1))
        graph = b.finish((ops.exp(x) * 2.0 + total, ops.neg(ops.exp(e))))
    fused(graph)


def test_a_train_step_sized_graph_takes_near_linear_work() -> None:
    """Counts the quotient's searches, not seconds: twice the layers, about twice the steps."""

    def steps(layers: int) -> int:
        with GraphBuilder("layers") as b:
            x = b.input(float32[32, 64], "x")
            for _ in range(layers):
                x = ops.layer_norm(x, ndim=1, eps=1e-5) + ops.tanh(x)
                x = ops.cumsum(x, dim=0) + x
            graph = cse(run_passes(b.finish((x,)), pipeline()[:3]))
        return _visits(graph)

    assert steps(24) < 3 * steps(12)


def _visits(graph: Graph) -> int:
    from graphtorch.ir.passes import fuse_quotient

    class Counting(fuse_quotient.Quotient):
        count = 0

        def find(self, vertex: int) -> int:
            Counting.count += 1
            return super().find(vertex)

    from graphtorch.ir.passes import fuse as module

    original = module.Quotient
    module.Quotient = Counting
    try:
        module.fuse(graph)
    finally:
        module.Quotient = original
    return Counting.count
