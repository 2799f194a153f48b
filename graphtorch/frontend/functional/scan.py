"""Running sums, products and extremes; differences of neighbours."""

from __future__ import annotations

from typing import Any

from ...ir import ops
from ...ir.types import DType, int64
from .. import promotion, return_types
from ..size import wrap_dim
from ..tensor import Tensor
from .pointwise import add, div, mul, neg, sub
from .reduction import amax
from .splitting import part
from .wrapping import accepts_out, check_tensor, into, scalar_name


def _scan(name: str, op_name: str) -> Any:
    def function(
        input: Tensor, dim: int, *, dtype: DType | None = None, out: Tensor | None = None
    ) -> Tensor:
        check_tensor(name, input)
        if dtype is not None:
            input = promotion.cast(input, dtype)
        elif input._array.dtype.kind in "iub":
            input = promotion.cast(input, int64)
        dim = wrap_dim(dim, input._array.ndim)
        result = getattr(ops, op_name)(input, dim=dim) if input._array.ndim else input
        return result if out is None else into(out, result)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The running {'sum' if name == 'cumsum' else 'product'} along `dim`."
    return function


cumsum, cumprod = _scan("cumsum", "cumsum"), _scan("cumprod", "cumprod")


def _running(name: str, op_name: str) -> Any:
    kind = getattr(return_types, name)

    def function(input: Tensor, dim: int) -> Any:
        dim = wrap_dim(dim, input._array.ndim)
        if not input._array.ndim:
            return kind(input, ops.full(shape=(), value=0, dtype=int64))
        _, indices = getattr(ops, op_name)(input, dim=dim)
        return kind(ops.gather(input, indices, dim=dim), indices)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The running {name[3:]}imum along `dim` and where it was found."
    return accepts_out(function)


cummax, cummin = _running("cummax", "cummax"), _running("cummin", "cummin")


@accepts_out
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """log of the running sum of exp along `dim`."""
    if input._array.dtype.kind in "iub":
        raise RuntimeError(
            f"\"logcumsumexp_out_cpu\" not implemented for '{scalar_name(input.dtype)}'"
        )
    if not input._array.ndim:
        wrap_dim(dim, 0)
        return ops.copy(input)
    dim = wrap_dim(dim, input._array.ndim)
    top = amax(input.detach(), dim, keepdim=True)
    top = ops.expand(ops.where(ops.isfinite(top), top, 0.0), shape=input._array.shape)
    return ops.add(ops.log(ops.cumsum(ops.exp(ops.sub(input, top)), dim=dim)), top)


@accepts_out
def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """Differences of neighbours along `dim`, n times."""
    from .joining import cat

    if not input._array.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    wrap_dim(dim, input._array.ndim)
    for extra in (prepend, append):
        if extra is not None and extra._array.ndim != input._array.ndim:
            raise RuntimeError("diff expects prepend or append to be the same dimension as input")
    if n == 0:
        return ops.copy(input)
    pieces = [x for x in (prepend, input, append) if x is not None]
    x = cat(pieces, dim) if len(pieces) > 1 else input
    dim = wrap_dim(dim, x._array.ndim)
    for _ in range(n):
        size = x._array.shape[dim]
        if size == 0:
            break
        later, earlier = part(x, dim, 1, size), part(x, dim, 0, size - 1)
        x = (
            ops.logical_xor(later, earlier)
            if x._array.dtype.kind == "b"
            else ops.sub(later, earlier)
        )
    return x


def _panels(name: str, y: Tensor, x: Tensor | None, dx: float, dim: int) -> tuple[Tensor, int]:
    """The area under each pair of neighbours."""
    dim = wrap_dim(dim, y._array.ndim)
    if isinstance(dx, bool) or dx.__class__ is complex:
        raise RuntimeError(f"{name}: Currently, we only support dx as a real number.")
    size = y._array.shape[dim]
    if x is None:
        pairs = add(part(y, dim, 1, size), part(y, dim, 0, max(size - 1, 0))) if size else y
        return mul(pairs, dx / 2), dim
    if x._array.ndim == 1:
        if x._array.size != size:
            raise RuntimeError(f"{name}: There must be one `x` value for each sample point")
        line = [size if d == dim else 1 for d in range(y._array.ndim)]
        x = ops.reshape(x, shape=tuple(line))
    lead = y._array.ndim - x._array.ndim
    if lead > 0:
        x = ops.reshape(x, shape=(1,) * lead + x._array.shape)
    elif lead < 0:
        y = ops.reshape(y, shape=(1,) * -lead + y._array.shape)
        dim += -lead
    n = x._array.shape[dim]
    steps = sub(part(x, dim, 1, n), part(x, dim, 0, max(n - 1, 0))) if n else x
    pairs = add(part(y, dim, 1, size), part(y, dim, 0, max(size - 1, 0))) if size else y
    return div(mul(steps, pairs), 2.0), dim


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1.0, dim: int = -1) -> Tensor:
    """The integral along `dim` by the trapezoid rule."""
    panels, dim = _panels("trapezoid", y, x, dx, dim)
    return ops.sum(panels, dims=(dim,))


trapz = trapezoid


