"""Arithmetic, powers, rounding, bits and dtype promotion against torch.  One program a line; see `side_by_side.py` for the names it may use."""

import pytest

from tests.parity.side_by_side import agree

PROGRAMS = """
x + y
x - y
x * y
x / y
x + 1
1 - x
2 * x
1 / x
x // 0.5
x % 0.7
-x
x ** 2
2 ** x
x ** 3
p ** 0.5
p ** -1
p ** p
x ** 0
i ** 2
j ** j
2 ** j
i / j
i // j
i % j
i // 2
i % 3
7 // j
7 % j
i / 2
i + 1.5
i * 2.0
i + True
b + b
b * b
b + 1
b + 1.5
u + u
u + 300
u * 2
u + i
u / 2
b / 2
-u
-i
+x
torch.add(x, y, alpha=2)
torch.sub(x, 3, alpha=2)
torch.add(i, j, alpha=3)
torch.rsub(x, 2)
torch.mul(x, 2)
torch.div(i, 2, rounding_mode='floor')
torch.div(i, 2, rounding_mode='trunc')
torch.div(x, 0.3, rounding_mode='trunc')
torch.div(x, 0.3, rounding_mode='floor')
torch.true_divide(i, 2)
torch.floor_divide(i, 2)
torch.remainder(i, 4)
torch.fmod(i, 4)
torch.fmod(x, 0.4)
torch.remainder(x, -0.4)
torch.fmod(-3.5 * p, 2)
x.exp()
x.exp2()
x.expm1()
p.log()
p.log2()
p.log10()
p.log1p()
p.sqrt()
p.rsqrt()
p.reciprocal()
x.sin()
x.cos()
x.tan()
p.asin()
p.acos()
x.atan()
x.sinh()
x.cosh()
x.tanh()
x.asinh()
(p+1).acosh()
p.atanh()
x.erf()
x.erfc()
p.erfinv()
x.sigmoid()
p.lgamma()
p.digamma()
i.exp()
i.sqrt()
i.sigmoid()
b.exp()
i.sin()
u.log()
b.float().exp()
i.erf()
i.tanh()
x.floor()
x.ceil()
x.trunc()
x.round()
(x*10).round(decimals=1)
(x*100).round(decimals=-1)
x.frac()
i.floor()
i.round()
x.abs()
i.abs()
x.sign()
i.sign()
n.sign()
x.sgn()
n.signbit()
x.square()
i.square()
x.relu()
i.relu()
n.relu()
n.isnan()
n.isinf()
n.isfinite()
n.isposinf()
n.isneginf()
i.isnan()
n.nan_to_num()
n.nan_to_num(1.0, 2.0, -2.0)
i.nan_to_num()
x.isreal()
~b
~i
b & b
i & j
i | j
i ^ j
b ^ True
i << 2
i >> 1
b & 1
i & 3
torch.bitwise_left_shift(i, 2)
i.bitwise_not()
b.logical_not()
i.logical_not()
x.logical_not()
torch.logical_and(i, b)
torch.logical_or(x, b)
torch.logical_xor(b, ~b)
torch.maximum(x, y)
torch.minimum(x, y)
torch.maximum(i, j)
torch.fmax(n, n.flip(0))
torch.fmin(n, n.flip(0))
torch.maximum(n, n.flip(0))
torch.atan2(x, y)
torch.atan2(i, j)
torch.hypot(x, y)
torch.copysign(x, y)
torch.copysign(x, -1)
torch.logaddexp(x, y)
torch.xlogy(x, p)
torch.xlogy(i, p)
torch.gcd(i, j)
torch.lcm(i, j)
torch.float_power(x, 2)
torch.float_power(i, 2)
x.clamp(-0.5, 0.5)
x.clamp(min=0)
x.clamp(max=0)
i.clamp(-2, 2)
i.clamp(min=-1.5)
x.clamp(y, y + 1)
x.clamp(min=y)
torch.clip(x, 0, 1)
x.clamp_min(0.1)
x.clamp_max(0.1)
n.clamp(-1, 1)
torch.clamp(i, max=j)
x.clamp(1, -1)
torch.lerp(x, y, 0.3)
torch.lerp(x, y, 0.7)
torch.lerp(x, y, p)
torch.addcmul(x, y, p, value=0.5)
torch.addcdiv(x, y, p, value=2)
x.lerp(y, 0.5)
x.addcmul(y, y)
x.addcdiv(y, p)
torch.deg2rad(x)
torch.rad2deg(x)
torch.logit(p)
torch.logit(x, eps=0.1)
x.neg()
torch.positive(x)
torch.pow(x, 2)
torch.pow(2, x)
torch.pow(p, y)
torch.exp(s)
torch.square(s)
abs(x)
round(2.5)
x + s
i + s
s + i
x.half() + s
s * True
x.double() + x
x.half() + x.bfloat16()
x.half() * 2.5
i.int() + i
i.short() + u
u + i.char()
b + s
(i > 0) * x
x.bfloat16() + 1
x.bfloat16().exp()
x.half().exp()
x.half() / 3
x.bfloat16() * x
torch.tensor(1) + torch.tensor(1.5)
torch.tensor([1]) + torch.tensor(1.5)
torch.tensor(3, dtype=torch.int32) + 1
torch.tensor([3], dtype=torch.int32) + torch.tensor(1)
x.double() + s
torch.tensor(2.0, dtype=torch.float64) * x
x.add(1)
x.sub(y)
x.mul(y)
x.div(y)
x.pow(2)
x.eq(y)
x.ne(y)
x.remainder(0.5)
x.logaddexp(y)
x.atan2(y)
x.hypot(y)
x.true_divide(2)
x.multiply(2)
x.subtract(1)
x.divide(2)
x.negative()
x.absolute()
x.arctan()
c + x
c + v
c * v[:, None]
x + w[:, None]
v + w[:, None]
c - c[:1]
o + 1
o * o.sum()
o + o
x.t() + x.t()
x.t() + w
s + s
x[::2] + x[::2]
(x > 0) & (y > 0)
(x > 0) | b
"""


@pytest.mark.parametrize("program", PROGRAMS.strip().splitlines())
def test_pointwise(program: str) -> None:
    agree(program)
