"""`torch.autograd`'s rooms (forward_ad, functional, graph, anomaly mode, Function) against PyTorch.

Every program is written once over the module `t` and run with PyTorch and with graphtorch.
"""

import warnings

import numpy as np
import pytest

import graphtorch
import graphtorch.autograd.forward_ad
from tests.parity.programs import alike, data, fails_alike

torch = pytest.importorskip("torch")


# ---- forward mode


def forward_layers(t):
    fw = t.autograd.forward_ad
    x, v = data(t, 4, 3), data(t, 4, 3, seed=1)
    w = data(t, 5, 3, seed=2)
    with fw.dual_level():
        dual = fw.make_dual(x, v)
        y = t.nn.functional.layer_norm(t.nn.functional.gelu(dual @ w.T), (5,))
        primal, tangent = fw.unpack_dual(t.softmax(y, -1).cumsum(0).max(1).values)
        none = fw.unpack_dual(x).tangent
    return primal, tangent, none


def forward_over_reverse(t):
    fw = t.autograd.forward_ad
    x, v = data(t, 4).requires_grad_(), data(t, 4, seed=1)
    with fw.dual_level():
        dual = fw.make_dual(x, v)
        y = (dual.sin() * dual).sum()
        tangent = fw.unpack_dual(y).tangent
        (second,) = t.autograd.grad(tangent, x)
    return tangent, second


def forward_writes(t):
    fw = t.autograd.forward_ad
    x, v = data(t, 4), data(t, 4, seed=1)
    with fw.dual_level():
        dual = fw.make_dual(x, v)
        y = t.zeros(2, 4)
        y[1] = dual * 3
        y.mul_(2)
        y[0].add_(dual)
        return tuple(fw.unpack_dual(y))


class Scaled:
    """Made for either module: x * c with forward, backward and jvp."""

    def __new__(cls, t):
        class Function(t.autograd.Function):
            @staticmethod
            def forward(ctx, x, c):
                ctx.c = c
                ctx.save_for_backward(x)
                ctx.save_for_forward(x)
                return x * x * c

            @staticmethod
            def backward(ctx, g):
                (x,) = ctx.saved_tensors
                return 2 * g * x * ctx.c, None

            @staticmethod
            def jvp(ctx, v, _):
                (x,) = ctx.saved_tensors
                return 2 * v * x * ctx.c

        return Function


def forward_function(t):
    fw = t.autograd.forward_ad
    with fw.dual_level():
        dual = fw.make_dual(data(t, 3), data(t, 3, seed=1))
        return tuple(fw.unpack_dual(Scaled(t).apply(dual, 3.0)))


# ---- functional


def products(t):
    f = t.autograd.functional

    def two(x, y):
        return (x * y).sum(1), x.exp()

    def scalar(x, y):
        return (x.sin() * y * y).sum()

    x, y = data(t, 2, 3), data(t, 2, 3, seed=1)
    v = (data(t, 2, seed=2), data(t, 2, 3, seed=3))
    return (
        f.vjp(two, (x, y), v),
        f.jvp(two, (x, y), (y, x)),
        f.hvp(scalar, (x, y), (y, x)),
        f.vhp(scalar, (x, y), (y, x)),
    )


@pytest.mark.parametrize("vectorize", [False, True])
def test_whole_derivatives(vectorize):
    def program(t):
        f = t.autograd.functional

        def two(x, y):
            return (x * y).sum(1), x.exp()

        def scalar(x):
            return (x.sin() * x).sum()

        x, y = data(t, 2, 3), data(t, 2, 3, seed=1)
        strategies = ["reverse-mode", "forward-mode"] if vectorize else ["reverse-mode"]
        return [
            [f.jacobian(two, (x, y), vectorize=vectorize, strategy=s) for s in strategies],
            [
                f.hessian(scalar, x, vectorize=vectorize, outer_jacobian_strategy=s)
                for s in strategies
            ],
        ]

    alike(program)


def jacobian_with_graph(t):
    x = data(t, 3).requires_grad_()
    j = t.autograd.functional.jacobian(lambda x: x**3, x, create_graph=True)
    (g,) = t.autograd.grad(j.sum(), x)
    return j, g


def batched_gradients(t):
    x = data(t, 3).requires_grad_()
    y = x**2
    return t.autograd.grad(y, x, t.eye(3), is_grads_batched=True)


# ---- graph


def saved_hooks(t):
    counts = {"pack": 0, "unpack": 0}

    def pack(x):
        counts["pack"] += 1
        return x * 2

    def unpack(x):
        counts["unpack"] += 1
        return x / 2

    x = data(t, 3).requires_grad_()
    with t.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = (x.exp() * x).sum()
    y.backward()
    return counts, x.grad


def saved_hooks_twice(t):
    x = data(t, 3).requires_grad_()
    with t.autograd.graph.saved_tensors_hooks(lambda x: x.numpy() if not x.requires_grad else x, lambda x: x if not isinstance(x, np.ndarray) else t.from_numpy(x)):  # fmt: skip
        y = (x.exp() * x * x).sum()
    (g,) = t.autograd.grad(y, x, create_graph=True)
    return t.autograd.grad(g.sum(), x)


def cpu_saving(t):
    x = data(t, 3).requires_grad_()
    with t.autograd.graph.save_on_cpu():
        y = (x.tanh() * x).sum()
    y.backward()
    return x.grad


