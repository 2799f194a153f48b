"""Matrix products against float64, over sizes, layouts, dtypes and epilogues."""

from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest

from graphtorch.codegen.contraction import Contraction, Epilogue, Layout, plan
from graphtorch.codegen.llvm.target import NAMED, target
from graphtorch.ir.types import TensorType, bfloat16, bool_, float32, float64

from .running import layout, relative_error, run

SIZES = [
    (1, 1, 1), (6, 16, 4), (7, 17, 5), (64, 64, 64), (13, 101, 37), (128, 300, 70), (53, 47, 1601),
    (97, 3, 11), (5, 1, 9), (2, 40, 33), (4, 97, 130), (1, 130, 257), (3, 5, 0), (31, 2, 1),
]  # fmt: skip


def product(m, n, k, a, b, batch=(), **options):
    return plan(Contraction(m, n, k, layout(a), layout(b), batch, **options), target())


def operand(rng, batch, rows, columns, how):
    """An array and the view of it that is the operand."""
    if how == "plain":
        base = rng.standard_normal((*batch, rows, columns)).astype("f")
        return base, base
    if how == "transposed":
        base = rng.standard_normal((*batch, columns, rows)).astype("f")
        return base, base.swapaxes(-1, -2)
    base = rng.standard_normal((*batch, rows * 2, columns * 3)).astype("f")
    return base, base[..., ::2, 1::3]


@pytest.mark.parametrize("size", SIZES, ids=lambda s: "x".join(map(str, s)))
@pytest.mark.parametrize("a_how", ["plain", "transposed", "strided"])
@pytest.mark.parametrize("b_how", ["plain", "transposed", "strided"])
def test_every_layout(size, a_how, b_how):
    m, n, k = size
    rng = np.random.default_rng(m * n + k)
    for batch in ((), (2, 3)):
        a_base, a = operand(rng, batch, m, k, a_how)
        b_base, b = operand(rng, batch, k, n, b_how)
        p = plan(Contraction(m, n, k, layout(a, a_base), layout(b, b_base), batch), target())
        (c,) = run(p, [a_base, b_base], [(*batch, m, n)])
        expected = a.astype("d") @ b.astype("d")
        assert relative_error(c, expected) < 1e-6 * max(k, 1) ** 0.5
        (again,) = run(p, [a_base, b_base], [(*batch, m, n)], order="shuffled", at_end=False)
        np.testing.assert_array_equal(c, again)


def test_a_result_does_not_depend_on_how_items_are_split():
    rng = np.random.default_rng(0)
    a, b = (
        rng.standard_normal((300, 2000)).astype("f"),
        rng.standard_normal((2000, 400)).astype("f"),
    )
    p = product(300, 400, 2000, a, b)
    assert p.steps[0].chunks > 4
    (c,) = run(p, [a, b], [(300, 400)])
    (again,) = run(p, [a, b], [(300, 400)], order="shuffled")
    np.testing.assert_array_equal(c, again)
    assert relative_error(c, a.astype("d") @ b.astype("d")) < 1e-6


@pytest.mark.parametrize("size", [(0, 4, 4), (4, 0, 4), (4, 4, 0)])
def test_empty(size):
    m, n, k = size
    p = product(m, n, k, np.zeros((m, k), "f"), np.zeros((k, n), "f"))
    (c,) = run(p, [np.zeros((m, k), "f"), np.zeros((k, n), "f")], [(m, n)])
    np.testing.assert_array_equal(c, np.zeros((m, n), "f"))


def test_one_kernel_serves_many_shapes():
    keys = set()
    for m, n, k in [(64, 64, 64), (100, 30, 7), (1000, 500, 2500)]:
        a, b = np.zeros((m, k), "f"), np.zeros((k, n), "f")
        keys |= {s.kernel.key for s in product(m, n, k, a, b).steps}
    assert len(keys) == 1


def test_broadcast_batches_merge_into_rows():
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((4, 5, 9)).astype("f"), rng.standard_normal((9, 21)).astype("f")
    p = plan(Contraction(5, 21, 9, layout(a), Layout((0, 21, 1)), (4,)), target())
    (c,) = run(p, [a, b], [(4, 5, 21)])
    assert relative_error(c, a.astype("d") @ b) < 1e-6
    p = plan(Contraction(5, 21, 9, Layout((0, 9, 1)), Layout((0, 21, 1)), (4,)), target())
    (c,) = run(p, [a[0], b], [(4, 5, 21)])
    assert relative_error(c, np.broadcast_to(a[0].astype("d") @ b, (4, 5, 21))) < 1e-6


