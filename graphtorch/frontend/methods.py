"""The tensor's methods and operators, by name: what is `Tensor.x` and where it is written.

Nothing is computed here; the tables are the list of what a tensor can do.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..errors import message
from ..ir import dispatch, ops
from . import creation, indexing, inplace, legacy, printing, promotion
from .functional import comparison as _c
from .functional import conversion as _v
from .functional import decomposition as _d
from .functional import linear as _l
from .functional import pointwise as _p
from .functional import reduction as _r
from .functional import selection as _i
from .functional import shape as _s
from .functional import sorting as _o
from .functional.wrapping import inplace as in_place
from .functional.wrapping import named
from .size import Size
from .tensor import Tensor, wrap

_stack = dispatch._stack


# ---- operators


def _operator(function: Callable[..., Tensor], swapped: bool = False) -> Callable[..., Any]:
    """A Python operator: operands that are neither tensors nor numbers give NotImplemented."""

    def forward(self: Tensor, other: Any) -> Any:
        if not isinstance(other, Tensor) and not promotion.is_number(other):
            other = _foreign(other)
            if other is None:
                return NotImplemented
        return function(self, other)

    def backward(self: Tensor, other: Any) -> Any:
        if not isinstance(other, Tensor) and not promotion.is_number(other):
            other = _foreign(other)
            if other is None:
                return NotImplemented
        return function(other, self)

    return backward if swapped else forward


def _foreign(other: Any) -> Tensor | None:
    return creation.as_tensor(other) if isinstance(other, np.ndarray) else None


_PLAIN = frozenset((float, int))


def _fast(op: Any, function: Callable[..., Tensor]) -> Callable[..., Any]:
    """`_operator` with the common cases decided first: a number beside floats, two equal types."""
    bind = dispatch.bind
    slow = _operator(function)

    def operate(self: Tensor, other: Any) -> Any:
        if other.__class__ in _PLAIN:
            if self._array.dtype.kind == "f":
                return bind(op, (self, float(other)), {})
            return function(self, other)
        try:
            x, y = self._array, other._array
        except AttributeError:
            return slow(self, other)
        if x.dtype is y.dtype and x.shape == y.shape:
            return bind(op, (self, other), {})
        return function(self, other)

    return operate


def _fast_swapped(op: Any, function: Callable[..., Tensor]) -> Callable[..., Any]:
    """The same for `2 * x`."""
    bind = dispatch.bind
    slow = _operator(function, True)

    def operate(self: Tensor, other: Any) -> Any:
        if other.__class__ in _PLAIN and self._array.dtype.kind == "f":
            return bind(op, (float(other), self), {})
        return slow(self, other)

    return operate


def _equal_operator(
    op: Any, function: Callable[..., Tensor], otherwise: bool
) -> Callable[..., Any]:
    slow = _operator(function)
    fast = _fast(op, function)

    def operate(self: Tensor, other: Any) -> Any:
        if isinstance(other, Tensor):
            return fast(self, other)
        if other is None:
            return otherwise
        return slow(self, other)

    return operate


def _matmul_operator(self: Tensor, other: Any) -> Any:
    return _l.matmul(self, other) if isinstance(other, Tensor) else NotImplemented


def _fast_sub(self: Tensor, other: Any) -> Any:
    if other.__class__ in _PLAIN and self._array.dtype.kind == "f":
        return dispatch.bind(ops.sub, (self, float(other)), {})
    try:
        x, y = self._array, other._array
    except AttributeError:
        return _slow_sub(self, other)
    if x.dtype is y.dtype and x.shape == y.shape and x.dtype.kind != "b":
        return dispatch.bind(ops.sub, (self, other), {})
    return _p.sub(self, other)


_slow_sub = _operator(_p.sub)


def _fast_div(self: Tensor, other: Any) -> Any:
    if other.__class__ in _PLAIN and self._array.dtype.kind == "f":
        return dispatch.bind(ops.div, (self, float(other)), {})
    try:
        x, y = self._array, other._array
    except AttributeError:
        return _slow_div(self, other)
    if x.dtype is y.dtype and x.shape == y.shape and x.dtype.kind in "fV":
        return dispatch.bind(ops.div, (self, other), {})
    return _p.div(self, other)


_slow_div = _operator(_p.div)

OPERATORS: dict[str, Callable[..., Any]] = {
    "__add__": _fast(ops.add, _p.add), "__radd__": _fast_swapped(ops.add, _p.add),
    "__sub__": _fast_sub, "__rsub__": _fast_swapped(ops.sub, _p.sub),
    "__mul__": _fast(ops.mul, _p.mul), "__rmul__": _fast_swapped(ops.mul, _p.mul),
    "__truediv__": _fast_div, "__rtruediv__": _fast_swapped(ops.div, _p.div),
    "__floordiv__": _operator(_p.floor_divide), "__rfloordiv__": _operator(_p.floor_divide, True),
    "__mod__": _operator(_p.remainder), "__rmod__": _operator(_p.remainder, True),
    "__pow__": _fast(ops.pow, _p.pow), "__rpow__": _operator(_p.pow, True),
    "__matmul__": _matmul_operator, "__rmatmul__": lambda self, other: NotImplemented,
    "__and__": _operator(_p.bitwise_and), "__rand__": _operator(_p.bitwise_and, True),
    "__or__": _operator(_p.bitwise_or), "__ror__": _operator(_p.bitwise_or, True),
    "__xor__": _operator(_p.bitwise_xor), "__rxor__": _operator(_p.bitwise_xor, True),
    "__lshift__": _operator(_p.bitwise_left_shift), "__rshift__": _operator(_p.bitwise_right_shift),
    "__eq__": _equal_operator(ops.eq, _c.eq, False), "__ne__": _equal_operator(ops.ne, _c.ne, True),
    "__lt__": _fast(ops.lt, _c.lt), "__le__": _fast(ops.le, _c.le),
    "__gt__": _fast(ops.gt, _c.gt), "__ge__": _fast(ops.ge, _c.ge),
    "__neg__": _p.neg, "__pos__": _p.positive, "__abs__": _p.abs, "__invert__": _p.bitwise_not,
    "__iadd__": inplace.operator(inplace.add_), "__isub__": inplace.operator(inplace.sub_),
    "__imul__": inplace.operator(inplace.mul_), "__itruediv__": inplace.operator(inplace.div_),
    "__ifloordiv__": inplace.operator(in_place(_p.floor_divide)),
    "__imod__": inplace.operator(in_place(_p.remainder)), "__ipow__": inplace.operator(in_place(_p.pow)),
    "__iand__": inplace.operator(in_place(_p.bitwise_and)), "__ior__": inplace.operator(in_place(_p.bitwise_or)),
    "__ixor__": inplace.operator(in_place(_p.bitwise_xor)),
    "__getitem__": indexing.get_item, "__setitem__": indexing.set_item,
    "__bool__": _v.as_bool, "__int__": _v.as_int, "__float__": _v.as_float, "__complex__": _v.as_complex,
    "__index__": _v.as_index, "__array__": _v.as_array, "__dlpack__": _v.to_dlpack,
    "__dlpack_device__": _v.dlpack_device,
}  # fmt: skip


# ---- protocol methods


def _len(self: Tensor) -> int:
    shape = self._array.shape
    if not shape:
        raise TypeError("len() of a 0-d tensor")
    return shape[0]


def _iter(self: Tensor) -> Iterator[Tensor]:
    if not self._array.ndim:
        raise TypeError("iteration over a 0-d tensor")
    return iter(_s.unbind(self, 0))


def _contains(self: Tensor, element: Any) -> bool:
    if isinstance(element, Tensor) or promotion.is_number(element):
        return bool(_r.any(_c.eq(self, element)))
    raise RuntimeError(
        f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}."
    )


def _format(self: Tensor, spec: str) -> str:
    if self._array.ndim == 0 and type(self) is Tensor:
        return format(_v.item(self), spec)
    return object.__format__(self, spec)


def _reversed(self: Tensor) -> Tensor:
    return _s.flip(self, 0) if self._array.ndim else self


def _deepcopy(self: Tensor, memo: dict) -> Tensor:
    known = memo.get(id(self))
    if known is not None:
        return known
    if self._node is not None:
        raise RuntimeError(
            message(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at"
                " the moment.",
                hint="use x.detach().clone()",
            )
        )
    result = Tensor.__new__(type(self))
    memo[id(self)] = result
    result._array = _shared_copy(self, memo)
    if self._device is not None:
        result._device = self._device
    result._requires_grad = self._requires_grad
    if self._grad is not None:
        result._grad = copy.deepcopy(self._grad, memo)
    for name, value in self.__dict__.items():
        if not name.startswith("_"):
            setattr(result, name, copy.deepcopy(value, memo))
    return result


def _shared_copy(self: Tensor, memo: dict) -> np.ndarray:
    """A copy of the array; tensors over one buffer stay over one buffer in the copy."""
    if self._view is None:
        copied = np.array(self._array, order="K")
        memo[id(self._storage)] = self._storage, self._array, copied
        return copied
    known = memo.get(id(self._storage))
    if (
        known is not None
        and known[1].shape == self._array.shape
        and known[1].strides == self._array.strides
    ):
        return known[2]
    return np.array(self._array, order="K")


def _copy(self: Tensor) -> Tensor:
    result = wrap(self._array)
    result.__class__ = type(self)
    result.__dict__.update(self.__dict__)
    result._storage_ = self._storage
    return result


def _reduce(self: Tensor, protocol: Any) -> Any:
    if self._node is not None:
        raise RuntimeError("only leaf tensors can be pickled; use x.detach()")
    return _rebuild, (type(self), self._array, self._requires_grad)


def _rebuild(cls: type, array: np.ndarray, requires_grad: bool) -> Tensor:
    """What a pickled tensor calls."""
    result = Tensor.__new__(cls)
    result._array = array
    result._requires_grad = requires_grad
    return result


PROTOCOL: dict[str, Any] = {
    "__len__": _len, "__iter__": _iter, "__contains__": _contains, "__format__": _format,
    "__reversed__": _reversed, "__deepcopy__": _deepcopy, "__copy__": _copy, "__reduce_ex__": _reduce,
    "__hash__": object.__hash__,
    "__init__": legacy.initialise, "as_subclass": legacy.as_subclass,
    "_make_subclass": staticmethod(legacy.make_subclass),
    "__repr__": lambda self: printing.tensor_text(self), "__str__": lambda self: printing.tensor_text(self),
}  # fmt: skip


# ---- properties

PROPERTIES: dict[str, Any] = {
    "shape": property(lambda self: Size(self._array.shape), doc="The sizes of all dims."),
    "ndim": property(lambda self: self._array.ndim, doc="Number of dims."),
    "device": property(_v.device_of, doc="Where the tensor lives."),
    "T": property(lambda self: ops.permute(self, dims=tuple(range(self._array.ndim))[::-1]), doc="All dims reversed."),
    "mT": property(lambda self: _s.transpose(self, -2, -1), doc="The last two dims exchanged."),
    "H": property(_s.t, doc="The transpose of a matrix (conjugated if complex)."),
    "mH": property(_s.adjoint, doc="The last two dims exchanged (conjugated if complex)."),
    "data": property(_v.data_of, _v.set_data, doc="The same memory without history."),
    "itemsize": property(lambda self: self._array.itemsize, doc="Bytes of one element."),
    "nbytes": property(lambda self: self._array.nbytes, doc="Bytes of all elements."),
    "real": property(lambda self: _real(self), doc="The real part."),
    "imag": property(lambda self: _imag(self), doc="The imaginary part."),
    "is_cuda": property(lambda self: self._device is not None and self._device.type == "cuda", doc="On a GPU?"),
    "is_cpu": property(lambda self: self._device is None, doc="In main memory?"),
    "is_meta": property(lambda self: False, doc="Without data? Never."),
    "is_mps": property(lambda self: False, doc="On an Apple GPU? Never."),
    "is_xpu": property(lambda self: False, doc="On an Intel GPU? Never."),
    "is_sparse": property(lambda self: False, doc="Sparse? Never."),
    "is_mkldnn": property(lambda self: False, doc="In a library's own layout? Never."),
    "is_quantized": property(lambda self: False, doc="Quantised? Never."),
    "is_nested": property(lambda self: False, doc="Ragged? Never."),
    "names": property(lambda self: (None,) * self._array.ndim, doc="Named dims are not supported."),
    "output_nr": property(lambda self: self._index, doc="Which output of its grad_fn this is."),
    "_base": property(lambda self: _base(self), doc="The tensor this is a view of, or None."),
    "layout": property(lambda self: _layout(), doc="Always torch.strided."),
}  # fmt: skip


def _layout() -> Any:
    import graphtorch

    return graphtorch.strided


def _real(self: Tensor) -> Tensor:
    return self if self._array.dtype.kind != "c" else _part(self, "real")


def _imag(self: Tensor) -> Tensor:
    if self._array.dtype.kind != "c":
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return _part(self, "imag")


def _part(self: Tensor, name: str) -> Tensor:
    result = wrap(getattr(self._array, name))
    result._storage_ = self._storage
    return result


def _base(self: Tensor) -> Tensor | None:
    base = self
    while base._view is not None:
        base = base._view[0]
    return None if base is self else base


# ---- asking


def _stride(self: Tensor, dim: int | None = None) -> Any:
    """Steps between neighbours, in elements."""
    array = self._array
    steps = tuple([s // array.itemsize for s in array.strides])
    if array.flags.c_contiguous:  # NumPy's strides of dims of size 1 mean nothing
        from ..ir.types import contiguous_strides

        steps = contiguous_strides(array.shape)
    return steps if dim is None else steps[dim]


def _storage_offset(self: Tensor) -> int:
    """Where in its buffer the first element lies."""
    base = _base(self)
    if base is None:
        return 0
    start = base._array.__array_interface__["data"][0]
    return (self._array.__array_interface__["data"][0] - start) // self._array.itemsize


class UntypedStorage:
    """What `x.untyped_storage()` gives: identity and size of the buffer."""

    def __init__(self, tensor: Tensor):
        base = _base(tensor)
        self._tensor = tensor if base is None else base

    def data_ptr(self) -> int:
        """Address of the buffer."""
        return self._tensor._array.__array_interface__["data"][0]

    def nbytes(self) -> int:
        """Size of the buffer in bytes."""
        return self._tensor._array.nbytes

    def size(self) -> int:
        """Size of the buffer in bytes."""
        return self.nbytes()

    __len__ = nbytes

    @property
    def device(self) -> Any:
        """Where the buffer lies."""
        return _v.device_of(self._tensor)


METHODS_ASKING: dict[str, Any] = {
    "size": _s.size_of, "dim": lambda self: self._array.ndim, "ndimension": lambda self: self._array.ndim,
    "numel": lambda self: self._array.size, "nelement": lambda self: self._array.size,
    "element_size": lambda self: self._array.itemsize,
    "stride": _stride, "storage_offset": _storage_offset,
    "data_ptr": lambda self: self._array.__array_interface__["data"][0],
    "untyped_storage": UntypedStorage, "storage": UntypedStorage,
    "is_contiguous": _v.is_contiguous,
    "is_floating_point": lambda self: self._array.dtype.kind in "fV",
    "is_complex": lambda self: self._array.dtype.kind == "c",
    "is_signed": lambda self: self.dtype.is_signed,
    "is_same_size": lambda self, other: self._array.shape == other._array.shape,
    "is_set_to": lambda self, other: self._array is other._array,
    "is_pinned": lambda self: False, "pin_memory": lambda self: self, "is_shared": lambda self: False,
    "share_memory_": lambda self: self, "is_inference": lambda self: False,
    "get_device": lambda self: -1 if self._device is None else self._device.index or 0,
    "is_conj": lambda self: False, "is_neg": lambda self: False,
    "resolve_conj": lambda self: self, "resolve_neg": lambda self: self,
    "has_names": lambda self: False, "dense_dim": lambda self: self._array.ndim,
    "equal": _c.equal, "allclose": _c.allclose, "isclose": _c.isclose, "is_nonzero": _c.is_nonzero,
}  # fmt: skip

CONVERSIONS: dict[str, Any] = {
    "to": _v.to, "type": _v.type, "type_as": _v.type_as, "cpu": _v.cpu, "cuda": _v.cuda,
    "double": _v.double, "float": _v.float_, "half": _v.half, "bfloat16": _v.bfloat16, "long": _v.long,
    "int": _v.int_, "short": _v.short, "char": _v.char, "byte": _v.byte, "bool": _v.bool_,
    "cfloat": _v.cfloat, "cdouble": _v.cdouble,
    "item": _v.item, "tolist": _v.tolist, "numpy": _v.numpy,
    "clone": _v.clone, "contiguous": _v.contiguous, "copy_": _v.copy_, "fill_": _v.fill_, "zero_": _v.zero_,
    "fill": _v.fill,
    "new_zeros": creation.new_zeros, "new_ones": creation.new_ones, "new_empty": creation.new_empty,
    "new_full": creation.new_full, "new_tensor": creation.new_tensor, "new": creation.new_tensor,
}  # fmt: skip

# methods that are the function of the same name
SAME_AS_FUNCTION: dict[Any, str] = {
    _p: "add sub subtract mul multiply div divide true_divide floor_divide remainder fmod neg negative positive"
        " exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal sin cos tan asin acos atan sinh cosh tanh"
        " asinh acosh atanh arcsin arccos arctan arcsinh arccosh arctanh erf erfc erfinv sigmoid lgamma digamma"
        " floor ceil trunc fix round frac relu square isnan isinf isfinite isposinf isneginf isreal logical_not"
        " bitwise_not bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift abs absolute sign"
        " sgn signbit deg2rad rad2deg logit nan_to_num pow float_power maximum minimum fmax fmin atan2 arctan2"
        " hypot copysign logaddexp xlogy gcd lcm clamp clip clamp_min clamp_max lerp addcmul addcdiv",
    _c: "eq ne lt le gt ge not_equal less less_equal greater greater_equal logical_and logical_or logical_xor"
        " masked_fill masked_scatter",
    _r: "sum mean nansum nanmean prod amax amin max min argmax argmin aminmax all any count_nonzero var std"
        " logsumexp norm dist cumsum cumprod cummax cummin logcumsumexp diff histc bincount",
    _s: "reshape view view_as reshape_as flatten ravel unflatten squeeze unsqueeze permute transpose swapaxes"
        " swapdims t adjoint movedim moveaxis expand expand_as broadcast_to repeat tile repeat_interleave narrow"
        " select split split_with_sizes chunk tensor_split hsplit vsplit unbind flip fliplr flipud rot90 roll"
        " diagonal diag diag_embed diagflat diagonal_scatter slice_scatter select_scatter tril triu",
    _i: "gather scatter scatter_add scatter_reduce index_select take take_along_dim index_add index_copy"
        " index_fill index_put masked_select nonzero argwhere",
    _l: "matmul mm bmm mv dot vdot inner outer ger addmm addmv addr baddbmm addbmm matrix_power kron trace cross",
    _d: "cholesky cholesky_solve det inverse logdet matrix_exp pinverse qr slogdet svd",
    _o: "sort argsort msort topk kthvalue median nanmedian mode quantile nanquantile unique unique_consecutive",
}  # fmt: skip

# methods that write the function's result into the tensor
IN_PLACE: dict[Any, str] = {
    _p: "floor_divide remainder fmod neg exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal sin cos tan"
        " asin acos atan sinh cosh tanh asinh acosh atanh erf erfc erfinv sigmoid lgamma digamma floor ceil"
        " trunc round frac relu square logical_not bitwise_not bitwise_and bitwise_or bitwise_xor abs sign sgn"
        " deg2rad rad2deg logit nan_to_num pow float_power atan2 hypot copysign xlogy clamp clip clamp_min"
        " clamp_max gcd lcm true_divide divide multiply subtract negative absolute",
    _c: "eq ne lt le gt ge logical_and logical_or logical_xor masked_fill masked_scatter",
    _r: "cumsum cumprod",
    _s: "tril triu",
    _i: "scatter scatter_add scatter_reduce index_add index_copy index_fill index_put",
    _l: "addmm addmv addr baddbmm addbmm",
}  # fmt: skip


def _named_in_place(function: Callable[..., Tensor], name: str) -> Callable[..., Tensor]:
    return in_place(function, name + "_")


INPLACE_ARITHMETIC: dict[str, Any] = {
    "add_": inplace.add_, "sub_": inplace.sub_, "mul_": inplace.mul_, "div_": inplace.div_,
    "addcmul_": inplace.addcmul_, "addcdiv_": inplace.addcdiv_, "lerp_": inplace.lerp_,
}  # fmt: skip


# ---- in-place changes of shape


def _reshaping(function: Callable[..., Tensor]) -> Any:
    """`x.unsqueeze_(0)`: the tensor shows the same memory under another shape."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if _stack.top is not None:
            from ..errors import UnsupportedError

            raise UnsupportedError(
                message(
                    f"{function.__name__}_ cannot be compiled",
                    hint=f"use x = x.{function.__name__}(...)",
                )
            )
        result = function(self, *args, **kwargs)
        self._array = result._array
        if result._node is not None:
            self._node, self._index = result._node, result._index
        return self

    return named(method, function.__name__ + "_", f"`{function.__name__}` of this tensor itself.")


