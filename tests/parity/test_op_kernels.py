"""NumPy kernels of the op table against PyTorch, forward values and edge cases."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional

from graphtorch.ir import ops  # noqa: E402
from graphtorch.ir.op import OPS  # noqa: E402

EDGES = np.array(
    [
        0.0,
        -0.0,
        1,
        -1,
        0.5,
        -0.5,
        1.5,
        2.5,
        -2.5,
        7.25,
        np.inf,
        -np.inf,
        np.nan,
        88.5,
        -104,
        1e-40,
        3e38,
    ],
    np.float32,
)

UNARY = """neg abs sign square reciprocal relu sqrt rsqrt exp exp2 expm1 log log2 log10 log1p sin cos tan asin
acos atan sinh cosh tanh asinh acosh atanh sigmoid erf erfc erfinv lgamma digamma floor ceil round trunc isnan isinf
isfinite logical_not""".split()
BINARY = """add sub mul div pow atan2 hypot copysign maximum minimum fmod remainder floor_divide eq ne lt le gt ge
logical_and logical_or logical_xor""".split()


def random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def run(name, *inputs, **attrs):
    return OPS[name].numpy(*inputs, **attrs)


def check(found, expected, rtol=2e-6, atol=1e-6):
    expected = expected.numpy() if isinstance(expected, torch.Tensor) else expected
    assert found.dtype == expected.dtype and found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("values", ["edges", "random"])
def test_unary(name, values):
    x = EDGES if values == "edges" else 2 * random(500)
    expected = getattr(torch, name)(torch.from_numpy(x))
    found = run(name, x)
    check(found, expected, rtol=1e-5 if name in ("lgamma", "digamma", "erfinv", "tan") else 2e-6)


@pytest.mark.parametrize("name", BINARY)
def test_binary(name):
    a, b = (v.ravel() for v in np.meshgrid(EDGES, EDGES))
    if name in ("fmod", "remainder"):  # PyTorch's vectors give NaN for quotients that overflow
        fits = (np.abs(b) > 1e-3) & (np.abs(a) < 1e30)
        a, b = a[fits], b[fits]
    expected = getattr(torch, name)(torch.from_numpy(a), torch.from_numpy(b))
    check(run(name, a, b), expected)


@pytest.mark.parametrize(
    "name",
    "add sub mul maximum minimum bitwise_and bitwise_or bitwise_xor left_shift right_shift".split(),
)
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64])
def test_integers(name, dtype):
    a = np.random.default_rng(0).integers(-9, 99, 50).astype(dtype)
    b = np.random.default_rng(1).integers(0, 9, 50).astype(dtype)
    check(
        run(name, a, b),
        getattr(torch, f"bitwise_{name}" if "shift" in name else name)(
            torch.from_numpy(a), torch.from_numpy(b)
        ),
    )


@pytest.mark.parametrize("name", "floor_divide remainder fmod pow".split())
def test_integer_division_and_powers(name):
    a = np.arange(-7, 8)
    for b in (-3, -2, -1, 1, 2, 3):
        other = np.full_like(a, b)
        if name == "pow" and b < 0:
            a = a[a != 0]
            other = other[: len(a)]
        check(
            run(name, a, other), getattr(torch, name)(torch.from_numpy(a), torch.from_numpy(other))
        )
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        if name == "pow":
            raise RuntimeError("ZeroDivisionError does not apply")
        run(name, a, np.zeros_like(a))


def test_scalars_in_half_precision_are_not_rounded_first():
    import ml_dtypes

    x = random(200)
    for dtype, other in ((np.float16, torch.float16), (ml_dtypes.bfloat16, torch.bfloat16)):
        half = x.astype(dtype)
        expected = torch.from_numpy(half.astype(np.float32)).to(other) * 0.1
        np.testing.assert_array_equal(
            run("mul", half, 0.1).astype(np.float32), expected.float().numpy()
        )


def test_integer_scalars_wrap():
    x = np.array([5, 250], np.uint8)
    check(run("add", x, 300), torch.from_numpy(x) + 300)


def test_extremes_and_nan():
    x = np.array([[1, np.nan, 3], [2, 2, -1]], np.float32)
    t = torch.from_numpy(x)
    for dim in (0, 1):
        check(run("amax", x, dims=(dim,)), t.amax(dim))
        check(run("argmax", x, dim=dim), t.argmax(dim))
        check(run("argmin", x, dim=dim), t.argmin(dim))
        for descending in (False, True):
            for found, expected in zip(
                run("sort", x, dim=dim, descending=descending),
                torch.sort(t, dim=dim, descending=descending, stable=True),
            ):
                check(found, expected)
        for name in ("cummax", "cummin"):
            for found, expected in zip(run(name, x, dim=dim), getattr(torch, name)(t, dim)):
                check(found, expected)
    check(run("topk", x, k=2, dim=1, largest=True, sorted=True)[0], torch.topk(t, 2, 1)[0])


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(approximate):
    x = 3 * random(1000)
    t = torch.from_numpy(x).requires_grad_()
    y = F.gelu(t, approximate=approximate)
    check(run("gelu", x, approximate=approximate), y.detach(), atol=2e-6)
    y.backward(torch.ones_like(y))
    check(run("gelu_backward", np.ones_like(x), x, approximate=approximate), t.grad, atol=2e-6)


ACTIVATIONS = {
    "silu": F.silu, "softplus": F.softplus, "log_sigmoid": F.logsigmoid, "elu": F.elu, "leaky_relu": F.leaky_relu,
    "mish": F.mish, "hardtanh": F.hardtanh, "hardsigmoid": F.hardsigmoid, "hardswish": F.hardswish,
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    x = np.concatenate([10 * random(200), np.array([0, 30, -30, -100, 100], np.float32)])
    check(run(name, x), ACTIVATIONS[name](torch.from_numpy(x)))


def test_softmax_with_minus_infinity():
    x = random(4, 5)
    x[0, 1] = -np.inf
    x[1] = -np.inf
    t = torch.from_numpy(x)
    check(run("softmax", x, dim=1), t.softmax(1))
    check(run("log_softmax", x, dim=1), t.log_softmax(1))
    check(run("logsumexp", x, dims=(1,)), t.logsumexp(1))


def test_layer_norm_and_backward():
    x, w, b, g = random(6, 33), random(33, seed=1), random(33, seed=2), random(6, 33, seed=3)
    t = [torch.from_numpy(v).requires_grad_() for v in (x, w, b)]
    y = F.layer_norm(t[0], (33,), t[1], t[2])
    check(run("layer_norm", x, w, b, ndim=1, eps=1e-5), y.detach())
    y.backward(torch.from_numpy(g))
    for found, v in zip(run("layer_norm_backward", g, x, w, ndim=1, eps=1e-5, bias=True), t):
        check(found, v.grad, rtol=1e-5, atol=2e-6)
    check(run("rms_norm", x, w, ndim=1, eps=1e-6), F.rms_norm(t[0], (33,), t[1], eps=1e-6).detach())


def test_batch_and_group_norm():
    x, w, b, g = (
        random(5, 6, 4, 3),
        random(6, seed=1),
        random(6, seed=2),
        random(5, 6, 4, 3, seed=3),
    )
    t = [torch.from_numpy(v).requires_grad_() for v in (x, w, b)]
    running = [torch.zeros(6), torch.ones(6)]
    y = F.batch_norm(t[0], *running, t[1], t[2], training=True, momentum=1.0)
    found, mean, var = run("batch_norm", x, w, b, eps=1e-5)
    check(found, y.detach(), atol=2e-6)
    check(mean, running[0])
    check(var * np.float32(60 / 59), running[1], rtol=1e-5)
    y.backward(torch.from_numpy(g))
    for found, v in zip(run("batch_norm_backward", g, x, w, eps=1e-5, bias=True), t):
        check(found, v.grad, rtol=1e-5, atol=2e-5)
    inference = F.batch_norm(t[0], torch.from_numpy(w), torch.from_numpy(b).abs(), t[2], t[1])
    check(
        run("batch_norm_inference", x, w, abs(b), b, w, eps=1e-5),
        inference.detach(),
        rtol=1e-4,
        atol=1e-5,
    )
    check(
        run("group_norm", x, w, b, groups=3, eps=1e-5),
        F.group_norm(*t[:1], 3, t[1], t[2]).detach(),
        atol=2e-6,
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy(reduction, smoothing, weighted):
    for shape in ((7, 5), (3, 5, 4)):
        x = random(*shape)
        target = np.random.default_rng(4).integers(0, 5, (shape[0], *shape[2:]))
        target[0] = -100
        w = np.abs(random(5, seed=2)) + 0.1
        weight = (w,) if weighted else ()
        t = torch.from_numpy(x).requires_grad_()
        y = F.cross_entropy(
            t, torch.from_numpy(target), torch.from_numpy(w) if weighted else None,
            reduction=reduction, label_smoothing=smoothing,
        )  # fmt: skip
        attrs = {"reduction": reduction, "ignore_index": -100, "label_smoothing": smoothing}
        check(run("cross_entropy", x, target, *weight, **attrs), y.detach())
        y.backward(torch.ones_like(y))
        dy = np.ones(y.shape, np.float32)
        check(run("cross_entropy_backward", dy, x, target, *weight, **attrs), t.grad)


LOSSES = {
    "mse_loss": ({}, {}), "l1_loss": ({}, {}), "smooth_l1_loss": ({"beta": 0.5}, {"beta": 0.5}),
    "huber_loss": ({"delta": 0.5}, {"delta": 0.5}), "binary_cross_entropy": ({}, {}),
    "binary_cross_entropy_with_logits": ({}, {}), "kl_div": ({}, {}),
}  # fmt: skip


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, reduction):
    x, target = random(6, 5), np.abs(np.tanh(random(6, 5, seed=1)))
    if name == "binary_cross_entropy":
        x = 1 / (1 + np.exp(-10 * x))
        x[0, 0], x[0, 1] = 0, 1
    ours, theirs = LOSSES[name]
    expected = getattr(F, name)(
        torch.from_numpy(x), torch.from_numpy(target), reduction=reduction, **theirs
    )
    check(run(name, x, target, reduction=reduction, **ours), expected)


def test_attention():
    q, k, v = random(2, 3, 7, 8), random(2, 3, 9, 8, seed=1), random(2, 3, 9, 6, seed=2)
    mask = np.random.default_rng(5).random((2, 3, 7, 9)) < 0.7
    t = [torch.from_numpy(a) for a in (q, k, v)]
    scale = 1 / math.sqrt(8)
    for causal, masks in (
        (False, ()),
        (True, ()),
        (False, (mask,)),
        (False, (random(2, 3, 7, 9, seed=6),)),
    ):
        expected = F.scaled_dot_product_attention(
            *t, is_causal=causal, attn_mask=torch.from_numpy(masks[0]) if masks else None
        )
        found, logsumexp = run(
            "scaled_dot_product_attention", q, k, v, *masks, is_causal=causal, scale=scale
        )
        check(found, expected, atol=2e-6)
        assert logsumexp.shape == (2, 3, 7)


@pytest.mark.parametrize(
    "shape, weight, stride, padding, dilation, groups",
    [
        ((4, 6, 11, 9), (8, 3, 3, 2), (2, 1), (1, 2), (1, 2), 2),
        ((2, 5, 30), (7, 5, 5), (3,), (2,), (2,), 1),
        ((2, 4, 6, 5, 7), (4, 1, 2, 3, 2), (1, 2, 1), (0, 1, 1), (1, 1, 1), 4),
        ((3, 16, 8, 8), (32, 16, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ],
)
def test_convolution(shape, weight, stride, padding, dilation, groups):
    x, w = random(*shape), random(*weight, seed=1)
    attrs = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    t = [torch.from_numpy(a).requires_grad_() for a in (x, w)]
    y = getattr(F, f"conv{len(stride)}d")(*t, **attrs)
    check(run("conv", x, w, **attrs), y.detach(), rtol=1e-5, atol=1e-5)
    g = random(*y.shape, seed=2)
    y.backward(torch.from_numpy(g))
    check(run("conv_input_grad", g, w, input_shape=shape, **attrs), t[0].grad, rtol=1e-5, atol=2e-5)
    check(
        run("conv_weight_grad", g, x, weight_shape=weight, **attrs), t[1].grad, rtol=1e-5, atol=1e-4
    )


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(
    "kernel, stride, padding, dilation",
    [
        ((2, 2), (2, 2), (0, 0), (1, 1)),
        ((3, 2), (2, 3), (1, 1), (1, 2)),
        ((3, 3), (1, 2), (1, 0), (2, 1)),
    ],
)
def test_pooling(kernel, stride, padding, dilation, ceil_mode):
    x = random(2, 3, 10, 9)
    x[0, 0, :4, :4] = -np.inf
    x[0, 1, 2, 2] = np.nan
    t = torch.from_numpy(x)
    attrs = {"kernel": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    expected = F.max_pool2d(t, kernel, stride, padding, dilation, ceil_mode, return_indices=True)
    for found, value in zip(run("max_pool", x, dilation=dilation, **attrs), expected):
        check(found, value)
    for count in (True, False):
        expected = F.avg_pool2d(t, kernel, stride, padding, ceil_mode, count)
        check(run("avg_pool", x, count_include_pad=count, **attrs), expected)


def test_adaptive_pooling():
    x = random(2, 3, 10, 7)
    for output in ((1, 1), (3, 7), (4, 9)):
        expected = F.adaptive_avg_pool2d(torch.from_numpy(x), output)
        check(run("adaptive_avg_pool", x, output=output), expected)


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize(
    "name", ["SGD", "SGD momentum", "SGD nesterov", "Adam", "AdamW", "Adam amsgrad"]
)
def test_optimizer_steps(name, decay):
    kind, *extra = name.split()
    start, grads = random(50), [random(50, seed=i) for i in range(1, 5)]
    theirs = torch.nn.Parameter(torch.from_numpy(start.copy()))
    options = {"lr": 0.03, "weight_decay": decay, "foreach": False}
    if "momentum" in extra or "nesterov" in extra:
        options |= {"momentum": 0.9, "nesterov": "nesterov" in extra}
    if "amsgrad" in extra:
        options["amsgrad"] = True
    optimizer = getattr(torch.optim, kind)([theirs], **options)
    ours, state = start, ()
    if kind != "SGD":
        state = tuple(np.zeros_like(start) for _ in range(3 if "amsgrad" in extra else 2))
    for step, g in enumerate(grads, 1):
        theirs.grad = torch.from_numpy(g)
        optimizer.step()
        lr = np.array(0.03)
        if kind == "SGD":
            momentum = options.get("momentum", 0.0)
            found = run(
                "sgd_step", ours, g, lr, *state, weight_decay=decay, momentum=momentum, dampening=0.0,
                nesterov=options.get("nesterov", False), maximize=False,
            )  # fmt: skip
            ours, *state = found if isinstance(found, tuple) else (found,)
        else:
            corrections = np.array(1 - 0.9**step), np.array(1 - 0.999**step)
            ours, *state = run(
                f"{kind.lower()}_step", ours, g, *state[:2], lr, *corrections, *state[2:], beta1=0.9, beta2=0.999,
                eps=1e-8, weight_decay=decay, maximize=False,
            )  # fmt: skip
    check(ours, theirs.detach(), rtol=1e-6, atol=1e-7)


def test_out_of_range_indices():
    x = random(4, 3)
    for index in (np.array([0, 4]), np.array([-1, 0])):
        with pytest.raises(IndexError):
            run("take", x, index, dim=0)
    with pytest.raises(IndexError, match="Target 5 is out of bounds"):
        ops.cross_entropy.numpy(x, np.array([0, 1, 5, 2]))


def test_linear_algebra():
    a = random(3, 4, 4) + 3 * np.eye(4, dtype=np.float32)
    t = torch.from_numpy(a)
    check(run("inverse", a), torch.linalg.inv(t), atol=1e-5)
    check(run("det", a), torch.linalg.det(t), rtol=1e-5)
    check(run("svd", a)[1], torch.linalg.svdvals(t), rtol=1e-5)
    with pytest.raises(RuntimeError, match="cholesky"):
        run("cholesky", -np.eye(2, dtype=np.float32))
