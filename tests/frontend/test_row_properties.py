"""Every op row, compiled against eager, on drawn shapes, dtypes and memory layouts.

A row's samples say which operands make sense; drawn are the sample, the dtype of its floats, each
operand's layout (dense, with gaps, transposed, from the middle of a larger storage, expanded), and
for pointwise rows the shape too: 0-d and empty ones included.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

import graphtorch as torch
from graphtorch.ir import ops
from graphtorch.ir.op import OPS, Op
from tests.ir.ops.test_every_row import NOT_IN_HALF

TABLE = [op for op in OPS.values() if op.infer.__module__.startswith(ops.__name__)]
ROWS = [
    op
    for op in TABLE
    if op.samples is not None
    and op.kind not in ("random", "creation")
    and not op.effect
    and not op.meta.get("sized_by_value")
]
PER_FUNCTION = 16  # rows compiled in one function: a graph costs more than a node
LAYOUTS = ("dense", "gaps", "transposed", "middle", "expanded")
TOLERANCE = {"float64": 1e-9, "float32": 3e-5, "float16": 5e-3, "bfloat16": 3e-2}


def laid_out(array: np.ndarray, layout: str) -> torch.Tensor:
    """A tensor with the array's values in another layout (the first of its values if expanded)."""
    x = torch.tensor(array)
    if not array.ndim or not array.size or layout == "dense":
        return x
    if layout == "gaps":
        return torch.stack([x, x], dim=-1)[..., 0]
    if layout == "transposed":
        order = tuple(reversed(range(x.ndim)))
        return x.permute(order).contiguous().permute(order)
    if layout == "middle":
        return torch.cat([x, x, x])[len(x) : 2 * len(x)]
    return x[:1].expand(x.shape)


def drawn_case(data: st.DataObject, op: Op) -> tuple[list[Any], dict[str, Any]] | None:
    inputs, attrs = data.draw(st.sampled_from(op.samples()))  # type: ignore[misc]
    arrays = [np.asarray(x) if hasattr(x, "dtype") else x for x in inputs]
    if any(hasattr(a, "dtype") and a.dtype.kind == "c" for a in arrays):
        return None
    floats = {a.dtype for a in arrays if hasattr(a, "dtype") and a.dtype.kind in "fV"}
    if op.kind == "pointwise" and len({a.shape for a in arrays if hasattr(a, "dtype")}) == 1:
        shape = data.draw(array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
        arrays = [np.resize(a, shape) if hasattr(a, "dtype") else a for a in arrays]
    halves = op.name not in NOT_IN_HALF and op.kind in ("pointwise", "view", "reduction")
    wanted = data.draw(st.sampled_from(["float32", "float64", "bfloat16"][: 3 if halves else 2]))
    tensors: list[Any] = []
    for a in arrays:
        if not hasattr(a, "dtype"):
            tensors.append(a)
            continue
        free = op.kind in ("pointwise", "view", "reduction", "contraction")
        layout = data.draw(st.sampled_from(LAYOUTS if free else LAYOUTS[:4]))
        x = laid_out(a, layout)
        if a.dtype.kind in "fV" and len(floats) == 1 and "dtype" not in attrs:
            x = x.to(getattr(torch, wanted))
        tensors.append(x)
    return tensors, attrs


def flat(result: Any) -> list[torch.Tensor]:
    return [x for r in result for x in flat(r)] if isinstance(result, (tuple, list)) else [result]


def calls(cases: list[tuple[Op, list[Any], dict[str, Any]]], tensors: list[Any]) -> list[Any]:
    """The results of all rows, on the tensors in order."""
    left = iter(tensors)
    return [
        flat(op(*(next(left) if isinstance(x, torch.Tensor) else x for x in inputs), **attrs))
        for op, inputs, attrs in cases
    ]


@pytest.mark.parametrize("first", range(0, len(ROWS), PER_FUNCTION))
@settings(max_examples=2, phases=[Phase.generate])  # shrinking would compile for minutes
@given(data=st.data())
def test_compiled_rows_agree_with_eager(first: int, data: st.DataObject) -> None:
    cases = []
    for op in ROWS[first : first + PER_FUNCTION]:
        case = drawn_case(data, op)
        if case is not None and not any(x.is_complex() for x in flat(op(*case[0], **case[1]))):
            cases.append((op, *case))
    tensors = [x for _, inputs, _ in cases for x in inputs if isinstance(x, torch.Tensor)]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error", RuntimeWarning)
        compiled = torch.compile(lambda *tensors: calls(cases, list(tensors)), fullgraph=True)
        with torch.no_grad():
            wanted = calls(cases, tensors)
            compiled(*tensors)  # traces by running eagerly
            found = compiled(*tensors)
    assert compiled.cache_info().hits == 1, compiled.explain()
    for (op, inputs, attrs), these, those in zip(cases, found, wanted, strict=True):
        for a, b in zip(these, those, strict=True):
            assert a.dtype is b.dtype and a.shape == b.shape, op.name
            narrow = min(
                (str(x.dtype)[6:] for x in (*inputs, b) if isinstance(x, torch.Tensor)),
                key=lambda d: -TOLERANCE.get(d, 0),
            )
            tolerance = TOLERANCE.get(narrow, 0)
            np.testing.assert_allclose(
                a.double().numpy() if a.is_floating_point() else a.numpy(),
                b.double().numpy() if b.is_floating_point() else b.numpy(),
                rtol=tolerance,
                atol=tolerance,
                err_msg=f"{op.name}({', '.join(map(repr, inputs))}, {attrs})",
            )
