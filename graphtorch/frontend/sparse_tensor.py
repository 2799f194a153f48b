"""Sparse tensors: the elements that are there, and where they are.

    indices  int64 [sparse dims, nnz]      values  [nnz, *dense dims]

A `SparseTensor` is data about two dense tensors; every operation on it is made of dense operations on
its values (index_select, index_add), so gradients reach the values and compiled code needs nothing
new.  It has no array of its own: an operation that knows only dense tensors raises UnsupportedError.
Compressed rows (CSR) are the same with row pointers instead of row numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import UnsupportedError, message
from . import formats
from .functional.wrapping import concrete
from .size import Size, wrap_dim
from .tensor import Tensor, wrap


def _room() -> Any:
    import graphtorch

    return graphtorch


def _usual(dtype: Any) -> bool:
    from .promotion import get_default_dtype

    return dtype is get_default_dtype() or dtype.name in ("int64", "bool")


def _without_dtype(values: Any) -> str:
    text = repr(values.detach())
    return re.sub(r", dtype=torch\.\w+\)$", ")", text)


class SparseTensor(Tensor):
    """A tensor in coordinate format; see `graphtorch.sparse_coo_tensor` for making one."""

    _indices_: Any
    _values_: Any
    _size: tuple[int, ...]
    _coalesced = False

    @property
    def _array(self) -> np.ndarray:  # type: ignore[override]
        raise UnsupportedError(
            message(
                "this operation is not there for sparse tensors",
                operands={"x": f"{self.layout} {tuple(self._size)}"},
                hint="x.to_dense() gives a dense tensor",
            )
        )

    # ---- what it is

    @property
    def shape(self) -> Size:  # type: ignore[override]
        return Size(self._size)

    def size(self, dim: int | None = None) -> Any:
        return Size(self._size) if dim is None else self._size[dim]

    @property
    def ndim(self) -> int:
        return len(self._size)

    def dim(self) -> int:
        return len(self._size)

    def numel(self) -> int:
        return math.prod(self._size)

    def __len__(self) -> int:
        return self._size[0]

    @property
    def dtype(self) -> Any:
        return self._values_.dtype

    @property
    def device(self) -> Any:
        return self._values_.device

    @property
    def layout(self) -> Any:
        return formats.sparse_coo

    is_sparse = True
    is_sparse_csr = False

    @property
    def requires_grad(self) -> bool:  # type: ignore[override]
        return self._values_.requires_grad

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        self._values_.requires_grad_(requires_grad)
        return self

    @property
    def is_leaf(self) -> bool:
        return self._values_.is_leaf

    @property
    def grad_fn(self) -> Any:
        return self._values_.grad_fn

    @property
    def grad(self) -> Any:
        """The gradient of the elements that are there, as a sparse tensor."""
        found = self._values_.grad
        return None if found is None else self._with(found.detach())

    @grad.setter
    def grad(self, value: Any) -> None:
        self._values_.grad = None if value is None else value.coalesce()._values_

    def sparse_dim(self) -> int:
        return self._indices_.shape[0]

    def dense_dim(self) -> int:
        return self._values_.ndim - 1

    def _nnz(self) -> int:
        return self._values_.shape[0]

    def is_coalesced(self) -> bool:
        return self._coalesced

    def _coalesced_(self, coalesced: bool) -> Any:
        self._coalesced = coalesced
        return self

    def _indices(self) -> Tensor:
        return self._indices_

    def _values(self) -> Tensor:
        return self._values_

    def indices(self) -> Tensor:
        """Where the elements are; raises RuntimeError unless coalesced."""
        self._need_coalesced("indices")
        return self._indices_

    def values(self) -> Tensor:
        """The elements; raises RuntimeError unless coalesced."""
        self._need_coalesced("values")
        return self._values_

    def _need_coalesced(self, what: str) -> None:
        if not self._coalesced:
            raise RuntimeError(
                f"Cannot get {what} on an uncoalesced tensor, please call .coalesce() first"
            )

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        indices = repr(self._indices_).replace("\n", "\n" + " " * 15)
        values = _without_dtype(self._values_).replace("\n", "\n" + " " * 14)
        kind = "" if self._nnz() and _usual(self.dtype) else f"dtype={self.dtype}, "
        tracked = (
            f", grad_fn=<{self.grad_fn.name()}>"
            if self.grad_fn is not None
            else ", requires_grad=True"
            if self.requires_grad
            else ""
        )
        return (
            f"tensor(indices={indices},\n       values={values},\n       size={tuple(self._size)},"
            f" nnz={self._nnz()}, {kind}layout=torch.sparse_coo{tracked})"
        )

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        from .checkpoint_values import rebuild_sparse

        parts = self._indices_, self._values_.detach(), self._size, self._coalesced
        return rebuild_sparse, (self.layout, parts)

    def __deepcopy__(self, memo: dict) -> Any:
        return self.clone()

    # ---- other forms of the same elements

    def _with(
        self, values: Any, indices: Any = None, size: Any = None, coalesced: Any = None
    ) -> Any:
        return coo(
            self._indices_ if indices is None else indices,
            values,
            self._size if size is None else size,
            self._coalesced if coalesced is None else coalesced,
        )

    def _keys(self, dims: Any = None) -> np.ndarray:
        """Every element's place among the chosen sparse dims (all of them), row-major."""
        dims = range(self.sparse_dim()) if dims is None else dims
        places = concrete(self._indices_)
        keys = np.zeros(self._nnz(), np.int64)
        for dim in dims:
            keys = keys * self._size[dim] + places[dim]
        return keys

    def coalesce(self) -> Any:
        """The same tensor with its elements sorted, those of one place summed up."""
        if self._coalesced:
            return self
        unique, inverse = np.unique(self._keys(), return_inverse=True)
        sizes = self._size[: self.sparse_dim()]
        places = np.stack(np.unravel_index(unique, sizes)) if sizes else np.zeros((0, unique.size))
        values = _summed(self._values_, inverse.reshape(-1), unique.size)
        return self._with(values, wrap(places.astype(np.int64)), coalesced=True)

    def to_dense(self, dtype: Any = None, *, masked_grad: Any = None) -> Any:
        """A dense tensor."""
        sparse, dense = self._size[: self.sparse_dim()], self._size[self.sparse_dim() :]
        result = _summed(self._values_, self._keys(), math.prod(sparse)).reshape(*sparse, *dense)
        return result if dtype is None else result.to(dtype)

    def to_sparse(self, *_: Any, layout: Any = None, **__: Any) -> Any:
        return self.to_sparse_csr() if layout is formats.sparse_csr else self

    to_sparse_coo = to_sparse

    def to_sparse_csr(self, dense_dim: Any = None) -> Any:
        """The same matrix as compressed rows."""
        if self.ndim != 2 or self.dense_dim():
            raise RuntimeError(f"to_sparse_csr needs a matrix, got {self.ndim} dims")
        matrix = self.coalesce()
        rows, columns = matrix._indices_
        counts = np.bincount(concrete(rows), minlength=self._size[0])
        pointers = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return csr(wrap(pointers), columns, matrix._values_, self._size)

    def clone(self, *, memory_format: Any = None) -> Any:
        return self._with(self._values_.clone(), self._indices_.clone())

    def detach(self) -> Any:
        return self._with(self._values_.detach())

    def to(self, *args: Any, **kwargs: Any) -> Any:
        return self._with(self._values_.to(*args, **kwargs))

    def cpu(self, *_: Any) -> Any:
        return self.to("cpu")

    def tolist(self) -> Any:
        return self.to_dense().tolist()

    def transpose(self, dim0: int, dim1: int) -> Any:
        """The dims exchanged; only sparse dims."""
        a, b = wrap_dim(dim0, self.ndim), wrap_dim(dim1, self.ndim)
        if max(a, b) >= self.sparse_dim():
            raise UnsupportedError("transpose of a sparse tensor exchanges sparse dims only")
        order = list(range(self.sparse_dim()))
        order[a], order[b] = b, a
        size = list(self._size)
        size[a], size[b] = size[b], size[a]
        moved = self._indices_.index_select(0, _room().tensor(order))
        return self._with(self._values_, moved, tuple(size), a == b and self._coalesced)

    def t(self) -> Any:
        if self.ndim > 2:
            raise RuntimeError(
                f"t() expects a tensor with <= 2 dimensions, but self is {self.ndim}D"
            )
        return self.transpose(0, -1) if self.ndim == 2 else self

    T = property(t)
    mT = property(lambda self: self.transpose(-2, -1))


