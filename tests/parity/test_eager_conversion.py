"""dtypes, devices, NumPy, Python numbers and copies against torch.  One program a line; see `side_by_side.py` for the names it may use."""

import pytest

from tests.parity.side_by_side import agree

PROGRAMS = """
x.to(torch.float64)
x.to(dtype=torch.int32)
x.to('cpu') is x
x.to(torch.float32) is x
x.to(i)
x.to('cpu', torch.float16)
x.to(torch.device('cpu'))
x.to(torch.float64, copy=True)
x.double()
x.half()
x.int()
x.long()
x.bool()
x.bfloat16()
i.float()
b.float()
b.long()
u.int()
x.char()
x.short()
(x * 100).byte()
n.bool()
i.byte()
x.type(torch.float64)
x.type('torch.IntTensor')
x.type_as(i)
x.float() is x
x.cpu() is x
n[:3].long().shape
s.item()
torch.tensor(3).item()
torch.tensor(True).item()
x.tolist()
i.tolist()
s.tolist()
b.tolist()
x[0, 0].item()
int(s)
float(s)
bool(s)
float(torch.tensor([2.5]))
int(torch.tensor(3))
[1, 2, 3][torch.tensor(1)]
x.numpy()
i.numpy()
b.numpy()
np.asarray(x)
np.array(x, dtype=np.float64)
x.detach().numpy()
g.detach().numpy()
np.sum(x.numpy())
len(x)
list(v)
[float(a) for a in v]
tuple(w)
1.0 in torch.tensor([1.0, 2.0])
5 in i
f'{s:.2f}'
'{:.3f}'.format(s)
'%.2f' % s
round(float(s))
sum(v)
max(w)
sorted(w.tolist())
g.tolist()
hash(x) == hash(x)
x.bfloat16().tolist()[0][0] == float(x.bfloat16()[0, 0])
complex(s)
torch.tensor(7).__index__()
x.half().tolist() == x.half().tolist()
x.clone()
g.clone()
x.clone() is x
x.contiguous() is x
x.t().contiguous()
g.detach()
g.data
x.fill_(3)
x.zero_()
x.copy_(y)
x.copy_(v)
x.copy_(i)
i.copy_(x)
x.copy_(s)
x.copy_(torch.tensor(2))
b.copy_(i)
torch.clone(x)
x.new_zeros(2).copy_(torch.ones(2))
x.dtype.is_floating_point
torch.float32.itemsize
torch.finfo(torch.float32).eps
torch.finfo(torch.float16).max
torch.finfo(torch.bfloat16).tiny
torch.iinfo(torch.int32).max
torch.iinfo(torch.uint8).min
torch.finfo(torch.float64).resolution
torch.finfo(torch.float32)
torch.iinfo(torch.int64)
torch.finfo(torch.float16)
torch.finfo(torch.float32).smallest_normal
torch.promote_types(torch.int32, torch.float16)
torch.promote_types(torch.uint8, torch.int8)
torch.result_type(i, 1.5)
torch.result_type(x, 1)
torch.result_type(x.half(), s)
torch.can_cast(torch.float32, torch.int32)
torch.can_cast(torch.int32, torch.float32)
torch.get_default_dtype()
torch.broadcast_shapes((2, 1), (3,))
torch.broadcast_shapes((2, 1, 3), (4, 1))
torch.is_floating_point(x)
torch.is_complex(x)
torch.long
torch.float
torch.double
torch.half
torch.int
torch.bool
torch.device('cpu')
torch.device('cuda:1')
torch.device('cuda', 0).index
torch.device('cpu').type
str(torch.device('cuda:0'))
torch.device('cpu') == torch.device('cpu')
x.device.type
torch.strided
torch.contiguous_format
import copy; a = copy.deepcopy(g); a is g
import copy; copy.deepcopy(x)
import copy; copy.copy(x)
import pickle; pickle.loads(pickle.dumps(x))
import pickle; pickle.loads(pickle.dumps(g))
import pickle; pickle.loads(pickle.dumps(x.bfloat16()))
torch.from_dlpack(x)
np.from_dlpack(x)
torch.from_dlpack(np.ones(3))
"""


@pytest.mark.parametrize("program", PROGRAMS.strip().splitlines())
def test_conversion(program: str) -> None:
    agree(program)
