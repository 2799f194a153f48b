"""Every op row under `vmap` and in forward mode, on the row's own samples.

vmap of a row equals the row example by example; its tangent is the transpose of its gradient:
<g, J t> = <J^T g, t>.
"""

import functools
import warnings

import numpy as np
import pytest

import graphtorch as torch
from graphtorch.errors import UnsupportedError
from graphtorch.frontend.tensor import Tensor, wrap
from graphtorch.ir.op import OPS

COMPUTING = [
    op
    for op in OPS.values()
    if op.samples is not None and op.inputs and op.kind != "random" and op.name != "pick"
]


def another(op, array):
    """A second example of the same kind of operand."""
    array = np.asarray(array)
    if array.dtype.kind in "fV" and op.name != "bernoulli":
        return np.asarray(array * array.dtype.type(0.5), array.dtype)
    return array if op.name == "searchsorted" else np.flip(array).copy()


def tensors(op, inputs):
    return [wrap(np.array(x)) if hasattr(x, "shape") else x for x in inputs]


def results(found):
    return list(found) if isinstance(found, tuple) else [found]


def equal(ours, reference):
    a, b = ours._array, reference._array
    assert a.shape == b.shape and a.dtype == b.dtype
    if a.dtype.kind in "fV":
        a, b = a.astype(np.float64), b.astype(np.float64)
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5, equal_nan=True)
    else:
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("op", COMPUTING, ids=lambda op: op.name)
def test_a_batched_row_equals_its_examples(op):
    for inputs, attrs in op.samples()[:6]:
        one = tensors(op, inputs)
        two = [wrap(another(op, x)) if hasattr(x, "shape") else x for x in inputs]
        places = [i for i, x in enumerate(one) if isinstance(x, Tensor)]
        choices = [tuple(places)]
        choices += [(i,) for i in places] if len(places) > 1 else []
        for chosen in choices:
            dims = tuple(0 if i in chosen else None for i in range(len(one)))
            given = [
                torch.stack([a, b]) if i in chosen else a
                for i, (a, b) in enumerate(zip(one, two, strict=True))
            ]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                mapped = torch.vmap(functools.partial(op, **attrs), in_dims=dims)
                found = results(mapped(*given))
            second = [
                b if i in chosen else a for i, (a, b) in enumerate(zip(one, two, strict=True))
            ]
            examples = [results(op(*one, **attrs)), results(op(*second, **attrs))]
            for k, whole in enumerate(found):
                for i in range(2):
                    equal(whole[i], examples[i][k])


DIFFERENTIABLE = [op for op in COMPUTING if op.vjp is not None]


@pytest.mark.parametrize("op", DIFFERENTIABLE, ids=lambda op: op.name)
def test_a_tangent_is_the_transpose_of_the_gradient(op):
    random = np.random.default_rng(3)
    for inputs, attrs in op.samples()[:4]:
        wide = [
            np.asarray(x, np.float64) if hasattr(x, "dtype") and x.dtype.kind in "fV" else x
            for x in inputs
        ]
        given = tensors(op, wide)
        floating = [i for i, x in enumerate(given) if isinstance(x, Tensor) and x.dtype.kind == "f"]
        fixed = op.vjp if isinstance(op.vjp, tuple) else None
        if fixed is not None:
            floating = [i for i in floating if fixed[min(i, len(fixed) - 1)] is not None]
        if not floating or attrs.get("dtype") is not None:
            continue

        def function(*moving, given=given, floating=floating, attrs=attrs, op=op):
            operands = list(given)
            for i, x in zip(floating, moving, strict=True):
                operands[i] = x
            found = results(op(*operands, **attrs))
            return tuple(y for y in found if y.dtype.kind == "f")

        primals = tuple(given[i] for i in floating)
        tangents = tuple(wrap(np.asarray(random.standard_normal(x.shape))) for x in primals)
        if not (values := function(*primals)):
            continue
        cotangents = tuple(wrap(np.asarray(random.standard_normal(y.shape))) for y in values)
        try:
            pulled = torch.func.vjp(function, *primals)[1](cotangents)
        except UnsupportedError:  # the row says that it has no derivative
            with pytest.raises(UnsupportedError):
                torch.func.jvp(function, primals, tangents)
            continue
        _, pushed = torch.func.jvp(function, primals, tangents)
        forward = sum(float((g * t).sum()) for g, t in zip(cotangents, pushed, strict=True))
        reverse = sum(float((g * t).sum()) for g, t in zip(pulled, tangents, strict=True))
        assert forward == pytest.approx(reverse, rel=1e-6, abs=1e-8, nan_ok=True)
