"""Indexing against NumPy, where both libraries agree, and against PyTorch's own rules elsewhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphtorch as torch


def data(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def positive_slices(size):
    bounds = st.none() | st.integers(-size - 2, size + 2)
    return st.builds(slice, bounds, bounds, st.none() | st.integers(1, 3))


def basic(shape):
    parts = [st.integers(-n, n - 1) | positive_slices(n) for n in shape]
    return st.integers(0, len(shape)).flatmap(lambda k: st.tuples(*parts[:k]))


SHAPE = (3, 4, 5)
# ints become slices when index arrays stand beside them: NumPy would treat them as arrays too
MIXED = st.tuples(
    st.lists(st.integers(-3, 2), min_size=1, max_size=4) | positive_slices(3),
    positive_slices(4),
    positive_slices(5) | st.just(Ellipsis),
)


@settings(deadline=None)
@given(basic(SHAPE))
def test_basic_indices_read_as_numpy(item):
    array = data(*SHAPE)
    found = torch.from_numpy(array)[item]
    np.testing.assert_array_equal(found.numpy(), array[item])


@settings(deadline=None)
@given(basic(SHAPE))
def test_basic_indices_are_views(item):
    array = data(*SHAPE)
    torch.from_numpy(array)[item].fill_(-1)
    expected = data(*SHAPE)
    expected[item] = -1
    np.testing.assert_array_equal(array, expected)


@settings(deadline=None)
@given(basic(SHAPE))
def test_basic_indices_write_as_numpy(item):
    x, expected = torch.from_numpy(data(*SHAPE)), data(*SHAPE)
    value = expected[item] * 2 + 1
    x[item] = torch.from_numpy(np.asarray(value))
    expected[item] = value
    np.testing.assert_array_equal(x.numpy(), expected)


@settings(deadline=None)
@given(MIXED)
def test_lists_read_and_write_as_numpy(item):
    x, expected = torch.from_numpy(data(*SHAPE)), data(*SHAPE)
    np.testing.assert_array_equal(x[item].numpy(), expected[item])
    x[item] = 7
    expected[item] = 7
    np.testing.assert_array_equal(x.numpy(), expected)


def test_masks():
    x = torch.from_numpy(data(3, 4))
    mask = x > 5
    assert x[mask].tolist() == [6, 7, 8, 9, 10, 11]
    x[mask] = torch.zeros(6)
    assert x.sum().item() == 15
    assert x[torch.tensor([True, False, True])].shape == (2, 4)
    x[x == 0] = torch.tensor(5.0)
    assert x[0, 0].item() == 5


def test_repeated_indices_accumulate_only_when_asked():
    x = torch.zeros(3)
    index = torch.tensor([0, 0, 2])
    assert x.index_put((index,), torch.ones(3), accumulate=True).tolist() == [2, 0, 1]
    assert x.index_put((index,), torch.ones(3)).tolist() == [1, 0, 1]


def test_gradients_flow_through_reads_and_writes():
    x = torch.arange(6.0).reshape(2, 3).requires_grad_()
    y = x * 1
    y[:, 0] = 0
    y[1, torch.tensor([1, 2])] *= 3
    y.sum().backward()
    assert x.grad.tolist() == [[0, 1, 1], [0, 3, 3]]


@pytest.mark.parametrize(
    ("item", "error", "words"),
    [
        (3, IndexError, "index 3 is out of bounds for dimension 0 with size 3"),
        ((0, -5), IndexError, "index -5 is out of bounds for dimension 1 with size 4"),
        ((0, 0, 0), IndexError, "too many indices for tensor of dimension 2"),
        (slice(None, None, -1), ValueError, "step must be greater than zero"),
        (1.5, IndexError, "only integers, slices"),
        (torch.tensor([7]), IndexError, "index 7 is out of bounds for dimension 0 with size 3"),
        (torch.tensor([True]), IndexError, "The shape of the mask [1] at index 0 does not match"),
    ],
)
def test_errors(item, error, words):
    with pytest.raises(error) as caught:
        torch.ones(3, 4)[item]
    assert str(caught.value).startswith(words)


def test_a_failed_write_changes_nothing():
    x = torch.zeros(3, 4)
    with pytest.raises(RuntimeError):
        x[0] = torch.ones(3)
    with pytest.raises(IndexError):
        x[torch.tensor([0, 9])] = 1
    assert not x.any()
