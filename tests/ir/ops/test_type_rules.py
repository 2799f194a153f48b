"""Type rules: what they accept, and how they complain."""

from __future__ import annotations

import pytest

from graphtorch.ir import ops
from graphtorch.ir.types import bool_, float32, float64, int32, int64, uint8

WRONG = [
    (ops.add, (float32[2], float32[3]), {}, RuntimeError, r"a: f32\[2\], b: f32\[3\]"),
    (ops.add, (float32[2], float64[2]), {}, RuntimeError, "one shape and dtype"),
    (ops.add, (1, 2), {}, TypeError, "at least one tensor"),
    (ops.exp, (int64[2],), {}, NotImplementedError, '"exp" not implemented for torch.int64'),
    (ops.neg, (bool_[2],), {}, NotImplementedError, "neg"),
    (ops.bitwise_and, (float32[2], float32[2]), {}, NotImplementedError, "bitwise_and"),
    (ops.where, (float32[2], float32[2], float32[2]), {}, RuntimeError, "condition to be a boolean"),
    (ops.matmul, (float32[2, 3], float32[4, 5]), {}, RuntimeError, r"\(2x3 and 4x5\)"),
    (ops.matmul, (float32[2, 3], float64[3, 5]), {}, RuntimeError, "same dtype"),
    (ops.linear, (float32[2, 3], float32[5, 4]), {}, RuntimeError, r"\(2x3 and 4x5\)"),
    (ops.sum, (float32[2],), {"dims": (1,)}, IndexError, "Dimension out of range|dimension out of range"),
    (ops.sum, (float32[2, 2],), {"dims": (0, 0)}, RuntimeError, "multiple times"),
    (ops.amax, (float32[0, 2],), {"dims": (0,)}, RuntimeError, "non-zero size"),
    (ops.argmax, (float32[0, 2],), {"dim": 0}, IndexError, "non-zero size"),
    (ops.reshape, (float32[2, 3],), {"shape": (4,)}, RuntimeError, r"shape '\[4\]' is invalid for input of size 6"),
    (ops.permute, (float32[2, 3],), {"dims": (0, 0)}, RuntimeError, "each of the 2 dimensions once"),
    (ops.expand, (float32[2, 3],), {"shape": (4, 3)}, RuntimeError, "cannot grow"),
    (ops.slice, (float32[4],), {"starts": (0,), "stops": (5,), "steps": (1,)}, RuntimeError, "does not lie inside"),
    (ops.concat, (float32[2, 3], float32[2, 4]), {"dim": 0}, RuntimeError, "tensor number 1 in the list"),
    (ops.take, (float32[4, 3], float32[2]), {"dim": 0}, IndexError, "Expected dtype int32/int64"),
    (ops.gather, (float32[4, 3], int64[2, 4]), {"dim": 0}, RuntimeError, "Size does not match"),
    (ops.softmax, (float32[2, 3],), {"dim": 2}, IndexError, "out of range"),
    (ops.cross_entropy, (float32[4, 3], int64[5]), {}, ValueError, r"batch_size \(4\) to match target batch_size \(5\)"),
    (ops.cross_entropy, (float32[4, 3], float32[4]), {}, RuntimeError, "expected scalar type Long"),
    (ops.mse_loss, (float32[4], float32[4]), {"reduction": "average"}, ValueError, "not a valid value for reduction"),
    (ops.layer_norm, (float32[4, 3], float32[4]), {"ndim": 1, "eps": 1e-5}, RuntimeError, r"normalized_shape=\[3\]"),
    (ops.full, (), {"shape": (-1,), "value": 0, "dtype": float32}, RuntimeError, "negative dimension"),
]  # fmt: skip


@pytest.mark.parametrize(
    "op, types, attrs, error, text", WRONG, ids=lambda v: getattr(v, "name", None)
)
def test_complaints(op, types, attrs, error, text):
    with pytest.raises(error, match=text):
        op.infer(*types, **attrs)


def test_complaints_name_the_users_line():
    with pytest.raises(RuntimeError, match=r"at test_type_rules\.py:\d+"):
        ops.matmul.infer(float32[2, 3], float32[4, 5])


def test_results():
    assert ops.lt.infer(float32[2], 1.5) == bool_[2]
    assert ops.where.infer(bool_[2], 0, uint8[2]) == uint8[2]
    assert ops.argmax.infer(float32[2, 3], dim=0) == int64[3]
    assert ops.sum.infer(int32[2, 3, 4], dims=(0, 2)) == int32[3]
    assert ops.take.infer(float32[5, 3], int64[2, 4], dim=0) == float32[2, 4, 3]
    assert ops.index.infer(float32[4, 5, 6], int64[2], int64[2], dims=(0, 2)) == float32[2, 5]
    assert ops.index.infer(float32[4, 5, 6], int64[2], int64[2], dims=(1, 2)) == float32[4, 2]
    assert ops.windows.infer(float32[2, 7], dims=(1,), sizes=(3,), strides=(2,)) == float32[2, 3, 3]
    attrs = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2}
    assert ops.conv.infer(float32[2, 4, 8, 8], float32[6, 2, 3, 3], **attrs) == float32[2, 6, 4, 4]
