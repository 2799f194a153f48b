"""Automatic mixed precision against PyTorch: result types, values, gradients, scaling."""

import warnings

import numpy as np
import pytest

import graphtorch
from tests.parity.mirror import compare

torch = pytest.importorskip("torch")

# {x}: 4x4, {b}: the same in bfloat16, {c}: 2x3x6x6, {w}: 5x3x3x3, {t}: class numbers, {p}: in (0, 1)
CALLS = """
x @ x; torch.mm(x, x); torch.matmul(x, x); x.matmul(x); torch.bmm(x[None], x[None]); torch.addmm(x, x, x)
torch.einsum('ij,jk->ik', x, x); torch.tensordot(x, x, 1); F.linear(x, x); F.linear(x, x, x[0]); F.linear(b, x)
F.conv2d(c, w); F.conv_transpose2d(c, w.transpose(0, 1)); F.scaled_dot_product_attention(x[None], x[None], x[None])
torch.baddbmm(x[None], x[None], x[None]); F.prelu(x, x[:1, 0]); torch.dot(x[0], x[0]); torch.mv(x, x[0])
F.mse_loss(b, b); F.l1_loss(b, b); F.smooth_l1_loss(b, b); F.huber_loss(b, b); F.cross_entropy(b, t); F.nll_loss(b, t)
F.binary_cross_entropy(p.bfloat16(), p.bfloat16()); F.binary_cross_entropy_with_logits(b, p.bfloat16())
F.kl_div(b, p.bfloat16()); torch.prod(b); b.prod(); torch.trace(b); torch.cdist(b, b); torch.quantile(b, 0.5)
torch.cat([x, b]); torch.stack([x, b]); torch.cat([b, b]); x + b; x * b; torch.softmax(b, 1); torch.exp(b); b.sum()
F.layer_norm(b, (4,), x[0], x[1]); F.layer_norm(x, (4,)); F.gelu(b); torch.tanh(b); F.group_norm(c.bfloat16(), 3)
F.avg_pool3d(c.bfloat16()[None], 2); F.max_pool2d(c.bfloat16(), 2); x.double() @ x.double(); (x > 0) & (b > 0)
F.cosine_embedding_loss(b, b, t); F.hinge_embedding_loss(b, b); F.multi_margin_loss(b, t); F.embedding(t, x)
torch.linalg.inv(b + 5 * torch.eye(4).bfloat16()); nn.LSTM(4, 3)(x)[0]; nn.MultiheadAttention(4, 2)(x, x, x)[0]
nn.Linear(4, 3)(nn.LayerNorm(4)(nn.Linear(4, 4)(x))); nn.BatchNorm2d(3)(c.bfloat16())
"""
CALLS = [call.strip() for line in CALLS.strip().splitlines() for call in line.split(";")]


def names(library):
    random = np.random.default_rng(0)

    def of(*shape):
        return library.from_numpy(random.standard_normal(shape).astype(np.float32))

    x = of(4, 4)
    return {
        "torch": library, "F": library.nn.functional, "nn": library.nn, "x": x, "b": x.bfloat16(), "c": of(2, 3, 6, 6),
        "w": of(5, 3, 3, 3), "t": library.tensor([0, 1, 2, 1]), "p": library.sigmoid(x),
    }  # fmt: skip


def evaluated(library, call, dtype):
    library.manual_seed(0)
    given = names(library)
    with library.autocast("cpu", dtype=getattr(library, dtype)):
        return eval(call, given)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("call", CALLS)
def test_autocast_gives_torchs_types(call, dtype):
    try:
        theirs = evaluated(torch, call, dtype)
    except RuntimeError:
        pytest.skip("torch has no kernel for it")
    compare(theirs, evaluated(graphtorch, call, dtype), call, 3e-2)


def trained(library, compiled):
    library.manual_seed(0)
    nn = library.nn
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.LayerNorm(16), nn.Linear(16, 3))
    optimizer = library.optim.SGD(model.parameters(), lr=0.1)
    scaler = library.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=2)
    x, y = library.randn(32, 6), library.randint(0, 3, (32,))

    def forward(x, y):
        with library.autocast("cpu", dtype=library.bfloat16):
            return nn.functional.cross_entropy(model(x), y)

    forward = library.compile(forward) if compiled else forward
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = forward(x, y)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    return losses, {**scaler.state_dict()}, {str(p.grad.dtype) for p in model.parameters()}


@pytest.mark.parametrize("compiled", [False, True])
def test_a_training_loop(compiled):
    theirs, mine = trained(torch, False), trained(graphtorch, compiled)
    np.testing.assert_allclose(mine[0], theirs[0], rtol=2e-2)
    assert mine[1:] == theirs[1:]


@pytest.mark.parametrize("library", [torch, graphtorch])
def test_scaler_skips_steps_that_overflow(library):
    p = library.nn.Parameter(library.ones(2))
    optimizer = library.optim.SGD([p], lr=1.0)
    scaler = library.amp.GradScaler("cpu", init_scale=8.0)
    scaler.scale((p * float("inf")).sum()).backward()
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="step\\(\\) has already been called"):
        scaler.step(optimizer)
    scaler.update()
    assert p.tolist() == [1.0, 1.0]
    assert scaler.get_scale() == 4.0
    other = library.amp.GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    assert other.get_scale() == 4.0


@pytest.mark.parametrize("library", [torch, graphtorch])
def test_nesting_decorator_and_custom_functions(library):
    x = library.ones(2, 2)

    @library.autocast("cpu", dtype=library.bfloat16)
    def decorated():
        with library.autocast("cpu", enabled=False):
            inner = x @ x
        return inner.dtype, (x @ x).dtype, library.is_autocast_enabled("cpu")

    assert decorated() == (library.float32, library.bfloat16, True)
    assert not library.is_autocast_enabled("cpu")

    class Product(library.autograd.Function):
        @staticmethod
        @library.amp.custom_fwd(device_type="cpu", cast_inputs=library.float32)
        def forward(ctx, a):
            ctx.save_for_backward(a)
            return a @ a

        @staticmethod
        @library.amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            (a,) = ctx.saved_tensors
            return g @ a.t() + a.t() @ g

    leaf = library.ones(2, 2, requires_grad=True)
    with library.autocast("cpu", dtype=library.bfloat16):
        y = Product.apply(leaf)
    assert y.dtype is library.float32
    y.sum().backward()
    assert leaf.grad.tolist() == [[4.0, 4.0], [4.0, 4.0]]
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with library.autocast("cpu", dtype=library.float32):
            assert (x @ x).dtype is library.float32
    assert any("target dtype is not supported" in str(w.message) for w in seen)
