"""Matrix products in all their shapes.

Everything comes down to one op: matmul(a[..., m, k], b[..., k, n]) with equal batch sizes;
transposes are views, which code generation folds in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...errors import message
from ...ir import ops
from ...ir.types import bool_
from .. import promotion
from ..tensor import Tensor
from .pointwise import add, mul
from .wrapping import accepts_out, bind, check_tensor, into, scalar_name

_MATMUL, _RESHAPE, _PERMUTE = ops.matmul, ops.reshape, ops.permute


def _same_dtype(name: str, a: Tensor, b: Tensor) -> None:
    if a._array.dtype != b._array.dtype:
        first, second = scalar_name(a.dtype).lower(), scalar_name(b.dtype).lower()
        raise RuntimeError(
            message(
                f"expected m1 and m2 to have the same dtype, but got: {first} != {second}"
                if name in ("mm", "matmul", "linear", "addmm")
                else f"expected scalar type {scalar_name(a.dtype)} but found {scalar_name(b.dtype)}",
                operands={"a": a.type_, "b": b.type_},
                hint="cast one of them, e.g. with .float()",
            )
        )


def _dims(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _cannot(a: Tensor, b: Tensor) -> RuntimeError:
    x, y = a._array.shape, b._array.shape
    if len(y) == 1:
        text = f"size mismatch, got input ({x[-2] if len(x) > 1 else 1}), mat ({_dims(x)}), vec ({y[0]})"
    else:
        rows = (
            (math.prod(x[:-1]), x[-1])
            if len(x) > 1 and len(y) == 2
            else (1, x[0])
            if len(x) == 1
            else x
        )
        text = f"mat1 and mat2 shapes cannot be multiplied ({_dims(rows)} and {_dims(y)})"
    hint = ""
    if len(x) >= 2 and len(y) == 2 and x[-1] == y[1]:
        hint = "transpose the second operand: a @ b.t()"
    return RuntimeError(message(text, operands={"a": a.type_, "b": b.type_}, hint=hint))


def matmul(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The matrix product: vectors, matrices and batches, which broadcast.

    >>> import graphtorch as torch
    >>> (torch.ones(2, 3) @ torch.ones(3)).shape
    torch.Size([2])
    """
    try:
        a, b = input._array, other._array
    except AttributeError:
        check_tensor("matmul", input)
        check_tensor("matmul", other, "other", 2)
        raise
    if a.dtype != b.dtype:
        _same_dtype("matmul", input, other)
    x, y = a.shape, b.shape
    n, m = len(x), len(y)
    if n == m == 2:
        if x[1] != y[0]:
            raise _cannot(input, other)
        result = bind(_MATMUL, (input, other), {})
    elif n == 0 or m == 0:
        raise RuntimeError(
            message(
                f"both arguments to matmul need to be at least 1D, but they are {n}D and {m}D",
                operands={"a": input.type_, "b": other.type_},
            )
        )
    elif n == 1 and m == 1:
        result = dot(input, other)
    elif n == 1:
        if x[0] != y[-2]:
            raise _cannot(input, other)
        row = bind(_RESHAPE, (input,), {"shape": (1, x[0])})
        result = bind(_RESHAPE, (matmul(row, other),), {"shape": (*y[:-2], y[-1])})
    elif m == 1:
        if x[-1] != y[0]:
            raise _cannot(input, other)
        column = bind(_RESHAPE, (other,), {"shape": (y[0], 1)})
        result = bind(_RESHAPE, (matmul(input, column),), {"shape": x[:-1]})
    elif m == 2:  # a batch of rows times one matrix is one product
        if x[-1] != y[0]:
            raise _cannot(input, other)
        rows = bind(_RESHAPE, (input,), {"shape": (math.prod(x[:-1]), x[-1])})
        result = bind(_RESHAPE, (bind(_MATMUL, (rows, other), {}),), {"shape": (*x[:-1], y[1])})
    else:
        if x[-1] != y[-2]:
            if x[:-2] == y[:-2] or n == m == 3:
                raise _batch_mismatch(input, other)
            raise _cannot(input, other)
        if x[:-2] != y[:-2]:
            batch = promotion.common_shape((x[:-2], y[:-2]))
            input = promotion.expand(input, (*batch, *x[-2:]))
            other = promotion.expand(other, (*batch, *y[-2:]))
        result = bind(_MATMUL, (input, other), {})
    return result if out is None else into(out, result)


def _batch_mismatch(a: Tensor, b: Tensor) -> RuntimeError:
    x, y = a._array.shape, b._array.shape
    batch = math.prod(x[:-2])
    return RuntimeError(
        message(
            f"Expected size for first two dimensions of batch2 tensor to be: [{batch}, {x[-1]}] but got:"
            f" [{math.prod(y[:-2])}, {y[-2]}].",
            operands={"a": a.type_, "b": b.type_},
        )
    )


