"""`torch.func` and `vmap` against PyTorch: every program is written once over the module `t`."""

import pytest

import graphtorch
from tests.parity.programs import alike, data, fails_alike

torch = pytest.importorskip("torch")


def network(t):
    layers = [t.nn.Linear(3, 4), t.nn.Tanh(), t.nn.Linear(4, 2)]
    model = t.nn.Sequential(*layers)
    with t.no_grad():
        for i, p in enumerate(model.parameters()):
            p.copy_(data(t, *p.shape, seed=i))
    return model


def per_sample_gradients(t):
    model = network(t)
    params = {k: v.detach() for k, v in model.named_parameters()}
    x, y = data(t, 5, 3), t.tensor([0, 1, 1, 0, 1])

    def loss(params, x, y):
        out = t.func.functional_call(model, params, (x.unsqueeze(0),))
        return t.nn.functional.cross_entropy(out, y.unsqueeze(0))

    return t.func.vmap(t.func.grad(loss), in_dims=(None, 0, 0))(params, x, y)


def convolution_per_sample(t):
    w = data(t, 4, 3, 3, 3, seed=1)

    def loss(w, x):
        y = t.nn.functional.conv2d(x.unsqueeze(0), w, padding=1, stride=2).relu()
        return t.nn.functional.max_pool2d(y, 2).pow(2).mean()

    return t.vmap(t.func.grad(loss), in_dims=(None, 0))(w, data(t, 3, 3, 8, 8))


def ensemble(t):
    models = [network(t) for _ in range(3)]
    for i, m in enumerate(models):
        with t.no_grad():
            m[0].weight.mul_(i + 1)
    params, buffers = t.func.stack_module_state(models)
    base = models[0]

    def call(p, b, x):
        return t.func.functional_call(base, (p, b), (x,))

    x = data(t, 5, 3)
    return t.vmap(call, in_dims=(0, 0, None))(params, buffers, x)


def hessians(t):
    def f(x, y):
        return (x.sin() * y).sum() * x.prod()

    x, y = data(t, 3), data(t, 3, seed=1)
    return (
        t.func.hessian(f)(x, y),
        t.func.hessian(f, argnums=(0, 1))(x, y),
        t.func.jacrev(t.func.jacfwd(f))(x, y),
        t.func.jacfwd(t.func.jacfwd(f))(x, y),
        t.func.jacrev(t.func.jacrev(f), argnums=1)(x, y),
        t.vmap(t.func.hessian(f))(data(t, 4, 3), data(t, 4, 3, seed=1)),
    )


def jacobians_of_trees(t):
    def f(p, x):
        return {"a": (p["w"] * x).sum(1), "b": (p["w"].exp() @ p["v"], x)}

    p = {"w": data(t, 2, 3), "v": data(t, 3, seed=1)}
    x = data(t, 2, 3, seed=2)
    return (
        t.func.jacrev(f)(p, x),
        t.func.jacfwd(f)(p, x),
        t.func.jacrev(f, argnums=(0, 1), chunk_size=2)(p, x),
        t.func.jacfwd(f, argnums=1)(p, x),
    )


def with_aux(t):
    def f(x):
        y = x.sin()
        return y.sum(), {"y": y}

    def g(x):
        return x * x, x + 1

    x = data(t, 3)
    value, pull, aux = t.func.vjp(g, x, has_aux=True)
    return (
        t.func.grad(f, has_aux=True)(x),
        t.func.grad_and_value(f, has_aux=True)(x),
        value, pull(t.ones(3)), aux,
        t.func.jacrev(g, has_aux=True)(x),
        t.func.jacfwd(g, has_aux=True)(x),
        t.func.jvp(g, (x,), (x,), has_aux=True),
    )  # fmt: skip


def several_arguments(t):
    def f(x, y, scale=1.0):
        return (x * y).sum() * scale

    x, y = data(t, 3), data(t, 3, seed=1)
    return (
        t.func.grad(f, argnums=1)(x, y),
        t.func.grad(f, argnums=(0, 1))(x, y, scale=3.0),
        t.func.grad(f, argnums=-1)(x, y),
    )


