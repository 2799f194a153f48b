"""Distributions against PyTorch's: draws from a seed, densities, moments, entropies, divergences, errors."""

import pytest
import torch
from torch import distributions as theirs

import graphtorch
from graphtorch import distributions as ours


def both(make):
    """The same thing made with graphtorch and with PyTorch: make(torch module, distributions)."""
    return make(graphtorch, ours), make(torch, theirs)


def close(mine, other, rtol=1e-5, atol=1e-6):
    assert str(mine.dtype) == str(other.dtype)
    assert tuple(mine.shape) == tuple(other.shape)
    other = other.detach()
    torch.testing.assert_close(
        torch.from_numpy(mine.detach().numpy()), other, rtol=rtol, atol=atol, equal_nan=True
    )


def vec(t, *values, **options):
    return t.tensor(values, **options)


MATRIX = ((2.0, 0.5, 0.1), (0.5, 1.0, 0.2), (0.1, 0.2, 1.5))

MAKERS = {
    "Normal": lambda t, d: d.Normal(vec(t, 0.0, 1.0, -2.0), vec(t, 1.0, 0.5, 3.0)),
    "Normal of numbers": lambda t, d: d.Normal(0.5, 2.0),
    "Uniform": lambda t, d: d.Uniform(vec(t, 0.0, -1.0), vec(t, 1.0, 3.0)),
    "Laplace": lambda t, d: d.Laplace(vec(t, 0.0, 1.0), vec(t, 1.0, 0.5)),
    "Cauchy": lambda t, d: d.Cauchy(vec(t, 0.0, 1.0), vec(t, 1.0, 0.5)),
    "Exponential": lambda t, d: d.Exponential(vec(t, 0.5, 2.0)),
    "Gamma": lambda t, d: d.Gamma(vec(t, 0.5, 2.0, 7.0), vec(t, 1.0, 3.0, 0.5)),
    "Chi2": lambda t, d: d.Chi2(vec(t, 1.0, 4.0)),
    "Beta": lambda t, d: d.Beta(vec(t, 0.5, 2.0, 9.0), vec(t, 1.5, 3.0, 4.0)),
    "Dirichlet": lambda t, d: d.Dirichlet(t.tensor([[0.5, 2.0, 3.0], [1.0, 1.0, 1.0]])),
    "StudentT": lambda t, d: d.StudentT(vec(t, 1.5, 5.0), vec(t, 0.0, 1.0), vec(t, 1.0, 2.0)),
    "FisherSnedecor": lambda t, d: d.FisherSnedecor(vec(t, 3.0, 5.0), vec(t, 6.0, 9.0)),
    "Poisson": lambda t, d: d.Poisson(vec(t, 0.5, 4.0, 30.0)),
    "Bernoulli": lambda t, d: d.Bernoulli(vec(t, 0.2, 0.5, 0.9)),
    "Bernoulli of logits": lambda t, d: d.Bernoulli(logits=vec(t, -1.0, 0.0, 2.0)),
    "Geometric": lambda t, d: d.Geometric(vec(t, 0.2, 0.5, 0.9)),
    "Categorical": lambda t, d: d.Categorical(t.tensor([[0.2, 0.3, 0.5], [0.6, 0.3, 0.3]])),
    "Categorical of logits": lambda t, d: d.Categorical(logits=vec(t, 0.1, 2.0, -1.0)),
    "Binomial": lambda t, d: d.Binomial(40, vec(t, 0.2, 0.5, 0.9)),
    "NegativeBinomial": lambda t, d: d.NegativeBinomial(vec(t, 3.0, 5.0), vec(t, 0.2, 0.5)),
    "Multinomial": lambda t, d: d.Multinomial(8, vec(t, 0.2, 0.3, 0.5)),
    "OneHotCategorical": lambda t, d: d.OneHotCategorical(vec(t, 0.2, 0.3, 0.5)),
    "OneHotCategoricalStraightThrough": lambda t, d: d.OneHotCategoricalStraightThrough(
        vec(t, 0.2, 0.3, 0.5)
    ),
    "RelaxedBernoulli": lambda t, d: d.RelaxedBernoulli(vec(t, 0.7), vec(t, 0.2, 0.6)),
    "RelaxedOneHotCategorical": lambda t, d: d.RelaxedOneHotCategorical(
        vec(t, 0.7), vec(t, 0.2, 0.3, 0.5)
    ),
    "MultivariateNormal": lambda t, d: d.MultivariateNormal(
        t.tensor([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]]), t.tensor(MATRIX)
    ),
    "MultivariateNormal by precision": lambda t, d: d.MultivariateNormal(
        t.zeros(3), precision_matrix=t.tensor(MATRIX)
    ),
    "LowRankMultivariateNormal": lambda t, d: d.LowRankMultivariateNormal(
        t.zeros(3), t.tensor([[1.0], [0.5], [0.2]]), vec(t, 1.0, 2.0, 0.5)
    ),
    "Independent": lambda t, d: d.Independent(d.Normal(t.zeros(2, 3), t.ones(2, 3)), 1),
    "TransformedDistribution": lambda t, d: d.TransformedDistribution(
        d.Normal(t.zeros(2), t.ones(2)),
        [d.AffineTransform(1.0, 2.0), d.TanhTransform(), d.SigmoidTransform()],
    ),
    "LogNormal": lambda t, d: d.LogNormal(vec(t, 0.0, 1.0), vec(t, 1.0, 0.5)),
    "HalfNormal": lambda t, d: d.HalfNormal(vec(t, 1.0, 2.0)),
    "HalfCauchy": lambda t, d: d.HalfCauchy(vec(t, 1.0, 2.0)),
    "Gumbel": lambda t, d: d.Gumbel(vec(t, 0.0, 1.0), vec(t, 1.0, 2.0)),
    "Weibull": lambda t, d: d.Weibull(vec(t, 1.0, 2.0), vec(t, 0.8, 1.5)),
    "Pareto": lambda t, d: d.Pareto(vec(t, 1.0, 2.0), vec(t, 1.5, 3.0)),
    "Kumaraswamy": lambda t, d: d.Kumaraswamy(vec(t, 1.0, 2.0), vec(t, 0.8, 1.5)),
    "LogisticNormal": lambda t, d: d.LogisticNormal(vec(t, 0.0, 1.0), vec(t, 1.0, 0.5)),
    "InverseGamma": lambda t, d: d.InverseGamma(vec(t, 1.5, 3.0), vec(t, 1.0, 2.0)),
    "MixtureSameFamily": lambda t, d: d.MixtureSameFamily(
        d.Categorical(vec(t, 0.2, 0.8)), d.Normal(vec(t, 0.0, 3.0), vec(t, 1.0, 0.5))
    ),
    "VonMises": lambda t, d: d.VonMises(vec(t, 0.0, 1.0), vec(t, 1.0, 4.0)),
    "LKJCholesky": lambda t, d: d.LKJCholesky(3, vec(t, 1.0, 2.0)),
}
NOT_THERE = (NotImplementedError, AttributeError)


