"""Eager against PyTorch on drawn shapes, dtypes, layouts and arguments; 0-d and empty ones included.

Values, dtype, shape and strides must agree, or both must raise the same class of error.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, mutually_broadcastable_shapes

torch = pytest.importorskip("torch")

import graphtorch  # noqa: E402

UNARY = """abs neg sign sqrt rsqrt exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh
tanh asinh acosh atanh erf erfc sigmoid floor ceil round trunc isnan isinf isfinite logical_not square
reciprocal relu frac sgn positive bitwise_not""".split()
BINARY = """add sub mul div true_divide floor_divide remainder fmod pow maximum minimum fmax fmin atan2 hypot
copysign eq ne lt le gt ge logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor
bitwise_left_shift bitwise_right_shift gcd lcm xlogy heaviside nextafter float_power""".split()
REDUCTIONS = (
    "sum mean prod amax amin any all var std logsumexp norm nansum nanmean median argmax argmin"
)
DTYPES = "float32 float64 bfloat16 float16 int64 int32 int16 int8 uint8 bool".split()
TOLERANCE = {"float64": 1e-10, "float32": 2e-5, "float16": 2e-3, "bfloat16": 2e-2}
SHAPES = array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)


@st.composite
def operands(draw: Any, shape: Any = SHAPES, dtype: Any = None) -> tuple[Any, Any]:
    """The same tensor in both libraries."""
    size = draw(shape) if isinstance(shape, st.SearchStrategy) else shape
    name = dtype or draw(st.sampled_from(DTYPES))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if name == "bool":
        values = random.random(size) < 0.5
    elif name.startswith(("int", "uint")):
        values = random.integers(0 if name == "uint8" else -6, 7, size)
    else:
        values = random.normal(0, 2, size)
    layout = draw(st.sampled_from(("dense", "gaps", "transposed", "middle", "expanded", "turned")))
    return tuple(_laid_out(t, np.asarray(values), name, layout) for t in (graphtorch, torch))  # type: ignore[return-value]


def _laid_out(library: Any, values: np.ndarray, dtype: str, layout: str) -> Any:
    x = library.tensor(values).to(getattr(library, dtype))
    if x.ndim == 0 or x.numel() == 0 or layout == "dense":
        return x
    if layout == "gaps":
        return library.stack([x, x], dim=-1)[..., 1]
    if layout == "transposed":
        order = tuple(reversed(range(x.ndim)))
        return x.permute(order).contiguous().permute(order)
    if layout == "middle":
        return library.cat([x, x, x])[x.shape[0] : 2 * x.shape[0]]
    if layout == "turned":
        return x.transpose(0, -1)
    return x[:1].expand(x.shape)


def outcome(function: Any) -> tuple[Any, Exception | None]:
    try:
        return function(), None
    except Exception as error:
        return None, error


def compare(what: str, ours: Any, theirs: Any) -> None:
    """Both results, or both errors."""
    found, problem = outcome(ours)
    wanted, trouble = outcome(theirs)
    if trouble is not None or problem is not None:
        assert problem is not None and trouble is not None, f"{what}: {problem!r}, not {trouble!r}"
        kind = NotImplementedError if isinstance(trouble, NotImplementedError) else type(trouble)
        assert isinstance(problem, (kind, RuntimeError)), f"{what}: {problem!r}, not {trouble!r}"
        return
    found = found if isinstance(found, (tuple, list)) else (found,)
    wanted = wanted if isinstance(wanted, (tuple, list)) else (wanted,)
    assert len(found) == len(wanted), what
    for a, b in zip(found, wanted, strict=True):
        assert str(a.dtype)[10:] == str(b.dtype)[5:] or str(a.dtype) == str(b.dtype), what
        assert tuple(a.shape) == tuple(b.shape), what
        tolerance = TOLERANCE.get(str(b.dtype)[6:], 0)
        np.testing.assert_allclose(
            a.double().numpy() if a.is_floating_point() else a.numpy(),
            b.double().numpy() if b.is_floating_point() else b.numpy(),
            rtol=tolerance,
            atol=tolerance,
            err_msg=what,
        )


@settings(max_examples=250)
@given(name=st.sampled_from(UNARY), x=operands())
def test_unary(name: str, x: Any) -> None:
    ours, theirs = x
    what = f"{name}({theirs!r})"
    compare(what, lambda: getattr(graphtorch, name)(ours), lambda: getattr(torch, name)(theirs))


@settings(max_examples=250)
@given(data=st.data(), name=st.sampled_from(BINARY))
def test_binary_broadcasts_and_promotes(data: st.DataObject, name: str) -> None:
    shapes = data.draw(
        mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=4, min_side=0)
    )
    a = data.draw(operands(shapes.input_shapes[0]))
    b = data.draw(operands(shapes.input_shapes[1]))
    if name in ("floor_divide", "remainder", "fmod") and not b[1].is_floating_point():
        assume(bool((b[1] != 0).all()))
    if name in ("bitwise_left_shift", "bitwise_right_shift", "pow", "ldexp"):
        assume(b[1].is_floating_point() or bool((b[1] >= 0).all()))
    what = f"{name}({a[1]!r}, {b[1]!r})"
    compare(
        what,
        lambda: getattr(graphtorch, name)(a[0], b[0]),
        lambda: getattr(torch, name)(a[1], b[1]),
    )


@settings(max_examples=250)
@given(data=st.data(), name=st.sampled_from(REDUCTIONS.split()), x=operands())
def test_reductions(data: st.DataObject, name: str, x: Any) -> None:
    ours, theirs = x
    arguments: dict[str, Any] = {}
    if data.draw(st.booleans()):
        arguments["dim"] = data.draw(st.integers(-theirs.ndim - 1, theirs.ndim))
        arguments["keepdim"] = data.draw(st.booleans())
    elif name in ("logsumexp",):
        arguments["dim"] = 0
    if name == "median" and theirs.numel() == 0:
        return  # of no integers PyTorch returns whatever was in memory
    if theirs.dtype in (torch.float16, torch.bfloat16) and name in ("prod", "norm", "logsumexp"):
        return  # the order of roundings is PyTorch's own
    what = f"{name}({theirs!r}, {arguments})"
    compare(
        what,
        lambda: getattr(graphtorch, name)(ours, **arguments),
        lambda: getattr(torch, name)(theirs, **arguments),
    )


SHAPE_CALLS = {
    "flip": lambda t, x, d, k: t.flip(x, (d,)),
    "roll": lambda t, x, d, k: t.roll(x, k, d),
    "unsqueeze": lambda t, x, d, k: t.unsqueeze(x, d),
    "squeeze": lambda t, x, d, k: t.squeeze(x, d),
    "movedim": lambda t, x, d, k: t.movedim(x, d, 0),
    "flatten": lambda t, x, d, k: t.flatten(x, d),
    "chunk": lambda t, x, d, k: t.chunk(x, max(k, 1), d),
    "split": lambda t, x, d, k: t.split(x, max(k, 1), d),
    "narrow": lambda t, x, d, k: t.narrow(x, d, 0, k),
    "select": lambda t, x, d, k: t.select(x, d, k),
    "diagonal": lambda t, x, d, k: t.diagonal(x, k, d, 0),
    "cumsum": lambda t, x, d, k: t.cumsum(x, d),
    "cumprod": lambda t, x, d, k: t.cumprod(x, d),
    "sort": lambda t, x, d, k: t.sort(x, dim=d, stable=True),
    "tril": lambda t, x, d, k: t.tril(x, k),
    "repeat": lambda t, x, d, k: x.repeat(*([1] * x.ndim), max(k, 0)),
    "unfold": lambda t, x, d, k: x.unfold(d, max(k, 0), 1),
    "cat": lambda t, x, d, k: t.cat([x, x], d),
    "stack": lambda t, x, d, k: t.stack([x, x], d),
    "repeat_interleave": lambda t, x, d, k: t.repeat_interleave(x, max(k, 0), d),
    "reshape": lambda t, x, d, k: x.reshape(-1, 1) if x.numel() else x.reshape(x.shape),
}


@settings(max_examples=250)
@given(
    name=st.sampled_from(sorted(SHAPE_CALLS)),
    x=operands(),
    d=st.integers(-4, 4),
    k=st.integers(-2, 4),
)
def test_shapes(name: str, x: Any, d: int, k: int) -> None:
    ours, theirs = x
    assume(name != "cat" or theirs.shape != (0,))  # which PyTorch skips, whatever dim says
    call = SHAPE_CALLS[name]
    what = f"{name}({theirs!r}, d={d}, k={k})"
    compare(what, lambda: call(graphtorch, ours, d, k), lambda: call(torch, theirs, d, k))


@settings(max_examples=80)
@given(
    data=st.data(),
    name=st.sampled_from("exp tanh sigmoid sin log1p abs square relu sqrt".split()),
    reduce=st.sampled_from("sum mean amax prod var logsumexp".split()),
)
def test_gradients(data: st.DataObject, name: str, reduce: str) -> None:
    """The gradient of a reduction of a function of a view."""
    shape = array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4)
    ours, theirs = data.draw(operands(shape, "float64"))
    dim = data.draw(st.integers(0, theirs.ndim - 1))
    assume(not (reduce == "var" and theirs.shape[dim] < 2))
    found = []
    for library, x in ((graphtorch, ours.abs() + 0.5), (torch, theirs.abs() + 0.5)):
        leaf = x.detach().clone().requires_grad_()
        y = getattr(library, reduce)(getattr(library, name)(leaf.transpose(0, -1)), dim=dim)
        (y * y).sum().backward()
        found.append(leaf.grad.numpy())
    np.testing.assert_allclose(*found, rtol=1e-9, atol=1e-9)
