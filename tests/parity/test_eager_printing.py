"""`repr` character for character against torch.  One program a line; see `side_by_side.py` for the names it may use."""

import pytest

from tests.parity.side_by_side import agree_on_text

PROGRAMS = """
x
y
v
s
i
b
u
c
d
n
o
g
x.half()
x.bfloat16()
x.int()
torch.tensor(1.0)
torch.tensor(3)
torch.tensor(True)
torch.tensor([])
torch.zeros(0, 3)
torch.zeros(2, 0, dtype=torch.int32)
torch.tensor([1e10, 1.0])
torch.tensor([1e-10, 1.0])
torch.tensor([1e-5])
torch.tensor([1.0, 2.0, 3.0])
torch.tensor([1.5, float('nan')])
torch.tensor([1.0, float('inf')])
torch.tensor([float('-inf')])
torch.arange(1001)
torch.zeros(100, 100)
torch.arange(10000.0).reshape(100, 100)
torch.zeros(20, 20, 20)
torch.arange(200).reshape(2, 100)
torch.arange(100.0)
torch.tensor([1e8])
torch.tensor([123456789.0])
torch.tensor([1e9, 1])
torch.tensor([0.0001])
torch.tensor([0.00001, 1000])
torch.tensor([[1, -20], [300, 4]])
torch.tensor([0.1] * 30)
torch.tensor([True, False])
torch.tensor([1.0, -1.0])
-torch.tensor([0.0])
torch.tensor([-0.5, 100000.0])
torch.tensor(1e-20)
torch.tensor(12345678.0)
torch.tensor(0.1, dtype=torch.float64)
torch.tensor([1, 2], dtype=torch.uint8)
torch.ones(2, 2, 2, 2)
torch.tensor([[[1.5]]])
torch.randn(0)
torch.tensor([2**40])
torch.full((3,), -7)
torch.tensor([1000.0, 0.5])
torch.tensor([99999.0, 0.001])
torch.arange(1200).reshape(1200, 1)
torch.arange(3000.0).reshape(3, 1000)
torch.zeros(1500, dtype=torch.bool)
torch.arange(24.0).reshape(2, 3, 4)
torch.zeros(7, 200)
x.requires_grad_()
x.double().requires_grad_()
g + 1
g * 2
g - 1
g / 2
g.sum()
g.exp()
g.sigmoid()
g.relu()
g.tanh()
g.log()
g.sqrt()
g.abs()
-g
g.mean()
g @ g
g.max(1)
x.sort(0)
x.topk(1)
(g * 2).detach()
torch.nn.Parameter(torch.ones(2))
g.pow(2)
g.cumsum(0)
g.softmax(0)
g.clone()
g.prod()
g.var()
x.max(0)
torch.finfo(torch.float32)
torch.float32
torch.device('cpu')
x.shape
x.dtype
x.device
[x[0], s]
{'a': s}
torch.linalg.qr(m)[1].shape
x.stride()
torch.Size([])
torch.Size([1])
x.size()
"""


@pytest.mark.parametrize("program", PROGRAMS.strip().splitlines())
def test_printing(program: str) -> None:
    agree_on_text(program)