def dims(t):
    x, y = data(t, 2, 3, 4), data(t, 4, 3, seed=1)
    return (
        t.vmap(lambda x, y: x @ y, in_dims=(0, None))(x, y),
        t.vmap(lambda x: x.sum(0), in_dims=1, out_dims=1)(x),
        t.vmap(lambda x: (x + 1, x.T), in_dims=-1, out_dims=(0, 2))(x),
        t.vmap(t.vmap(lambda a, b: a * b, in_dims=(0, None)), in_dims=(None, 0))(y[0], y[1]),
        t.vmap(lambda d: d["a"] * d["b"], in_dims=({"a": 0, "b": None},))({"a": x, "b": x[0]}),
        t.vmap(lambda p: p[0] * p[1], in_dims=((0, None),))((x, x[0])),
        t.vmap(lambda x: x * 2, chunk_size=1)(x),
        t.vmap(lambda x, *, k: x * k)(x, k=x),
        t.vmap(lambda x: t.ones(2))(x),
    )


def operations(t):
    x, i = data(t, 4, 5, 6), t.arange(20).reshape(4, 5) % 6
    m = data(t, 4, 3, 3)

    def f(x, i):
        return (
            x.softmax(-1), x.sort(0).values, x.topk(2, 1).indices, x.gather(1, i[:, None]),
            x[i % 5], x[:, i % 6], x[1:, ::2], x.flip(0), t.cat([x, x], 1), x.cumsum(1), x.max(),
            x.argmax(), x.var(0), x.std(), x.norm(), x.tril(), t.where(x > 0, x, -x), x.reshape(-1)[:7],
            t.einsum("ij,kj->ik", x, x), x.masked_fill(x > 0, 0), t.nn.functional.one_hot(i, 6),
            x.index_select(0, i[:2] % 5), x.scatter_add(1, i[:, None], x[:, :1]), x.unfold(1, 2, 2),
            t.nn.functional.pad(x, (1, 2)), x.roll(1, 0), x.diagonal(), x.clamp(-1, 1), x.long(), x.T,
            t.outer(x[0], x[1]), x.mean((0, 1)), x.logsumexp(1), x.unsqueeze(0), x.expand(2, 5, 6),
            t.nn.functional.layer_norm(x, (6,)), x.repeat(2, 1), t.stack([x, x]), x.chunk(2, 1)[0],
        )  # fmt: skip

    def algebra(m):
        m = m @ m.T + t.eye(3)
        return m.inverse(), m.det(), t.linalg.cholesky(m), t.linalg.solve(m, m[0]), m.diag()

    return t.vmap(f)(x, i), t.vmap(algebra)(m)


def layers(t):
    x = data(t, 3, 2, 4, 8, 8)
    w = data(t, 4, 4, 3, 3, seed=1)
    many = data(t, 3, 4, 2, 3, 3, seed=2)
    functional = t.nn.functional
    return (
        t.vmap(lambda x: functional.conv2d(x, w, padding=1))(x),
        t.vmap(lambda x, w: functional.conv2d(x, w, groups=2))(x, many),
        t.vmap(lambda w: functional.conv2d(x[0], w, groups=2))(many),
        t.vmap(lambda x: functional.avg_pool2d(x, 2))(x),
        t.vmap(lambda x: functional.adaptive_avg_pool2d(x, 1))(x),
        t.vmap(lambda x: functional.group_norm(x, 2))(x),
        t.vmap(lambda x: functional.batch_norm(x, None, None, training=True))(x),
        t.vmap(lambda x: functional.interpolate(x, scale_factor=2))(x),
        t.vmap(lambda x: functional.scaled_dot_product_attention(x, x, x))(x),
        t.vmap(functional.embedding, in_dims=(0, None))(t.tensor([[1, 2], [0, 3]]), data(t, 5, 3)),
    )


