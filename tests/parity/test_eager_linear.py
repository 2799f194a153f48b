"""Matrix products, einsum and linear algebra against torch.  One program a line; see `side_by_side.py` for the names it may use."""

import pytest

from tests.parity.side_by_side import agree

PROGRAMS = """
x @ x.t()
x @ v
v @ m
v @ v
c @ m
c @ v
v @ c.transpose(1, 2)
c @ c.transpose(1, 2)
x @ c.transpose(1, 2)
c[:1] @ c.transpose(1, 2)
torch.matmul(c[:, None], c.transpose(1, 2)[None])
x.mm(m)
torch.mm(x, m)
torch.bmm(c, c.mT)
x.mv(v)
torch.dot(v, v)
v.dot(v)
torch.vdot(v, v)
torch.inner(x, y)
torch.inner(v, v)
torch.outer(v, w)
v.outer(v)
torch.ger(v, w)
torch.addmm(v, x, m)
torch.addmm(x, x, m, beta=2, alpha=0.5)
torch.addmv(w, x, v)
torch.addr(x, w, v)
torch.baddbmm(c[:, :, :3], c, c.mT)
torch.addbmm(x[:, :3], c, c.mT)
i @ j.t()
torch.matmul(i[0], j[0])
x.half() @ x.half().t()
x.bfloat16() @ x.bfloat16().t()
d @ d.t()
o @ x
o.t() @ o
x.t() @ y
torch.einsum('ij,jk->ik', x, m)
torch.einsum('ij,jk', x, m)
torch.einsum('bij,bkj->bik', c, c)
torch.einsum('ij->ji', x)
torch.einsum('ii->i', m)
torch.einsum('ii', m)
torch.einsum('ij->', x)
torch.einsum('ij,ij->i', x, y)
torch.einsum('i,j->ij', w, v)
torch.einsum('...ij,...jk->...ik', c, m)
torch.einsum('bij,ij->b', c, x)
torch.einsum('bij,j->bi', c, v)
torch.einsum('ij,jk,kl->il', x, m, m)
torch.einsum('...i->...', c)
torch.einsum('bhid,bhjd->bhij', c[None], c[None])
torch.einsum('i,i', v, v)
torch.einsum(' i j , j -> i', x, v)
torch.einsum('ij,kj->ik', [x, y])
torch.einsum(x, [0, 1], m, [1, 2], [0, 2])
torch.einsum('a...,a...->...', c, c)
torch.einsum('ij,kl->ijkl', x, y)
torch.tensordot(c, m, 1)
torch.tensordot(x, y, ([1], [1]))
torch.tensordot(x, y, 2)
torch.kron(x, m)
torch.cross(x[:, :3], y[:, :3], dim=1)
torch.linalg.cross(x[:, :3], y[:, :3])
torch.cdist(x, y)
torch.cdist(x, y, p=1)
torch.chain_matmul(x, m, m)
torch.matrix_power(m, 3)
m.matrix_power(0)
torch.linalg.multi_dot([x, m, v])
torch.linalg.inv(m)
torch.linalg.det(m)
m.det()
torch.linalg.solve(m, v)
torch.linalg.solve(m, m.t())
torch.linalg.slogdet(m)
torch.linalg.cholesky(m @ m.t() + torch.eye(4))
torch.linalg.eigvalsh(m + m.t())
torch.linalg.svdvals(x)
torch.linalg.pinv(x)
torch.linalg.matrix_rank(x)
torch.inverse(m)
m.inverse()
torch.linalg.solve_triangular(m.triu(), v[:, None], upper=True)
torch.linalg.lstsq(m, m.t()).solution
torch.matrix_exp(m * 0.1)
torch.linalg.vecdot(x, y)
torch.linalg.norm(x, 'nuc')
torch.linalg.norm(m, 2)
torch.linalg.qr(m)[1].abs()
torch.linalg.eigh(m + m.t())[0]
torch.linalg.svd(x)[1]
torch.linalg.svd(x)[0].shape
torch.linalg.svd(x, full_matrices=False)[2].shape
torch.linalg.cond(m)
torch.linalg.matrix_norm(m, 'nuc')
torch.logdet(m @ m.t())
torch.slogdet(m)
"""


@pytest.mark.parametrize("program", PROGRAMS.strip().splitlines())
def test_linear(program: str) -> None:
    agree(program)
