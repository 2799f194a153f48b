"""`torch.autograd`'s checkers and derivative products: they must notice wrong gradients, too."""

import pytest

import graphtorch as torch
from graphtorch.autograd import gradcheck, gradgradcheck


def doubles(*shape):
    return (
        torch.arange(1.0, 1 + torch.Size(shape).numel(), dtype=torch.float64)
        .reshape(shape)
        .requires_grad_()
    )


class Wrong(torch.autograd.Function):
    """x^2 whose derivative forgets the 2."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x


def test_gradcheck_accepts_right_and_refuses_wrong_gradients():
    x = doubles(2, 3)
    assert gradcheck(lambda x: (x * x).log(), (x,))
    assert gradgradcheck(lambda x: x**3, (x,))
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        gradcheck(Wrong.apply, (x,))
    assert not gradcheck(Wrong.apply, (x,), raise_exception=False)


def test_gradcheck_wants_float64_leaves():
    with pytest.raises(ValueError, match="at least one input"):
        gradcheck(lambda x: x, (torch.ones(2, dtype=torch.float64),))
    with pytest.raises(RuntimeError, match="float64"):
        gradcheck(lambda x: x, (torch.ones(2, requires_grad=True),))


def test_jacobian_and_hessian():
    x = torch.tensor([1.0, 2.0])
    jacobian = torch.autograd.functional.jacobian(lambda x: torch.stack([x.sum(), x.prod()]), x)
    assert jacobian.tolist() == [[1, 1], [2, 1]]
    hessian = torch.autograd.functional.hessian(lambda x: (x**3).sum() + x.prod(), x)
    assert hessian.tolist() == [[6, 1], [1, 12]]
    with pytest.raises(RuntimeError, match="single element"):
        torch.autograd.functional.hessian(lambda x: x, x)


def test_products_agree_with_the_jacobian():
    x, v = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 0.0, -1.0])

    def f(x):
        return torch.stack([x.prod(), (x * x).sum()])

    jacobian = torch.autograd.functional.jacobian(f, x)
    _, forward = torch.autograd.functional.jvp(f, x, v)
    _, reverse = torch.autograd.functional.vjp(f, x, torch.tensor([1.0, 2.0]))
    assert torch.allclose(forward, jacobian @ v)
    assert torch.allclose(reverse, torch.tensor([1.0, 2.0]) @ jacobian)


def test_integer_results_need_no_gradient():
    x = torch.ones(2, requires_grad=True)
    assert not x.long().requires_grad
    assert not (x > 0).requires_grad
    assert not x.argmax().requires_grad


def test_retain_grad():
    x = torch.ones(2, requires_grad=True)
    y = x * 3
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.tolist() == [6, 6]
    assert x.grad.tolist() == [18, 18]


def test_gradients_of_complex_tensors_are_conjugated():
    z = torch.tensor([3 + 4j], requires_grad=True)
    z.abs().sum().backward()
    assert z.grad.tolist() == pytest.approx([0.6 + 0.8j])
    x = torch.ones(2, requires_grad=True)
    (x.to(torch.complex64) * (2 + 5j)).real.sum().backward()
    assert x.grad.tolist() == [2, 2]
    with pytest.raises(RuntimeError, match="real scalar"):
        z.sum().backward()


def test_writing_through_the_parts_of_a_complex_tensor():
    z = torch.zeros(2, dtype=torch.complex64)
    z.real.fill_(1)
    torch.view_as_real(z)[..., 1].add_(2)
    assert z.tolist() == [1 + 2j] * 2
    pairs = torch.ones(2, 2, requires_grad=True)
    whole = torch.view_as_complex(pairs * 1)
    whole.mul_(2j)
    torch.view_as_real(whole).select(-1, 0).sum().backward()
    assert pairs.grad.tolist() == [[0, -2], [0, -2]]
