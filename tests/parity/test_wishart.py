"""The Wishart distribution against PyTorch's."""

import numpy as np
import pytest
import torch

import graphtorch

COVARIANCE = np.array([[2.0, 0.5, 0.1], [0.5, 1.5, 0.2], [0.1, 0.2, 1.0]])


def _described(t, df, name):
    matrix = t.tensor(COVARIANCE)
    if name == "scale_tril":
        matrix = t.linalg.cholesky(matrix)
    elif name == "precision_matrix":
        matrix = t.linalg.inv(matrix)
    d = t.distributions.wishart.Wishart(t.tensor(df, dtype=t.float64), **{name: matrix})
    x = t.eye(3, dtype=t.float64) * 2 + 0.1
    found = [d.log_prob(x), d.entropy(), d.mean, d.variance, d.mode, d.covariance_matrix]
    found += [d.precision_matrix, d.scale_tril, d.expand((4, 2)).log_prob(x)]
    return [np.asarray(y.detach().numpy()) for y in found]


@pytest.mark.parametrize("name", ["covariance_matrix", "scale_tril", "precision_matrix"])
@pytest.mark.parametrize("df", [5.0, [4.0, 6.0]])
def test_described_as_by_torch(df, name):
    for ours, theirs in zip(
        _described(graphtorch, df, name), _described(torch, df, name), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, equal_nan=True)


def test_draws_have_the_mean_and_gradients():
    graphtorch.manual_seed(0)
    scale = graphtorch.tensor(np.linalg.cholesky(COVARIANCE)).requires_grad_()
    d = graphtorch.distributions.Wishart(5.0, scale_tril=scale)
    draws = d.rsample((4000,))
    np.testing.assert_allclose(draws.mean(0).detach().numpy(), 5 * COVARIANCE, atol=0.35)
    draws.sum().backward()
    assert scale.grad.abs().sum() > 0
