"""Signatures that PyTorch keeps for old programs, and writes through `.data`."""

import graphtorch as torch


def test_scale_before_the_other_operand():
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([10.0, 20.0])
    assert torch.add(x, 2, y).tolist() == [21.0, 42.0]
    assert torch.sub(x, 2, y).tolist() == [-19.0, -38.0]
    assert x.add(3, y).tolist() == [31.0, 62.0]
    assert torch.addcmul(x, 2, x, y).tolist() == [21.0, 82.0]
    assert torch.addcdiv(x, 2, y, x).tolist() == [21.0, 22.0]
    assert x.clone().add_(2, y).tolist() == [21.0, 42.0]
    assert x.clone().sub_(2, y).tolist() == [-19.0, -38.0]
    assert x.clone().addcmul_(2, x, y).tolist() == [21.0, 82.0]
    assert x.clone().addcdiv_(2, y, x).tolist() == [21.0, 22.0]


def test_new_takes_sizes_or_data():
    x = torch.zeros(2, dtype=torch.float64)
    assert x.new(2, 3).shape == (2, 3)
    assert x.new([1, 2]).tolist() == [1.0, 2.0]
    assert x.new(2, 3).dtype is torch.float64


def test_writes_through_data_are_not_counted():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    z = (y * y).sum()
    version = y._version
    y.data[0] = 5.0
    y.data.add_(1.0)
    assert y._version == version
    assert y.tolist() == [6.0, 3.0]
    z.backward()
    assert x.grad.tolist() == [12.0, 6.0]


def test_writes_through_detach_are_counted():
    x = torch.ones(2)
    version = x._version
    x.detach()[0] = 5.0
    assert x._version > version


def test_a_result_that_no_derivative_reads_may_be_written():
    x = torch.randn(1, 2, 8, 8, requires_grad=True)
    y = torch.nn.functional.max_pool2d(x * 1, 2)
    y += 1
    y.sum().backward()
    assert x.grad.sum().item() == 32.0


def test_expanding_without_repeating_may_be_written():
    ids = torch.arange(3).expand((1, -1))
    ids.copy_(torch.tensor([[5, 6, 7]]))
    assert ids.tolist() == [[5, 6, 7]]


def test_python_types_stand_for_dtypes():
    x = torch.ones(2)
    assert torch.as_tensor(x, dtype=int).dtype is torch.int64
    assert x.to(float).dtype is torch.float64
    assert torch.zeros(2, dtype=bool).dtype is torch.bool
    assert torch.eye(2, dtype=int).dtype is torch.int64
    assert torch.arange(3, dtype=float).dtype is torch.float64
    assert torch.tensor([1], dtype=complex).dtype is torch.complex128
    assert x.new_zeros(2, dtype=int).dtype is torch.int64
    assert torch.zeros_like(x, dtype=int).dtype is torch.int64
