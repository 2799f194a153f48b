"""Complex values and their gradients, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch as theirs

import graphtorch as ours

# z = complex(a, b) of real leaves; w and m are complex leaves
FORMULAS = [
    "(z * w).abs().sum()", "(z / w).real.sum()", "torch.exp(z).imag.sum()", "(z @ m).abs().pow(2).sum()",
    "torch.angle(z * w).sum()", "torch.view_as_real(z * w)[..., 0].sum()",
    "torch.view_as_complex(torch.stack([a, b], -1)).conj().mul(w).abs().sum()",
    "torch.polar(a.abs(), b).sin().real.sum()", "torch.linalg.vector_norm(w)", "(w ** 2).abs().sum()",
    "torch.sgn(w).real.sum()", "w.mean().abs()", "w.var()", "(2j * w + 1).tan().imag.sum()",
    "torch.vdot(w[0], z[0]).real", "w.mH.matmul(z).abs().sum()", "w.sqrt().abs().sum()", "w.log().real.sum()",
    "w.prod().abs()", "w.cumsum(0).abs().sum()", "(w ** 1.5).abs().sum()", "w.rsqrt().real.sum()",
    "(w * a).abs().sum()", "w.tanh().abs().sum()", "torch.sigmoid(w).abs().sum()", "w.acos().abs().sum()",
    "torch.where(w.real > 0, w, z).abs().sum()", "(w ** z).abs().sum()", "(1.5 ** w).real.sum()",
    "torch.fft.fft(w, dim=0).abs().sum()", "torch.fft.irfft(z, n=5).abs().sum()", "torch.fft.rfft2(a).abs().sum()",
    "torch.fft.hfft(w, norm='ortho').abs().sum()", "torch.fft.ihfft(a * b).abs().sum()",
]  # fmt: skip


def evaluated(torch, formula):
    random = np.random.default_rng(0)

    def leaf(*shape):
        return random.standard_normal(shape)

    a, b = (torch.tensor(leaf(3, 4), requires_grad=True) for _ in range(2))
    w = torch.tensor(leaf(3, 4) + 1j * leaf(3, 4), requires_grad=True)
    m = torch.tensor(leaf(4, 2) + 1j * leaf(4, 2), requires_grad=True)
    values = {"torch": torch, "a": a, "b": b, "w": w, "m": m, "z": torch.complex(a, b)}
    loss = eval(formula, values)
    grads = torch.autograd.grad(loss, [a, b, w, m], allow_unused=True, materialize_grads=True)
    return [loss.detach(), *grads]


@pytest.mark.parametrize("formula", FORMULAS)
def test_values_and_gradients(formula):
    for found, expected in zip(evaluated(ours, formula), evaluated(theirs, formula), strict=True):
        expected = expected.resolve_conj().numpy()
        assert found.numpy().dtype == expected.dtype
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-12)
