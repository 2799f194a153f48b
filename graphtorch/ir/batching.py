"""How a row is carried out on a whole batch at once: the rules behind `vmap`.

    batched(op, size, values, flags, attrs)     values[i] has the batch in front if flags[i]

Every rule is written with ops, on values of whoever interprets: arrays' tensors compute, a tracer's
extend its graph.  The kinds give most rules:

    pointwise      operands without the batch grow one, then the same op
    view, reduce   the named dims move one place to the right
    contraction    the batch joins rows, images or groups
    index          the indexed dim moves; indices that differ per example index two dims
    host           the named dim moves, or leading dims are batches already

Every result has the batch in front.  NotImplemented means: take a composite apart, or run the
examples one by one (`one_by_one`), which is right for every row and slow for most.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .op import OPS, Op

Shape = tuple[int, ...]
Rule = Callable[..., Any]

# composites and host rows that work element by element, as their kinds do not say
ELEMENTWISE = frozenset(
    "gelu gelu_backward silu silu_backward softplus log_sigmoid elu leaky_relu mish hardtanh hardsigmoid"
    " hardswish dropout i0 i1 i0e i1e bessel_j0 bessel_j1 bessel_y0 bessel_y1 scaled_modified_bessel_k0"
    " scaled_modified_bessel_k1 modified_bessel_k0 modified_bessel_k1 airy_ai spherical_bessel_j0 complex conj"
    " real imag view_as_real view_as_complex angle complex_sign zeta polygamma igamma igammac erfcx log_ndtr"
    " ndtri chebyshev_polynomial_t chebyshev_polynomial_u chebyshev_polynomial_v chebyshev_polynomial_w"
    " shifted_chebyshev_polynomial_t shifted_chebyshev_polynomial_u shifted_chebyshev_polynomial_v"
    " shifted_chebyshev_polynomial_w hermite_polynomial_h hermite_polynomial_he laguerre_polynomial_l"
    " legendre_polynomial_p".split()
)
ELEMENTWISE_LOSSES = frozenset(
    "mse_loss l1_loss smooth_l1_loss huber_loss binary_cross_entropy binary_cross_entropy_with_logits"
    " kl_div".split()
)
# rows whose operands may have any number of leading batch dims
LEADING = frozenset(
    "tril triu inverse solve det slogdet cholesky qr eigh svd inverse_ex cofactor lu geqrf eigvalsh eig"
    " eigvals svdvals cholesky_ex ldl ldl_solve solve_triangular zero_pivot permutation_matrix scaled_dot_product_attention"
    " scaled_dot_product_attention_backward".split()
)
# rows with one attribute `dim`, or a tuple `dims`, and results of the operands' rank
ALONG_DIM = frozenset(
    "softmax log_softmax softmax_backward log_softmax_backward sort topk cumsum cumprod logcumsumexp"
    " cummax cummin argmax argmin concat gather scatter_add scatter scatter_prod scatter_extreme".split()
)
ALONG_DIMS = frozenset(
    "sum prod amax amin any all mean var logsumexp flip windows fft_c2c fft_r2c fft_c2r".split()
)
SIZED_BY_VALUES = frozenset("nonzero unique masked_select bincount".split())


def front(x: Any, has_batch: bool, size: int) -> Any:
    """`x` with the batch in front, grown (without a copy) where it has none."""
    if has_batch:
        return x
    shape = tuple(x.shape)
    return OPS["expand"](OPS["reshape"](x, shape=(1, *shape)), shape=(size, *shape))


def _fronts(values: tuple[Any, ...], flags: tuple[bool, ...], size: int) -> list[Any]:
    return [
        front(x, f, size) if f or hasattr(x, "shape") else x
        for x, f in zip(values, flags, strict=True)
    ]


def batched(
    op: Op, size: int, values: tuple[Any, ...], flags: tuple[bool, ...], attrs: dict[str, Any]
) -> Any:
    """The op over the batch: a value (or a tuple of them) with the batch in front, or NotImplemented."""
    name = op.name
    rule = _RULES.get(name)
    if rule is not None:
        return rule(op, size, values, flags, attrs)
    if op.kind == "pointwise" or name in ELEMENTWISE:
        return op(*_fronts(values, flags, size), **attrs)
    if name in ELEMENTWISE_LOSSES:
        if attrs.get("reduction") == "none":
            return op(*_fronts(values, flags, size), **attrs)
        return NotImplemented
    if name in LEADING:
        return op(*_fronts(values, flags, size), **attrs)
    if name in ALONG_DIM or name in ALONG_DIMS:
        fronts = _fronts(values, flags, size)
        if "dim" in attrs and len(fronts[0].shape) == 1:  # the examples are single numbers
            columns = [OPS["reshape"](x, shape=(size, 1)) for x in fronts]
            found = op(*columns, **{**attrs, "dim": 1})
            parts = found if isinstance(found, tuple) else (found,)
            rows = tuple([OPS["reshape"](y, shape=(size,)) for y in parts])
            return rows if isinstance(found, tuple) else rows[0]
        return op(*fronts, **_moved(values, flags, attrs))
    if name in SIZED_BY_VALUES:
        raise RuntimeError(
            "vmap: We do not support batching operators that can output dynamic shape."
            f" Attempted to vmap over {name}"
        )
    return NotImplemented


def _moved(
    values: tuple[Any, ...], flags: tuple[bool, ...], attrs: dict[str, Any]
) -> dict[str, Any]:
    """`attrs` with the dims one place further to the right."""
    ndim = len(values[0].shape) - flags[0]
    moved = dict(attrs)
    if isinstance(attrs.get("dim"), int):
        moved["dim"] = attrs["dim"] % max(ndim, 1) + 1
    elif "dim" in attrs:
        raise TypeError(f"vmap: dims of {attrs} are not known")
    if "dims" in attrs:
        moved["dims"] = tuple([d % max(ndim, 1) + 1 for d in attrs["dims"]])
    return moved


def one_by_one(
    op: Op, size: int, values: tuple[Any, ...], flags: tuple[bool, ...], attrs: dict[str, Any]
) -> Any:
    """The examples one after the other, joined: right for every row whose result's shape is fixed."""
    rows = [
        op(*[_example(x, i) if f else x for x, f in zip(values, flags, strict=True)], **attrs)
        for i in range(size)
    ]
    if isinstance(rows[0], tuple):
        return tuple([_stacked([row[k] for row in rows]) for k in range(len(rows[0]))])
    return _stacked(rows)


