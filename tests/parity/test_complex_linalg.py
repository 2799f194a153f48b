"""Complex matrices: factorisations, solutions and their gradients beside PyTorch's.

The losses do not depend on the phases that LAPACK leaves open.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch as theirs

import graphtorch as ours

FORMULAS = [
    "torch.linalg.inv(a).abs().sum()", "torch.linalg.solve(a, b).abs().sum()", "torch.linalg.det(a).abs()",
    "torch.linalg.solve(a, b, left=False).imag.sum()",
    "torch.linalg.slogdet(a)[1]", "(torch.linalg.slogdet(a)[0] * (2 + 1j)).real", "torch.logdet(a).imag",
    "torch.linalg.cholesky(h).abs().pow(3).sum()", "torch.linalg.cholesky(h, upper=True)[0, 1].real",
    "torch.linalg.qr(t)[0].real.pow(3).sum() + torch.linalg.qr(t)[1].imag.sum()",
    "torch.linalg.qr(t.T)[1].real.pow(2).sum() + torch.linalg.qr(t.T)[0].imag.sum()",
    "torch.linalg.eigh(h)[0].pow(2).sum()", "torch.linalg.eigh(h)[1].abs().pow(3).sum()", "torch.linalg.eigvalsh(h)[1]",
    "torch.linalg.eig(a)[1].abs().pow(3).sum()", "torch.linalg.eigvals(a).abs().pow(2).sum()",
    "torch.linalg.svd(t, full_matrices=False)[0].abs().pow(3).sum()",
    "torch.linalg.svd(t.T, full_matrices=False)[2].abs().pow(3).sum()",
    "torch.linalg.svdvals(t).pow(2).sum()", "torch.linalg.pinv(t).abs().sum()", "torch.linalg.pinv(t.T).imag.sum()",
    "torch.linalg.lstsq(t, b)[0].abs().sum()", "torch.linalg.matrix_exp(a / 9).abs().sum()",
    "torch.linalg.lu(a)[1].abs().sum() + torch.linalg.lu(a)[2].imag.sum()",
    "torch.linalg.lu_factor(t)[0].abs().sum()", "torch.linalg.lu_factor(t.T)[0].abs().sum()",
    "torch.linalg.lu_solve(*torch.linalg.lu_factor(a), b, adjoint=True).abs().sum()",
    "torch.linalg.solve_triangular(a, b, upper=True).abs().sum()",
    "torch.linalg.solve_triangular(a, b.T, upper=False, left=False, unitriangular=True).real.sum()",
    "torch.linalg.householder_product(t, b[0, :2]).abs().sum()", "torch.linalg.matrix_norm(t, 'nuc')",
    "torch.linalg.matrix_norm(t, 1)", "torch.linalg.norm(a, 2)", "torch.linalg.vecdot(a, h).abs().sum()",
    "torch.linalg.matrix_power(a, -2).abs().sum()", "torch.linalg.multi_dot([t.T, a, b]).abs().sum()",
    "torch.linalg.cond(a)", "torch.linalg.tensorinv(a, 1).abs().sum()", "torch.linalg.vander(b[0]).abs().sum()",
    "torch.linalg.ldl_solve(*torch.linalg.ldl_factor((a + a.T).detach()), b.detach()).abs().sum() + b.abs().sum()",
]  # fmt: skip


def evaluated(torch, formula):
    random = np.random.default_rng(3)

    def leaf(*shape):
        values = random.standard_normal(shape) + 1j * random.standard_normal(shape)
        return torch.tensor(values, requires_grad=True)

    a, b, t = leaf(4, 4), leaf(4, 4), leaf(4, 2)
    values = {"torch": torch, "a": a, "b": b, "t": t, "h": a @ a.mH + 2 * torch.eye(4)}
    loss = eval(formula, values)
    grads = torch.autograd.grad(loss, [a, b, t], allow_unused=True, materialize_grads=True)
    return [loss.detach(), *grads]


@pytest.mark.parametrize("formula", FORMULAS)
def test_values_and_gradients(formula):
    for found, expected in zip(evaluated(ours, formula), evaluated(theirs, formula), strict=True):
        expected = expected.resolve_conj().numpy()
        assert found.numpy().dtype == expected.dtype
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-8, atol=1e-9)