def _set_fill_diagonal(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Write one value on the main diagonal."""
    indexing_view = ops.diagonal(self, offset=0, dim1=0, dim2=1)
    _v.fill_(indexing_view, fill_value)
    return self


def _resize(self: Tensor, *size: Any, **_: Any) -> Tensor:
    """Change the shape in place; elements that stay keep their values."""
    from .size import sizes

    shape = sizes(size)
    count = int(np.prod(shape, dtype=np.int64))
    flat = self._array.reshape(-1)
    if count > flat.size:
        flat = np.concatenate([flat, np.zeros(count - flat.size, flat.dtype)])
    self._array = flat[:count].reshape(shape)
    return self


SHAPE_IN_PLACE: dict[str, Any] = {
    **{f"{f.__name__}_": _reshaping(f) for f in (_s.squeeze, _s.unsqueeze, _s.transpose, _s.t)},
    "fill_diagonal_": _set_fill_diagonal, "resize_": _resize,
    "resize_as_": lambda self, other, **_: _resize(self, other._array.shape),
    "unfold": _s.unfold_windows,
}  # fmt: skip


def _softmax(name: str) -> Any:
    def method(self: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
        from ..nn import functional

        return getattr(functional, name)(self, dim=dim, dtype=dtype)

    return named(method, name, f"`nn.functional.{name}` of this tensor.")


def _apply(self: Tensor, function: Callable) -> Tensor:
    """Replace every element by function(element), in Python."""
    flat = self._array.reshape(-1)
    values = np.asarray([function(v.item()) for v in flat], self._array.dtype).reshape(
        self._array.shape
    )
    return self._write(wrap(values))


def _sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """Sum the dims that broadcasting from `size` would have grown."""
    from .size import sizes

    goal = sizes(size)
    lead = self._array.ndim - len(goal)
    dims = [
        *range(lead),
        *(lead + d for d, s in enumerate(goal) if s == 1 and self._array.shape[lead + d] != 1),
    ]
    result = ops.sum(self, dims=tuple(dims)) if dims else self
    return result if result._array.shape == goal else ops.reshape(result, shape=goal)


OTHERS: dict[str, Any] = {
    "softmax": _softmax("softmax"), "log_softmax": _softmax("log_softmax"),
    "apply_": _apply, "sum_to_size": _sum_to_size,
    "where": lambda self, condition, other: _c.where(condition, self, other),
    "rsub": _p.rsub, "isin": _c.isin,
    "conj": lambda self: self if self._array.dtype.kind != "c" else wrap(self._array.conj()),
    "coalesce": lambda self: self, "to_dense": lambda self, *a, **k: self,
    "record_stream": lambda self, stream: None,
}  # fmt: skip


def table() -> dict[str, Any]:
    """Every attribute to put on Tensor."""
    found: dict[str, Any] = {**OPERATORS, **PROTOCOL, **PROPERTIES, **METHODS_ASKING, **CONVERSIONS}
    for room, names in SAME_AS_FUNCTION.items():
        for name in names.split():
            found[name] = getattr(room, name)
    for room, names in IN_PLACE.items():
        for name in names.split():
            found[name + "_"] = _named_in_place(getattr(room, name), name)
    return {**found, **INPLACE_ARITHMETIC, **SHAPE_IN_PLACE, **OTHERS}


def install(cls: type = Tensor) -> None:
    """Put the methods on the tensor class."""
    for name, attribute in table().items():
        setattr(cls, name, attribute)


install()