def _example(x: Any, i: int) -> Any:
    rest = tuple(x.shape[1:])
    piece = OPS["slice"](
        x, starts=(i, *(0,) * len(rest)), stops=(i + 1, *rest), steps=(1,) * (len(rest) + 1)
    )
    return OPS["reshape"](piece, shape=rest)


def _stacked(rows: list[Any]) -> Any:
    return OPS["concat"](*[OPS["reshape"](r, shape=(1, *r.shape)) for r in rows], dim=0)


# ---- views


def _reshape(op: Op, size: int, values: Any, flags: Any, attrs: Any) -> Any:
    return op(values[0], shape=(size, *attrs["shape"]))


def _permute(op: Op, size: int, values: Any, flags: Any, attrs: Any) -> Any:
    return op(values[0], dims=(0, *(d + 1 for d in attrs["dims"])))


def _expand(op: Op, size: int, values: Any, flags: Any, attrs: Any) -> Any:
    (x,), shape = values, attrs["shape"]
    own = tuple(x.shape[1:])
    lead = len(shape) - len(own)
    if lead:
        x = OPS["reshape"](x, shape=(size, *(1,) * lead, *own))
    return op(x, shape=(size, *shape))


def _bounds(attrs: dict[str, Any], size: int) -> dict[str, Any]:
    return {
        "starts": (0, *attrs["starts"]),
        "stops": (size, *attrs["stops"]),
        "steps": (1, *attrs["steps"]),
    }


