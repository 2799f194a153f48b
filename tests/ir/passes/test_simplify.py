"""Algebra and constant folding: IR text in, IR text out, and the same bits."""

import numpy as np
import pytest

from graphtorch.errors import VerificationError
from graphtorch.ir import ops
from graphtorch.ir.interpret import interpret
from graphtorch.ir.parse import parse
from graphtorch.ir.passes.simplify import exact_reciprocal, holds, simplify
from graphtorch.ir.rules import rewrite, table, variables
from graphtorch.ir.types import BY_SHORT, DTYPES
from graphtorch.ir.verify import verify

SPECIAL = np.array(
    [0.0, -0.0, 1.5, -2.25, np.inf, -np.inf, np.nan, 1e-45, -1e-40, 3e38, 7.0, -1.0], "f4"
)


def bits(a):
    """Bit patterns; every NaN is one NaN."""
    a = np.where(np.isnan(a), np.nan, a).astype(a.dtype) if a.dtype.kind == "f" else a
    return a.tobytes()


def check(before, after):
    graph = verify(parse(before))
    changed = verify(simplify(graph))
    assert str(changed) == after
    assert str(simplify(changed)) == after
    arrays = []
    for i, n in enumerate(graph.inputs):
        values = np.roll(SPECIAL, i) if n.dtype.kind == "f" else np.arange(-3, 9)
        arrays.append(np.resize(values, n.shape).astype(n.dtype.numpy))
    for a, b in zip(interpret(graph, *arrays), interpret(changed, *arrays), strict=True):
        assert bits(a) == bits(b)


def one(body, result, type="f32[12]", inputs="x: f32[12], y: f32[12]"):
    """Check that `out` becomes `result`: a value's name, or the one line left."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    before = f"def f({inputs}):\n{lines}    return out"
    if result.isidentifier():
        after = f"def f({inputs}):\n    return {result}"
    else:
        after = f"def f({inputs}):\n    out: {type} = ops.{result}\n    return out"
    check(before, after)


@pytest.mark.parametrize(
    ("call", "result"),
    [
        ("mul(x, 1)", "x"),
        ("mul(1.0, x)", "x"),
        ("div(x, 1.0)", "x"),
        ("sub(x, 0.0)", "x"),
        ("add(x, -0.0)", "x"),
        ("add(-0.0, x)", "x"),
        ("pow(x, 1)", "x"),
        ("pow(x, 2.0)", "square(x)"),
        ("pow(x, 0.5)", "sqrt(x)"),
        ("pow(x, -0.5)", "rsqrt(x)"),
        ("pow(x, -1)", "reciprocal(x)"),
        ("mul(x, -1)", "neg(x)"),
        ("div(x, 4)", "mul(x, 0.25)"),
        ("div(x, -0.5)", "mul(x, -2.0)"),
        ("div(x, 3.0)", "div(x, 3.0)"),
        ("add(x, 0.0)", "add(x, 0.0)"),  # -0.0 + 0.0 is 0.0
        ("sub(x, -0.0)", "sub(x, -0.0)"),
        ("mul(x, 0.0)", "mul(x, 0.0)"),  # NaN, infinities
        ("sub(x, x)", "sub(x, x)"),
        ("maximum(x, x)", "x"),
        ("expand(x, shape=(12,))", "x"),
        ("reshape(x, shape=(12,))", "x"),
        ("permute(x, dims=(0,))", "x"),
        ("slice(x, starts=(0,), stops=(12,), steps=(1,))", "x"),
        ("cast(x, dtype=f32)", "x"),
    ],
)
def test_one_operation(call, result):
    one(f"out: f32[12] = ops.{call}", result)


@pytest.mark.parametrize(
    ("first", "second", "result"),
    [
        ("neg(x)", "neg(a)", "x"),
        ("neg(y)", "add(x, a)", "sub(x, y)"),
        ("neg(y)", "add(a, x)", "sub(x, y)"),
        ("neg(y)", "sub(x, a)", "add(x, y)"),
        ("neg(x)", "abs(a)", "abs(x)"),
        ("neg(x)", "square(a)", "square(x)"),
        ("relu(x)", "relu(a)", "relu(x)"),
        ("abs(x)", "abs(a)", "abs(x)"),
    ],
)
def test_two_operations(first, second, result):
    one(f"a: f32[12] = ops.{first}\nout: f32[12] = ops.{second}", result)


def test_integers_have_more_rules():
    for call, result in (
        ("add(x, 0)", "x"),
        ("mul(x, 0)", "full(shape=(12,), value=0, dtype=i64)"),
    ):
        one(f"out: i64[12] = ops.{call}", result, "i64[12]", "x: i64[12]")
    one("a: u8[12] = ops.neg(x)\nout: u8[12] = ops.neg(a)", "x", "u8[12]", "x: u8[12]")


def test_views_of_views():
    inputs = "x: f32[2, 3, 2]"
    one(
        "a: f32[6, 2] = ops.reshape(x, shape=(6, 2))\nout: f32[12] = ops.reshape(a, shape=(12,))",
        "reshape(x, shape=(12,))", "f32[12]", inputs,
    )  # fmt: skip
    one(
        "a: f32[3, 2, 2] = ops.permute(x, dims=(1, 2, 0))\nout: f32[2, 2, 3] = ops.permute(a, dims=(2, 1, 0))",
        "permute(x, dims=(0, 2, 1))", "f32[2, 2, 3]", inputs,
    )  # fmt: skip
    one(
        "a: f32[3, 2, 2] = ops.permute(x, dims=(1, 2, 0))\nout: f32[2, 3, 2] = ops.permute(a, dims=(2, 0, 1))",
        "x", "", inputs,
    )  # fmt: skip
    one(
        "out: f32[3, 1, 4] = ops.permute(x, dims=(1, 0, 2))",
        "reshape(x, shape=(3, 1, 4))", "f32[3, 1, 4]", "x: f32[1, 3, 4]",
    )  # fmt: skip
    one(
        "a: f32[2, 3] = ops.expand(x, shape=(2, 3))\nout: f32[4, 2, 3] = ops.expand(a, shape=(4, 2, 3))",
        "expand(x, shape=(4, 2, 3))", "f32[4, 2, 3]", "x: f32[3]",
    )  # fmt: skip


def test_casts():
    two = "a: {0}[12] = ops.cast(x, dtype={0})\nout: {1}[12] = ops.cast(a, dtype={1})"
    one(two.format("f32", "bf16"), "x", "", "x: bf16[12]")
    one(two.format("f64", "f32"), "x", "", "x: f32[12]")
    one(two.format("f64", "i32"), "cast(x, dtype=i32)", "i32[12]", "x: i8[12]")
    for first, second, start in (
        ("f16", "f32", "f32"),
        ("f32", "i64", "i64"),
        ("i32", "f32", "i64"),
    ):
        text = (
            f"def f(x: {start}[12]):\n    "
            + two.format(first, second).replace("\n", "\n    ")
            + "\n    return out"
        )
        assert str(simplify(parse(text))) == text


def test_holds_is_what_casting_says():
    patterns = np.arange(2**16, dtype=np.uint16)
    small = ("f16", "bf16", "i16", "u8", "i8", "bool")
    for narrow in map(BY_SHORT.get, small):
        if narrow.itemsize == 2:
            values = patterns.view(narrow.numpy)
        else:
            values = np.unique(patterns.astype(np.uint8).astype(narrow.numpy))
        for wide in DTYPES:
            if wide.kind == "c":
                continue
            with np.errstate(all="ignore"):
                there = values.astype(wide.numpy).astype(np.float64)
                exact = values.astype(np.float64)
            same = np.array_equal(there, exact, equal_nan=True)
            assert holds(wide, narrow) == same, (wide, narrow)
    f32, f64, i32, i64 = (BY_SHORT[s] for s in ("f32", "f64", "i32", "i64"))
    assert holds(f64, i32) and not holds(f64, i64) and not holds(f32, i32) and holds(i64, i32)


def test_constants_become_literals_and_fold():
    check(
        """\
