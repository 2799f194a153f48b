"""Max pooling against the NumPy kernels, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from graphtorch.codegen.contraction import MaxPool, MaxPoolBackward, plan
from graphtorch.codegen.llvm.target import target
from graphtorch.ir import ops  # noqa: F401
from graphtorch.ir.op import OPS
from graphtorch.ir.types import TensorType, float32, float64, int64

from .running import run

# lead, sizes, kernel, stride, padding, dilation, ceil_mode
CASES = [
    ((2, 3), (28, 28), (2, 2), (2, 2), (0, 0), (1, 1), False),
    ((2,), (37, 41), (3, 3), (2, 2), (1, 1), (1, 1), False),
    ((2, 2), (7, 6), (3, 2), (2, 1), (1, 1), (1, 2), False),
    ((1,), (17, 40), (3, 3), (1, 1), (1, 1), (1, 1), False),
    ((3,), (7, 6), (3, 2), (2, 2), (1, 0), (1, 1), True),
    ((1,), (64, 65), (3, 4), (3, 3), (1, 2), (2, 1), True),
    ((4,), (90,), (3,), (2,), (1,), (1,), False),
    ((2,), (4, 5, 19), (2, 2, 2), (2, 1, 2), (1, 0, 1), (1, 2, 1), False),
    ((300,), (3, 3), (3, 3), (3, 3), (0, 0), (1, 1), False),
]


def pooled(x, case):
    _, sizes, kernel, stride, padding, dilation, ceil_mode = case
    attrs = dict(
        kernel=kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode
    )
    values, indices = OPS["max_pool"].numpy(x, **attrs)
    description = MaxPool(
        int(np.prod(case[0])), sizes, values.shape[-len(sizes) :], kernel, stride, padding, dilation,
        float64 if x.dtype == np.float64 else float32,
    )  # fmt: skip
    found = run(
        plan(description, target()), [x],
        [TensorType(description.dtype, values.shape), TensorType(int64, values.shape)],
        order="shuffled",
    )  # fmt: skip
    return found, (values, indices)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward(case, dtype):
    x = np.random.default_rng(0).standard_normal((*case[0], *case[1])).astype(dtype)
    found, expected = pooled(x, case)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("case", CASES[:2], ids=str)
def test_equal_elements_and_nan(case):
    x = np.random.default_rng(1).integers(0, 3, (*case[0], *case[1])).astype("f")
    x[np.random.default_rng(2).random(x.shape) < 0.1] = np.nan
    found, expected = pooled(x, case)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def test_nothing_but_minus_infinity():
    x = np.full((1, 30, 30), -np.inf, "f")
    found, _ = pooled(x, ((1,), (30, 30), (3, 3), (1, 1), (1, 1), (1, 1), False))
    assert (found[0] == -np.inf).all()
    assert found[1].min() == 0 and found[1].max() < 900


@pytest.mark.parametrize("case", CASES, ids=str)
def test_backward(case):
    lead, sizes, kernel, stride, padding, dilation, ceil_mode = case
    rng = np.random.default_rng(3)
    x = rng.standard_normal((*lead, *sizes)).astype("f")
    attrs = dict(
        kernel=kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode
    )
    values, indices = OPS["max_pool"].numpy(x, **attrs)
    g = rng.standard_normal(values.shape).astype("f")
    expected = OPS["max_pool_backward"].numpy(g, indices, shape=x.shape, pooled=len(sizes))
    planes = int(np.prod(lead))
    description = MaxPoolBackward(planes, x.size // planes, g.size // planes)
    (found,) = run(plan(description, target()), [g, indices], [x.shape], order="shuffled")
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
