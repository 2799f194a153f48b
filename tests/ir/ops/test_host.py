"""Ops whose result's size depends on values: they run, but have no type beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from graphtorch.errors import UnsupportedError
from graphtorch.ir import ops
from graphtorch.ir.types import bool_, float32


def test_nonzero():
    x = np.array([[0, 2], [3, 0]], np.float32)
    np.testing.assert_array_equal(ops.nonzero.numpy(x), [[0, 1], [1, 0]])
    assert ops.nonzero.numpy(x).dtype == np.int64
    assert ops.nonzero.numpy(np.zeros(3)).shape == (0, 1)


def test_unique():
    values, inverse, counts = ops.unique.numpy(np.array([[3, 1], [3, 2]]))
    np.testing.assert_array_equal(values, [1, 2, 3])
    np.testing.assert_array_equal(inverse, [[2, 0], [2, 1]])
    np.testing.assert_array_equal(counts, [1, 1, 2])
    rows, inverse, counts = ops.unique.numpy(np.array([[1, 2], [0, 5], [1, 2]]), dim=0)
    np.testing.assert_array_equal(rows, [[0, 5], [1, 2]])
    np.testing.assert_array_equal(inverse, [1, 0, 1])
    np.testing.assert_array_equal(counts, [1, 2])


def test_bincount():
    x = np.array([0, 3, 3])
    np.testing.assert_array_equal(ops.bincount.numpy(x, minlength=5), [1, 0, 0, 2, 0])
    weighted = ops.bincount.numpy(x, np.array([0.5, 1, 2], np.float32))
    np.testing.assert_array_equal(weighted, np.array([0.5, 0, 0, 3], np.float32))
    with pytest.raises(RuntimeError, match="non-negative"):
        ops.bincount.numpy(np.array([-1]))


def test_masked_select():
    x = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(ops.masked_select.numpy(x, x % 2 == 0), [0, 2, 4])


@pytest.mark.parametrize("name", ["nonzero", "unique", "masked_select"])
def test_no_type_before_the_values_are_known(name):
    types = (float32[2, 3], bool_[2, 3])[: 1 + (name == "masked_select")]
    with pytest.raises(UnsupportedError, match=f"shape of {name}'s result depends on the values"):
        getattr(ops, name).infer(*types)


def test_derivative_of_masked_select():
    import graphtorch

    x = graphtorch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    mask = graphtorch.tensor([[True, False], [True, True]])
    y = ops.masked_select(x, mask)
    y.backward(graphtorch.tensor([10.0, 20.0, 30.0]))
    np.testing.assert_array_equal(x.grad.numpy(), [[10, 0], [20, 30]])