def coo(indices: Any, values: Any, size: Any, coalesced: bool = False) -> SparseTensor:
    """A sparse tensor of parts that fit each other."""
    made = SparseTensor.__new__(SparseTensor)
    made._indices_, made._values_, made._size = indices, values, tuple(size)
    made._coalesced = bool(coalesced)
    return made


def _summed(values: Any, keys: np.ndarray, count: int) -> Any:
    """Rows of `values` added up by key: [count, *dense]."""
    room = _room()
    result = room.zeros((count, *values.shape[1:]), dtype=values.dtype)
    if values.dtype is room.bool:
        return _summed(values.to(room.uint8), keys, count) > 0
    return result.index_add(0, wrap(keys), values)


class SparseCsrTensor(SparseTensor):
    """A matrix in compressed rows; see `graphtorch.sparse_csr_tensor` for making one."""

    _crow: Any

    is_sparse = False
    is_sparse_csr = True

    @property
    def layout(self) -> Any:
        return formats.sparse_csr

    def crow_indices(self) -> Tensor:
        """Where each row begins among the values; one more than there are rows."""
        return self._crow

    def col_indices(self) -> Tensor:
        """The column of each value."""
        return self._indices_[1]

    def values(self) -> Tensor:
        """The elements, row by row."""
        return self._values_

    def to_sparse(self, *_: Any, layout: Any = None, **__: Any) -> Any:
        return (
            self
            if layout is formats.sparse_csr
            else coo(self._indices_, self._values_, self._size, True)
        )

    to_sparse_coo = to_sparse

    def to_sparse_csr(self, dense_dim: Any = None) -> Any:
        return self

    def indices(self) -> Tensor:
        raise RuntimeError("indices expected sparse coordinate tensor layout but got SparseCsr")

    def _with(
        self, values: Any, indices: Any = None, size: Any = None, coalesced: Any = None
    ) -> Any:
        if indices is None and size is None:
            return csr(self._crow, self._indices_[1], values, self._size)
        return super()._with(values, indices, size, coalesced)

    def clone(self, *, memory_format: Any = None) -> Any:
        return self._with(self._values_.clone())

    def coalesce(self) -> Any:
        return self.to_sparse()

    def transpose(self, dim0: int, dim1: int) -> Any:
        return self.to_sparse().transpose(dim0, dim1)

    def __reduce_ex__(self, protocol: Any) -> Any:
        from .checkpoint_values import rebuild_sparse

        parts = self._crow, self.col_indices(), self._values_.detach(), self._size
        return rebuild_sparse, (self.layout, parts)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        parts = []
        for name, part in (
            ("crow_indices", self._crow),
            ("col_indices", self.col_indices()),
            ("values", self._values_.detach()),
        ):
            parts.append(f"{name}={part!r}".replace("\n", "\n" + " " * (len(name) + 8)))
        return (
            "tensor("
            + ",\n       ".join(parts)
            + f", size={tuple(self._size)}, nnz={self._nnz()},\n"
            "       layout=torch.sparse_csr)"
        )

    __str__ = __repr__


def csr(crow: Any, columns: Any, values: Any, size: Any) -> SparseCsrTensor:
    """Compressed rows of parts that fit each other."""
    pointers = concrete(crow)
    rows = np.repeat(np.arange(len(pointers) - 1), np.diff(pointers)).astype(np.int64)
    made = SparseCsrTensor.__new__(SparseCsrTensor)
    made._crow = crow
    made._indices_ = wrap(np.stack([rows, concrete(columns).astype(np.int64)]))
    made._values_, made._size, made._coalesced = values, tuple(size), True
    return made


Method = Callable[..., Any]
