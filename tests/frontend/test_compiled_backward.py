"""Gradients of gradients through a compiled forward."""

import numpy as np
import pytest

import graphtorch as torch
from graphtorch import nn

F = nn.functional


def critic(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.Tanh(), nn.Flatten(), nn.LayerNorm(12), nn.Linear(12, 1)
    )


def penalty(model, x):
    """A gradient penalty, as Wasserstein GANs train with."""
    x = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
    loss = ((g.flatten(1).norm(dim=1) - 1) ** 2).mean()
    loss.backward()
    return loss.item()


def test_a_gradient_penalty_through_a_compiled_module():
    model, reference = torch.compile(critic()), critic()
    for seed in range(3):
        torch.manual_seed(seed)
        x = torch.randn(5, 1, 4, 4)
        assert abs(penalty(model, x) - penalty(reference, x)) < 1e-5
    for p, q in zip(model.parameters(), reference.parameters()):
        if q.grad is None:
            assert p.grad is None or not p.grad.any()
        else:
            np.testing.assert_allclose(p.grad, q.grad, rtol=1e-4, atol=1e-5)
    assert model.forward.cache_info().hits == 2


def test_partial_derivatives_where_one_input_is_made_of_another():
    @torch.compile
    def f(a, b):
        return a * a * b

    x = torch.tensor([2.0, 3.0], requires_grad=True)
    for _ in range(2):
        b = x * x
        (g,) = torch.autograd.grad(f(x, b).sum(), x, create_graph=True)  # x^4
        np.testing.assert_allclose(g.detach(), 4 * x.detach() ** 3)
        (h,) = torch.autograd.grad(g.sum(), x, create_graph=True)
        np.testing.assert_allclose(h.detach(), 12 * x.detach() ** 2)
        (i,) = torch.autograd.grad(h.sum(), x)
        np.testing.assert_allclose(i, 24 * x.detach())


def test_gradients_with_respect_to_the_cotangent():
    f = torch.compile(lambda x: x.exp())
    x = torch.tensor([0.5, 1.0], requires_grad=True)
    v = torch.tensor([1.0, -2.0], requires_grad=True)
    for _ in range(2):
        (g,) = torch.autograd.grad(f(x), x, v, create_graph=True)
        (dv,) = torch.autograd.grad(g.sum(), v)
        np.testing.assert_allclose(dv, np.exp(x.detach()), rtol=1e-6)


def test_what_cannot_be_computed_again_says_so():
    torch.manual_seed(0)
    f = torch.compile(lambda x: F.dropout(x, 0.5) * x)
    x = torch.ones(8, requires_grad=True)
    f(x)
    y = f(x).sum()
    with pytest.raises(torch.UnsupportedError, match=r"test_compiled_backward.py:\d+ would draw"):
        torch.autograd.grad(y, x, create_graph=True)


def test_an_input_written_since_is_noticed():
    f = torch.compile(lambda x, w: (x + w).sum())
    x, w = torch.ones(3, requires_grad=True), torch.ones(3)
    f(x, w)
    y = f(x, w)
    w.add_(1)
    (g,) = torch.autograd.grad(y, x, retain_graph=True)  # does not need w
    assert g.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        torch.autograd.grad(y, x, create_graph=True)


# ---- autograd.Function inside a compiled forward


class Steep(torch.autograd.Function):
    """x^2 with ten times its derivative, so that nothing else can give it."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 20 * x * g


def gradients(f, x, w):
    x, w = x.clone().requires_grad_(), w.clone().requires_grad_()
    y = f(x, w)
    y[0].sum().backward()
    return [y[0].detach(), y[1].detach(), x.grad, w.grad]


def test_the_users_backward_is_part_of_the_compiled_backward():
    def f(x, w):
        h = Steep.apply(x @ w)
        return Steep.apply(h).tanh() * w.sum(), h.detach() + 1

    compiled = torch.compile(f)
    for seed in range(3):
        torch.manual_seed(seed)
        x, w = torch.randn(3, 4), torch.randn(4, 2)
        for found, expected in zip(gradients(compiled, x, w), gradients(f, x, w)):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert compiled.cache_info()[:2] == (2, 1)
    assert compiled.variants[0].backward_program is not None


def test_training_through_a_module_with_a_custom_function():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.linear, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)

        def forward(self, x):
            return self.norm(Steep.apply(self.linear(x)))

    def train(model):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        for i in range(4):
            torch.manual_seed(i)
            optimizer.zero_grad()
            (model(torch.randn(8, 4)) ** 3).mean().backward()
            optimizer.step()
        return [v.detach() for v in model.state_dict().values()]

    model = torch.compile(Net())
    for found, expected in zip(train(model), train(Net())):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert model.forward.cache_info().hits == 3


class Unfit(torch.autograd.Function):
    """A backward that a replay cannot repeat, in the way that `how` says."""

    how = ""
    weight = torch.ones(2, requires_grad=True)
    buffer = torch.zeros(2)

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        if Unfit.how == "prints":
            print("backward")
        if Unfit.how == "reads":
            return g * (2 if float(g.sum()) > 0 else 3)
        if Unfit.how == "writes":
            Unfit.buffer.add_(1)
        if Unfit.how == "grad":
            Unfit.weight.grad = g
        if Unfit.how == "raises":
            raise ValueError("no")
        if Unfit.how == "draws":
            return g * torch.rand(2)
        return g * 2


@pytest.mark.parametrize("how", ["prints", "reads", "writes", "grad", "raises", "draws"])
def test_a_backward_that_cannot_be_repeated_leaves_and_changes_nothing(how, capsys):
    Unfit.how = how
    state = torch.get_rng_state()
    Unfit.buffer.zero_()
    Unfit.weight.grad = None
    f = torch.compile(lambda x: Unfit.apply(x) + 1)
    x = torch.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match="left to eager"):
        y = f(x)
    assert Unfit.buffer.tolist() == [0.0, 0.0] and Unfit.weight.grad is None
    assert y.tolist() == [3.0, 3.0] and f.cache_info().left
    assert torch.equal(torch.get_rng_state(), state) and capsys.readouterr().out == ""
    if how != "raises":
        y.sum().backward()
        assert x.grad is not None
