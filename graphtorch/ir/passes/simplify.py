"""Algebra as a table of rules, and constants folded into literals.

No rule changes a floating result, not by a rounding and not in the sign of a zero: `x * 1` is `x`,
but `x + 0` (which turns -0.0 into 0.0) and `x * 0` (NaN, infinities) stay.  Rules that hold for
integers only say so.

Constants are `full` nodes and Python scalars.  A `full` that a pointwise op reads becomes a scalar
operand, so that kernels see an immediate; ops on constants only are computed with the NumPy kernels.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from ..graph import Graph, Node
from ..op import OPS
from ..rules import Function, Rule, rewrite, table, variables
from ..types import DType, TensorType, bool_
from .dce import dce


def simplify(graph: Graph) -> Graph:
    """Apply the table and fold constants; drops what is no longer used."""
    return dce(rewrite(graph, rules(), functions()))


@cache
def rules() -> list[Rule]:
    """The table."""
    from .. import ops

    x, y, a, b, c = variables("x y a b c")
    # fmt: off
    return table(lambda: [
        # neutral operands
        (x * 1,                               x),
        (x / 1,                               x),
        (x - 0,                               x),
        (x + -0.0,                            x),
        (x + 0,                               x, integral),
        (x * 0,                               0, integral),
        (ops.pow(x, 1),                       x),
        (x * -1,                              lambda x: -x),
        (x / c,                               lambda x, c: x * (1.0 / c), exact_reciprocal),
        (ops.logical_and(x, True),            x, boolean),
        (ops.logical_or(x, False),            x, boolean),
        (ops.logical_and(x, False),           False),
        (ops.logical_or(x, True),             True),
        # the powers PyTorch singles out, by the same formulas
        (ops.pow(x, 2),                       lambda x: ops.square(x)),
        (ops.pow(x, 3),                       lambda x: ops.square(x) * x),
        (ops.pow(x, 0.5),                     lambda x: ops.sqrt(x), floating),
        (ops.pow(x, -0.5),                    lambda x: ops.rsqrt(x), floating),
        (ops.pow(x, -1),                      lambda x: ops.reciprocal(x), floating),
        (ops.pow(x, -2),                      lambda x: ops.reciprocal(ops.square(x)), floating),
        # signs
        (ops.neg(ops.neg(x)),                 x),
        (x + -y,                              lambda x, y: x - y),
        (x - -y,                              lambda x, y: x + y),
        (-x * -y,                             lambda x, y: x * y),
        (-x / -y,                             lambda x, y: x / y),
        (ops.abs(-x),                         lambda x: ops.abs(x), lambda x: x.dtype.kind != "u"),
        (ops.square(-x),                      lambda x: ops.square(x)),
        (-(x - y),                            lambda x, y: y - x, integral),
        (ops.abs(ops.abs(x)),                 lambda x: ops.abs(x)),
        (ops.relu(ops.relu(x)),               lambda x: ops.relu(x)),
        # choices
        (ops.where(x, y, y),                  y),
        (ops.where(ops.logical_not(c), x, y), lambda c, x, y: ops.where(c, y, x), lambda c: boolean(c)),
        (ops.where(c, ops.where(c, x, a), y), choice),
        (ops.where(c, x, ops.where(c, a, y)), choice),
        (ops.maximum(x, x),                   x),
        (ops.minimum(x, x),                   x),
        (ops.logical_not(ops.logical_not(x)), x, boolean),
        # dtypes
        (ops.cast(x, dtype=a),                x, lambda x, a: x.dtype is a),
        (ops.cast(ops.cast(x, dtype=a), dtype=b), lambda x, b: ops.cast(x, dtype=b),
                                              lambda x, a: holds(a, x.dtype)),
        # views
        (ops.reshape(x, shape=a),             x, lambda x, a: x.shape == a),
        (ops.reshape(ops.reshape(x, shape=a), shape=b), lambda x, b: ops.reshape(x, shape=b)),
        (ops.permute(x, dims=a),              x, lambda a: a == tuple(range(len(a)))),
        (ops.permute(ops.permute(x, dims=a), dims=b),
                                              lambda x, a, b: ops.permute(x, dims=tuple(a[i] for i in b))),
        (ops.permute(x, dims=a),              lambda x, a: ops.reshape(x, shape=permuted(x.shape, a)),
                                              lambda x, a: keeps_order(x.shape, a)),
        (ops.expand(x, shape=a),              x, lambda x, a: x.shape == a),
        (ops.expand(ops.expand(x, shape=a), shape=b), lambda x, b: ops.expand(x, shape=b)),
        (ops.slice(x, starts=a, stops=b, steps=c), x, whole_slice),
        (ops.flip(ops.flip(x, dims=a), dims=a), x),
        # sums
        (ops.sum(ops.expand(x, shape=a), dims=b), sum_of_expand),
    ])
    # fmt: on


def integral(x: Any) -> bool:
    return isinstance(x, Node) and x.dtype.kind in "iu"


def floating(x: Any) -> bool:
    return isinstance(x, Node) and x.dtype.kind == "f"


def boolean(x: Any) -> bool:
    return isinstance(x, Node) and x.dtype is bool_


def choice(c: Any, x: Any, y: Any) -> Any:
    """`where`; None, no change, if both branches are literals, which would have no dtype."""
    return OPS["where"](c, x, y) if isinstance(x, Node) or isinstance(y, Node) else None


def exact_reciprocal(x: Any, c: Any) -> bool:
    """Whether `x / c` and `x * (1 / c)` are the same for every float x: c is a power of two."""
    if type(c) not in (int, float) or not isinstance(x, Node) or x.dtype.kind != "f":
        return False
    if c == 0 or not math.isfinite(c):
        return False
    mantissa, exponent = math.frexp(c)
    return abs(mantissa) == 0.5 and abs(exponent) < 14  # normal in every dtype, float16 too


def holds(wide: DType, narrow: DType) -> bool:
    """Whether every value of `narrow` is a value of `wide`.

    >>> from graphtorch.ir.types import bfloat16, float32, int64
    >>> holds(float32, bfloat16), holds(float32, int64)
    (True, False)
    """
    if wide is narrow:
        return True
    if wide is bool_ or narrow.kind == "c":
        return wide.kind == "c" and wide.itemsize >= narrow.itemsize
    if narrow is bool_:
        return True
    bits = _significand(wide)
    if narrow.kind == "f":
        return (
            wide.kind in "fc"
            and bits >= _significand(narrow)
            and _exponent(wide) >= _exponent(narrow)
        )
    if (
        wide.kind in "fc"
    ):  # the largest int8 to int32 magnitudes are within float16's range or wider
        return bits >= _significand(narrow) and (1 << _significand(narrow)) <= 2 ** _exponent(wide)
    if wide.kind == "u" and narrow.kind == "i":
        return False
    return bits >= _significand(narrow)


def _significand(dtype: DType) -> int:
    """How many bits of an integer the dtype holds exactly."""
    return {
        "float64": 53, "float32": 24, "float16": 11, "bfloat16": 8, "complex64": 24, "complex128": 53,
        "uint8": 8, "int8": 7, "int16": 15, "int32": 31, "int64": 63, "bool": 1,
    }[dtype.name]  # fmt: skip


def _exponent(dtype: DType) -> int:
    """The exponent of the largest finite value."""
    return {
        "float64": 1023, "float32": 127, "float16": 15, "bfloat16": 127,
        "complex64": 127, "complex128": 1023,
    }[dtype.name]  # fmt: skip


def permuted(shape: tuple[int, ...], dims: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(shape[d] for d in dims)


def keeps_order(shape: tuple[int, ...], dims: tuple[int, ...]) -> bool:
    """Whether a permutation moves only dimensions of size 1, so that it is a reshape."""
    moved = [d for d in dims if shape[d] != 1]
    return moved == sorted(moved)


def whole_slice(x: Any, a: tuple[int, ...], b: tuple[int, ...], c: tuple[int, ...]) -> bool:
    return not any(a) and b == x.shape and all(step == 1 for step in c)


def sum_of_expand(x: Node, a: tuple[int, ...], b: tuple[int, ...]) -> Any:
    """A sum over copies is a multiple; exact for integers, and for floats by a power of two."""
    lead = len(a) - x.ndim
    copied = [d for d in b if d < lead or x.shape[d - lead] != a[d]]
    count = math.prod(a[d] for d in copied)
    if not copied or not count or (x.dtype.kind not in "iu" and count & (count - 1)):
        return None
    kind = OPS["sum"].infer(x.type, dims=())
    if not isinstance(kind, TensorType) or kind.dtype is not x.dtype:
        return None
    rest = tuple(d - lead for d in b if d not in copied)  # dimensions of x that are truly summed
    ones = tuple(d - lead for d in copied if d >= lead)
    total = OPS["sum"](x, dims=tuple(sorted((*rest, *ones))))
    shape = tuple(s for d, s in enumerate(a) if d not in b)
    total = total if total.shape == shape else OPS["expand"](total, shape=shape)
    return total * count


@cache
def functions() -> dict[str, list[Function]]:
    """The rules that no pattern says, by the ops they look at."""
    found: dict[str, list[Function]] = {}
    for op in OPS.values():
        if op.kind == "view":
            found[op.name] = [view_of_full]
        elif op.kind == "pointwise":
            found[op.name] = [fold, literals, hoist_expand]
    found["where"].insert(0, known_choice)
    return found


def is_full(value: Any) -> bool:
    return isinstance(value, Node) and value.op.name == "full"


def full(shape: tuple[int, ...], value: Any, dtype: DType) -> Node:
    node: Node = OPS["full"](shape=shape, value=value, dtype=dtype)
    return node


def view_of_full(node: Node) -> Node | None:
    """A view of a constant is a constant of another shape."""
    source = node.inputs[0]
    if not is_full(source):
        return None
    return full(node.shape, source.attrs["value"], node.dtype)


def constant(value: Any) -> Any:
    """The number a `full` holds, or the scalar itself; None if it is neither."""
    if isinstance(value, Node):
        return value.attrs["value"] if value.op.name == "full" else None
    return value


def known_choice(node: Node) -> Any:
    """`where` with a constant condition is one of its branches."""
    condition = constant(node.inputs[0])
    return None if condition is None else node.inputs[1 if condition else 2]


def fold(node: Node) -> Node | None:
    """Compute a pointwise op whose operands are all constant."""
    if any(isinstance(x, Node) and x.op.name != "full" for x in node.inputs):
        return None
    if node.op.numpy is None:
        return None
    operands = [
        np.full((), x.attrs["value"]).astype(x.dtype.numpy) if isinstance(x, Node) else x
        for x in node.inputs
    ]
    result = node.op.numpy(*operands, **node.attrs)
    return full(node.shape, python_scalar(result, node.dtype), node.dtype)


def python_scalar(array: Any, dtype: DType) -> bool | int | float | complex:
    """The one element of `array` as a Python number."""
    if dtype.kind == "f":
        return float(array)
    if dtype.kind == "c":
        return complex(array)
    return bool(array) if dtype.kind == "b" else int(array)


def literals(node: Node) -> Node | None:
    """Constant operands become scalars, as long as a tensor still says the result's type."""
    operands = list(node.inputs)
    if not any(map(is_full, operands)):
        return None
    start = 1 if node.op.name == "where" and not is_full(operands[0]) else 0
    carriers = [i for i, x in enumerate(operands) if i >= start and isinstance(x, Node)]
    if all(is_full(operands[i]) for i in carriers):
        carriers.pop()  # nothing else would say the dtype
    else:
        carriers = [i for i in carriers if is_full(operands[i])]
    if not carriers:
        return None
    for i in carriers:
        operands[i] = operands[i].attrs["value"]
    value: Node = node.op(*operands, **node.attrs)
    return value


def hoist_expand(node: Node) -> Node | None:
    """A pointwise op on expanded values of one shape works before the expansion, on fewer elements."""
    shapes = set()
    for x in node.inputs:
        if isinstance(x, Node):
            if x.op.name != "expand":
                return None
            shapes.add(x.operands[0].shape)
    if len(shapes) != 1:
        return None
    small = node.op(
        *(x.operands[0] if isinstance(x, Node) else x for x in node.inputs), **node.attrs
    )
    value: Node = OPS["expand"](small, shape=node.shape)
    return value