def writes(t):
    x = data(t, 3, 4)

    def f(x):
        y = x.clone()
        y[0] = 5.0
        y[1:] += x[1:] * 2
        y.mul_(x)
        return y

    return (
        t.vmap(f)(x),
        t.func.grad(lambda x: f(x).sum())(x[0]),
        t.vmap(t.func.grad(lambda x: f(x).sum()))(x),
        t.func.jvp(f, (x[0],), (x[1],)),
        t.func.jacfwd(f)(x[0]),
    )


def gradients_outside(t):
    x = data(t, 3, 4).requires_grad_()
    w = data(t, 4, seed=1).requires_grad_()
    y = t.vmap(lambda x: (x * w).sin().sum())(x)
    y.pow(2).sum().backward()
    v = data(t, 4).requires_grad_()
    t.func.grad(lambda a: (a * v).pow(3).sum())(data(t, 4, seed=2)).sum().backward()
    return x.grad, w.grad, v.grad


def no_grad_inside(t):
    x = data(t, 3)

    def f(x):
        with t.no_grad():
            c = x**2
        return (x - c).sum()

    with t.no_grad():
        outside = t.func.grad(lambda x: (x**2).sum())(x)
    return t.func.grad(f)(x), outside, t.func.grad(lambda x: (x.detach() * x).sum())(x)


def products(t):
    def f(x, y):
        return x * y, x.sum()

    x, y = data(t, 3), data(t, 3, seed=1)
    out, pull = t.func.vjp(f, x, y)
    value, push = t.func.linearize(lambda x: (x.sin() * x).cumsum(0), x)
    return (
        out, pull((t.ones(3), t.tensor(2.0))), t.func.jvp(f, (x, y), (y, x)),
        t.vmap(pull)((t.eye(3), t.ones(3))), value, push(y),
    )  # fmt: skip


def randomness(t):
    x = t.zeros(3, 20)
    t.manual_seed(0)
    different = t.vmap(lambda x: x + t.rand(20), randomness="different")(x)
    same = t.vmap(lambda x: x + t.randn(20), randomness="same")(x)
    dropped = t.vmap(lambda x: t.nn.functional.dropout(x + 1, 0.5), randomness="different")(x)
    return different, same, (dropped == 0).any(), (dropped[0] == dropped[1]).all()


def complex_values(t):
    x, v = data(t, 6), data(t, 6, seed=1)
    z, w = t.complex(x, v), t.complex(v, x * 2)
    return (
        t.func.jvp(lambda x: t.fft.fft(x).abs(), (x,), (v,)),
        t.func.jvp(lambda z: (z * z).exp(), (z,), (w,)),
        t.func.jvp(lambda z: z.abs() + (z * z.conj()).real + z.angle(), (z,), (w,)),
        t.func.grad(lambda x: t.fft.rfft(x).abs().sum())(x),
        t.vmap(lambda x: t.fft.fft(x).abs())(data(t, 3, 4)),
    )


def printed(t):
    texts = []

    def note(x):
        texts.append(str(x))
        return x.sum()

    t.vmap(note)(t.ones(2, 3))
    t.func.grad(note)(t.ones(3))
    t.vmap(t.func.grad(note))(t.ones(2, 3))
    with t.autograd.forward_ad.dual_level():
        texts.append(str(t.autograd.forward_ad.make_dual(t.ones(2), t.zeros(2))))
    return texts


