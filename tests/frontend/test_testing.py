"""`torch.testing.assert_close`."""

import pytest

import graphtorch as torch


def test_close_values_pass():
    x = torch.tensor([1.0, 2.0])
    torch.testing.assert_close(x, x + 1e-6)
    torch.testing.assert_close({"a": [x, 1.0]}, {"a": [x.clone(), 1.0]})
    torch.testing.assert_close(x, x + 0.1, rtol=0, atol=0.2)
    torch.testing.assert_close(
        torch.tensor(float("nan")), torch.tensor(float("nan")), equal_nan=True
    )


@pytest.mark.parametrize(
    ("actual", "expected", "words"),
    [
        (
            torch.ones(2),
            torch.zeros(2),
            "Tensor-likes are not close!\n\nMismatched elements: 2 / 2 (100.0%)",
        ),
        (torch.ones(2), torch.ones(3), "The values for attribute 'shape' do not match"),
        (
            torch.ones(2),
            torch.ones(2, dtype=torch.float64),
            "The values for attribute 'dtype' do not match",
        ),
        (1, 2, "Scalars are not equal!\n\nExpected 2 but got 1."),
        ([1.0], [1.0, 2.0], "The length of the sequences mismatch: 1 != 2"),
        ({"a": 1}, {"b": 1}, "The keys of the mappings do not match"),
        (torch.tensor(float("nan")), torch.tensor(float("nan")), "Tensor-likes are not close!"),
    ],
)
def test_differences_are_told(actual, expected, words):
    with pytest.raises(AssertionError) as caught:
        torch.testing.assert_close(actual, expected)
    assert str(caught.value).startswith(words)


def test_tolerances_come_in_pairs():
    with pytest.raises(ValueError, match="both"):
        torch.testing.assert_close(1.0, 1.0, rtol=1e-3)
