"""Tensors from Python data and NumPy: dtype, copying and sharing."""

import numpy as np
import pytest

import graphtorch as torch


@pytest.mark.parametrize(
    ("data", "dtype", "shape"),
    [
        (1, torch.int64, ()),
        (1.0, torch.float32, ()),
        (True, torch.bool, ()),
        ([1, 2.0], torch.float32, (2,)),
        ([True, 2], torch.int64, (2,)),
        ([], torch.float32, (0,)),
        ([[1], [2]], torch.int64, (2, 1)),
        (range(3), torch.int64, (3,)),
        (np.float64(1), torch.float64, ()),
        (np.zeros((2, 2), np.int16), torch.int16, (2, 2)),
        ([np.float64(1), 2], torch.float64, (2,)),
    ],
)
def test_tensor_infers(data, dtype, shape):
    x = torch.tensor(data)
    assert (x.dtype, tuple(x.shape)) == (dtype, shape)


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        ([[1, 2], [3]], ValueError, "expected sequence of length 2 at dim 1 (got 1)"),
        ("a", TypeError, "new(): invalid data type 'str'"),
        ([None], RuntimeError, "Could not infer dtype of NoneType"),
        ([[1, 2], 3], TypeError, "not a sequence"),
    ],
)
def test_bad_data(data, error, words):
    with pytest.raises(error) as caught:
        torch.tensor(data)
    assert str(caught.value).startswith(words)


def test_tensor_copies_and_from_numpy_shares():
    array = np.zeros(3, np.float32)
    shared, copied, same = torch.from_numpy(array), torch.tensor(array), torch.as_tensor(array)
    array[0] = 5
    assert shared[0].item() == 5
    assert same[0].item() == 5
    assert copied[0].item() == 0
    shared[1] = 7
    assert array[1] == 7
    assert shared.numpy() is not None
    assert np.shares_memory(shared.numpy(), array)


def test_numpy_bridge():
    x = torch.arange(4.0)
    assert np.asarray(x).dtype == np.float32
    assert np.array(x, dtype=np.float64).dtype == np.float64
    assert np.shares_memory(np.from_dlpack(x), x.numpy())
    assert torch.from_dlpack(np.ones(2)).dtype is torch.float64
    with pytest.raises(RuntimeError, match="Can't call numpy"):
        x.requires_grad_().numpy()
    assert x.numpy(force=True).tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="negative"):
        torch.from_numpy(np.ones(3)[::-1])
    with pytest.raises(TypeError, match="can't convert np.ndarray of type"):
        torch.from_numpy(np.array(["a"]))


def test_read_only_memory_is_not_written():
    array = np.ones(3)
    array.flags.writeable = False
    x = torch.from_numpy(array)
    assert (x + 1).tolist() == [2, 2, 2]
    with pytest.raises(RuntimeError, match="read-only"):
        x.add_(1)


def test_bfloat16_round_trip():
    x = torch.tensor([1.0, 3.140625, 65280.0], dtype=torch.bfloat16)
    assert x.tolist() == [1.0, 3.140625, 65280.0]
    assert x.float().to(torch.bfloat16).tolist() == x.tolist()
    assert x.element_size() == 2
