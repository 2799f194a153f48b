"""Sorting, searching, quantiles and distinct values against torch.  One program a line; see `side_by_side.py` for the names it may use."""

import pytest

from tests.parity.side_by_side import agree

PROGRAMS = """
x.sort()
x.sort(0)
x.sort(1, descending=True)
x.sort(descending=True, dim=0)
i.sort(1)
torch.sort(n)
n.sort(descending=True)
i.sort(stable=True, dim=1)
x.argsort()
x.argsort(0, descending=True)
torch.argsort(v)
x.msort()
s.sort()
x.topk(2)
x.topk(2, dim=0)
x.topk(1, largest=False)
v.topk(4)
torch.topk(x, 3, 1)[0]
i.topk(1).values
x.kthvalue(2)
x.kthvalue(1, 0, keepdim=True)
x.median()
x.median(0)
x.median(1, keepdim=True)
i.median()
n.median()
torch.median(v)
k.mode()
i.mode(1)[0]
x.quantile(0.5)
x.quantile(0.3, dim=1)
x.quantile(torch.tensor([0.1, 0.9]), dim=0)
torch.quantile(x, 0.25, dim=1, keepdim=True)
torch.quantile(v, 0.4, interpolation='nearest')
n.nanmedian()
torch.nanquantile(n[:3], 0.5)
u.sort(1)
b.sort(1)[0]
torch.unique(k)
k.unique(return_counts=True)
k.unique(return_inverse=True, return_counts=True)
torch.unique(i, dim=0)
torch.unique_consecutive(torch.tensor([1, 1, 2, 2, 1]))
torch.unique_consecutive(torch.tensor([1, 1, 2, 2, 1]), return_inverse=True, return_counts=True)
torch.unique(x, sorted=True).shape
b.unique()
torch.searchsorted(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 2.0, 9.0]))
torch.searchsorted(torch.tensor([1.0, 2.0, 3.0]), 2.0, right=True)
torch.bucketize(x, torch.tensor([-1.0, 0.0, 1.0]))
torch.bucketize(i, torch.tensor([0, 3]), right=True)
torch.searchsorted(x.sort(1)[0], y)
"""


@pytest.mark.parametrize("program", PROGRAMS.strip().splitlines())
def test_sorting(program: str) -> None:
    agree(program)
