"""Error classes and first words against torch.  One program a line; see `side_by_side.py` for the names it may use."""

import pytest

from tests.parity.side_by_side import agree_on_words

PROGRAMS = """
torch.ones(3) + torch.ones(4)
x + 'a'
torch.add(x, 'a')
w.add_(x)
i.add_(x)
torch.add(i, 1, alpha=2.5)
i.mean()
x.sum(5)
x.sum((0, 0))
x[5]
x[0, 9]
x[::-1]
x[0, 1, 2]
x['a']
x[1.5]
x[torch.tensor([5])]
x[torch.tensor([True, False])]
x.view(5)
x.t().view(12)
x @ y
x.matmul(w)
torch.cat([x, c])
torch.cat([x, torch.ones(2, 3)])
torch.stack([x, v])
torch.cat([])
torch.stack([])
b - b
-b
bool(x)
x.item()
len(s)
list(s)
g.numpy()
torch.zeros(2, -1)
torch.tensor([]).max()
i // 0
torch.from_numpy([1])
torch.from_numpy(np.ones(3)[::-1])
torch.tensor([[1, 2], [3]])
torch.tensor('a')
torch.tensor(['a'])
torch.tensor([None])
torch.tensor([[1, 2], 3])
torch.tensor([torch.ones(2)])
x.expand(2, 4)
x.permute(0)
x.permute(0, 0)
x.transpose(0, 5)
x.squeeze(5)
x.unsqueeze(5)
x.split(0)
x.split([1, 1])
x.chunk(0)
x.narrow(0, 2, 5)
x.select(0, 7)
x.reshape(5, -1)
x.reshape(-1, -1)
c.t()
torch.mm(v, x)
torch.bmm(x, x)
torch.dot(x, x)
torch.dot(v, w)
torch.mv(v, v)
x.gather(1, k)
x.gather(1, i.float().long() * 0 + 9)
x.index_select(0, x)
x.index_select(0, torch.tensor([[0]]))
x.scatter(0, k, x)
x.topk(9)
x.argmax(5)
o.argmax()
o.max(0)
x.masked_fill(i, 0)
torch.where(i, x, y)
x.backward()
g.backward()
s.backward()
g.add_(1)
g.requires_grad_(False).backward()
i.requires_grad_()
torch.ones(2, dtype=torch.int64, requires_grad=True)
x.cumsum(3)
torch.arange(5, 1)
torch.arange(1, 5, 0)
torch.linspace(0, 1, -1)
torch.exp('a')
torch.relu(3)
torch.sum(3)
torch.matmul(x, 3)
x.fill_(v)
x.copy_(c)
x[0] = w
x[5] = 1
x[b] = v
x[[0, 1]] = w
torch.device('foo')
x.clamp()
x.div(y, rounding_mode='x')
j ** -1
torch.pow(i, -2)
F.one_hot(x)
F.one_hot(k, 1)
F.one_hot(-k - 1)
x.std(5)
torch.einsum('ij,jk', x, x)
torch.einsum('ij', c)
torch.einsum('ij,jk->il', x, m)
x.repeat(2)
torch.tensordot(x, x, 1)
torch.outer(x, v)
torch.quantile(x, 2.0)
x.kthvalue(99)
torch.diag(c)
x.diagonal(0, 1, 1)
torch.trace(c)
x.flatten(1, 0)
x.unflatten(1, (3, 3))
x.movedim(0, 5)
torch.roll(x, (1, 2), (0,))
x.unfold(1, 9, 1)
torch.isclose(x, d)
torch.linalg.inv(x)
torch.linalg.inv(torch.zeros(2, 2))
torch.linalg.cholesky(-torch.eye(2))
torch.bincount(x.long() * 0 - 1)
x.float().foo
x.contiguous().view(7, 7)
torch.broadcast_shapes((2,), (3,))
v.tolist().foo
torch.lerp(x, y, v[:3])
torch.searchsorted(x, c)
x.index_add(0, torch.tensor([0]), d[:1])
torch.logical_and(x, 1)
torch.maximum(x, 1)
iter(s)
x[None, None, 0, 0, 0, 0]
s[0]
"""


@pytest.mark.parametrize("program", PROGRAMS.strip().splitlines())
def test_errors(program: str) -> None:
    agree_on_words(program)