def _slice(op: Op, size: int, values: Any, flags: Any, attrs: Any) -> Any:
    return op(*_fronts(values, flags, size), **_bounds(attrs, size))


def _same(op: Op, size: int, values: Any, flags: Any, attrs: Any) -> Any:
    return op(*_fronts(values, flags, size), **attrs)


def _diagonal(op: Op, size: int, values: Any, flags: Any, attrs: Any) -> Any:
    n = len(values[0].shape) - flags[0]
    dims = {name: attrs[name] % n + 1 for name in ("dim1", "dim2")}
    return op(*_fronts(values, flags, size), **{**attrs, **dims})


def _pad(op: Op, size: int, values: Any, flags: Any, attrs: Any) -> Any:
    return op(
        values[0], low=(0, *attrs["low"]), high=(0, *attrs["high"]), value=attrs.get("value", 0)
    )


def _windows_add(op: Op, size: int, values: Any, flags: Any, attrs: Any) -> Any:
    dims = tuple([d + 1 for d in attrs["dims"]])
    return op(values[0], **{**attrs, "shape": (size, *attrs["shape"]), "dims": dims})


# ---- contractions


def _matmul(op: Op, size: int, values: Any, flags: Any, attrs: Any) -> Any:
    a, b = values
    if not flags[1] and len(b.shape) == 2:  # all examples' rows in one product
        _, m, k = a.shape
        rows = OPS["reshape"](a, shape=(size * m, k))
        return OPS["reshape"](op(rows, b), shape=(size, m, b.shape[1]))
    return op(*_fronts(values, flags, size))


def _linear(op: Op, size: int, values: Any, flags: Any, attrs: Any) -> Any:
    return op(*values) if not any(flags[1:]) else NotImplemented


def _folded(x: Any, size: int) -> Any:
    """[B, N, ...] as [B * N, ...]."""
    return OPS["reshape"](x, shape=(size * x.shape[1], *x.shape[2:]))


