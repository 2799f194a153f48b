"""Programs written once over the module `t`, run with PyTorch and with graphtorch and compared."""

import numpy as np
import pytest

import graphtorch

torch = pytest.importorskip("torch")


def plain(value):
    if hasattr(value, "detach"):
        return value.detach().numpy()
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return value


def compare(a, b):
    if isinstance(a, list):
        assert isinstance(b, list) and len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            compare(x, y)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        compare(list(a.values()), list(b.values()))
    elif isinstance(a, np.ndarray):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(b, a, rtol=2e-4, atol=1e-5)
    else:
        assert a == b


def data(t, *shape, seed=0):
    return t.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


def alike(program):
    compare(plain(program(torch)), plain(program(graphtorch)))


def fails_alike(program):
    with pytest.raises(Exception) as theirs:
        program(torch)
    with pytest.raises(Exception) as ours:
        program(graphtorch)
    kinds = (RuntimeError, ValueError, TypeError, NotImplementedError, IndexError)
    expected = next(k for k in kinds if isinstance(theirs.value, k))
    assert isinstance(ours.value, expected)
