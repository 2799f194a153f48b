"""`x[...]` and `x[...] = v` against torch.  One program a line; see `side_by_side.py` for the names it may use."""

import pytest

from tests.parity.side_by_side import agree

PROGRAMS = """
x[0]
x[-1]
x[0, 1]
x[:, 1]
x[1:]
x[:2, 1:3]
x[::2]
x[:, ::2]
x[..., 0]
x[None]
x[:, None]
x[..., None]
x[0, ..., None]
c[0, :, 1]
c[..., 1:]
x[:]
x[...]
x[()]
s[()]
s[None]
s[...]
x[1:1]
x[5:]
x[..., ...]
x[-2:]
x[:-1]
c[1, 2, 3]
c[:, -1, ::3]
x[np.int64(1)]
x[torch.tensor(1)]
x[torch.tensor(1), 2]
x[True]
x[False]
x[None, True]
o[0:0]
x[2, :][1]
c[1][2][3].item()
x[[0, 2]]
x[[0, 2], [1, 3]]
x[torch.tensor([0, 2])]
x[torch.tensor([[0, 1], [2, 0]])]
x[:, torch.tensor([0, -1])]
x[torch.tensor([-1])]
x[b]
x[x > 0]
x[b[:, 0]]
x[:, b[0]]
c[:, torch.tensor([0, 1]), torch.tensor([1, 2])]
c[torch.tensor([0, 1]), :, torch.tensor([1, 2])]
c[torch.tensor([0, 1])[:, None], torch.tensor([0, 2])]
c[0, torch.tensor([0, 1])]
c[..., torch.tensor([0, 1])]
c[:, b]
x[np.array([0, 1])]
x[k]
x[k, None]
x[None, k]
v[i.abs() % 4]
x[[True, False, True]]
x[[]]
c[[0, 1], [1, 1]]
x[k.int()]
x[torch.zeros(0, dtype=torch.long)]
c[1:, k]
c[k % 2, 1:, k % 4]
c[:, 0, k % 4]
c[0, :, k % 4]
x[range(2)]
x[(torch.tensor([0,1]), torch.tensor([1,2]))]
x[i > 100]
x[k][:, 1]
c[:, [0, 2]][:, :, [1]]
x[0] = 1; x
x[0, 1] = 5.0; x
x[:, 1] = v[:3]; x
x[1:] = 0; x
x[::2, ::2] = y[::2, ::2]; x
x[..., 0] = w; x
x[None, 0] = 2; x
x[b] = 0; x
x[b] = torch.arange(float(b.sum())); x
x[x > 0] = -1; x
x[[0, 2]] = v; x
x[[0, 2], [1, 3]] = 9; x
x[k] = 7; x
x[torch.tensor([0, 1]), torch.tensor([1, 1])] = torch.tensor([5.0, 6.0]); x
x[:, torch.tensor([0, 2])] = 3; x
c[0, b] = 1; c
c[:, 1] = x[0]; c
x[0] = y[1]; x
i[0] = 2.7; i
i[b] = 5; i
x[:] = 3; x
x[...] = y; x
s[()] = 4; s
s[...] = 4; s
x[0] = s; x
b[0] = True; b
u[0] = 7; u
x[1] = i[0]; x
x[b[:, 0]] = v; x
c[..., [0, 1]] = 0; c
x[0][1] = 8; x
x[-1, -1] = 2; x
x[:, -1] = 0; x
c[1, :, k % 4] = 1.5; c
x[True] = 1; x
x[b] = s; x
x[b] = i[b].float(); x
x[1:2, b[0]] = 0; x
x[:, 0] += 1; x
x[b] *= 2; x
x[0] -= x[1]; x
x[[0, 1]] += 1; x
x[k] += 1; x
x.T[0] = 5; x
x.view(-1)[3] = 9; x
a = x[0]; a += 1; x
a = x.t(); a[0] = 0; x
a = x[:, 1:3]; a.mul_(2)
x
a = x.reshape(-1); a[0] = 42; x
a, q = x.split(2, 1); a.zero_()
c.unbind(0)[1].fill_(1)
c
x.diagonal().fill_(3)
m.diagonal(1)[:] = 0; m
a = x.expand(2, 3, 4).clone(); a[0] = 0; x
a = x.flip(0); a[0] = 0; x
c.permute(2, 0, 1)[0] = 1; c
x.unsqueeze(0)[0, 0] = 2; x
x.narrow(0, 0, 1).zero_()
x.select(1, 0).add_(1)
x.squeeze()[0] = 1; x
a = x.numpy(); a[0] = 3; x
x.detach()[0] = 2; x
x.data[0] = 2; x
"""


@pytest.mark.parametrize("program", PROGRAMS.strip().splitlines())
def test_indexing(program: str) -> None:
    agree(program)
