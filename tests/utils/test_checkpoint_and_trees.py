"""Activation checkpointing and trees of values."""

from collections import OrderedDict, defaultdict, deque, namedtuple

import pytest

import graphtorch as torch
from graphtorch.utils import _pytree as tree
from graphtorch.utils.checkpoint import checkpoint, checkpoint_sequential

Point = namedtuple("Point", "x y")


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointing_gives_the_same_gradients(reentrant):
    def gradients(run):
        torch.manual_seed(0)
        net = torch.nn.Sequential(
            torch.nn.Linear(3, 4), torch.nn.Dropout(0.5), torch.nn.Linear(4, 2)
        )
        x = torch.ones(5, 3, requires_grad=True)
        run(net, x).sum().backward()
        return [x.grad.tolist(), *(p.grad.tolist() for p in net.parameters()), torch.rand(1).item()]

    expected = gradients(lambda net, x: net(x))
    assert gradients(lambda net, x: checkpoint(net, x, use_reentrant=reentrant)) == expected
    assert (
        gradients(lambda net, x: checkpoint_sequential(net, 2, x, use_reentrant=reentrant))
        == expected
    )


def test_reentrant_checkpoints_run_the_function_again_in_backward():
    calls = []

    def f(x, scale):
        calls.append(torch.is_grad_enabled())
        return x * scale, x + 1

    x = torch.ones(2, requires_grad=True)
    a, b = checkpoint(f, x, 3.0, use_reentrant=True)
    assert calls == [False]
    (a.sum() + b.sum()).backward()
    assert calls == [False, True] and x.grad.tolist() == [4.0, 4.0]


TREES = [
    1,
    [1, (2, 3), {"a": 4, "b": [5]}],
    Point(1, Point(2, 3)),
    OrderedDict(b=1, a=2),
    {"empty": [], "none": None},
    deque([1, 2], maxlen=3),
    defaultdict(list, a=1),
]


@pytest.mark.parametrize("value", TREES, ids=repr)
def test_trees_round_trip(value):
    leaves, spec = tree.tree_flatten(value)
    assert tree.tree_unflatten(leaves, spec) == value and spec.num_leaves == len(leaves)
    assert type(tree.tree_map(lambda x: x, value)) is type(value)
    assert tree.tree_leaves(value) == leaves


def test_maps():
    value = {"a": [1, 2.5], "b": "text"}
    assert tree.tree_map(lambda x: x * 2, value) == {"a": [2, 5.0], "b": "texttext"}
    assert tree.tree_map(lambda x, y: (x, y), [1, 2], [3, 4]) == [(1, 3), (2, 4)]
    assert tree.tree_map_only(int, lambda x: -x, value) == {"a": [-1, 2.5], "b": "text"}
    assert tree.tree_flatten([1, (2, 3)], is_leaf=lambda x: isinstance(x, tuple))[0] == [1, (2, 3)]
    with pytest.raises(ValueError, match="holds 3 items"):
        tree.tree_unflatten([1], tree.tree_structure([1, 2, 3]))


def test_own_containers():
    class Box:
        def __init__(self, content):
            self.content = content

    tree.register_pytree_node(Box, lambda b: ([b.content], None), lambda values, _: Box(*values))
    assert tree.tree_map(lambda x: x + 1, [Box(1), 2])[0].content == 2
    with pytest.raises(ValueError, match="already registered"):
        tree.register_pytree_node(Box, None, None)
    del tree.SUPPORTED_NODES[Box]


def test_checkpoints_make_saved_values_again_once():
    calls = []

    def f(x, scale):
        calls.append(torch.is_grad_enabled())
        return (torch.nn.functional.dropout(x, 0.5, True).exp() * scale).tanh().sum()

    def gradient(run):
        torch.manual_seed(0)
        x = torch.linspace(-1, 1, 6).requires_grad_()
        loss = run(x)
        loss.backward()
        return loss.item(), x.grad.tolist()

    expected = gradient(lambda x: f(x, 2.0))
    calls.clear()
    assert gradient(lambda x: checkpoint(f, x, scale=2.0, use_reentrant=False)) == expected
    assert calls == [True, True]


def test_a_checkpoint_keeps_no_values():
    import gc
    import weakref

    seen = []

    def f(x):
        y = x.exp()
        seen.append(weakref.ref(y._array))
        return (y * y).sum()

    x = torch.ones(5, requires_grad=True)
    loss = checkpoint(f, x, use_reentrant=False)
    gc.collect()
    assert seen[0]() is None
    loss.backward(retain_graph=True)
    loss.backward()
    assert x.grad.tolist() == pytest.approx([4 * 2.718281828**2] * 5)


def test_a_second_call_that_differs_is_told():
    count = []

    def f(x):
        count.append(0)
        return x.exp().sum() if len(count) > 1 else x.exp().tanh().sum()

    loss = checkpoint(f, torch.ones(2, requires_grad=True), use_reentrant=False)
    with pytest.raises(RuntimeError, match="different number of tensors"):
        loss.backward()
