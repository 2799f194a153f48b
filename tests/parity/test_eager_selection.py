"""gather, scatter, index_* and nonzero against torch.  One program a line; see `side_by_side.py` for the names it may use."""

import pytest

from tests.parity.side_by_side import agree

PROGRAMS = """
torch.gather(x, 1, torch.tensor([[0, 1], [2, 3], [1, 1]]))
x.gather(0, torch.tensor([[0, 1, 2, 0]]))
c.gather(2, torch.zeros(2, 3, 1, dtype=torch.long))
torch.take(x, torch.tensor([0, 5, -1]))
torch.take_along_dim(x, x.argsort(1), 1)
torch.take_along_dim(x, torch.tensor([3]))
x.index_select(0, torch.tensor([2, 0]))
x.index_select(1, torch.tensor([1]))
torch.index_select(v, 0, torch.tensor(2))
x.index_select(-1, torch.tensor([3, 3], dtype=torch.int32))
torch.zeros(3, 4).scatter(1, torch.tensor([[0, 1], [1, 2], [2, 3]]), x[:, :2])
torch.zeros(3, 4).scatter(1, torch.tensor([[0], [1], [2]]), 1.0)
torch.zeros(3, 4).scatter(0, torch.tensor([[0, 1, 2, 0]]), x)
torch.zeros(3, 5).scatter_(1, torch.tensor([[2], [0], [4]]), 1)
torch.zeros(3, 4).scatter_add(0, torch.tensor([[0, 0, 1, 2], [0, 0, 1, 2]]), x[:2])
x.scatter_reduce(0, torch.tensor([[0, 0, 1, 2]]), y, 'sum')
x.scatter_reduce(0, torch.tensor([[0, 0, 1, 2]]), y, 'amax')
x.scatter_reduce(0, torch.tensor([[0, 0, 1, 2]]), y, 'mean')
x.scatter_reduce(0, torch.tensor([[0, 0, 1, 2]]), y, 'prod', include_self=False)
x.scatter(1, torch.tensor([[0], [1], [2]]), 2.0, reduce='add')
x.scatter_reduce(0, torch.tensor([[0, 0, 1, 2]]), y, 'amin', include_self=False)
x.scatter(1, torch.tensor([[0], [1], [2]]), value=3)
x.index_add(0, torch.tensor([0, 2, 0]), y)
x.index_add(1, torch.tensor([0, 0]), y[:, :2], alpha=2)
x.index_copy(0, torch.tensor([2, 0]), y[:2])
x.index_fill(0, torch.tensor([1]), 9)
x.index_fill(1, torch.tensor([0, -1]), s)
x.index_put((torch.tensor([0, 1]), torch.tensor([1, 1])), torch.tensor([1.0, 2.0]))
x.index_put((torch.tensor([0, 0]),), v, accumulate=True)
x.index_put_((b,), s)
x.index_add_(0, torch.tensor([1]), v[None])
x
x.index_fill_(0, torch.tensor([0]), 1.0)
x.index_copy_(0, torch.tensor([0]), v[None])
torch.nonzero(i)
torch.nonzero(b, as_tuple=True)
i.nonzero()
torch.argwhere(b)
s.nonzero()
torch.masked_select(x, b)
x.masked_select(b[0])
F.one_hot(k)
F.one_hot(k, 5)
F.one_hot(k.reshape(5, 1), 3)
x.masked_select(x > 5)
"""


@pytest.mark.parametrize("program", PROGRAMS.strip().splitlines())
def test_selection(program: str) -> None:
    agree(program)
