"""In-place arithmetic against torch.  One program a line; see `side_by_side.py` for the names it may use."""

import pytest

from tests.parity.side_by_side import agree

PROGRAMS = """
x.add_(1)
x.sub_(y)
x.mul_(2)
x.div_(y)
x.pow_(2)
x.add_(y, alpha=2)
x.neg_()
x.abs_()
x.exp_()
p.log_()
p.sqrt_()
x.clamp_(0, 1)
x.clamp_(min=0)
x.relu_()
x.sigmoid_()
x.tanh_()
x.floor_()
x.round_()
x.masked_fill_(b, 0)
x.fill_(2)
x.zero_()
i.add_(1)
i.mul_(j)
i.floor_divide_(2)
i.remainder_(3)
b.logical_not_()
i.bitwise_and_(3)
x.addcmul_(y, y)
x.addcdiv_(y, p, value=0.5)
x.lerp_(y, 0.3)
x.sub_(1, alpha=3)
x.add_(v)
x.mul_(w[:, None])
x.add_(s)
x.add_(i)
x.t_()
x.unsqueeze_(0)
x[None].squeeze_(0)
x.transpose_(0, 1)
x.cumsum_(0)
m.tril_()
m.triu_(1)
x.eq_(y)
x.div_(2, rounding_mode='floor')
m.fill_diagonal_(0)
x.erf_()
x.reciprocal_()
x.square_()
x.sign_()
x.trunc_()
x.frac_()
x.nan_to_num_()
x.atan2_(y)
x.where(b, y)
x.index_fill_(0, torch.tensor([0]), 2.0)
x.copy_(y).add_(1)
x.clip_(0, 1)
x.hypot_(y)
x += 1; x
x -= y; x
x *= 2; x
x /= 2; x
x //= 1; x
x **= 2; x
i += 1; i
i *= j; i
i //= 2; i
i %= 3; i
b &= True; b
b |= ~b; b
i ^= 1; i
a = x; a += 1; x
x += v; x
i <<= 1; i
"""


@pytest.mark.parametrize("program", PROGRAMS.strip().splitlines())
def test_inplace(program: str) -> None:
    agree(program)