@pytest.mark.parametrize("name", MAKERS)
def test_draws_densities_and_moments(name):
    mine, other = both(MAKERS[name])
    assert repr(mine) == repr(other)
    assert (mine.batch_shape, mine.event_shape) == (other.batch_shape, other.event_shape)
    assert mine.has_rsample == other.has_rsample
    assert mine.has_enumerate_support == other.has_enumerate_support
    assert repr(mine.support) == repr(other.support)
    graphtorch.manual_seed(3), torch.manual_seed(3)
    a, b = mine.sample((4,)), other.sample((4,))
    close(a, b, rtol=2e-5, atol=2e-6)
    value = graphtorch.from_numpy(b.numpy())
    for method in ("log_prob", "cdf"):
        try:
            expected = getattr(other, method)(b)
        except NOT_THERE:
            with pytest.raises(NotImplementedError):
                getattr(mine, method)(value)
        else:
            close(getattr(mine, method)(value), expected, rtol=1e-4, atol=1e-5)
    for moment in ("mean", "mode", "variance", "stddev"):
        try:
            expected = getattr(other, moment)
        except NOT_THERE:
            with pytest.raises(NOT_THERE):
                getattr(mine, moment)
        else:
            close(getattr(mine, moment), expected)
    try:
        expected = other.entropy()
    except NOT_THERE:
        with pytest.raises(NotImplementedError):
            mine.entropy()
    else:
        close(mine.entropy(), expected, rtol=1e-4)
    if other.has_enumerate_support:
        close(mine.enumerate_support(), other.enumerate_support())
    shape = (2, *other.batch_shape)
    wider, wider_ = mine.expand(shape), other.expand(shape)
    assert (wider.batch_shape, wider.event_shape) == (wider_.batch_shape, wider_.event_shape)
    close(wider.log_prob(value[0]), wider_.log_prob(b[0]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "name", ["Normal", "Uniform", "Exponential", "Cauchy", "Gumbel", "Laplace"]
)
def test_icdf_inverts_cdf(name):
    mine, other = both(MAKERS[name])
    p = [[0.1], [0.5], [0.9]]
    close(mine.icdf(graphtorch.tensor(p)), other.icdf(torch.tensor(p)), rtol=1e-4)


REPARAMETRISED = {
    "Normal": (lambda d, a, b: d.Normal(a, b), (0.5, 2.0), (1.0, 3.0)),
    "Gamma": (lambda d, a, b: d.Gamma(a, b), (0.5, 2.0), (1.0, 3.0)),
    "Beta": (lambda d, a, b: d.Beta(a, b), (0.5, 2.0), (1.0, 3.0)),
    "Laplace": (lambda d, a, b: d.Laplace(a, b), (0.5, 2.0), (1.0, 3.0)),
    "StudentT": (lambda d, a, b: d.StudentT(a, 0.0, b), (2.5, 4.0), (1.0, 3.0)),
    "Weibull": (lambda d, a, b: d.Weibull(a, b), (0.5, 2.0), (1.0, 3.0)),
    "Dirichlet": (lambda d, a, b: d.Dirichlet(a * b), (0.5, 2.0, 7.0), (1.0, 3.0, 1.0)),
}


@pytest.mark.parametrize("name", REPARAMETRISED)
def test_gradients_of_draws(name):
    make, first, second = REPARAMETRISED[name]
    found = []
    for t, d in ((graphtorch, ours), (torch, theirs)):
        t.manual_seed(5)
        a, b = t.tensor(first, requires_grad=True), t.tensor(second, requires_grad=True)
        drawn = make(d, a, b).rsample((6,))
        (drawn * t.arange(1.0, 1 + drawn.numel()).reshape(drawn.shape)).sum().backward()
        found.append((a.grad, b.grad))
    for mine, other in zip(*found, strict=True):
        close(
            mine, other, rtol=2e-3, atol=2e-3
        )  # PyTorch's derivatives of gamma draws are approximations


def test_gradients_of_densities():
    for name in ("Normal", "Gamma", "Categorical of logits", "MultivariateNormal"):
        found = []
        for t, d in ((graphtorch, ours), (torch, theirs)):
            made = MAKERS[name](t, d)
            x = t.tensor([0.5, 1.0, 1.5], requires_grad=True)
            value = (
                t.tensor(1)
                if "Categorical" in name
                else x[: max(1, *made.event_shape, *made.batch_shape)]
            )
            logits = t.tensor([0.1, 0.2, 0.3], requires_grad=True)
            if "Categorical" in name:
                d.Categorical(logits=logits).log_prob(value).backward()
                found.append(logits.grad)
            else:
                made.log_prob(value).sum().backward()
                found.append(x.grad)
        close(*found, rtol=1e-4)


PAIRS = [
    ("Normal", "Normal of numbers"), ("Gamma", "Gamma"), ("Beta", "Beta"), ("Dirichlet", "Dirichlet"),
    ("Bernoulli", "Bernoulli of logits"), ("Categorical", "Categorical of logits"), ("Laplace", "Laplace"),
    ("Exponential", "Exponential"), ("Poisson", "Poisson"), ("MultivariateNormal", "MultivariateNormal by precision"),
    ("LowRankMultivariateNormal", "MultivariateNormal"), ("Independent", "Independent"), ("Gumbel", "Gumbel"),
    ("LogNormal", "LogNormal"), ("Uniform", "Normal of numbers"), ("Laplace", "Normal of numbers"),
    ("Normal of numbers", "Laplace"), ("HalfNormal", "HalfNormal"), ("Cauchy", "Cauchy"), ("Pareto", "Pareto"),
    ("Normal of numbers", "Gumbel"), ("Geometric", "Geometric"), ("OneHotCategorical", "OneHotCategorical"),
    ("Exponential", "Gamma"), ("Chi2", "Gamma"), ("Binomial", "Binomial"),
]  # fmt: skip


@pytest.mark.parametrize("first, second", PAIRS)
def test_divergences(first, second):
    def kl(t, d):
        p, q = MAKERS[first](t, d), MAKERS[second](t, d)
        if p.batch_shape and q.batch_shape and p.batch_shape[-1] != q.batch_shape[-1]:
            p = (
                p.expand((1,))
                if p.batch_shape == (1,)
                else type(p)(*(getattr(p, k)[:2] for k in p.arg_constraints))
            )
            q = type(q)(*(getattr(q, k)[:2] for k in q.arg_constraints))
        return d.kl_divergence(p, q)

    close(*both(kl), rtol=1e-4, atol=1e-5)


def test_divergence_without_formula():
    with pytest.raises(NotImplementedError, match="No KL"):
        ours.kl_divergence(ours.Normal(0.0, 1.0), ours.Categorical(graphtorch.ones(2)))


TRANSFORMS = {
    "Exp": lambda t, d: d.ExpTransform(),
    "Sigmoid": lambda t, d: d.SigmoidTransform(),
    "Tanh": lambda t, d: d.TanhTransform(),
    "Softplus": lambda t, d: d.SoftplusTransform(),
    "Affine": lambda t, d: d.AffineTransform(1.0, -2.0),
    "Compose": lambda t, d: d.ComposeTransform([d.AffineTransform(0.5, 2.0), d.ExpTransform()]),
    "StickBreaking": lambda t, d: d.StickBreakingTransform(),
    "CorrCholesky": lambda t, d: d.CorrCholeskyTransform(),
    "Independent": lambda t, d: d.IndependentTransform(d.ExpTransform(), 1),
    "Reshape": lambda t, d: d.ReshapeTransform((3,), (3, 1)),
    "Cat": lambda t, d: d.CatTransform([d.ExpTransform(), d.TanhTransform()], -1, [1, 2]),
    "Stack": lambda t, d: d.StackTransform([d.ExpTransform()] * 3, -1),
    "biject_to simplex": lambda t, d: d.biject_to(d.constraints.simplex),
    "biject_to interval": lambda t, d: d.biject_to(d.constraints.interval(-1.0, 2.0)),
    "transform_to positive": lambda t, d: d.transform_to(d.constraints.positive),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms(name):
    mine, other = both(TRANSFORMS[name])
    data = [[0.3, -0.7, 1.1], [0.0, 0.4, -0.2]]
    x, x_ = graphtorch.tensor(data), torch.tensor(data)
    y, y_ = mine(x), other(x_)
    close(y, y_)
    close(mine.inv(y), other.inv(y_), atol=1e-5)
    close(mine.log_abs_det_jacobian(x, y), other.log_abs_det_jacobian(x_, y_), rtol=1e-4, atol=1e-5)
    assert mine.bijective == other.bijective
    assert tuple(mine.forward_shape((2, 3))) == tuple(other.forward_shape((2, 3)))


ERRORS = {
    "a bad scale": lambda t, d: d.Normal(0.0, -1.0),
    "a bad value": lambda t, d: d.Uniform(0.0, 1.0).log_prob(t.tensor(3.0)),
    "bad probabilities": lambda t, d: d.Categorical(t.tensor([-1.0, 2.0])),
    "no parameter": lambda t, d: d.Bernoulli(),
    "a number for a tensor": lambda t, d: d.Normal(0.0, 1.0).log_prob(1.0),
    "a shape": lambda t, d: d.Normal(t.zeros(2), t.ones(2)).log_prob(t.zeros(3)),
    "two matrices": lambda t, d: d.MultivariateNormal(t.zeros(2)),
    "dims": lambda t, d: d.Independent(d.Normal(0.0, 1.0), 1),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    raised = []
    for t, d in ((graphtorch, ours), (torch, theirs)):
        with pytest.raises(Exception) as caught:
            ERRORS[name](t, d)
        raised.append((type(caught.value), str(caught.value)))
    assert raised[0] == raised[1]


def test_counts_and_gammas():
    for t in (graphtorch, torch):
        t.manual_seed(1)
    rates = (0.0, 0.5, 3.0, 12.0, 400.0)
    close(graphtorch.poisson(graphtorch.tensor(rates)), torch.poisson(torch.tensor(rates)))
    n, p = (10.0, 50.0, 100.0, 1000.0, 3.0), (0.5, 0.5, 0.9, 0.3, 0.01)
    close(
        graphtorch.binomial(graphtorch.tensor(n), graphtorch.tensor(p)),
        torch.binomial(torch.tensor(n), torch.tensor(p)),
    )
    close(graphtorch._standard_gamma(graphtorch.tensor(n)), torch._standard_gamma(torch.tensor(n)))
    with pytest.raises(RuntimeError, match="invalid Poisson rate"):
        graphtorch.poisson(graphtorch.tensor([-1.0]))
