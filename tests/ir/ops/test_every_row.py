"""One test for every row of the op table, present and future.

A row's `samples` say where to look; everything else follows from the row's kind.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from gradients import check_gradients, graph_of, in_float64

from graphtorch.codegen.scalar import NumpyScalar
from graphtorch.errors import UnsupportedError
from graphtorch.ir import ops
from graphtorch.ir.derivative import type_of
from graphtorch.ir.interpret import interpret
from graphtorch.ir.op import KINDS, OPS
from graphtorch.ir.ops.random import set_generator
from graphtorch.ir.types import DTYPES

TABLE = [op for op in OPS.values() if op.infer.__module__.startswith(ops.__name__)]
ROWS = [op for op in TABLE if op.samples is not None]
CASES = [
    pytest.param(op, inputs, attrs, id=f"{op.name}-{i}")
    for op in ROWS
    for i, (inputs, attrs) in enumerate(op.samples())
]
SIZED_BY_VALUE = {op.name for op in TABLE if op.meta.get("sized_by_value")}

# Only the first output has a derivative; the others are by-products.
FIRST_OUTPUT_ONLY = {"scaled_dot_product_attention", "batch_norm"}
# Half precision: integer positions, conditioning that 8 bits cannot carry, or state kept in float32.
NOT_IN_HALF = {"argmax", "argmin", "erfinv", "binary_cross_entropy", "adam_step", "adamw_step"}
NOT_IN_HALF |= {
    "inverse",
    "solve",
    "det",
    "slogdet",
    "cholesky",
    "qr",
    "eigh",
    "svd",
    "searchsorted",
    "inverse_ex", "cofactor", "pinv", "cholesky_ex", "eigvalsh", "eig", "eigvals", "svdvals", "lu", "geqrf",
    "permutation_matrix", "zero_pivot", "ldl", "ldl_solve", "solve_triangular",
}  # fmt: skip
# There are no half-precision complex numbers.
NOT_IN_HALF |= {"complex", "view_as_complex", "fft_r2c"}
# Symmetric matrices only: a step in an arbitrary direction leaves them.
SYMMETRIC = {"cholesky", "cholesky_ex", "eigh", "eigvalsh"}


class Draws:
    """A random generator that is not PyTorch's."""

    def __init__(self):
        self.random = np.random.default_rng(0)

    def uniform(self, shape, dtype, low, high):
        return self.random.uniform(low, high, shape).astype(dtype)

    def normal(self, shape, dtype, mean, std):
        return self.random.normal(mean, std, shape).astype(dtype)

    def exponential(self, shape, dtype, rate):
        return self.random.exponential(1 / rate, shape).astype(dtype)

    def randint(self, shape, dtype, low, high):
        return self.random.integers(low, high, shape).astype(dtype)

    def randperm(self, n, dtype):
        return self.random.permutation(n).astype(dtype)

    def bernoulli(self, p):
        return (self.random.random(p.shape) < p).astype(p.dtype)

    def bernoulli_fill(self, shape, dtype, p):
        return (self.random.random(shape) < p).astype(dtype)

    def multinomial(self, weights, n, replacement):
        return np.argsort(-weights, axis=-1)[..., :n].astype(np.int64)


@pytest.fixture(autouse=True)
def draws():
    from graphtorch.ir.ops import random

    before = random.generator
    set_generator(Draws())
    yield
    random.generator = before


def outputs(value):
    return value if isinstance(value, tuple) else (value,)


def run(op, inputs, attrs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return outputs(op.numpy(*inputs, **attrs))


def converted(inputs, dtype):
    """Floating arrays in another dtype."""
    return tuple(
        x.astype(dtype) if isinstance(x, np.ndarray) and x.dtype.kind not in "iubc" else x
        for x in inputs
    )


def has_floats(inputs):
    return any(isinstance(x, np.ndarray) and x.dtype.kind == "f" for x in inputs)


def assert_close(found, expected, tolerance):
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    if expected.dtype.kind in "iub":
        np.testing.assert_array_equal(found, expected)
        return
    wide = np.complex128 if expected.dtype.kind == "c" else np.float64
    found, expected = found.astype(wide), expected.astype(wide)
    scale = np.max(np.abs(expected), initial=1.0, where=np.isfinite(expected))
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * scale)