def mm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of two matrices."""
    if input._array.ndim != 2:
        raise RuntimeError(message("self must be a matrix", operands={"self": input.type_}))
    if mat2._array.ndim != 2:
        raise RuntimeError(message("mat2 must be a matrix", operands={"mat2": mat2.type_}))
    return matmul(input, mat2, out=out)


def bmm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Products of two batches of matrices."""
    for name, x in (("batch1", input), ("batch2", mat2)):
        if x._array.ndim != 3:
            raise RuntimeError(message(f"{name} must be a 3D tensor", operands={name: x.type_}))
    if (
        input._array.shape[0] != mat2._array.shape[0]
        or input._array.shape[2] != mat2._array.shape[1]
    ):
        raise _batch_mismatch(input, mat2)
    return matmul(input, mat2, out=out)


def mv(input: Tensor, vec: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Matrix times vector."""
    if input._array.ndim != 2 or vec._array.ndim != 1:
        raise RuntimeError(
            message(
                f"vector + matrix @ vector expected, got 1, {input._array.ndim}, {vec._array.ndim}",
                operands={"input": input.type_, "vec": vec.type_},
            )
        )
    return matmul(input, vec, out=out)


def dot(input: Tensor, tensor: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The scalar product of two vectors."""
    a, b = input._array, tensor._array
    if a.ndim != 1 or b.ndim != 1:
        raise RuntimeError(
            message(
                f"1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors",
                operands={"a": input.type_, "b": tensor.type_},
            )
        )
    _same_dtype("dot", input, tensor)
    if a.shape != b.shape:
        raise RuntimeError(
            message(
                "inconsistent tensor size, expected tensor"
                f" [{a.size}] and src [{b.size}] to have the same number of elements, but got {a.size} and"
                f" {b.size} elements respectively",
                operands={"a": input.type_, "b": tensor.type_},
            )
        )
    row = bind(_RESHAPE, (input,), {"shape": (1, a.size)})
    column = bind(_RESHAPE, (tensor,), {"shape": (a.size, 1)})
    result = bind(_RESHAPE, (bind(_MATMUL, (row, column), {}),), {"shape": ()})
    return result if out is None else into(out, result)


@accepts_out
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """The scalar product of two vectors, the first of them conjugated."""
    if input._array.dtype.kind == "c":
        input = ops.conj(input)
    return dot(input, other)


@accepts_out
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Scalar products over the last dims of both."""
    if not input._array.ndim or not other._array.ndim:
        return mul(input, other)
    return tensordot(input, other, ([-1], [-1]))


def outer(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """All products of the elements of two vectors."""
    for name, x in (("self", input), ("vec2", vec2)):
        if x._array.ndim != 1:
            raise RuntimeError(
                message(
                    f"outer: Expected 1-D argument {name}, but got {x._array.ndim}-D",
                    operands={name: x.type_},
                )
            )
    column = bind(_RESHAPE, (input,), {"shape": (input._array.size, 1)})
    return mul(column, vec2, out=out)


ger = outer


def _combined(input: Tensor, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    kind = promotion.result_type(input, product).kind
    if kind in "iu":  # the factors are numbers of the result's dtype
        beta, alpha = int(beta), int(alpha)
    elif kind == "b":
        beta, alpha = bool(beta), bool(alpha)
    if alpha != 1:
        product = mul(product, alpha)
    if beta == 0:
        return product
    result = add(product, input if beta == 1 else mul(input, beta))
    if result._array.shape != product._array.shape:
        raise RuntimeError(
            message(
                f"The expanded size of the tensor ({list(product._array.shape)}) must match the existing size"
                f" ({list(input._array.shape)})",
                operands={"input": input.type_, "product": product.type_},
            )
        )
    return result


def addmm(
    input: Tensor,
    mat1: Tensor,
    mat2: Tensor,
    *,
    beta: Any = 1,
    alpha: Any = 1,
    out: Tensor | None = None,
) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2)."""
    result = _combined(input, mm(mat1, mat2), beta, alpha)
    return result if out is None else into(out, result)


def addmv(
    input: Tensor,
    mat: Tensor,
    vec: Tensor,
    *,
    beta: Any = 1,
    alpha: Any = 1,
    out: Tensor | None = None,
) -> Tensor:
    """beta * input + alpha * (mat @ vec)."""
    result = _combined(input, mv(mat, vec), beta, alpha)
    return result if out is None else into(out, result)


@accepts_out
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * outer(vec1, vec2)."""
    return _combined(input, outer(vec1, vec2), beta, alpha)


def baddbmm(
    input: Tensor,
    batch1: Tensor,
    batch2: Tensor,
    *,
    beta: Any = 1,
    alpha: Any = 1,
    out: Tensor | None = None,
) -> Tensor:
    """beta * input + alpha * bmm(batch1, batch2)."""
    result = _combined(input, bmm(batch1, batch2), beta, alpha)
    return result if out is None else into(out, result)


@accepts_out
def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1
) -> Tensor:
    """beta * input + alpha * the sum of all products of the batch."""
    return _combined(input, ops.sum(bmm(batch1, batch2), dims=(0,)), beta, alpha)


@accepts_out
def chain_matmul(*matrices: Tensor) -> Tensor:
    """The product of several matrices."""
    result = matrices[0]
    for matrix in matrices[1:]:
        result = mm(result, matrix)
    return result


@accepts_out
def matrix_power(input: Tensor, n: int) -> Tensor:
    """A square matrix to an integer power."""
    if n < 0:
        from ...linalg import inv

        return matrix_power(inv(input), -n)
    from ..creation import eye

    size = input._array.shape[-1]
    result = promotion.expand(eye(size, dtype=input.dtype), input._array.shape)
    base = input
    while n:
        if n & 1:
            result = matmul(result, base)
        n >>= 1
        if n:
            base = matmul(base, base)
    if (
        result.requires_grad != input.requires_grad
    ):  # the 0th power: constant, with a derivative of 0
        never = ops.full(shape=input._array.shape, value=False, dtype=bool_)
        return ops.where(never, input, result)
    return result


@accepts_out
def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product."""
    n = max(input._array.ndim, other._array.ndim)
    a = (1,) * (n - input._array.ndim) + input._array.shape
    b = (1,) * (n - other._array.ndim) + other._array.shape
    x = bind(_RESHAPE, (input,), {"shape": tuple([v for s in a for v in (s, 1)])})
    y = bind(_RESHAPE, (other,), {"shape": tuple([v for s in b for v in (1, s)])})
    return bind(
        _RESHAPE, (mul(x, y),), {"shape": tuple([s * t for s, t in zip(a, b, strict=True)])}
    )


def _with_one(x: Tensor, dim: int) -> tuple[int, ...]:
    shape = x._array.shape
    return (*shape[:dim], 1, *shape[dim + 1 :])


@accepts_out
def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Sum of products over the dims given: a number of trailing/leading dims, or two lists."""
    n, m = a._array.ndim, b._array.ndim
    if isinstance(dims, int):
        left, right = list(range(n - dims, n)), list(range(dims))
    else:
        left, right = (list(d) if isinstance(d, (tuple, list)) else [d] for d in dims)
    left, right = [d % n for d in left], [d % m for d in right]
    if len(left) != len(right):
        raise RuntimeError("both dimension lists should have same length")
    for i, j in zip(left, right, strict=True):  # a dim of size 1 is paired with a sum
        if a._array.shape[i] == 1 != b._array.shape[j]:
            b = ops.reshape(ops.sum(b, dims=(j,)), shape=_with_one(b, j))
        elif b._array.shape[j] == 1 != a._array.shape[i]:
            a = ops.reshape(ops.sum(a, dims=(i,)), shape=_with_one(a, i))
        if a._array.shape[i] != b._array.shape[j]:
            raise RuntimeError(
                message(
                    "contracted dimensions need to match, but first has size"
                    f" {a._array.shape[i]} in dim {i} and second has size {b._array.shape[j]} in dim {j}",
                    operands={"a": a.type_, "b": b.type_},
                )
            )
    rest_a = [d for d in range(n) if d not in left]
    rest_b = [d for d in range(m) if d not in right]
    shape_a = [a._array.shape[d] for d in rest_a]
    shape_b = [b._array.shape[d] for d in rest_b]
    inner_size = math.prod([a._array.shape[d] for d in left])
    x = bind(_PERMUTE, (a,), {"dims": tuple(rest_a + left)})
    y = bind(_PERMUTE, (b,), {"dims": tuple(right + rest_b)})
    x = bind(_RESHAPE, (x,), {"shape": (math.prod(shape_a), inner_size)})
    y = bind(_RESHAPE, (y,), {"shape": (inner_size, math.prod(shape_b))})
    return bind(_RESHAPE, (matmul(x, y),), {"shape": (*shape_a, *shape_b)})


def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal."""
    if input._array.ndim != 2:
        raise RuntimeError(
            message(f"trace: expected a matrix, but got tensor with dim {input._array.ndim}")
        )
    from .reduction import sum

    return sum(ops.diagonal(input, offset=0, dim1=0, dim2=1))


@accepts_out
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross product of 3-vectors along `dim`."""
    from ..size import wrap_dim
    from .arranging import roll

    a, b = promotion.operands(input, other)
    shape = a._array.shape
    dim = (
        next(i for i, s in enumerate(shape) if s == 3) if dim is None else wrap_dim(dim, len(shape))
    )
    if shape[dim] != 3:
        raise RuntimeError(
            message(f"linalg.cross: inputs dimension {dim} must have length 3. Got {shape[dim]}")
        )
    first = ops.mul(roll(a, -1, dim), roll(b, -2, dim))
    return ops.sub(first, ops.mul(roll(a, -2, dim), roll(b, -1, dim)))


def cdist(
    x1: Tensor,
    x2: Tensor,
    p: float = 2.0,
    compute_mode: str = "use_mm_for_euclid_dist_if_necessary",
) -> Tensor:
    """p-norm distances between all pairs of rows."""
    from .moments import vector_norm
    from .shape import unsqueeze

    a, b = promotion.operands(unsqueeze(x1, -2), unsqueeze(x2, -3))
    return vector_norm(ops.sub(a, b), p, -1)