def f(x: f32[2, 6]):
    full: f32[()] = ops.full(shape=(), value=3.0, dtype=f32)
    expand: f32[2, 6] = ops.expand(full, shape=(2, 6))
    half: f32[2, 6] = ops.full(shape=(2, 6), value=0.5, dtype=f32)
    scale: f32[2, 6] = ops.mul(expand, half)
    a: f32[2, 6] = ops.mul(scale, x)
    gt: bool[2, 6] = ops.gt(a, expand)
    b: f32[2, 6] = ops.where(gt, half, expand)
    return b""",
        """\
def f(x: f32[2, 6]):
    expand: f32[2, 6] = ops.full(shape=(2, 6), value=3.0, dtype=f32)
    a: f32[2, 6] = ops.mul(1.5, x)
    gt: bool[2, 6] = ops.gt(a, 3.0)
    b: f32[2, 6] = ops.where(gt, 0.5, expand)
    return b""",
    )


def test_folding_rounds_as_the_dtype_does():
    graph = simplify(
        parse(
            """\
def f():
    a: f32[()] = ops.full(shape=(), value=0.1, dtype=f32)
    b: f64[()] = ops.cast(a, dtype=f64)
    c: u8[()] = ops.full(shape=(), value=200, dtype=u8)
    d: u8[()] = ops.add(c, 100)
    return (b, d)"""
        )
    )
    b, d = interpret(graph)
    assert b == np.float64(np.float32(0.1)) and d == 44
    assert [n.op.name for n in graph.nodes] == ["full", "full"]


def test_choices():
    inputs = "c: bool[12], x: f32[12], y: f32[12]"
    one("out: f32[12] = ops.where(c, x, x)", "x", "", inputs)
    one(
        "n: bool[12] = ops.logical_not(c)\nout: f32[12] = ops.where(n, x, y)",
        "where(c, y, x)", "f32[12]", inputs,
    )  # fmt: skip
    one(
        "t: bool[12] = ops.full(shape=(12,), value=True, dtype=bool)\nout: f32[12] = ops.where(t, x, y)",
        "x", "", inputs,
    )  # fmt: skip
    one(
        "a: f32[12] = ops.where(c, x, 1.0)\nout: f32[12] = ops.where(c, a, y)",
        "where(c, x, y)", "f32[12]", inputs,
    )  # fmt: skip
    one("out: bool[12] = ops.logical_and(c, True)", "c", "", inputs)
    one(
        "out: bool[12] = ops.logical_and(x, False)",
        "full(shape=(12,), value=False, dtype=bool)", "bool[12]", inputs,
    )  # fmt: skip


def test_pointwise_ops_move_before_expansion():
    check(
        """\
