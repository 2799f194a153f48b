"""`interpolate(antialias=True)` against PyTorch's."""

import numpy as np
import pytest
import torch

import graphtorch


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    "options",
    [
        {"size": (5, 7)}, {"size": (23, 40)}, {"scale_factor": 0.4}, {"scale_factor": (1.7, 0.6)},
        {"size": (6, 8), "align_corners": True}, {"size": (1, 1)},
    ],
    ids=str,
)  # fmt: skip
def test_values_and_gradients(mode, options):
    data = np.random.default_rng(0).normal(size=(2, 3, 13, 19)).astype(np.float32)
    found = []
    for t in (graphtorch, torch):
        x = t.tensor(data, requires_grad=True)
        y = t.nn.functional.interpolate(x, mode=mode, antialias=True, **options)
        (y * y).sum().backward()
        found.append((y.detach().numpy(), x.grad.numpy()))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_other_modes_are_refused():
    with pytest.raises(ValueError, match="Anti-alias option is restricted"):
        graphtorch.nn.functional.interpolate(graphtorch.ones(1, 1, 4, 4), size=2, antialias=True)