def test_batches_that_do_not_merge():
    rng = np.random.default_rng(2)
    base = rng.standard_normal((2, 10, 3, 8)).astype("f")  # [batch, position, head, width]
    q = base.transpose(0, 2, 1, 3)
    p = plan(Contraction(10, 10, 8, layout(q), layout(q.swapaxes(-1, -2)), (2, 3)), target())
    (c,) = run(p, [base, base], [(2, 3, 10, 10)])
    assert relative_error(c, q.astype("d") @ q.swapaxes(-1, -2)) < 1e-6


@pytest.mark.parametrize("dtype", [np.float64, ml_dtypes.bfloat16, np.float16])
@pytest.mark.parametrize("transposed", list(itertools.product([False, True], repeat=2)))
@pytest.mark.parametrize("size", [(13, 37, 29), (1, 37, 29), (64, 50, 300)])
def test_other_dtypes(dtype, transposed, size):
    m, n, k = size
    rng = np.random.default_rng(3)
    a_base = rng.standard_normal((k, m) if transposed[0] else (m, k)).astype(dtype)
    b_base = rng.standard_normal((n, k) if transposed[1] else (k, n)).astype(dtype)
    a = a_base.T if transposed[0] else a_base
    b = b_base.T if transposed[1] else b_base
    result = TensorType(float64 if dtype is np.float64 else float32, (m, n))
    p = plan(Contraction(m, n, k, layout(a, a_base), layout(b, b_base)), target())
    (c,) = run(p, [a_base, b_base], [result])
    expected = a.astype("d") @ b.astype("d")
    assert relative_error(c, expected) < (1e-14 if dtype is np.float64 else 1e-5)


def bias_relu(s, x, bias):
    y = s.add(x, bias)
    return y, s.max(y, 0.0)


@pytest.mark.parametrize(
    "size", [(13, 37, 29), (6, 16, 8), (2, 37, 29), (70, 37, 1700), (40, 2, 9)]
)
def test_epilogue_with_two_results(size):
    m, n, k = size
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((m, k)).astype("f"), rng.standard_normal((k, n)).astype("f")
    bias = rng.standard_normal(n).astype("f")
    dense = Layout.of((m, n))
    e = Epilogue(bias_relu, "bias_relu", (Layout((0, 1)),), (dense, dense))
    pre, post = run(product(m, n, k, a, b, epilogue=e), [a, b, bias], [(m, n), (m, n)])
    expected = a.astype("d") @ b + bias
    assert relative_error(pre, expected) < 1e-6
    assert relative_error(post, np.maximum(expected, 0)) < 1e-6
    np.testing.assert_array_equal(post, np.maximum(pre, 0))


@pytest.mark.parametrize("order", ["all", "shuffled"])
def test_epilogue_operands_of_every_layout_and_dtype(order):
    m, n, k = 19, 35, 12
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((m, k)).astype("f"), rng.standard_normal((k, n)).astype("f")
    column = rng.standard_normal(m).astype("f")
    turned = rng.standard_normal((n, m)).astype("f")
    keep = rng.standard_normal((m, n)) > 0
    half = rng.standard_normal((m, n)).astype(ml_dtypes.bfloat16)

    def body(s, x, column, turned, keep, half):
        y = s.add(s.mul(s.select(keep, x, 0.0), column), turned)
        y = s.mul(s.add(y, half), 0.5)
        return s.call("tanh", y), s.less(y, 0.0), y

    e = Epilogue(
        body, "everything",
        (Layout((1, 0)), Layout((1, m)), Layout.of((m, n), bool_), Layout.of((m, n), bfloat16)),
        (Layout.of((m, n), float32), Layout.of((m, n), bool_), Layout((n, 1), 0, bfloat16)),
    )  # fmt: skip
    results = [TensorType(d, (m, n)) for d in (float32, bool_, bfloat16)]
    p = product(m, n, k, a, b, epilogue=e)
    y, negative, rounded = run(p, [a, b, column, turned, keep, half], results, order=order)
    expected = a.astype("d") @ b
    expected = np.where(keep, expected, 0) * column[:, None] + turned.T
    expected = (expected + half.astype("d")) * 0.5
    assert relative_error(y, np.tanh(expected)) < 1e-6
    np.testing.assert_array_equal(negative, expected < 0)
    assert relative_error(rounded.astype("d"), expected) < 4e-3


