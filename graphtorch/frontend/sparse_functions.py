"""What is computed with sparse tensors, out of dense operations on their values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import UnsupportedError, message
from . import overriding, promotion
from .functional.wrapping import concrete
from .size import wrap_dims
from .sparse_tensor import SparseCsrTensor, SparseTensor, _room, _summed, coo, csr
from .tensor import Tensor, wrap


def is_sparse(x: Any) -> bool:
    """Whether this is a sparse tensor."""
    return isinstance(x, SparseTensor)


# ---- making them


def sparse_coo_tensor(
    indices: Any, values: Any = None, size: Any = None, *, dtype: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False, check_invariants: bool | None = None,
    is_coalesced: bool | None = None,
) -> SparseTensor:  # fmt: skip
    """A sparse tensor in coordinate format.

    indices: int [sparse dims, nnz]; values: [nnz, *dense dims]; size: the smallest that fits by default.
    Elements of one place count as their sum.  Gradients reach `values`.
    Raises RuntimeError for indices outside of the size.

    >>> sparse_coo_tensor([[0, 1], [2, 0]], [3.0, 4.0], (2, 3)).to_dense()
    tensor([[0., 0., 3.],
            [4., 0., 0.]])
    """
    room = _room()
    if values is None:  # an empty tensor of a size
        size, indices, values = (
            indices,
            room.zeros((len(indices), 0), dtype=room.int64),
            room.zeros(0),
        )
    places = room.as_tensor(indices).to(room.int64)
    data = room.as_tensor(values, dtype=dtype, device=device)
    if places.ndim != 2:
        raise RuntimeError(f"indices must be sparse_dim x nnz, but got: {list(places.shape)}")
    if data.ndim == 0:
        data = data.expand(places.shape[1])
    if data.shape[0] != places.shape[1]:
        raise RuntimeError(
            "indices and values must have same nnz, but got nnz from indices:"
            f" {places.shape[1]}, nnz from values: {data.shape[0]}"
        )
    numbers = concrete(places)
    if size is None:
        if numbers.size == 0 and numbers.shape[0]:
            extent = [0] * numbers.shape[0]
        else:
            extent = (numbers.max(1) + 1).tolist()
        size = (*extent, *data.shape[1:])
    size = tuple(int(n) for n in size)
    if len(size) != places.shape[0] + data.ndim - 1 or size[places.shape[0] :] != tuple(
        data.shape[1:]
    ):
        raise RuntimeError(
            f"number of dimensions must be sparse_dim ({places.shape[0]}) + dense_dim ({data.ndim - 1}), but got"
            f" {len(size)}"
        )
    if numbers.size:
        if numbers.min() < 0:
            dim = int(np.argmax((numbers < 0).any(1)))
            raise RuntimeError(f"found negative index {numbers[dim].min()} for dim {dim}")
        limits = np.array(size[: numbers.shape[0]])
        if (numbers.max(1) >= limits).any():
            dim = int(np.argmax(numbers.max(1) >= limits))
            raise RuntimeError(
                f"size is inconsistent with indices: for dim {dim}, size is {limits[dim]} but found index"
                f" {numbers[dim].max()}"
            )
    if requires_grad:
        data = data.detach().requires_grad_()
    coalesced = bool(is_coalesced)
    return coo(places, data, size, coalesced)


def sparse_csr_tensor(
    crow_indices: Any, col_indices: Any, values: Any, size: Any = None, *, dtype: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False, check_invariants: bool | None = None,
) -> SparseCsrTensor:  # fmt: skip
    """A matrix in compressed rows; raises RuntimeError if its parts do not fit each other.

    >>> sparse_csr_tensor([0, 1, 2], [1, 0], [3.0, 4.0], (2, 2)).to_dense()
    tensor([[0., 3.],
            [4., 0.]])
    """
    room = _room()
    crow, columns = room.as_tensor(crow_indices), room.as_tensor(col_indices)
    data = room.as_tensor(values, dtype=dtype, device=device)
    if crow.ndim != 1 or columns.ndim != 1 or data.ndim != 1:
        raise UnsupportedError(
            "sparse_csr_tensor: only plain matrices, no batches and no dense dims"
        )
    pointers, places = concrete(crow), concrete(columns)
    if size is None:
        size = (len(pointers) - 1, int(places.max()) + 1 if places.size else 0)
    size = tuple(int(n) for n in size)
    fits = (
        len(pointers) == size[0] + 1
        and pointers[0] == 0
        and pointers[-1] == len(places) == data.shape[0]
        and (np.diff(pointers) >= 0).all()
        and (not places.size or (places.min() >= 0 and places.max() < size[1]))
    )
    if not fits:
        raise RuntimeError(
            f"crow_indices, col_indices and values do not describe a matrix of size {size}"
        )
    if requires_grad:
        data = data.detach().requires_grad_()
    return csr(crow, columns, data, size)


def to_sparse(self: Tensor, *args: Any, layout: Any = None, **_: Any) -> SparseTensor:
    """The non-zero elements of a dense tensor; to_sparse(n) keeps the last dims dense."""
    from .formats import sparse_csr

    count = args[0] if args and isinstance(args[0], int) else self.ndim
    places = np.stack(np.nonzero(_any_beyond(concrete(self), count))).astype(np.int64)
    flat = np.zeros(places.shape[1], np.int64)
    for dim in range(count):
        flat = flat * self.shape[dim] + places[dim]
    head = math.prod(self.shape[:count])
    values = self.reshape(head, *self.shape[count:]).index_select(0, wrap(flat))  # type: ignore[attr-defined]
    made = coo(wrap(places), values, self.shape, True)
    return made.to_sparse_csr() if layout is sparse_csr or sparse_csr in args else made


def _any_beyond(array: np.ndarray, count: int) -> np.ndarray:
    there = array != 0
    return there.any(tuple(range(count, array.ndim))) if count < array.ndim else there


def to_sparse_csr(self: Tensor, dense_dim: Any = None) -> SparseCsrTensor:
    """The non-zero elements of a dense matrix in compressed rows."""
    return to_sparse(self).to_sparse_csr()


# ---- products


def mm(a: Any, b: Any, reduce: str = "sum") -> Any:
    """A product of matrices of which at least one is sparse; sparse if both are.

    reduce: "sum"; the products of one place are summed.
    """
    if reduce != "sum":
        raise UnsupportedError(f"torch.sparse.mm(reduce={reduce!r}): only 'sum'")
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[1] != b.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({'x'.join(map(str, a.shape))} and"
            f" {'x'.join(map(str, b.shape))})"
        )
    if is_sparse(a) and is_sparse(b):
        return _mm_sparse(a, b)
    if not is_sparse(a):
        return mm(b.t(), a.t()).t()
    rows, columns = a._indices_
    values = a._values_
    if b.ndim == 1:
        products = values * b.index_select(0, columns)
    else:
        products = values.unsqueeze(1) * b.index_select(0, columns)
    result = _room().zeros((a.shape[0], *b.shape[1:]), dtype=products.dtype)
    return result.index_add(0, rows, products)


def _mm_sparse(a: SparseTensor, b: SparseTensor) -> SparseTensor:
    """Every element (i, k) of `a` meets the elements (k, j) of `b`'s row."""
    a, b = a.coalesce(), b.coalesce()
    (i, k), (rows, j) = concrete(a._indices_), concrete(b._indices_)  # b's rows are sorted
    first, last = np.searchsorted(rows, k, "left"), np.searchsorted(rows, k, "right")
    counts = last - first
    left = np.repeat(np.arange(len(k)), counts)
    right = (
        np.arange(counts.sum())
        - np.repeat(np.cumsum(counts) - counts, counts)
        + np.repeat(first, counts)
    )
    values = a._values_.index_select(0, wrap(left)) * b._values_.index_select(0, wrap(right))
    places = np.stack([i[left], j[right]]) if len(left) else np.zeros((2, 0), np.int64)
    return coo(wrap(places), values, (a.shape[0], b.shape[1])).coalesce()


