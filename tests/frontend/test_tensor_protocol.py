"""What Python asks of tensors: numbers, iteration, hashing, copying, pickling, sizes, devices."""

import copy
import pickle

import pytest

import graphtorch as torch


def test_numbers():
    x = torch.tensor(2.5)
    assert (float(x), int(x), bool(x), x.item()) == (2.5, 2, True, 2.5)
    assert [10, 20, 30][torch.tensor(1)] == 20
    assert f"{x:.1f}" == "2.5"
    with pytest.raises(RuntimeError, match="ambiguous"):
        bool(torch.ones(2))
    with pytest.raises(RuntimeError, match="cannot be converted to Scalar"):
        torch.ones(2).item()


def test_sequences():
    x = torch.arange(6).reshape(3, 2)
    assert len(x) == 3
    assert [row.tolist() for row in x] == [[0, 1], [2, 3], [4, 5]]
    a, b, c = x
    assert b.tolist() == [2, 3]
    assert 5 in x
    assert 9 not in x
    for function in (len, list):
        with pytest.raises(TypeError, match="0-d"):
            function(torch.tensor(1))


def test_identity_is_the_hash():
    x, y = torch.ones(2), torch.ones(2)
    assert len({x, y, x}) == 2
    assert {x: 1}[x] == 1
    assert (x == y).all()
    assert (x == None) is False  # noqa: E711


def test_copies():
    x = torch.ones(2, requires_grad=True)
    x.grad = torch.tensor([3.0, 4.0])
    deep = copy.deepcopy(x)
    assert deep.requires_grad
    assert deep.grad.tolist() == [3, 4]
    with torch.no_grad():
        deep.zero_()
    assert x.tolist() == [1, 1]
    shallow = copy.copy(x.detach())
    shallow[0] = 9
    assert x[0].item() == 9
    with pytest.raises(RuntimeError, match="graph leaves"):
        copy.deepcopy(x * 2)


def test_deepcopy_keeps_sharing():
    x = torch.ones(2)
    pair = copy.deepcopy([x, x])
    assert pair[0] is pair[1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int8, torch.bool])
def test_pickling(dtype):
    x = torch.tensor([[0, 1], [1, 0]]).to(dtype)
    y = pickle.loads(pickle.dumps(x))
    assert y.dtype is dtype
    assert torch.equal(x, y)


def test_sizes():
    size = torch.Size([2, 3, 4])
    assert size.numel() == 24
    assert size == (2, 3, 4)
    assert isinstance(size[1:], torch.Size)
    assert repr(size + (1,)) == "torch.Size([2, 3, 4, 1])"
    assert pickle.loads(pickle.dumps(size)) == size
    x = torch.zeros(2, 3)
    assert (x.size(), x.size(-1), x.dim(), x.numel(), x.stride()) == ((2, 3), 3, 2, 6, (3, 1))
    assert x.t().stride() == (1, 3)
    assert x[1, 1:].storage_offset() == 4


def test_views_know_their_base():
    x = torch.zeros(2, 3)
    view = x.t()[1]
    assert view._base is x
    assert x._base is None
    assert view.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    assert x.clone()._base is None


def test_devices():
    assert torch.device("cuda", 1) == torch.device("cuda:1")
    assert torch.zeros(1).device == torch.device("cpu")
    assert torch.zeros(1).to("cpu").is_cpu
    for bad in ("tpu", "cuda:x"):
        with pytest.raises(RuntimeError):
            torch.device(bad)
    with torch.device("cpu"):
        assert torch.ones(1).device.type == "cpu"


def test_legacy_constructors():
    assert torch.Tensor([1, 2]).tolist() == [1.0, 2.0]
    assert torch.Tensor(2, 3).shape == (2, 3)
    assert torch.LongTensor([1]).dtype is torch.int64
    assert isinstance(torch.ones(1), torch.FloatTensor)
    assert not isinstance(torch.ones(1), torch.LongTensor)


def test_subclasses():
    class Tagged(torch.Tensor):
        pass

    x = torch.ones(2).as_subclass(Tagged)
    assert isinstance(x, Tagged)
    assert (x + 1).tolist() == [2, 2]