def test_result_that_is_contiguous_along_rows():
    rng = np.random.default_rng(6)
    a, b = rng.standard_normal((20, 11)).astype("f"), rng.standard_normal((11, 45)).astype("f")
    bias = rng.standard_normal(45).astype("f")
    e = Epilogue(lambda s, x, b: (s.add(x, b),), "bias", (Layout((0, 1)),), (Layout((1, 20)),))
    (c,) = run(product(20, 45, 11, a, b, epilogue=e), [a, b, bias], [(45, 20)])
    assert relative_error(c.T, a.astype("d") @ b + bias) < 1e-6


@pytest.mark.parametrize("size", [(7, 18, 5), (70, 50, 900), (2, 9, 4)])
def test_a_sum_around_k(size):
    m, n, k = size
    rng = np.random.default_rng(9)
    a, b = rng.standard_normal((3, m, k)).astype("f"), rng.standard_normal((3, n, k)).astype("f")
    c = Contraction(m, n, k, Layout((k, 1)), Layout((1, k)), outer=(3, m * k, n * k))
    (found,) = run(plan(c, target()), [a, b], [(m, n)])
    assert relative_error(found, np.einsum("imk,ink->mn", a.astype("d"), b)) < 1e-6


def test_negative_and_repeating_strides():
    rng = np.random.default_rng(10)
    a, b = rng.standard_normal((9, 14)).astype("f"), rng.standard_normal((14, 21)).astype("f")
    flipped_a, flipped_b = a[::-1, ::-1], b[::-1, ::-1]
    c = Contraction(9, 21, 14, layout(flipped_a, a), layout(flipped_b, b))
    (found,) = run(plan(c, target()), [a, b], [(9, 21)])
    assert relative_error(found, flipped_a.astype("d") @ flipped_b) < 1e-6
    row, column = rng.standard_normal(14).astype("f"), rng.standard_normal(14).astype("f")
    c = Contraction(9, 21, 14, Layout((0, 1)), Layout((1, 0)))
    (found,) = run(plan(c, target()), [row, column], [(9, 21)])
    assert relative_error(found, np.full((9, 21), row.astype("d") @ column)) < 1e-6
    one = rng.standard_normal(1).astype("f")
    c = Contraction(9, 21, 14, Layout((0, 0)), Layout((0, 0)))
    (found,) = run(plan(c, target()), [one, one], [(9, 21)])
    np.testing.assert_allclose(found, 14 * one.astype("d")[0] ** 2, rtol=1e-6)


def test_offsets_and_unaligned_buffers():
    rng = np.random.default_rng(7)
    a_base, b_base = rng.standard_normal(2000).astype("f"), rng.standard_normal(2000).astype("f")
    a, b = a_base[13 : 13 + 600].reshape(20, 30), b_base[7 : 7 + 900].reshape(30, 30)
    p = plan(Contraction(20, 30, 30, layout(a, a_base), layout(b, b_base)), target())
    (c,) = run(p, [a_base, b_base], [(20, 30)])
    assert relative_error(c, a.astype("d") @ b) < 1e-6


def test_nan_and_infinity_stay_in_their_row_and_column():
    a, b = np.ones((9, 5), "f"), np.ones((5, 20), "f")
    a[3, 2], b[1, 18] = np.nan, np.inf
    (c,) = run(product(9, 20, 5, a, b), [a, b], [(9, 20)])
    np.testing.assert_array_equal(c, (a.astype("d") @ b).astype("f"))


@pytest.mark.parametrize("name", sorted(NAMED))
def test_other_machines(name):
    """The text assembles for every target; where the host can run it, it is right."""
    from graphtorch.codegen.llvm import jit

    machine = target(name)
    rng = np.random.default_rng(8)
    a, b = rng.standard_normal((43, 67)).astype("f"), rng.standard_normal((39, 67)).astype("f")
    p = plan(Contraction(43, 39, 67, layout(a), layout(b.T, b)), machine)
    for step in p.steps:
        assert jit.assemble(step.kernel.llvm("kernel", machine), machine)
    if machine.runnable:
        (c,) = run(p, [a, b], [(43, 39)], machine=machine)
        assert relative_error(c, a.astype("d") @ b.T) < 1e-6