def matmul(a: Any, b: Any) -> Any:
    """`a @ b` with a sparse matrix on at least one side."""
    if not is_sparse(a) and a.ndim == 1:
        return mm(b.t(), a)
    return mm(a, b)


def addmm(input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """beta * input + alpha * (mat1 @ mat2), mat1 sparse."""
    return add(mm(mat1, mat2) * alpha, input * beta)


# ---- element by element


def add(a: Any, b: Any, *, alpha: Any = 1) -> Any:
    """Sum of two tensors; sparse if both are."""
    if not is_sparse(b):
        if not isinstance(b, Tensor):
            raise UnsupportedError(
                "adding a number to a sparse tensor makes it dense: x.to_dense() + number"
            )
        return a.to_dense() + b * alpha
    if not is_sparse(a):
        return a + b.to_dense() * alpha
    if a.shape != b.shape:
        raise RuntimeError(
            f"add: expected 'self' and 'other' to have same sizes, but {tuple(a.shape)} != {tuple(b.shape)}"
        )
    compressed = isinstance(a, SparseCsrTensor)
    a, b = a.to_sparse(), b.to_sparse()
    dtype = promotion.promote_types(a.dtype, b.dtype)
    values = [a._values_.to(dtype), (b._values_ * alpha).to(dtype)]
    room = _room()
    made = coo(room.cat([a._indices_, b._indices_], 1), room.cat(values), a.shape)
    if compressed:
        return made.to_sparse_csr()
    return made.coalesce() if a._coalesced and b._coalesced else made


def mul(a: Any, b: Any) -> Any:
    """Product element by element: sparse, with the elements that both have."""
    if not is_sparse(a):
        a, b = b, a
    if not isinstance(b, Tensor) or (not is_sparse(b) and b.ndim == 0):
        return a._with(a._values_ * b)
    compressed, a = isinstance(a, SparseCsrTensor), a.coalesce()
    if is_sparse(b):
        b = b.coalesce()
        both, left, right = np.intersect1d(a._keys(), b._keys(), return_indices=True)
        values = a._values_.index_select(0, wrap(left)) * b._values_.index_select(0, wrap(right))
        made = coo(a._indices_.index_select(1, wrap(left)), values, a.shape, True)
    else:
        wide = b.expand(tuple(a.shape))
        sparse = a.sparse_dim()
        flat = wide.reshape(math.prod(a.shape[:sparse]), *a.shape[sparse:])
        made = a._with(a._values_ * flat.index_select(0, wrap(a._keys())))
    return made.to_sparse_csr() if compressed else made


def div(a: Any, b: Any) -> Any:
    """A sparse tensor divided by a number."""
    if not is_sparse(a) or (isinstance(b, Tensor) and b.ndim):
        raise UnsupportedError("only a sparse tensor can be divided, and only by a number")
    return a._with(a._values_ / b)


def _zero_preserving(name: str) -> Any:
    def function(x: Any, *args: Any, **kwargs: Any) -> Any:
        x = x.coalesce() if not isinstance(x, SparseCsrTensor) else x
        return x._with(getattr(_room(), name)(x._values_, *args, **kwargs))

    function.__name__ = name
    return function


# ---- sums


def sum(input: Any, dim: Any = None, dtype: Any = None, keepdim: bool = False) -> Any:
    """Sum of all elements, or over dims; sparse unless all sparse dims go."""
    if dtype is not None:
        input = input.to(dtype)
    if dim is None:
        return input._values_.sum()
    if keepdim:
        raise UnsupportedError("sum of a sparse tensor with keepdim=True")
    input = input.to_sparse()
    dims = wrap_dims(dim, input.ndim)
    sparse = input.sparse_dim()
    values = input._values_
    dense = [d - sparse + 1 for d in dims if d >= sparse]
    if dense:
        values = values.sum(dense)
    left = [d for d in range(sparse) if d not in dims]
    if not left:
        return values.sum(0)
    size = tuple(n for d, n in enumerate(input.shape) if d not in dims)
    places = input._indices_.index_select(0, _room().tensor(left))
    return coo(places, values, size, input._coalesced and len(left) == sparse).coalesce()


def softmax(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Softmax along a dim, of the elements that are there."""
    return _normalised(input, dim, dtype, lambda shifted, total: shifted.exp() / total)


def log_softmax(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Logarithm of `softmax`."""
    return _normalised(input, dim, dtype, lambda shifted, total: shifted - total.log())


def _normalised(input: Any, dim: int, dtype: Any, finish: Any) -> Any:
    x = (input if dtype is None else input.to(dtype)).coalesce()
    (dim,) = wrap_dims(dim, x.ndim)
    if x.dense_dim():
        raise UnsupportedError("softmax of a sparse tensor with dense dims")
    groups, inverse = np.unique(
        x._keys([d for d in range(x.ndim) if d != dim]), return_inverse=True
    )
    which = wrap(inverse.reshape(-1))
    largest = np.full(groups.size, -np.inf, concrete(x._values_).dtype)
    np.maximum.at(largest, concrete(which), concrete(x._values_.detach()))
    shifted = x._values_ - wrap(largest).index_select(0, which)  # type: ignore[attr-defined]
    total = _summed(shifted.exp(), concrete(which), groups.size).index_select(0, which)
    return x._with(finish(shifted, total))


def allclose(a: Any, b: Any, **tolerances: Any) -> bool:
    """`allclose` of the dense tensors."""
    return _room().allclose(*(x.to_dense() if is_sparse(x) else x for x in (a, b)), **tolerances)


FUNCTIONS: dict[str, Any] = {
    "mm": mm, "matmul": matmul, "mv": mm, "addmm": addmm, "spmm": mm, "smm": mm, "hspmm": mm, "add": add,
    "sub": lambda a, b, *, alpha=1: add(a, b if not alpha - 1 and not is_sparse(b) else b, alpha=-alpha),
    "mul": mul, "multiply": mul, "div": div, "true_divide": div, "divide": div, "sum": sum, "softmax": softmax,
    "log_softmax": log_softmax, "allclose": allclose, "transpose": SparseTensor.transpose, "t": SparseTensor.t,
    "clone": SparseTensor.clone, "detach": SparseTensor.detach, "is_tensor": lambda x: True,
    "is_floating_point": lambda x: x.dtype.is_floating_point, "numel": SparseTensor.numel,
    "is_complex": lambda x: x.dtype.is_complex,
    "zeros_like": lambda x, **_: coo(x._indices_[:, :0], x._values_[:0], x.shape, True),
    **{name: _zero_preserving(name) for name in (
        "neg abs sign sgn sqrt square sin sinh tan tanh asin asinh atan atanh expm1 log1p floor ceil trunc round relu"
        " erf deg2rad rad2deg isnan isinf nan_to_num"
    ).split()},
    "pow": lambda x, exponent: x._with(x.coalesce()._values_ ** exponent) if x._coalesced else (
        x.coalesce()._with(x.coalesce()._values_ ** exponent)),
}  # fmt: skip


def _asked(cls: Any, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """What public functions do with a sparse argument."""
    found = FUNCTIONS.get(getattr(function, "__name__", ""))
    if found is None:
        raise UnsupportedError(
            message(
                f"{getattr(function, '__name__', function)} is not there for sparse tensors",
                hint="x.to_dense() gives a dense tensor",
            )
        )
    return found(*args, **(kwargs or {}))


def _method(name: str, swapped: bool = False) -> Any:
    function = FUNCTIONS[name]

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if swapped:
            return function(*args, self, **kwargs)
        return function(self, *args, **kwargs)

    method.__name__ = name
    return method


def _install() -> None:
    cls: Any = SparseTensor
    own = vars(SparseTensor).keys()
    for name in FUNCTIONS.keys() - own:
        setattr(cls, name, _method(name))
    for operator, name in {"add": "add", "mul": "mul", "matmul": "matmul", "sub": "sub"}.items():
        setattr(cls, f"__{operator}__", _method(name))
        setattr(cls, f"__r{operator}__", _method(name, swapped=True))
    cls.__truediv__, cls.__neg__, cls.__pow__, cls.__abs__ = (
        _method("div"), _method("neg"), _method("pow"), _method("abs"),
    )  # fmt: skip
    for name in ("float", "double", "half", "bfloat16", "int", "long"):
        dtype = getattr(_room(), name)
        setattr(cls, name, lambda self, dtype=dtype: self.to(dtype))
    cls.__torch_function__ = classmethod(_asked)
    overriding._asks[SparseTensor] = overriding._asks[SparseCsrTensor] = True
    overriding.install()


_install()
