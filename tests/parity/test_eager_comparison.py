"""Comparisons, logic, `where` and masks against torch.  One program a line; see `side_by_side.py` for the names it may use."""

import pytest

from tests.parity.side_by_side import agree

PROGRAMS = """
x == y
x != y
x < y
x <= 0
x > 0.1
x >= y
i == 3
i < 2.5
i == j
0 < x
3 == i
u == 300
u < -1
b == True
b == 1
n == n
x == None
x != None
x == 'a'
n < 0
i.eq(2)
torch.eq(x, 1)
torch.gt(i, j)
torch.less(x, y)
torch.greater_equal(x, y)
b == b
b > False
i > 2**40
i.int() < 2**40
x.half() == 0.1
u > 3.7
torch.isclose(x, x + 1e-9)
torch.isclose(n, n)
torch.isclose(n, n, equal_nan=True)
torch.allclose(x, x + 1e-7)
torch.allclose(x, y)
torch.equal(x, x)
torch.equal(x, y)
torch.equal(x, v)
torch.isclose(i, i)
torch.isin(i, torch.tensor([1, 2, 3]))
torch.isin(i, j)
torch.where(b, x, y)
torch.where(b, x, 0)
torch.where(b, 1.0, 0.0)
torch.where(b, 1, 0)
torch.where(b, i, 1.5)
torch.where(b, x, d)
torch.where(x > 0, x, torch.zeros(()))
torch.where(b[:1], x, y)
torch.where(b)
torch.where(b, i, j)
torch.where(w[:, None] > 0, v, 0.0)
x.where(b, y)
torch.where(b, x, s)
torch.where(torch.tensor(True), x, y)
torch.where(b, True, False)
x.masked_fill(b, 0.0)
x.masked_fill(b, -float('inf'))
x.masked_fill(b, s)
i.masked_fill(b, 3)
x.masked_fill(b[0], 1)
c.masked_fill(b, 2)
x.masked_scatter(b, torch.arange(12.0))
b.masked_fill(b, False)
torch.masked_fill(x, b, 7)
x.masked_fill(torch.tensor(True), 7)
"""


@pytest.mark.parametrize("program", PROGRAMS.strip().splitlines())
def test_comparison(program: str) -> None:
    agree(program)
