"""`repr` of tensors, as PyTorch prints them."""

import pytest

import graphtorch as torch


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1.0, 2.0], "tensor([1., 2.])"),
        ([1.5, -2.0], "tensor([ 1.5000, -2.0000])"),
        ([1e-5, 1.0], "tensor([1.0000e-05, 1.0000e+00])"),
        ([1e9], "tensor([1.0000e+09])"),
        ([float("nan"), 1.0, float("-inf")], "tensor([nan, 1., -inf])"),
        ([1, -20, 300], "tensor([  1, -20, 300])"),
        ([True, False], "tensor([ True, False])"),
        ([], "tensor([])"),
        (2.5, "tensor(2.5000)"),
        (7, "tensor(7)"),
        ([[1, 2], [3, 4]], "tensor([[1, 2],\n        [3, 4]])"),
    ],
)
def test_values(value, text):
    assert repr(torch.tensor(value)) == text


def test_suffixes():
    assert repr(torch.zeros(1, dtype=torch.float64)) == "tensor([0.], dtype=torch.float64)"
    assert repr(torch.zeros(0, 3)) == "tensor([], size=(0, 3))"
    x = torch.ones(1, requires_grad=True)
    assert repr(x) == "tensor([1.], requires_grad=True)"
    assert repr(x + 1) == "tensor([2.], grad_fn=<AddBackward0>)"
    assert repr(x.sum()) == "tensor(1., grad_fn=<SumBackward0>)"


def test_long_tensors_are_summarised():
    assert repr(torch.arange(2000)) == "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])"
    assert repr(torch.zeros(2000, 1)).count("\n") == 6


def test_print_options():
    try:
        torch.set_printoptions(precision=2)
        assert repr(torch.tensor([1.2345])) == "tensor([1.23])"
        torch.set_printoptions(precision=4, threshold=3, edgeitems=1)
        assert repr(torch.arange(5)) == "tensor([0,  ..., 4])"
        torch.set_printoptions(sci_mode=True)
        assert repr(torch.tensor([1.5])) == "tensor([1.5000e+00])"
    finally:
        torch.set_printoptions(profile="default")
    assert repr(torch.tensor([1.5])) == "tensor([1.5000])"


def test_other_objects():
    assert repr(torch.Size([2, 3])) == "torch.Size([2, 3])"
    assert repr(torch.float32) == "torch.float32"
    assert repr(torch.device("cuda:1")) == "device(type='cuda', index=1)"
    assert str(torch.tensor([3.0, 1.0]).max(0)).startswith(
        "torch.return_types.max(\nvalues=tensor(3.)"
    )
