"""What a plan says is read, and how rules are called."""

import numpy as np
import pytest

from graphtorch.ir import dispatch, ops
from graphtorch.ir.derivative import (
    apply_rules,
    fill_cotangents,
    plan_for,
    saved,
    through_decomposition,
    type_of,
)
from graphtorch.ir.op import OPS, SAME, Joint, declare
from graphtorch.ir.types import TensorType, float32, int64


class Arrays:
    def process(self, op, inputs, attrs):
        return op.numpy(*inputs, **attrs)


@pytest.fixture(autouse=True)
def arrays():
    with dispatch.pushed(Arrays()):
        yield


def row(name, inputs, vjp, infer=lambda *types, **attrs: types[0]):
    return OPS.get(name) or declare(name, "host", inputs, infer, vjp=vjp)


def test_what_is_saved():
    assert saved(ops.mul, (True, True)) == ((0, 1), False)
    assert saved(ops.mul, (True, False)) == ((1,), False)
    assert saved(ops.add, (True, True)) == ((), False)
    assert saved(ops.exp, (True,)) == ((), True)
    plan = plan_for(ops.sum, (True,))
    assert (plan.values, plan.types, plan.output) == ((), (0,), False)
    assert plan_for(ops.sum, (True,)) is plan


def test_only_types_are_needed_where_only_types_are_read():
    (found,) = apply_rules(
        ops.sum,
        (TensorType(float32, (2, 3)),),
        None,
        np.array([1, 2, 3], "f4"),
        {"dims": (0,)},
        (True,),
    )
    np.testing.assert_array_equal(found, [[1, 2, 3], [1, 2, 3]])


def test_only_wanted_cotangents_are_computed():
    def explode(g):
        raise AssertionError("not wanted")

    op = row("test_lazy", "a b", (SAME, explode))
    assert apply_rules(op, (1, 2), None, 7, {}, (True, False)) == [7, None]


def test_attributes_and_their_defaults():
    def infer(x, *, power, scale=3):
        return x

    op = row(
        "test_attributes", "x", (lambda g, y_type, power, scale: (g, y_type, power, scale),), infer
    )
    y = np.zeros(2, "f4")
    assert apply_rules(op, (None,), y, 1, {"power": 2}, (True,)) == [(1, float32[2], 2, 3)]
    assert apply_rules(op, (None,), y, 1, {"power": 2, "scale": 5}, (True,)) == [
        (1, float32[2], 2, 5)
    ]


def test_variadic_operands():
    op = row(
        "test_variadic", "x *rest", Joint(lambda g, x, rest, rest_type: (g, *(r * g for r in rest)))
    )
    assert saved(op, (True, True, True)) == ((0, 1, 2), False)
    assert apply_rules(op, (5, 6, 7), None, 2, {}, (True, True, True)) == [2, 12, 14]


def test_a_joint_rule_may_be_short_and_an_operand_left_out():
    op = row("test_optional", "x bias", Joint(lambda g, x, bias, bias_type: (g, bias)))
    assert apply_rules(op, (5,), None, 2, {}, (True,)) == [2]
    assert apply_rules(op, (5, 6), None, 2, {}, (True, True)) == [2, 6]


def test_no_rules():
    with pytest.raises(TypeError, match="argmax has no derivative rules"):
        plan_for(ops.argmax, (True,))
    assert not through_decomposition(ops.exp)


def test_type_of():
    assert type_of(np.zeros((2, 1), "i8")) == int64[2, 1]
    assert type_of(float32[3]) == float32[3]
    assert type_of((np.zeros(2, "f4"), None)) == (float32[2], None)
    assert type_of(2.5) == 2.5


def test_fill_cotangents():
    g = np.ones(2, "f4")
    filled = fill_cotangents((None, g, None), (float32[3], float32[2], int64[2]))
    np.testing.assert_array_equal(filled[0], np.zeros(3, "f4"))
    assert filled[1] is g and filled[2] is None
