"""`.grad` after backward, also through views and in-place writes, against torch.  One program a line; see `side_by_side.py` for the names it may use."""

import pytest

from tests.parity.side_by_side import agree

PROGRAMS = """
(g * g).sum().backward(); g.grad
g.sum().backward(); g.grad
(g[0] * 2).sum().backward(); g.grad
g[:, 1].prod().backward(); g.grad
g.max(1)[0].sum().backward(); g.grad
g.max().backward(); g.grad
g.amax(0).sum().backward(); g.grad
(g @ g).sum().backward(); g.grad
g.softmax(1)[0, 0].backward(); g.grad
g.exp().log().sum().backward(); g.grad
g.std().backward(); g.grad
g.var(1).sum().backward(); g.grad
g.norm().backward(); g.grad
g.norm(p=1, dim=1).sum().backward(); g.grad
g.cumsum(0).pow(2).sum().backward(); g.grad
g.sort(1, descending=True)[0][:, 0].sum().backward(); g.grad
g.topk(1)[0].sum().backward(); g.grad
g[torch.tensor([0, 0])].sum().backward(); g.grad
g[g > 2].sum().backward(); g.grad
torch.where(g > 2, g, g * 2).sum().backward(); g.grad
g.clamp(1.5, 3.5).sum().backward(); g.grad
torch.cat([g, g * 2]).pow(2).sum().backward(); g.grad
torch.stack([g, g])[1].sum().backward(); g.grad
g.gather(1, torch.tensor([[0], [0]])).sum().backward(); g.grad
torch.einsum('ij,jk->ik', g, g).sum().backward(); g.grad
g.expand(3, 2, 2).sum().backward(); g.grad
g.repeat(2, 2).sum().backward(); g.grad
g.t().flip(0)[0].sum().backward(); g.grad
g.roll(1).mul(torch.arange(4.0).reshape(2, 2)).sum().backward(); g.grad
(g / g.sum()).pow(2).sum().backward(); g.grad
g.logsumexp(1).sum().backward(); g.grad
g.prod(1).sum().backward(); g.grad
g.masked_fill(g > 3, 0).sum().backward(); g.grad
torch.lerp(g, g * 2, 0.3).sum().backward(); g.grad
g.pow(g).sum().backward(); g.grad
(2 ** g).sum().backward(); g.grad
torch.atan2(g, g + 1).sum().backward(); g.grad
g.unfold(0, 2, 1).sum().backward(); g.grad
g.diagonal().sum().backward(); g.grad
g.tril().sum().backward(); g.grad
g.mean(0).sum().backward(); g.grad
g.median(1)[0].sum().backward(); g.grad
g.view(4)[::2].sum().backward(); g.grad
g.unbind(0)[1].sum().backward(); g.grad
g.split(1, 1)[0].sum().backward(); g.grad
g.sigmoid().sum().backward(); g.grad
torch.maximum(g, g.t()).sum().backward(); g.grad
g.float().double().sum().backward(); g.grad
(g.half() * 2).sum().backward(); g.grad
torch.linalg.inv(g).sum().backward(); g.grad
torch.linalg.det(g).backward(); g.grad
torch.cdist(g, g + 1).sum().backward(); g.grad
g.cumprod(1).sum().backward(); g.grad
torch.linalg.solve(g, g.t()).sum().backward(); g.grad
g.diag().sum().backward(); g.grad
torch.outer(g[0], g[1]).sum().backward(); g.grad
g.scatter_add(0, torch.tensor([[0, 0]]), g[:1] * 2).pow(2).sum().backward(); g.grad
g.index_add(0, torch.tensor([0]), g[1:]).pow(2).sum().backward(); g.grad
(g.abs() + g.square() + g.reciprocal() + g.rsqrt()).sum().backward(); g.grad
torch.addmm(g, g, g).sum().backward(); g.grad
torch.addcmul(g, g, g).sum().backward(); g.grad
g.nan_to_num().sum().backward(); g.grad
(g % 2).sum().backward(); g.grad
torch.fmod(g, g + 1).sum().backward(); g.grad
torch.hypot(g, g).sum().backward(); g.grad
torch.logaddexp(g, g + 1).sum().backward(); g.grad
torch.xlogy(g, g).sum().backward(); g.grad
g.erf().sum().backward(); g.grad
a = g * 2; a.add_(1)
a.sum().backward(); g.grad
a = g * 1; a[0] = 0; a.sum().backward(); g.grad
a = g * 1; a[0] *= 3; a.sum().backward(); g.grad
a = torch.zeros(2, 2); a[0] = g[0]; a.sum().backward(); g.grad
a = torch.zeros(2, 2); a[:, 1] = g[:, 0] * 2; (a * a).sum().backward(); g.grad
a = torch.zeros(2, 2); a.copy_(g)
a.pow(2).sum().backward(); g.grad
a = g * 1; a[a > 2] = 0; a.sum().backward(); g.grad
a = g * 1; a[torch.tensor([0])] = g[1:] * 3; a.sum().backward(); g.grad
a = g * 1; a.masked_fill_(g > 2, 0)
a = g.exp(); a.add_(1)
a = g * 1; a.t()[0].mul_(2)
a = g * 1; a.unsqueeze_(0)
"""


@pytest.mark.parametrize("program", PROGRAMS.strip().splitlines())
def test_gradients(program: str) -> None:
    agree(program)
