"""`torch.autograd`: grad, hooks, higher derivatives, Jacobians, against torch.  One program a line; see `side_by_side.py` for the names it may use."""

import pytest

from tests.parity.side_by_side import agree

PROGRAMS = """
torch.autograd.grad((g * g).sum(), g)
torch.autograd.grad((g * g).sum(), [g])
torch.autograd.grad(g * g, g, torch.ones(2, 2))
torch.autograd.grad([g.sum(), (g * 2).sum()], g)
torch.autograd.grad(g.sum(), [g, x.requires_grad_()], allow_unused=True)
torch.autograd.grad(g.sum(), [g, x.requires_grad_()], materialize_grads=True)
a = torch.autograd.grad((g ** 3).sum(), g, create_graph=True)[0]; torch.autograd.grad(a.sum(), g)
a = (g ** 3).sum(); a.backward(create_graph=True); a = g.grad.clone().sum(); torch.autograd.grad(a, g)
a = (g * g).sum(); a.backward(retain_graph=True); a.backward(); g.grad
a = g * 2; a.backward(torch.ones(2, 2)); g.grad
a = g * 2; a.backward(gradient=g.detach()); g.grad
a = g * 2; a.retain_grad(); a.sum().backward(); a.grad
a = g * 2; h = a.register_hook(lambda t: t * 10); a.sum().backward(); g.grad
h = g.register_hook(lambda t: t * 10); g.sum().backward(); g.grad
h = g.register_hook(lambda t: t * 10); h.remove(); g.sum().backward(); g.grad
a = (g * 2).detach(); a.requires_grad
a = g.detach().requires_grad_(); (a * g).sum().backward(); g.grad
(g * g).sum().backward(inputs=[g]); g.grad
torch.autograd.backward([g.sum(), (g * 3).sum()]); g.grad
g.sum().backward(); g.grad.zero_(); (g * 2).sum().backward(); g.grad
torch.autograd.functional.jacobian(lambda t: t * t, v)
torch.autograd.functional.jacobian(lambda a, q: a * q, (v, v + 1))
torch.autograd.functional.hessian(lambda t: (t ** 3).sum(), v)
torch.autograd.functional.vjp(lambda t: t * t, v, torch.ones(4))
torch.autograd.functional.jvp(lambda t: t * t, v, torch.ones(4))
torch.autograd.functional.hvp(lambda t: (t ** 3).sum(), v, torch.ones(4))
torch.autograd.functional.vhp(lambda t: (t ** 3).sum(), v, torch.ones(4))
torch.autograd.functional.jacobian(lambda t: t.sum(), x)
torch.autograd.functional.hessian(lambda a, q: (a * q).sum(), (v, v + 1))
torch.autograd.functional.jacobian(lambda t: torch.exp(t).sum(1), x)
torch.autograd.gradcheck(lambda t: (t * t).sin(), (d.requires_grad_(),))
torch.autograd.gradgradcheck(lambda t: (t * t).sin(), (d.requires_grad_(),))
torch.is_grad_enabled()
a = torch.no_grad()(lambda: torch.is_grad_enabled())(); a
g.is_leaf
(g * 1).is_leaf
(g * 1).requires_grad
g[0].is_leaf
(g * 2).grad_fn.name()
g.grad is None
g.requires_grad_(False).requires_grad
(g > 1).requires_grad
g.long().requires_grad
(g * 2).detach_().is_leaf
torch.where(g > 2, g, 0.0).requires_grad
g.argmax().requires_grad
g.max(1)[1].requires_grad
x.requires_grad_().sum().backward(); x.grad
"""


@pytest.mark.parametrize("program", PROGRAMS.strip().splitlines())
def test_autograd(program: str) -> None:
    agree(program)