def _unfolded(y: Any, size: int) -> Any:
    if isinstance(y, tuple):
        return tuple([_unfolded(part, size) for part in y])
    return OPS["reshape"](y, shape=(size, y.shape[0] // size, *y.shape[1:]))


def _to_channels(x: Any, size: int) -> Any:
    """[B, N, C, ...] as [N, B * C, ...]."""
    rest = tuple(range(3, len(x.shape)))
    turned = OPS["permute"](x, dims=(1, 0, 2, *rest))
    return OPS["reshape"](turned, shape=(x.shape[1], size * x.shape[2], *x.shape[3:]))


def _from_channels(y: Any, size: int) -> Any:
    parted = OPS["reshape"](y, shape=(y.shape[0], size, y.shape[1] // size, *y.shape[2:]))
    return OPS["permute"](parted, dims=(1, 0, *range(2, len(parted.shape))))


def _conv(op: Op, size: int, values: Any, flags: Any, attrs: Any) -> Any:
    if not flags[1]:  # more images
        return _unfolded(op(_folded(values[0], size), values[1], **attrs), size)
    x, w = _fronts(values, flags, size)  # more groups
    more = {**attrs, "groups": attrs["groups"] * size}
    return _from_channels(op(_to_channels(x, size), _folded(w, size), **more), size)


def _conv_input_grad(op: Op, size: int, values: Any, flags: Any, attrs: Any) -> Any:
    n, c, *spatial = attrs["input_shape"]
    if not flags[1]:
        more = {**attrs, "input_shape": (size * n, c, *spatial)}
        return _unfolded(op(_folded(values[0], size), values[1], **more), size)
    dy, w = _fronts(values, flags, size)
    more = {
        **attrs,
        "groups": attrs["groups"] * size,
        "input_shape": (n, size * c, *spatial),
    }
    return _from_channels(op(_to_channels(dy, size), _folded(w, size), **more), size)


def _conv_weight_grad(op: Op, size: int, values: Any, flags: Any, attrs: Any) -> Any:
    dy, x = _fronts(values, flags, size)
    o, *rest = attrs["weight_shape"]
    more = {**attrs, "groups": attrs["groups"] * size, "weight_shape": (size * o, *rest)}
    return _unfolded(op(_to_channels(dy, size), _to_channels(x, size), **more), size)


# ---- rows of images and of normalised values


def _images(op: Op, size: int, values: Any, flags: Any, attrs: Any) -> Any:
    """Pooling: the first operand is [..., C, *spatial], so examples are more leading entries."""
    values = _fronts(values, flags, size)
    more = dict(attrs)
    if "shape" in attrs:
        more["shape"] = (size, *attrs["shape"])
    if len(values[0].shape) <= 2:
        return NotImplemented
    folded = [_folded(x, size) for x in values]
    if "shape" in attrs:
        more["shape"] = (size * attrs["shape"][0], *attrs["shape"][1:])
    return _unfolded(op(*folded, **more), size)


def _only_first(op: Op, size: int, values: Any, flags: Any, attrs: Any) -> Any:
    """Rows normalised over trailing dims: weights shared by the examples leave the op as it is."""
    return op(*values, **attrs) if not any(flags[1:]) else NotImplemented


def _group_norm(op: Op, size: int, values: Any, flags: Any, attrs: Any) -> Any:
    if any(flags[1:]):
        return NotImplemented
    return _unfolded(op(_folded(values[0], size), *values[1:], **attrs), size)


# ---- indexing


def _first(x: Any, dim: int) -> Any:
    """Dim `dim` of every example brought to place 1."""
    rest = [d for d in range(1, len(x.shape)) if d != dim + 1]
    return OPS["permute"](x, dims=(0, dim + 1, *rest))


def _counter(size: int, index: Any) -> Any:
    """The number of the example, in the shape of its indices."""
    count = OPS["iota"](length=size, start=0, step=1, dtype=index.dtype)
    column = OPS["reshape"](count, shape=(size, *(1,) * (len(index.shape) - 1)))
    return OPS["expand"](column, shape=tuple(index.shape))


def _take(op: Op, size: int, values: Any, flags: Any, attrs: Any) -> Any:
    x, index = values
    ndim = len(x.shape) - flags[0]
    dim = attrs["dim"] % ndim
    if not flags[1]:
        return op(x, index, dim=dim + 1)
    if not flags[0]:
        found = op(x, index, dim=dim)
        order = (dim, *(d for d in range(len(found.shape)) if d != dim))
        return OPS["permute"](found, dims=order)
    found = OPS["index"](_first(x, dim), _counter(size, index), index, dims=(0, 1))
    return _taken_back(found, dim, len(index.shape) - 1)


def _taken_back(found: Any, dim: int, count: int) -> Any:
    """[B, *index, *rest] with the index dims put back where dim `dim` was."""
    rest = range(1 + count, len(found.shape))
    order = (0, *rest[:dim], *range(1, 1 + count), *rest[dim:])
    return OPS["permute"](found, dims=order)


def _index_add(op: Op, size: int, values: Any, flags: Any, attrs: Any) -> Any:
    x, index, v = values
    dim = attrs["dim"] % (len(x.shape) - flags[0])
    x, v = front(x, flags[0], size), front(v, flags[2], size)
    if not flags[1]:
        return op(x, index, v, dim=dim + 1)
    count = len(index.shape) - 1
    ordered = _first(x, dim)
    lead = range(dim + 1, dim + 1 + count)
    rest = [d for d in range(1, len(v.shape)) if d not in lead]
    added = OPS["index_put"](
        ordered, OPS["permute"](v, dims=(0, *lead, *rest)), _counter(size, index), index,
        dims=(0, 1), accumulate=True,
    )  # fmt: skip
    return _taken_back(added, dim, 1)


def _adjacent(dims: Shape) -> bool:
    return list(dims) == list(range(dims[0], dims[0] + len(dims)))


def _place(dims: Shape) -> int:
    """Where the indices' dims appear in the result."""
    return dims[0] if _adjacent(dims) else 0


def _index(op: Op, size: int, values: Any, flags: Any, attrs: Any) -> Any:
    x, *indices = values
    dims = attrs["dims"]
    if not any(flags[1:]) and _adjacent(dims):
        return op(x, *indices, dims=tuple([d + 1 for d in dims]))
    x = front(x, flags[0], size)
    indices = [front(i, f, size) for i, f in zip(indices, flags[1:], strict=True)]
    rest = [d for d in range(1, len(x.shape)) if d - 1 not in dims]
    ordered = OPS["permute"](x, dims=(0, *(d + 1 for d in dims), *rest))
    found = op(ordered, _counter(size, indices[0]), *indices, dims=tuple(range(len(dims) + 1)))
    return _taken_back(found, _place(dims), len(indices[0].shape) - 1)


def _index_put(op: Op, size: int, values: Any, flags: Any, attrs: Any) -> Any:
    x, v, *indices = values
    dims, accumulate = attrs["dims"], attrs.get("accumulate", False)
    x, v = front(x, flags[0], size), front(v, flags[1], size)
    if not any(flags[2:]) and _adjacent(dims):
        moved = tuple([d + 1 for d in dims])
        return op(x, v, *indices, dims=moved, accumulate=accumulate)
    indices = [front(i, f, size) for i, f in zip(indices, flags[2:], strict=True)]
    rest = [d for d in range(1, len(x.shape)) if d - 1 not in dims]
    order = (0, *(d + 1 for d in dims), *rest)
    count, place = len(indices[0].shape) - 1, _place(dims)
    lead = range(1 + place, 1 + place + count)
    others = [d for d in range(1, len(v.shape)) if d not in lead]
    written = op(
        OPS["permute"](x, dims=order), OPS["permute"](v, dims=(0, *lead, *others)),
        _counter(size, indices[0]), *indices, dims=tuple(range(len(dims) + 1)), accumulate=accumulate,
    )  # fmt: skip
    return OPS["permute"](written, dims=tuple(sorted(range(len(order)), key=order.__getitem__)))


def _searchsorted(op: Op, size: int, values: Any, flags: Any, attrs: Any) -> Any:
    boundaries, x = values
    if not flags[0] and len(boundaries.shape) == 1:
        return op(boundaries, x, **attrs)
    boundaries, x = _fronts(values, flags, size)
    if len(boundaries.shape) > 2:
        return op(boundaries, x, **attrs)
    rows = OPS["reshape"](x, shape=(size, math.prod(x.shape[1:])))
    return OPS["reshape"](op(boundaries, rows, **attrs), shape=tuple(x.shape))


_RULES: dict[str, Rule] = {
    "reshape": _reshape, "permute": _permute, "expand": _expand, "slice": _slice, "slice_update": _slice,
    "stop_gradient": _same, "diagonal": _diagonal, "diagonal_update": _diagonal, "pad": _pad,
    "windows_add": _windows_add, "matmul": _matmul, "linear": _linear, "conv": _conv,
    "conv_input_grad": _conv_input_grad, "conv_weight_grad": _conv_weight_grad, "max_pool": _images,
    "max_pool_backward": _images, "avg_pool": _images, "avg_pool_backward": _images,
    "adaptive_avg_pool": _images, "layer_norm": _only_first, "rms_norm": _only_first,
    "group_norm": _group_norm, "batch_norm_inference": _group_norm, "take": _take, "index_add": _index_add,
    "index": _index, "index_put": _index_put, "searchsorted": _searchsorted,
}  # fmt: skip
