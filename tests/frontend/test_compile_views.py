"""Views as arguments of compiled functions: another one at every call, written through, differentiated."""

import pytest

import graphtorch as torch


def test_every_call_reads_its_own_view():
    f = torch.compile(lambda v: v * 2)
    for i in range(4):
        x = torch.full((3, 4), float(i))
        assert f(x[1]).tolist() == [2.0 * i] * 4
        assert f(x.t()).tolist() == [[2.0 * i] * 3] * 4
        assert f(x.view(2, 6)[:, 1:]).tolist() == [[2.0 * i] * 5] * 2
    assert f.cache_info()[:2] == (9, 3)


def test_a_write_through_a_view_reaches_its_own_base():
    @torch.compile
    def f(v):
        v.add_(1)
        v[0].mul_(10)
        return v.sum()

    for i in range(4):
        x = torch.full((2, 3), float(i))
        version = x._version
        assert f(x[1]).item() == 12.0 * (i + 1)
        assert x.tolist() == [[i] * 3, [10.0 * (i + 1), i + 1.0, i + 1.0]]
        assert x._version > version
    assert f.cache_info().hits == 3


def test_a_view_and_its_base_as_arguments_of_one_call():
    @torch.compile
    def reads(x, v):
        return x.sum() + v.sum()

    @torch.compile
    def writes(x, v):
        v.add_(1)
        return x.sum()

    for i in range(3):
        x = torch.full((2, 2), float(i))
        assert reads(x, x[0]).item() == 6.0 * i
    assert reads.cache_info().hits == 2
    with pytest.warns(UserWarning, match="share memory"):
        assert writes(x, x[0]).item() == 10.0
    assert writes(x, x[0]).item() == 12.0


def test_returned_views_of_a_view_share_memory_with_it():
    f = torch.compile(lambda v: v[1:])
    for i in range(3):
        x = torch.full((2, 3), float(i))
        y = f(x[1])
        y.fill_(9.0)
        assert x.tolist() == [[i] * 3, [i, 9.0, 9.0]]


def test_gradients_stop_at_the_view_that_was_given():
    f = torch.compile(lambda v: (v * v).sum())
    for i in range(3):
        w = torch.full((2, 2), float(i + 1), requires_grad=True)
        v = w[1]
        (gv,) = torch.autograd.grad(f(v), v, retain_graph=True)
        assert gv.tolist() == [2.0 * (i + 1)] * 2
        f(v).backward()
        assert w.grad.tolist() == [[0.0, 0.0], [2.0 * (i + 1)] * 2]


@pytest.mark.parametrize("given", ["argument", "closure"])
def test_a_detached_copy_that_requires_grad_is_a_leaf(given):
    x = torch.ones(3).clone().detach()
    x.requires_grad = True
    f = torch.compile((lambda v: (v**2).sum()) if given == "argument" else (lambda v: (x**2).sum()))
    for _ in range(3):
        (g,) = torch.autograd.grad(f(x), x)
        assert g.tolist() == [2.0, 2.0, 2.0]
        with torch.no_grad():
            x.copy_(torch.ones(3))
        assert x.grad is None


def test_a_write_into_a_tensor_with_history_leaves():
    @torch.compile
    def f(x, w):
        x.add_(w)
        return x + 1

    w = torch.full((2,), 3.0, requires_grad=True)
    with pytest.warns(UserWarning, match="has a gradient history"):
        f(torch.ones(2), w)
    for _ in range(2):
        x = torch.ones(2)
        f(x, w).sum().backward()
        assert x.grad_fn is not None
    assert w.grad.tolist() == [2.0, 2.0]


def test_the_backward_reads_an_argument_with_strides():
    f = torch.compile(lambda x, w: (x @ w).sum())
    for _ in range(3):
        x = torch.randn(5, 4).t()
        w = torch.randn(5, 2, requires_grad=True)
        f(x, w).backward()
        assert torch.allclose(w.grad, x.sum(0)[:, None].expand(5, 2))


def test_a_number_written_under_a_mask_needs_no_values_in_python():
    @torch.compile
    def f(x, m):
        y = x.clone()
        y[y > 0.5] = 0.0
        y[m] = -1
        return y

    for i in range(3):
        torch.manual_seed(i)
        x, m = torch.rand(20, 10), torch.rand(20) > 0.5
        expected = torch.where(m[:, None], -torch.ones(20, 10), torch.where(x > 0.5, 0.0, x))
        assert torch.equal(f(x, m), expected)
    assert f.cache_info()[:2] == (2, 1) and not f.variants[0].trace.value_guards
