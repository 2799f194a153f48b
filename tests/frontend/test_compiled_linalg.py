"""Factorisations and special functions inside compiled functions: host calls between kernels."""

from __future__ import annotations

import pytest

import graphtorch as torch


def losses(x):
    square = x @ x.T + torch.eye(4, dtype=x.dtype)
    yield torch.linalg.svdvals(x).sum() + torch.linalg.norm(x, "nuc")
    yield torch.linalg.pinv(x).sum() + torch.linalg.det(x)
    yield torch.linalg.lu_solve(*torch.linalg.lu_factor(square), x * x).sum()
    yield torch.linalg.qr(x)[1].sum() + torch.linalg.cholesky_ex(square)[0].sum()
    yield torch.linalg.solve_triangular(square, x, upper=False).sum()
    yield (
        torch.special.i0(x).sum()
        + torch.special.bessel_j0(x).sum()
        + torch.special.log_ndtr(x).sum()
    )
    yield torch.linalg.matrix_exp(x / 9).sum()
    yield torch.masked.mean(x, 1, mask=torch.ones(4, 4, dtype=torch.bool)).sum()


def total(x):
    return sum(losses(x))


def test_gradients_agree_with_eager():
    torch.manual_seed(0)
    x = torch.randn(4, 4, dtype=torch.float64, requires_grad=True)
    compiled = torch.compile(total)
    for _ in range(2):
        value, expected = compiled(x), total(x)
        assert float(value.detach()) == pytest.approx(float(expected.detach()), rel=1e-12)
        (found,) = torch.autograd.grad(value, x)
        (wanted,) = torch.autograd.grad(expected, x)
        assert torch.allclose(found, wanted, rtol=1e-10, atol=1e-12)


def test_explain_of_a_program_that_refuses_zeros():
    inverse = torch.compile(lambda x: torch.linalg.inv(x).sum())
    inverse(torch.eye(3))
    text = str(inverse.explain())
    assert "inverse" in text and "refuses zeros (linalg.inv: Singular matrix)" in text