def f(x: f32[12], v: f32[12, 1], m: f32[12, 1]):
    expand: f32[12, 5] = ops.expand(v, shape=(12, 5))
    add: f32[12, 5] = ops.add(expand, 1e-05)
    rsqrt: f32[12, 5] = ops.rsqrt(add)
    expand_1: f32[12, 5] = ops.expand(m, shape=(12, 5))
    mul: f32[12, 5] = ops.mul(rsqrt, expand_1)
    return mul""",
        """\
def f(x: f32[12], v: f32[12, 1], m: f32[12, 1]):
    add_1: f32[12, 1] = ops.add(v, 1e-05)
    rsqrt_1: f32[12, 1] = ops.rsqrt(add_1)
    mul_1: f32[12, 1] = ops.mul(rsqrt_1, m)
    mul: f32[12, 5] = ops.expand(mul_1, shape=(12, 5))
    return mul""",
    )


def test_sum_of_copies():
    check(
        """\
def f(x: f32[3, 1]):
    expand: f32[2, 3, 4] = ops.expand(x, shape=(2, 3, 4))
    sum: f32[3] = ops.sum(expand, dims=(0, 2))
    expand_1: f32[3, 3, 1] = ops.expand(x, shape=(3, 3, 1))
    sum_1: f32[3, 1] = ops.sum(expand_1, dims=(0,))
    return (sum, sum_1)""",
        """\
def f(x: f32[3, 1]):
    sum_2: f32[3] = ops.sum(x, dims=(1,))
    sum: f32[3] = ops.mul(sum_2, 8)
    expand_1: f32[3, 3, 1] = ops.expand(x, shape=(3, 3, 1))
    sum_1: f32[3, 1] = ops.sum(expand_1, dims=(0,))
    return (sum, sum_1)""",
    )


def test_names_and_sources_go_over_to_the_replacement():
    check(
        """\
def f(x: f32[12], y: f32[12]):
    minus: f32[12] = ops.neg(y)  # t.py:1
    difference: f32[12] = ops.add(x, minus)  # t.py:2 in layer
    exp: f32[12] = ops.exp(difference)
    update(x, difference)
    return exp""",
        """\
def f(x: f32[12], y: f32[12]):
    difference: f32[12] = ops.sub(x, y)  # t.py:2 in layer
    exp: f32[12] = ops.exp(difference)
    update(x, difference)
    return exp""",
    )


def test_exact_reciprocal_only_of_powers_of_two():
    x = parse("def f(x: f32[2]):\n    return x").inputs[0]
    assert [c for c in (1, 2, -4, 0.125, 1024.0) if exact_reciprocal(x, c)] == [
        1,
        2,
        -4,
        0.125,
        1024.0,
    ]
    assert not any(
        exact_reciprocal(x, c) for c in (0, 3, 0.1, float("inf"), float("nan"), 2.0**40, True)
    )


def test_a_wrong_rule_is_caught():
    (x,) = variables("x")
    wrong = table(lambda: [(ops.exp(x), lambda x: ops.reshape(x, shape=(1, 12)))])
    with pytest.raises(VerificationError, match="the types differ"):
        rewrite(parse("def f(x: f32[12]):\n    y: f32[12] = ops.exp(x)\n    return y"), wrong)
    endless = table(lambda: [(ops.exp(x), lambda x: ops.exp(-x))])
    with pytest.raises(VerificationError, match="do not end"):
        rewrite(parse("def f(x: f32[12]):\n    y: f32[12] = ops.exp(x)\n    return y"), endless)


def test_a_choice_between_two_literals_keeps_a_tensor():
    text = """\
def f(c: bool[12], x: f32[12]):
    where: f32[12] = ops.where(c, 0, x)
    where_1: f32[12] = ops.where(c, where, 0)
    return where_1"""
    check(text, text)