def several_hooks(t):
    told = []
    a, b, c = (data(t, 3, seed=i).requires_grad_() for i in range(3))
    handle = t.autograd.graph.register_multi_grad_hook(
        [a, b, c], lambda grads: told.append([g is None for g in grads])
    )
    (a * b).sum().backward()
    (a * b * c).sum().backward()
    handle.remove()
    a.sum().backward()
    any_told = []
    t.autograd.graph.register_multi_grad_hook([a, b], lambda g: any_told.append(g), mode="any")
    (a * b).sum().backward()
    return told, len(any_told)


def names_of_nodes(t):
    x = data(t, 3).requires_grad_()
    y = (x * 2).exp().sum()
    names, node = [], y.grad_fn
    while node is not None:
        names.append(node.name())
        node = node.next_functions[0][0] if node.next_functions else None
    edge = t.autograd.graph.get_gradient_edge(x)
    same = x.exp().grad_fn.next_functions[0][0] is edge.node
    return names, edge.output_nr, edge.node.variable is x, same, isinstance(y.grad_fn, t.autograd.graph.Node)  # fmt: skip


def saved_by_nodes(t):
    x = data(t, 3).requires_grad_()
    y, z = x.exp(), x.pow(2)
    return y.grad_fn._saved_result, z.grad_fn._saved_self


def mutated_saved(t):
    x = data(t, 3).requires_grad_()
    with t.autograd.graph.allow_mutation_on_saved_tensors():
        y = x.clone()
        z = (y**2).sum()
        y.zero_()
        z.backward()
    return x.grad


# ---- Function


def second_style(t):
    class Cube(t.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return x**3, 3 * x**2

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[0], output[1])
            ctx.save_for_forward(inputs[0], output[1])

        @staticmethod
        def backward(ctx, g, h):
            x, d = ctx.saved_tensors
            return g * d + h * 6 * x

        @staticmethod
        def jvp(ctx, v):
            x, d = ctx.saved_tensors
            return v * d, 6 * x * v

    def f(x):
        return Cube.apply(x)[0].sum()

    x = data(t, 3)
    leaf = data(t, 3).requires_grad_()
    t.func.vmap(f)(leaf).sum().backward()
    return (
        t.func.grad(f)(x),
        t.func.vmap(t.func.grad(f))(x),
        t.func.grad(lambda x: t.func.grad(f)(x).sum())(x),
        t.func.jvp(f, (x,), (x,)),
        t.func.jacrev(lambda x: Cube.apply(x)[0])(x),
        leaf.grad,
    )


def own_vmap(t):
    class Sorted(t.autograd.Function):
        @staticmethod
        def forward(x, dim):
            index = x.argsort(dim)
            return x.take_along_dim(index, dim), index

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.dim = inputs[1]
            ctx.mark_non_differentiable(output[1])
            ctx.save_for_backward(output[1])

        @staticmethod
        def backward(ctx, g, _):
            (index,) = ctx.saved_tensors
            return g.take_along_dim(index.argsort(ctx.dim), ctx.dim), None

        @staticmethod
        def vmap(info, in_dims, x, dim):
            x = x.movedim(in_dims[0], 0)
            return Sorted.apply(x, dim if dim < 0 else dim + 1), (0, 0)

    x = data(t, 4, 3)
    return t.vmap(lambda x: Sorted.apply(x, 0)[0])(x), t.vmap(lambda x: Sorted.apply(x, 0)[0], 1)(x)


PROGRAMS = [
    forward_layers, forward_over_reverse, forward_writes, forward_function, products,
    jacobian_with_graph, batched_gradients, saved_hooks, saved_hooks_twice, cpu_saving,
    several_hooks, names_of_nodes, saved_by_nodes, mutated_saved, second_style, own_vmap,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_programs(program):
    alike(program)


# ---- errors


def nan_found(t):
    with warnings.catch_warnings(), t.autograd.detect_anomaly():
        warnings.simplefilter("ignore")
        x = t.zeros(3, requires_grad=True)
        (x.sqrt() * 0).sum().backward()


def twice_through_once(t):
    class Once(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @t.autograd.function.once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 2 * x

    x = data(t, 3).requires_grad_()
    (g,) = t.autograd.grad(Once.apply(x).sum() * x.sum(), x, create_graph=True)
    g.sum().backward()


def strict_and_independent(t):
    t.autograd.functional.jacobian(lambda x: t.ones(2), data(t, 2), strict=True)


def hooks_disabled(t):
    with t.autograd.graph.disable_saved_tensors_hooks("not here"):
        with t.autograd.graph.saved_tensors_hooks(lambda x: x, lambda x: x):
            pass


def function_without_vmap(t):
    class Plain(t.autograd.Function):
        @staticmethod
        def forward(x):
            return x * 1

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, g):
            return g

    t.vmap(Plain.apply)(data(t, 3))


def dual_outside(t):
    t.autograd.forward_ad.make_dual(data(t, 2), data(t, 2))


@pytest.mark.parametrize(
    "program",
    [
        nan_found,
        twice_through_once,
        strict_and_independent,
        hooks_disabled,
        function_without_vmap,
        dual_outside,
    ],  # fmt: skip
    ids=lambda p: p.__name__,
)
def test_errors(program):
    fails_alike(program)


def test_an_anomaly_names_the_function_and_the_forward_line():
    x = graphtorch.zeros(3, requires_grad=True)
    with pytest.warns(UserWarning, match="Traceback of forward call"):
        with graphtorch.autograd.set_detect_anomaly(True):
            y = x.sqrt()
            with pytest.raises(RuntimeError, match="SqrtBackward0.*nan"):
                (y * 0).sum().backward()
    assert not graphtorch.is_anomaly_enabled()
