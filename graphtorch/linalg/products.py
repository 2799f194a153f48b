"""Products, powers and exponentials of matrices; all made of ordinary ops."""

from __future__ import annotations

import math
from typing import Any

from ..errors import message
from ..frontend import promotion
from ..frontend.functional.arranging import diagonal as _diagonal
from ..frontend.functional.linear import cross as _cross
from ..frontend.functional.linear import matmul as matmul
from ..frontend.functional.linear import matrix_power as _power
from ..frontend.functional.shape import unsqueeze as _unsqueeze
from ..frontend.functional.wrapping import accepts_out, check_tensor, concrete
from ..frontend.size import wrap_dim
from ..frontend.tensor import Tensor
from ..ir import ops
from .checks import matrices, square


@accepts_out
def multi_dot(tensors: Any) -> Tensor:
    """The product of two or more matrices (the ends may be vectors), in the cheapest order.

    The order is the classic dynamic program over the sizes (Cormen et al., 15.2).
    """
    found = list(tensors)
    if len(found) < 2:
        raise RuntimeError(
            message(f"multi_dot(): expected at least 2 tensors but got {len(found)}")
        )
    for i, x in enumerate(found):
        dims = (1, 2) if i in (0, len(found) - 1) else (2,)
        if x._array.ndim not in dims:
            wanted = "1D or 2D" if len(dims) == 2 else "2D"
            raise RuntimeError(
                message(
                    f"multi_dot(): tensor {i} must be {wanted} but got {x._array.ndim}D",
                    operands={"x": x.type_},
                )
            )
        if x.dtype is not found[0].dtype:
            raise RuntimeError(
                message(
                    f"multi_dot(): all tensors must have be the same dtype but tensor 0 is {found[0].dtype} and tensor {i} {x.dtype}"
                )
            )
    first, last = found[0]._array.ndim == 1, found[-1]._array.ndim == 1
    if first:
        found[0] = _unsqueeze(found[0], 0)
    if last:
        found[-1] = _unsqueeze(found[-1], 1)
    for i, (a, b) in enumerate(zip(found, found[1:], strict=False)):
        if a._array.shape[1] != b._array.shape[0]:
            raise RuntimeError(
                message(
                    f"multi_dot(): tensors {i} and {i + 1} with shapes {list(a.shape)} and {list(b.shape)} cannot be multiplied"
                )
            )
    result = _in_order(found)
    shape = result._array.shape
    return ops.reshape(result, shape=shape[int(first) : 2 - int(last)])


def _in_order(found: list[Tensor]) -> Tensor:
    sizes = [x._array.shape[0] for x in found] + [found[-1]._array.shape[1]]
    n = len(found)
    cost = {(i, i): 0 for i in range(n)}
    split: dict[tuple[int, int], int] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            options = {
                k: cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1]
                for k in range(i, j)
            }
            split[i, j] = min(options, key=options.__getitem__)
            cost[i, j] = options[split[i, j]]

    def product(i: int, j: int) -> Tensor:
        if i == j:
            return found[i]
        return matmul(product(i, split[i, j]), product(split[i, j] + 1, j))

    return product(0, n - 1)


@accepts_out
def matrix_power(A: Tensor, n: int) -> Tensor:
    """A square matrix to an integer power; negative powers invert it."""
    matrices("linalg.matrix_power", A)
    return _power(square("linalg.matrix_power", A), n)


