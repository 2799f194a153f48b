"""Wrong programs: PyTorch's exception class, the operands' types, the user's line; nothing half-done."""

import pickle

import numpy as np
import pytest

import graphtorch as torch
from graphtorch import nn

F = nn.functional
HERE = "test_bad_input.py"


def both(function):
    """The function eagerly and compiled."""
    return [function, torch.compile(function)]


@pytest.mark.parametrize("index", [0, 1])
def test_shape_mismatch_names_types_and_line(index):
    f = both(lambda a, b: a @ b)[index]
    with pytest.raises(RuntimeError, match=r"f32\[2, 3\]") as caught:
        f(torch.ones(2, 3), torch.ones(2, 3))
    assert HERE in str(caught.value)


@pytest.mark.parametrize("index", [0, 1])
def test_broadcast_mismatch(index):
    f = both(lambda a, b: a + b)[index]
    with pytest.raises(RuntimeError, match="must match") as caught:
        f(torch.ones(3), torch.ones(4))
    assert HERE in str(caught.value)


def test_wrong_dtype():
    with pytest.raises(RuntimeError, match="dtype") as caught:
        torch.ones(2, 2) @ torch.ones(2, 2, dtype=torch.float64)
    assert HERE in str(caught.value)
    with pytest.raises(RuntimeError):
        torch.ones(2, dtype=torch.int64).requires_grad_()


def test_backward_of_a_non_scalar_and_without_history():
    x = torch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="scalar outputs") as caught:
        (x * 2).backward()
    assert "f32[3]" in str(caught.value) and HERE in str(caught.value)
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.ones(1).backward()


def test_a_freed_graph():
    x = torch.ones(3, requires_grad=True)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="second time") as caught:
        y.backward()
    assert HERE in str(caught.value)

    @torch.compile
    def loss(x):
        return (x * x).sum()

    for _ in range(2):
        y = loss(x)
        y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_an_inplace_write_to_a_leaf():
    w = torch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf") as caught:
        w.add_(1)
    assert HERE in str(caught.value) and "no_grad" in str(caught.value)


def test_a_saved_tensor_written_in_place_names_both_lines():
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    z = y * y
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace") as caught:
        z.sum().backward()
    assert str(caught.value).count(HERE) >= 2


@pytest.mark.parametrize("index", [0, 1])
def test_an_index_out_of_range_inside_a_kernel(index):
    table = torch.randn(5, 3)
    f = both(lambda i: F.embedding(i, table) * 2)[index]
    assert f(torch.tensor([0, 4])).shape == (2, 3)
    with pytest.raises(IndexError):
        f(torch.tensor([0, 5]))
    assert torch.equal(f(torch.tensor([1, 2])), table[1:3] * 2)


def test_a_malicious_checkpoint_never_runs(tmp_path):
    class Evil:
        def __reduce__(self):
            return (exec, ("raise SystemExit('executed')",))

    path = tmp_path / "evil.pt"
    torch.save({"w": torch.ones(2)}, path)
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises((pickle.UnpicklingError, RuntimeError)):
        torch.load(tmp_path / "raw.pt")


def test_a_corrupt_checkpoint_raises(tmp_path):
    path = tmp_path / "state.pt"
    torch.save(nn.Linear(3, 3).state_dict(), path)
    data = bytearray(path.read_bytes())
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises((RuntimeError, pickle.UnpicklingError, EOFError)):
        torch.load(path)


def test_a_state_dict_that_does_not_fit_changes_nothing():
    layer = nn.Linear(3, 2)
    before = layer.weight.detach().clone()
    with pytest.raises(RuntimeError, match="size mismatch"):
        layer.load_state_dict({"weight": torch.ones(9, 9), "bias": torch.ones(2)})
    assert torch.equal(layer.weight, before)


def test_numpy_memory_stays_valid_and_shared():
    array = np.arange(4, dtype=np.float32)
    t = torch.from_numpy(array)
    t[0] = 9
    assert array[0] == 9
