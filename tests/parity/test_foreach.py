"""`torch._foreach_*` against PyTorch."""

import numpy as np
import pytest

import graphtorch
from graphtorch.frontend import foreach

torch = pytest.importorskip("torch")

ARRAYS = [np.array([0.5, 0.25, 0.75], np.float32), np.array([[0.1, 0.9]], np.float32)]


def lists(lib, shift=0.0):
    return [lib.from_numpy(a + np.float32(shift)) for a in ARRAYS]


CALLS = (
    [f"lib._foreach_{name}(x)" for name in foreach._UNARY]
    + [f"lib._foreach_{name}(x, y)" for name in foreach._BINARY]
    + [f"lib._foreach_{name}(x, 0.3)" for name in foreach._BINARY]
    + [f"lib._foreach_{name}(x, [0.3, 0.6])" for name in foreach._BINARY]
    + [
        "lib._foreach_add(x, y, alpha=2)",
        "lib._foreach_addcmul(x, y, z, 0.5)",
        "lib._foreach_addcmul(x, y, z, [0.5, 2.0])",
        "lib._foreach_addcdiv(x, y, z, value=0.5)",
        "lib._foreach_addcdiv(x, y, z, scalars=[0.5, 2.0])",
        "lib._foreach_lerp(x, y, 0.3)",
        "lib._foreach_lerp(x, y, z)",
        "lib._foreach_norm(x)",
        "lib._foreach_norm(x, 1)",
        "lib._foreach_max(x)",
        "(lib._foreach_mul_(x, 2.0), x)[1]",
        "(lib._foreach_sqrt_(x), x)[1]",
        "(lib._foreach_lerp_(x, y, 0.3), x)[1]",
        "(lib._foreach_addcdiv_(x, y, z, 0.5), x)[1]",
        "(lib._foreach_zero_(x), x)[1]",
        "(lib._foreach_copy_(x, y), x)[1]",
    ]
)


@pytest.mark.parametrize("call", CALLS)
def test_foreach_agrees(call):
    results = [
        eval(call, {"lib": lib, "x": lists(lib), "y": lists(lib, 0.5), "z": lists(lib, 1.0)})
        for lib in (torch, graphtorch)
    ]
    for a, e in zip(results[1], results[0], strict=True):
        np.testing.assert_allclose(a.numpy(), e.numpy(), rtol=2e-6, atol=1e-7)