def test_every_row_has_samples():
    assert {op.name for op in TABLE if op.samples is None} == {"pick", *SIZED_BY_VALUE}


def test_every_op_is_an_attribute():
    assert all(getattr(ops, name) is op for name, op in OPS.items() if op in TABLE)


@pytest.mark.parametrize("op", ROWS, ids=lambda op: op.name)
def test_row_is_complete(op):
    assert op.kind in KINDS
    assert (op.body is not None) == (op.kind == "pointwise")
    assert (op.strided is not None) == (op.kind == "view")
    assert op.kind != "composite" or op.decompose is not None
    assert op.effect == (op.kind == "random")


@pytest.mark.parametrize("op, inputs, attrs", CASES)
def test_kernel_gives_the_declared_type(op, inputs, attrs):
    declared = outputs(op.infer(*map(type_of, inputs), **attrs))
    found = run(op, inputs, attrs)
    assert all(type(y) is np.ndarray for y in found)
    assert [type_of(y) for y in found] == list(declared)


@pytest.mark.parametrize("op, inputs, attrs", CASES)
def test_kernel_leaves_its_operands_alone(op, inputs, attrs):
    copies = [np.copy(x) for x in inputs]
    run(op, inputs, attrs)
    for x, copy in zip(inputs, copies):
        np.testing.assert_array_equal(x, copy)


@pytest.mark.parametrize("op, inputs, attrs", CASES)
def test_kernel_takes_any_strides(op, inputs, attrs):
    if op.effect:
        pytest.skip("draws differ")

    def spread(x):
        if not isinstance(x, np.ndarray):
            return x
        wide = np.zeros([2 * n for n in x.shape], x.dtype)
        view = wide[tuple(slice(None, None, -2) for _ in x.shape)] if x.ndim else x
        view[...] = x
        return view

    expected = run(op, inputs, attrs)
    for found, y in zip(run(op, tuple(map(spread, inputs)), attrs), expected, strict=True):
        assert_close(found, y, 1e-6)


@pytest.mark.parametrize(
    "dtype", [np.float64, np.float16, ml_dtypes.bfloat16], ids=["f64", "f16", "bf16"]
)
@pytest.mark.parametrize("op, inputs, attrs", CASES)
def test_other_floating_dtypes(op, inputs, attrs, dtype):
    if not has_floats(inputs) or op.effect or (dtype is not np.float64 and op.name in NOT_IN_HALF):
        pytest.skip("no floats, or not made for this precision")
    # what is compared is the arithmetic: the operands are rounded first
    rounded = converted(inputs, dtype)
    declared = outputs(op.infer(*map(type_of, rounded), **attrs))
    found = run(op, rounded, attrs)
    assert [type_of(y) for y in found] == list(declared)
    precise = run(op, converted(rounded, np.float64), attrs)
    digits = ml_dtypes.finfo(dtype).eps
    for y, expected in zip(found, precise, strict=True):
        if expected.dtype.kind in "fc":
            assert_close(y, expected, max(4 * float(digits), 1e-12))
        else:
            np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("op, inputs, attrs", [c for c in CASES if c.values[0].kind == "pointwise"])
def test_body_agrees_with_kernel(op, inputs, attrs):
    scalar = NumpyScalar()
    (expected,) = run(op, inputs, attrs)
    shape = expected.shape
    dtype = next(
        x.dtype
        for x in inputs
        if isinstance(x, np.ndarray) and (op.name != "where" or x.dtype != bool)
    )
    operands = [x if isinstance(x, np.ndarray) else dtype.type(x) for x in inputs]
    found = np.broadcast_to(op.body(scalar, *operands, **attrs), shape)
    assert_close(found, expected, 2e-6)


_EDGES = np.array(
    [0.0, -0.0, 1, -1, 0.5, -2.5, np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-40], np.float32
)


