"""Convolutions and their gradients against the NumPy kernels in float64."""

from __future__ import annotations

import numpy as np
import pytest

from graphtorch.codegen.contraction import Convolution, Epilogue, Layout, plan
from graphtorch.codegen.llvm.target import target
from graphtorch.ir import ops  # noqa: F401
from graphtorch.ir.op import OPS

from .running import relative_error, run

# input, weight, stride, padding, dilation, groups
CASES = [
    ((2, 1, 28, 28), (6, 1, 5, 5), (1, 1), (2, 2), (1, 1), 1),
    ((2, 6, 14, 14), (16, 6, 5, 5), (1, 1), (0, 0), (1, 1), 1),
    ((2, 3, 6, 5), (4, 3, 3, 2), (1, 1), (1, 0), (1, 1), 1),
    ((2, 4, 7, 6), (4, 2, 3, 3), (2, 1), (1, 2), (2, 1), 2),
    ((2, 3, 4, 4), (5, 3, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((2, 3, 9, 8), (5, 3, 1, 1), (2, 3), (0, 1), (1, 1), 1),
    ((2, 4, 9), (4, 1, 3), (3,), (1,), (1,), 4),
    ((1, 2, 3, 4, 3), (2, 2, 2, 2, 2), (1, 2, 1), (0, 1, 0), (1, 1, 1), 1),
    ((1, 3, 33, 31), (8, 3, 7, 7), (2, 2), (3, 3), (1, 1), 1),
    ((1, 7, 13, 11), (9, 7, 3, 3), (1, 1), (3, 4), (1, 1), 1),
    ((1, 5, 20, 20), (5, 1, 3, 3), (1, 1), (1, 1), (1, 1), 5),
    ((1, 130, 9, 9), (7, 130, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((1, 2, 300), (3, 2, 9), (1,), (4,), (2,), 1),
    ((1, 3, 17, 19), (4, 3, 3, 3), (3, 3), (2, 2), (2, 2), 1),
    ((1, 64, 30, 30), (24, 64, 3, 3), (1, 1), (1, 1), (1, 1), 1),
]


def identifier(case):
    return "-".join(
        "x".join(map(str, part)) if isinstance(part, tuple) else str(part) for part in case
    )


def arrays(case, seed=0):
    x_shape, w_shape, stride, padding, dilation, groups = case
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal(x_shape).astype("f"), rng.standard_normal(w_shape).astype("f")
    attrs = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    y = OPS["conv"].numpy(x.astype("d"), w.astype("d"), **attrs)
    g = rng.standard_normal(y.shape).astype("f")
    return x, w, y, g, attrs


def description(kind, case, **options):
    x_shape, w_shape, stride, padding, dilation, groups = case
    return Convolution(kind, x_shape, w_shape, stride, padding, dilation, groups, **options)


def both_orders(p, inputs, shape):
    (found,) = run(p, inputs, [shape])
    (again,) = run(p, inputs, [shape], order="shuffled", at_end=False)
    np.testing.assert_array_equal(found, again)
    return found


@pytest.mark.parametrize("case", CASES, ids=identifier)
def test_forward(case):
    x, w, y, _, _ = arrays(case)
    found = both_orders(plan(description("forward", case), target()), [x, w], y.shape)
    assert relative_error(found, y) < 2e-6


@pytest.mark.parametrize("case", CASES, ids=identifier)
def test_input_gradient(case):
    x, w, _, g, attrs = arrays(case)
    expected = OPS["conv_input_grad"].numpy(
        g.astype("d"), w.astype("d"), input_shape=x.shape, **attrs
    )
    found = both_orders(plan(description("input_grad", case), target()), [g, w], x.shape)
    assert relative_error(found, expected) < 2e-6


@pytest.mark.parametrize("case", CASES, ids=identifier)
def test_weight_gradient(case):
    x, w, _, g, attrs = arrays(case)
    expected = OPS["conv_weight_grad"].numpy(
        g.astype("d"), x.astype("d"), weight_shape=w.shape, **attrs
    )
    found = both_orders(plan(description("weight_grad", case), target()), [g, x], w.shape)
    assert relative_error(found, expected) < 2e-6


def bias_relu(s, x, bias):
    return (s.max(s.add(x, bias), 0.0),)


@pytest.mark.parametrize("case", CASES, ids=identifier)
def test_bias_and_relu(case):
    x, w, y, _, _ = arrays(case)
    bias = np.random.default_rng(1).standard_normal(w.shape[0]).astype("f")
    strides = (0, 1, *[0] * (x.ndim - 2))
    e = Epilogue(bias_relu, "bias_relu", (Layout(strides),), (Layout.of(y.shape),))
    (found,) = run(
        plan(description("forward", case, epilogue=e), target()), [x, w, bias], [y.shape]
    )
    expected = np.maximum(y + bias.reshape(-1, *[1] * (x.ndim - 2)), 0)
    assert relative_error(found, expected) < 2e-6


@pytest.mark.parametrize("case", CASES[:6], ids=identifier)
def test_input_gradient_through_a_mask(case):
    x, w, _, g, attrs = arrays(case)
    e = Epilogue(
        lambda s, x, kept: (s.select(s.less(0.0, kept), x, 0.0),), "masked",
        (Layout.of(x.shape),), (Layout.of(x.shape),),
    )  # fmt: skip
    (found,) = run(
        plan(description("input_grad", case, epilogue=e), target()), [g, w, x], [x.shape]
    )
    expected = OPS["conv_input_grad"].numpy(
        g.astype("d"), w.astype("d"), input_shape=x.shape, **attrs
    )
    assert relative_error(found, np.where(x > 0, expected, 0)) < 2e-6


@pytest.mark.parametrize("shape", [(2, 3, 5, 5), (2, 3, 1, 1)])
def test_weight_gradient_of_no_images(shape):
    case = ((0, 3, 9, 9), shape, (1, 1), (0, 0), (1, 1), 1)
    g = np.zeros((0, 2, 9 - shape[2] + 1, 9 - shape[3] + 1), "f")
    p = plan(description("weight_grad", case), target())
    (found,) = run(p, [g, np.zeros(case[0], "f")], [shape])
    np.testing.assert_array_equal(found, np.zeros(shape, "f"))


def test_a_result_in_channels_last():
    case = CASES[0]
    x, w, y, _, _ = arrays(case)
    n, o, h, k = y.shape
    e = Epilogue(results=(Layout((h * k * o, 1, k * o, o)),))
    (found,) = run(plan(description("forward", case, epilogue=e), target()), [x, w], [(n, h, k, o)])
    assert relative_error(found.transpose(0, 3, 1, 2), y) < 2e-6


@pytest.mark.parametrize("kind", ["forward", "input_grad", "weight_grad"])
def test_double_precision(kind):
    from graphtorch.ir.types import TensorType, float64

    case = CASES[3]
    x, w, y, g, attrs = arrays(case)
    x, w, g = x.astype("d"), w.astype("d"), g.astype("d")
    inputs, expected = {
        "forward": ([x, w], y),
        "input_grad": ([g, w], OPS["conv_input_grad"].numpy(g, w, input_shape=x.shape, **attrs)),
        "weight_grad": ([g, x], OPS["conv_weight_grad"].numpy(g, x, weight_shape=w.shape, **attrs)),
    }[kind]
    p = plan(description(kind, case, dtype=float64), target())
    (found,) = run(p, inputs, [TensorType(float64, expected.shape)])
    assert relative_error(found, expected) < 1e-13
