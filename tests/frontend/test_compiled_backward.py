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