def cumulative_trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: float = 1.0, dim: int = -1
) -> Tensor:
    """The running integral along `dim` by the trapezoid rule."""
    panels, dim = _panels("cumulative_trapezoid", y, x, dx, dim)
    return ops.cumsum(panels, dim=dim)


def _slopes(x: Tensor, step: Any, dim: int, edge_order: int) -> Tensor:
    """Central differences along `dim`; `step` is a number or the coordinates."""
    n = x._array.shape[dim]
    near, far = part(x, dim, 0, n - 2), part(x, dim, 2, n)
    if not isinstance(step, Tensor):
        middle = div(sub(far, near), 2.0 * step)

        def edge(*weights: tuple[int, float]) -> Tensor:
            terms = [mul(part(x, dim, i, i + 1), w / step) for i, w in weights]
            total = terms[0]
            for term in terms[1:]:
                total = add(total, term)
            return total

        if edge_order == 1:
            first, last = edge((0, -1.0), (1, 1.0)), edge((n - 2, -1.0), (n - 1, 1.0))
        else:
            first = edge((0, -1.5), (1, 2.0), (2, -0.5))
            last = edge((n - 3, 0.5), (n - 2, -2.0), (n - 1, 1.5))
        return ops.concat(first, middle, last, dim=dim)
    line = [n if d == dim else 1 for d in range(x._array.ndim)]
    gaps = diff(ops.reshape(step, shape=tuple(line)), dim=dim)

    def gap(i: int) -> Tensor:
        return part(gaps, dim, i, i + 1)

    a, b = part(gaps, dim, 0, n - 2), part(gaps, dim, 1, n - 1)  # to the left and to the right
    middle = add(
        add(
            mul(near, div(neg(b), mul(a, add(a, b)))),
            mul(part(x, dim, 1, n - 1), div(sub(b, a), mul(a, b))),
        ),
        mul(far, div(a, mul(b, add(a, b)))),
    )

    def at(i: int) -> Tensor:
        return part(x, dim, i, i + 1)

    if edge_order == 1:
        first = div(sub(at(1), at(0)), gap(0))
        last = div(sub(at(n - 1), at(n - 2)), gap(n - 2))
        return ops.concat(first, middle, last, dim=dim)
    # the parabola through the three outermost points
    a, b = gap(0), gap(1)
    first = sub(
        add(
            mul(at(0), neg(div(add(add(a, a), b), mul(a, add(a, b))))),
            mul(at(1), div(add(a, b), mul(a, b))),
        ),
        mul(at(2), div(a, mul(b, add(a, b)))),
    )
    a, b = gap(n - 3), gap(n - 2)
    last = add(
        sub(
            mul(at(n - 3), div(b, mul(a, add(a, b)))),
            mul(at(n - 2), div(add(a, b), mul(a, b))),
        ),
        mul(at(n - 1), div(add(add(b, b), a), mul(b, add(a, b)))),
    )
    return ops.concat(first, middle, last, dim=dim)


def gradient(
    input: Tensor, *, spacing: Any = None, dim: Any = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """The derivative of samples along each dim by central differences, second-order accurate inside.

    spacing: one number, one per dim, or one vector of coordinates per dim.  edge_order: 1 or 2.
    Raises RuntimeError where spacing and dims do not match, or a dim has at most edge_order samples.

    >>> import graphtorch as torch
    >>> torch.gradient(torch.tensor([1.0, 4.0, 9.0, 16.0]))
    (tensor([3., 4., 6., 7.]),)
    """
    check_tensor("gradient", input)
    shape = input._array.shape
    listed = isinstance(spacing, (tuple, list))
    if dim is not None:
        given = dim if isinstance(dim, (tuple, list)) else (dim,)
        dims = [wrap_dim(d, len(shape)) for d in given]
    elif listed:
        dims = list(range(len(spacing)))
    else:
        dims = list(range(len(shape)))
    if listed and len(spacing) != len(dims):
        raise RuntimeError(
            "torch.gradient expected spacing to be unspecified, a scalar, or a list of length equal to"
            f" 'self.dim() - dims.size()' ({len(dims)}), but got a list of length {len(spacing)}"
        )
    if len(dims) > len(shape):
        raise RuntimeError(
            f"torch.gradient expected at most {len(shape)} dims or spacings, but got {len(dims)}"
        )
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"dim {dims[0]} appears multiple times in the list of dims")
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    steps = list(spacing) if listed else [1.0 if spacing is None else spacing] * len(dims)
    for d, step in zip(dims, steps, strict=True):
        if d >= len(shape):
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-len(shape)}, {len(shape) - 1}], but"
                f" got {d})"
            )
        if shape[d] < edge_order + 1:
            raise RuntimeError(
                "torch.gradient expected each dimension size to be at least edge_order+1"
            )
        if isinstance(step, Tensor) and step._array.shape != (shape[d],):
            raise RuntimeError(
                "torch.gradient expected each element of 'spacing' to be a scalar or a 1-d tensor as long as"
                " its dim"
            )
    return tuple([_slopes(input, s, d, edge_order) for d, s in zip(dims, steps, strict=True)])
