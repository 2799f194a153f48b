"""dtype promotion: categories, 0-d tensors, Python numbers."""

import numpy as np
import pytest

import graphtorch as torch

FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


@pytest.mark.parametrize("a", [*FLOATS, *INTEGERS, torch.bool])
@pytest.mark.parametrize("b", [*FLOATS, *INTEGERS, torch.bool])
def test_promotion_is_symmetric_and_holds_both(a, b):
    found = torch.promote_types(a, b)
    assert found is torch.promote_types(b, a)
    assert torch.promote_types(found, a) is found
    assert torch.can_cast(a, found)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (torch.uint8, torch.int8, torch.int16),
        (torch.uint8, torch.int64, torch.int64),
        (torch.float16, torch.bfloat16, torch.float32),
        (torch.int64, torch.float16, torch.float16),
        (torch.bool, torch.uint8, torch.uint8),
        (torch.float64, torch.complex64, torch.complex128),
    ],
)
def test_known_pairs(a, b, expected):
    assert torch.promote_types(a, b) is expected


def test_a_zero_dim_tensor_counts_less_than_one_with_dims():
    vector = torch.ones(2, dtype=torch.float16)
    assert (vector + torch.tensor(1.0, dtype=torch.float64)).dtype is torch.float16
    assert (torch.ones(2, dtype=torch.int32) + torch.tensor(1)).dtype is torch.int32
    assert (torch.ones(2, dtype=torch.int32) + torch.tensor(1.5)).dtype is torch.float32


def test_python_numbers_bring_their_category_only():
    assert (torch.ones(2, dtype=torch.int8) + 1).dtype is torch.int8
    assert (torch.ones(2, dtype=torch.int8) + 1.0).dtype is torch.float32
    assert (torch.ones(2, dtype=torch.float16) * 2.0).dtype is torch.float16
    assert (torch.ones(2, dtype=torch.bool) + 1).dtype is torch.int64
    assert (torch.ones(2, dtype=torch.bool) + True).dtype is torch.bool


def test_the_default_dtype_decides_what_float_numbers_become():
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.tensor([1.0]).dtype is torch.float64
        assert (torch.ones(2, dtype=torch.int64) * 0.5).dtype is torch.float64
        assert torch.zeros(1).dtype is torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    with pytest.raises(TypeError, match="only floating-point types"):
        torch.set_default_dtype(torch.int64)


def test_numpy_numbers_count_as_numbers():
    assert (torch.ones(2) + np.float64(1)).dtype is torch.float32
    assert (torch.ones(2, dtype=torch.int32) * np.int64(2)).dtype is torch.int32


def test_broadcasting_error_names_operands_and_line():
    with pytest.raises(RuntimeError) as caught:
        torch.ones(2, 3) + torch.ones(4)
    text = str(caught.value)
    assert text.startswith("The size of tensor a (3) must match the size of tensor b (4)")
    assert "f32[2, 3]" in text
    assert "f32[4]" in text
    assert "test_promotion.py" in text


def test_integers_wrap_around():
    assert (torch.tensor([250], dtype=torch.uint8) + 10).tolist() == [4]
    assert (torch.tensor([127], dtype=torch.int8) + 1).tolist() == [-128]
    assert (torch.tensor([255], dtype=torch.uint8) == -1).tolist() == [True]
