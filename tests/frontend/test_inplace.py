"""In-place operations: what they write, and what they refuse."""

import pytest

import graphtorch as torch


def test_they_return_self_and_bump_the_version():
    x = torch.ones(3)
    before = x._version
    assert x.add_(1) is x
    assert x.mul_(2).div_(4).sub_(0.5) is x
    assert x.tolist() == [0.5, 0.5, 0.5]
    assert x._version == before + 4


def test_views_see_writes_and_share_the_version():
    x = torch.zeros(2, 3)
    row, column = x[0], x[:, 1]
    row.fill_(1)
    column.add_(1)
    assert x.tolist() == [[1, 2, 1], [0, 1, 0]]
    assert row._version == column._version == x._version == 2


def test_operators_write_in_place():
    x = torch.arange(4)
    alias = x
    x += 1
    x *= 2
    x //= 3
    assert alias is x
    assert x.tolist() == [0, 1, 2, 2]


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (lambda: torch.ones(2, dtype=torch.int64).add_(0.5), "result type Float can't be cast to the desired output type Long"),
        (lambda: torch.ones(2).add_(torch.ones(3, 2)), "output with shape [2] doesn't match the broadcast shape [3, 2]"),
        (lambda: torch.ones(2).add_(torch.ones(3)), "The size of tensor a (2) must match the size of tensor b (3)"),
        (lambda: torch.ones(2, requires_grad=True).add_(1), "a leaf Variable that requires grad is being used in an in-place operation."),
        (lambda: torch.ones(2, requires_grad=True)[0].zero_(), "a view of a leaf Variable that requires grad is being used"),
        (lambda: torch.ones(1).expand(3).add_(1), "unsupported operation: more than one element of the written-to tensor"),
    ],
)  # fmt: skip
def test_refusals(program, words):
    with pytest.raises(RuntimeError) as caught:
        program()
    assert str(caught.value).startswith(words)
    assert "test_inplace.py" in str(caught.value)


def test_no_grad_writes_to_leaves():
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        x.add_(1)
        x[0] = 5
        x.copy_(x * 2)
    assert x.tolist() == [10, 4]
    assert x.requires_grad
    assert x.is_leaf


def test_writing_a_leaf_into_a_buffer_keeps_its_history():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    buffer = torch.zeros(2, 2)
    buffer[0] = x
    buffer[1].copy_(x * 3)
    (buffer * torch.tensor([[1.0, 1.0], [2.0, 2.0]])).sum().backward()
    assert x.grad.tolist() == [7, 7]


def test_a_saved_value_written_later_is_an_error_naming_both_lines():
    x = torch.ones(2, requires_grad=True)
    y = x.exp()
    z = y.sum()
    y.add_(1)
    with pytest.raises(RuntimeError) as caught:
        z = (y * y).sum()
        y.mul_(2)
        z.backward()
    text = str(caught.value)
    assert "modified by an inplace operation" in text
    assert text.count("test_inplace.py") >= 2


def test_out_argument():
    x, out = torch.ones(2), torch.zeros(2)
    assert torch.add(x, 1, out=out) is out
    assert out.tolist() == [2, 2]
    torch.exp(torch.zeros(3), out=out)
    assert out.tolist() == [1, 1, 1]
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.add(x, 0.5, out=torch.zeros(2, dtype=torch.int64))