@accepts_out
def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The cross product of 3-vectors along `dim`."""
    if input._array.ndim != other._array.ndim:
        raise RuntimeError(
            message(
                "linalg.cross: inputs must have the same number of dimensions.",
                operands={"input": input.type_, "other": other.type_},
            )
        )
    for x in (input, other):
        place = wrap_dim(dim, x._array.ndim)
        if x._array.shape[place] != 3:
            raise RuntimeError(
                message(
                    f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[place]} and"
                    f" {other.shape[place]}",
                    operands={"input": input.type_, "other": other.type_},
                )
            )
    return _cross(input, other, dim)


@accepts_out
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Scalar products along `dim`, with broadcasting; the first operand is conjugated."""
    check_tensor("linalg.vecdot", x, "x")
    if x._array.dtype.kind not in "fcV":
        raise RuntimeError(
            message(
                f"linalg.vecdot: Expected a floating point or complex tensor as input. Got {x.dtype}"
            )
        )
    a, b = promotion.operands(x, y)
    if a._array.dtype.kind == "c":
        a = ops.conj(a)
    return ops.sum(ops.mul(a, b), dims=(wrap_dim(dim, a._array.ndim),))


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of matrices."""
    return _diagonal(A, offset, dim1, dim2)


def matrix_exp(A: Tensor) -> Tensor:
    """exp(A) by scaling and squaring of its Taylor series (degree 18): N. Higham, "Functions of Matrices", 10.3."""
    square("linalg.matrix_exp", A)
    if not A._array.size:
        return ops.copy(A)
    sizes = abs(concrete(A.detach())).sum(-1).max(-1)  # type: ignore[attr-defined]
    size = float(sizes.max())
    squarings = max(0, math.ceil(math.log2(size)) + 1) if 0 < size < math.inf else 0
    from ..frontend.creation import eye

    x = ops.mul(A, 0.5**squarings)
    result = term = promotion.expand(eye(A.shape[-1], dtype=A.dtype), tuple(A.shape))
    for k in range(1, 19):
        term = ops.mul(matmul(term, x), 1.0 / k)
        result = ops.add(result, term)
    for _ in range(squarings):
        result = matmul(result, result)
    return result


def vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """Ascending powers of the elements of x[..., n], one a column: [..., n, N]."""
    check_tensor("linalg.vander", x, "x")
    if x._array.dtype.kind == "b":
        raise RuntimeError(
            message("linalg.vander: bool tensors are not supported", operands={"x": x.type_})
        )
    if x._array.ndim == 0:
        x = ops.reshape(x, shape=(1,))
    if N is not None and N <= 1:
        raise RuntimeError(message(f"linalg.vander: N must be greater than 1. Got {N}"))
    shape = x._array.shape
    count = shape[-1] if N is None else N
    one = ops.full(shape=(*shape, 1), value=1, dtype=x.dtype)
    if x._array.dtype.kind in "iu" and x._array.dtype.itemsize < 8:
        from ..ir.types import int64

        x, one = ops.cast(x, dtype=int64), ops.cast(one, dtype=int64)
    column = ops.reshape(x, shape=(*shape, 1))
    found = [one]
    for _ in range(count - 1):
        found.append(ops.mul(found[-1], column))
    return (
        ops.concat(*found[:count], dim=len(shape))
        if count
        else ops.full(shape=(*shape, 0), value=0, dtype=x.dtype)
    )


@accepts_out
def householder_product(A: Tensor, tau: Tensor) -> Tensor:
    """The first n columns of H_1 H_2 ... H_k with H_i = I - tau_i v_i v_i^H.

    A[..., m, n] holds v_i below its diagonal (1 on it), tau[..., k] the factors, m >= n >= k.
    """
    matrices("torch.linalg.householder_product", A, "input")
    m, n = A._array.shape[-2:]
    k = tau._array.shape[-1] if tau._array.ndim else 0
    if m < n:
        raise RuntimeError(
            message(
                "torch.linalg.householder_product: input.shape[-2] must be greater than or equal to input.shape[-1]",
                operands={"input": A.type_},
            )
        )
    if n < k:
        raise RuntimeError(
            message(
                "torch.linalg.householder_product: input.shape[-1] must be greater than or equal to tau.shape[-1]",
                operands={"input": A.type_, "tau": tau.type_},
            )
        )
    if A._array.ndim - tau._array.ndim != 1:
        raise RuntimeError(
            message(
                "torch.linalg.householder_product: Expected tau to have one dimension less than input",
                operands={"input": A.type_, "tau": tau.type_},
            )
        )
    if A._array.shape[:-2] != tau._array.shape[:-1]:
        raise RuntimeError(
            message(
                "torch.linalg.householder_product: Expected batch dimensions of tau to be equal to those of input",
                operands={"input": A.type_, "tau": tau.type_},
            )
        )
    if A.dtype is not tau.dtype:
        raise RuntimeError(
            message(
                "torch.linalg.householder_product: tau dtype does not match input dtype",
                operands={"input": A.type_, "tau": tau.type_},
            )
        )
    from ..frontend.creation import eye

    shape = A._array.shape
    result = promotion.expand(eye(m, n, dtype=A.dtype), shape)
    lower = ops.tril(A, diagonal=-1)
    if k == 0 or not A._array.size:
        return ops.add(result, ops.sub(lower, lower))  # of A, so that it has a (zero) derivative
    for i in reversed(range(k)):
        v = lower[..., i : i + 1] + eye(m, dtype=A.dtype)[:, i : i + 1]
        factor = ops.reshape(tau[..., i], shape=(*shape[:-2], 1, 1))
        result = result - factor * matmul(v, matmul(v.mH, result))
    return result
