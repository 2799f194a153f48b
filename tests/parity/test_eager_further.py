"""Copies of views, floating-point anatomy, histograms, flat and reducing indices, spectra, quantiles."""

from __future__ import annotations

import pytest

from tests.parity.side_by_side import agree

PROGRAMS = """
torch.expand_copy(v, (3, 4))
torch.view_copy(x, (4, 3))
torch.narrow_copy(x, 1, 1, 2)
torch.split_with_sizes_copy(x, [1, 2])
torch.unbind_copy(x, 1)
a = torch.diagonal_copy(x); a.zero_(); x
torch.frexp(torch.tensor([8.0, -0.3, 0.0, 1e-40]))
torch.frexp(i)
torch.ldexp(x, i)
torch.heaviside(n, torch.zeros(()))
torch.heaviside(x, d)
torch.logaddexp2(x, y)
torch.logaddexp2(x, 2)
torch.renorm(x, 2, 0, 0.5)
torch.renorm(v, 2, 0, 0.5)
torch.histogram(x, 4)
torch.histogram(x, 4, range=(-1.0, 1.0), density=True)
torch.histogram(x, torch.tensor([-1.0, 0.0, 0.5, 2.0]), weight=p)
torch.histogramdd(w.reshape(3, 1).expand(3, 2) * torch.tensor([1.0, 2.0]), [2, 3])
torch.histogram(i, 4)
x.put_(torch.tensor([0, -1]), torch.tensor([7.0, 8.0])); x
x.put(torch.tensor([0, 0]), torch.tensor([7.0, 8.0]), True)
x.put(torch.tensor([0]), d[0])
x.index_reduce(0, torch.tensor([0, 0, 2]), y, "amax")
x.index_reduce(0, torch.tensor([0, 0, 2]), y, "mean", include_self=False)
x.index_reduce(0, torch.tensor([0, 0, 2]), y, "sum")
torch.unravel_index(torch.tensor([5, 7]), (3, 4))
torch.unravel_index(x, (3, 4))
torch.nonzero_static(b, size=3)
torch.nonzero_static(b, size=20, fill_value=-2)
torch.gradient(x, dim=1, edge_order=2)
torch.gradient(c, spacing=(2.0, 0.5, 1.0))
torch.gradient(v, spacing=(torch.tensor([0.0, 1.0, 1.5, 4.0]),), edge_order=2)
torch.gradient(v, spacing=(1.0, 2.0))
torch.cov(x, fweights=torch.tensor([1, 2, 3, 1]), aweights=v.abs())
torch.cov(x, fweights=v)
torch.corrcoef(x[:1])
torch.quantile(x, torch.tensor([0.1, 0.9]), dim=1, keepdim=True)
torch.quantile(n, 0.5)
torch.nanquantile(n, 0.3, interpolation="higher")
torch.nanmedian(n.reshape(1, 7), 1)
torch.median(n.reshape(1, 7), 1).values
torch.quantile(x, 1.5)
torch.stft(torch.arange(64.0).sin(), 16, return_complex=True)
torch.stft(torch.arange(64.0).sin(), 16, hop_length=5, window=torch.hann_window(12), win_length=12, return_complex=False)
torch.istft(torch.stft(torch.arange(64.0).sin(), 16, window=torch.hann_window(16), return_complex=True), 16, window=torch.hann_window(16))
torch.stft(torch.arange(64.0).sin(), 16)
torch.istft(x, 16)
torch.trapezoid(x, y)
torch.cumulative_trapezoid(i, dx=2)
torch.diff(x, 0, 0)
torch.diff(x, -1)
torch.linspace(4.3, -3, 9, dtype=torch.int64)
torch.logspace(0, 1.2, 4, dtype=torch.int64)
torch.arange(1.0, 5.000001, 2.0, dtype=torch.int64)
torch.arange(0, float("inf"))
torch.tensordot(torch.ones(1, 1, 1), c[:, :1, :2], dims=((0, 1), (2, 0)))
torch.addmv(i[0], torch.ones(4, 4, dtype=torch.int64), i[1], beta=0.2, alpha=1.6)
torch.segment_reduce(v, "max", lengths=torch.tensor([1, 0, 3]), initial=0)
torch.segment_reduce(x, "mean", offsets=torch.tensor([0, 1, 3]))
torch.native_layer_norm(x, (4,), v, None, 1e-5)
torch.native_group_norm(c, None, None, 2, 3, 4, 3, 1e-5)
torch.ops.aten.slice.Tensor(x, 1, 1, 3)
torch._chunk_cat([x, y], 1, 3)
torch.hash_tensor(x).item()
torch.softmax(x, 1, out=torch.zeros(3, 4))
torch.gather(x, 1, torch.zeros(3, 4, dtype=torch.int64), out=x)
torch.gather(x, 1, torch.zeros(3, 4, dtype=torch.int64), out=torch.zeros(3, 4, dtype=torch.float64))
torch.masked_scatter(v, torch.ones(2, 4, dtype=torch.bool), x)
torch.atan2(x, 2)
torch.eq(2, x)
torch.maximum(2, x)
torch.relu_(x)
torch.dsplit(c, 2)
torch.dsplit(x, 2)
torch.hsplit(x, 3)
x.float_power_(2)
u.bitwise_left_shift_(2)
x.sum_to_size(1, 4)
b.sum_to_size(())
x.sum_to_size(2, 4)
""".strip().split("\n")


@pytest.mark.parametrize("program", PROGRAMS)
def test_agrees(program):
    agree(program)


GRADIENTS = """
t = torch.tensor([[0.0, 13.0], [2.0, 17.0]], requires_grad=True); s = torch.tensor([[0.0, 1.0, 2.0], [0.0, 4.0, 0.0]], requires_grad=True); t.scatter_reduce(1, torch.tensor([[1, 1, 0], [0, 0, 1]]), s, "prod").sum().backward(); (t.grad, s.grad)
t = torch.tensor([[1.0, 3.0]], requires_grad=True); s = torch.tensor([[3.0, 3.0, 0.5]], requires_grad=True); t.scatter_reduce(1, torch.tensor([[1, 1, 0]]), s, "amax").sum().backward(); (t.grad, s.grad)
t = torch.tensor([[1.0, 9.0]], requires_grad=True); s = torch.tensor([[3.0, 3.0, 0.5]], requires_grad=True); t.scatter_reduce(1, torch.tensor([[1, 1, 0]]), s, "amin", include_self=False).sum().backward(); (t.grad, s.grad)
t = torch.tensor([3.0, 1.0, 2.0], requires_grad=True); torch.quantile(t, 0.4).backward(); t.grad
t = torch.tensor([3.0, 1.0, 2.0], requires_grad=True); torch.bernoulli(t / 4).sum().backward(); t.grad
t = torch.tensor([3.0, 1.0, 2.0], requires_grad=True); torch.fill(t, 1.0).sum().backward(); t.grad
t = torch.tensor([3.0, 1.0, 2.0], requires_grad=True); torch.frexp(t).mantissa.sum().backward(); t.grad
t = torch.tensor([3.0, 1.0, 2.0], requires_grad=True); torch.gradient(t)[0].sum().backward(); t.grad
""".strip().split("\n")


@pytest.mark.parametrize("program", GRADIENTS)
def test_gradients_agree(program):
    agree(program)