PROGRAMS = [
    per_sample_gradients, convolution_per_sample, ensemble, hessians, jacobians_of_trees, with_aux,
    several_arguments, dims, operations, layers, writes, gradients_outside, no_grad_inside, products,
    randomness, printed,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_programs(program):
    alike(program)


ERRORS = {
    "item": lambda t: t.vmap(lambda x: x.item())(data(t, 3)),
    "branch": lambda t: t.vmap(lambda x: x if x > 0 else -x)(data(t, 3)),
    "sizes": lambda t: t.vmap(lambda x, y: x + y)(data(t, 3), data(t, 4)),
    "no dims": lambda t: t.vmap(lambda x: x, in_dims=None)(data(t, 3)),
    "all None": lambda t: t.vmap(lambda x: x, in_dims=(None,))(data(t, 3)),
    "no inputs": lambda t: t.vmap(lambda: 1)(),
    "structure": lambda t: t.vmap(lambda x: x, in_dims=(0, 0))(data(t, 3)),
    "out of range": lambda t: t.vmap(lambda x: x, in_dims=2)(data(t, 3)),
    "not a tensor": lambda t: t.vmap(lambda x: x)(3),
    "result": lambda t: t.vmap(lambda x: 3)(data(t, 3)),
    "out_dims None": lambda t: t.vmap(lambda x: x, out_dims=None)(data(t, 3)),
    "random": lambda t: t.vmap(lambda x: x + t.rand(3))(data(t, 3)),
    "nonzero": lambda t: t.vmap(lambda x: x.nonzero())(data(t, 3, 2)),
    "write outside": lambda t: t.vmap(lambda x, y: y.add_(x), in_dims=(0, None))(data(t, 3), t.ones(())),
    "not scalar": lambda t: t.func.grad(lambda x: x)(data(t, 3)),
    "not a tensor out": lambda t: t.func.grad(lambda x: 3)(data(t, 3)),
    "requires_grad_": lambda t: t.func.grad(lambda x: x.requires_grad_().sum())(data(t, 3)),
    "backward": lambda t: t.func.grad(lambda x: [x.sum().backward(), x.sum()][1])(data(t, 3)),
    "argnums": lambda t: t.func.grad(lambda x: x.sum(), argnums=2)(data(t, 3)),
    "aux": lambda t: t.func.grad(lambda x: x.sum(), has_aux=True)(data(t, 3)),
    "chunk": lambda t: t.func.jacrev(lambda x: x, chunk_size=0),
    "randomness": lambda t: t.vmap(lambda x: x, randomness="often")(data(t, 3)),
    "primals": lambda t: t.func.jvp(lambda x: x, data(t, 3), data(t, 3)),
    "no models": lambda t: t.func.stack_module_state([]),
}  # fmt: skip


@pytest.mark.parametrize("name", list(ERRORS))
def test_errors(name):
    fails_alike(ERRORS[name])


def test_transforms_compile():
    t = graphtorch
    model = network(t)
    params = {k: v.detach() for k, v in model.named_parameters()}
    x, y = data(t, 5, 3), t.tensor([0, 1, 1, 0, 1])

    def loss(params, x, y):
        out = t.func.functional_call(model, params, (x.unsqueeze(0),))
        return t.nn.functional.cross_entropy(out, y.unsqueeze(0))

    for function in (
        t.vmap(t.func.grad(loss), in_dims=(None, 0, 0)),
        t.func.jacrev(lambda p, x, y: t.func.functional_call(model, p, (x,))),
    ):
        compiled = t.compile(function)
        eager = function(params, x, y)
        for _ in range(2):
            found = compiled(params, x, y)
        assert compiled.cache_info().hits == 1 and compiled.cache_info().left is None
        for name in params:
            assert t.allclose(found[name], eager[name], atol=1e-5), name


def test_gradients_of_every_image_compile():
    t = graphtorch
    model = t.nn.Sequential(
        t.nn.Conv2d(1, 4, 3), t.nn.ReLU(), t.nn.MaxPool2d(2), t.nn.Flatten(), t.nn.Linear(36, 2)
    )
    params = {k: v.detach() for k, v in model.named_parameters()}

    def loss(params, x):
        return t.func.functional_call(model, params, (x.unsqueeze(0),)).square().sum()

    function = t.vmap(t.func.grad(loss), in_dims=(None, 0))
    compiled = t.compile(function)
    x = data(t, 3, 1, 8, 8)
    for _ in range(2):
        found = compiled(params, x)
    assert compiled.cache_info().left is None
    for name, expected in function(params, x).items():
        assert t.allclose(found[name], expected, atol=1e-4), name


def test_a_batch_that_escapes_says_so():
    kept = []
    graphtorch.vmap(lambda x: [kept.append(x), x][1])(graphtorch.ones(3))
    with pytest.raises(RuntimeError, match="inside vmap"):
        kept[0] + 1