@pytest.mark.parametrize(
    "op",
    [op for op in ROWS if op.kind == "pointwise" and op.name != "cast"],
    ids=lambda op: op.name,
)
def test_body_agrees_with_kernel_at_the_edges(op):
    """Zeros, infinities, NaN, denormals: kernels never warn, and both ways give the same kind of value."""
    scalar = NumpyScalar()
    if op.name == "where":
        operands = [np.arange(12) % 2 == 0, _EDGES, _EDGES[::-1].copy()]
    elif len(op.inputs) == 2:
        a, b = np.meshgrid(_EDGES, _EDGES)
        operands = [a.ravel(), b.ravel()]
    else:
        operands = [_EDGES]
    try:
        op.infer(*map(type_of, operands))
    except NotImplementedError:
        pytest.skip("takes no floats")
    (expected,) = run(op, operands, {})
    found = np.broadcast_to(op.body(scalar, *operands), expected.shape)
    finite = np.isfinite(expected.astype(np.float64)) & np.isfinite(found.astype(np.float64))
    np.testing.assert_array_equal(np.where(finite, 0, found), np.where(finite, 0, expected))
    np.testing.assert_allclose(found[finite], expected[finite], rtol=2e-6, atol=1e-38)


@pytest.mark.parametrize(
    "op, inputs, attrs", [c for c in CASES if c.values[0].decompose is not None]
)
def test_decomposition_agrees_with_kernel(op, inputs, attrs):
    inputs = tuple(in_float64(inputs))
    if op.numpy is None:
        pytest.skip("the decomposition is all there is")
    expected = run(op, inputs, attrs)
    graph = graph_of(lambda *xs: op.decompose(*xs, **attrs), inputs)
    found = interpret(graph, *inputs)
    for y, e in zip(found, expected, strict=True):
        assert_close(y, e, 1e-11)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("op, inputs, attrs", CASES)
def test_derivatives(op, inputs, attrs, order):
    """Against float64 finite differences along a random direction."""
    floating = [x for x in inputs if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
    if not floating or op.effect or (op.vjp is None and op.decompose is None):
        pytest.skip("nothing to differentiate")
    if not all(
        np.isfinite(y if y.dtype.kind == "c" else y.astype(np.float64)).all()
        for y in run(op, inputs, attrs)
    ):
        pytest.skip("not finite there")
    if op.name in ("igamma", "igammac", "zeta"):
        with pytest.raises(UnsupportedError, match="first operand"):
            check_gradients(op, inputs, order)
        return
    if op.name == "ctc_posterior" or (op.name == "ctc_loss" and order == 2):
        with pytest.raises(UnsupportedError, match="ctc_loss"):
            check_gradients(lambda *xs: op(*xs, **attrs), inputs, order)
        return
    if op.name == "cast":
        attrs = {"dtype": next(d for d in DTYPES if d.name == "float64")}

    def function(*xs):
        if op.name in SYMMETRIC:
            xs = tuple(0.5 * (x + ops.permute(x, dims=(0, 2, 1))) for x in xs)
        y = op(*xs, **attrs)
        return y[0] if op.name in FIRST_OUTPUT_ONLY else y

    check_gradients(function, inputs, order, rtol=2e-4 if order == 2 else 1e-5)


# an element of the result is not an element of the operand: no strides in elements describe it
STRIDED = [
    c for c in CASES if c.values[0].kind == "view" and "reinterprets" not in c.values[0].meta
]


@pytest.mark.parametrize("op, inputs, attrs", STRIDED)
def test_views_share_memory_and_know_their_strides(op, inputs, attrs):
    (x,) = inputs
    size = x.itemsize
    for source in (x.copy(), x):
        walk = op.strided(source.shape, tuple(s // size for s in source.strides), 0, **attrs)
        (y,) = run(op, (source,), attrs)
        if walk is None:
            assert op.name == "reshape" and not np.shares_memory(source, y)
            continue
        shape, strides, offset = walk
        assert shape == y.shape
        if y.size:
            assert np.shares_memory(source, y)
            flat = (
                np.lib.stride_tricks.as_strided(source, (1 + offset,), (size,))[offset:]
                if offset
                else source
            )
            walked = np.lib.stride_tricks.as_strided(flat, shape, tuple(s * size for s in strides))
            np.testing.assert_array_equal(walked, y)


def test_flags_of_numpy_are_untouched():
    before = np.geterr()
    ops.exp.numpy(np.array([1e9], np.float32))
    assert np.geterr() == before
