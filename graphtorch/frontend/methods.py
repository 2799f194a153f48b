"""The tensor's methods and operators, by name: what is `Tensor.x` and where it is written.

Nothing is computed here; the tables are the list of what a tensor can do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import special as _q
from ..errors import message
from ..ir import dispatch, ops
from . import creation, from_data, inplace, legacy
from .functional import arranging as _a
from .functional import comparison as _c
from .functional import complex as _z
from .functional import conversion as _v
from .functional import copying as _k
from .functional import decomposition as _d
from .functional import floating as _f
from .functional import histograms as _h
from .functional import index_writing as _w
from .functional import linear as _l
from .functional import moments as _m
from .functional import pointwise as _p
from .functional import reduction as _r
from .functional import scan as _n
from .functional import scattering as _e
from .functional import selection as _i
from .functional import shape as _s
from .functional import sorting as _o
from .functional import splitting as _t
from .functional.strided import as_strided
from .functional.wrapping import concrete, fresh, named
from .functional.wrapping import inplace as in_place
from .grad_mode import state as grad_state
from .operators import OPERATORS
from .protocol import PROTOCOL
from .size import Size
from .storage import (
    alias_of,
    base_of,
    become,
    left_if_from_outside,
    storage_offset,
    stride,
)  # fmt: skip
from .tensor import Tensor
from .typed_storage import TypedStorage, set_
from .untyped_storage import UntypedStorage

_stack = dispatch._stack

# ---- properties


def _hermitian(self: Tensor) -> Tensor:
    if self._array.ndim not in (0, 2):
        raise RuntimeError(
            message(
                "tensor.H is only supported on matrices (2-D tensors). Got"
                f" {self._array.ndim}-D tensor.",
                operands={"self": self.type_},
                hint="use tensor.mH for batches of matrices",
            )
        )
    return _s.adjoint(self) if self._array.ndim else _z.conj(self)


PROPERTIES: dict[str, Any] = {
    "shape": property(lambda self: Size(self._array.shape), doc="The sizes of all dims."),
    "ndim": property(lambda self: self._array.ndim, doc="Number of dims."),
    "device": property(_v.device_of, doc="Where the tensor lives."),
    "T": property(lambda self: ops.permute(self, dims=tuple(range(self._array.ndim))[::-1]), doc="All dims reversed."),
    "mT": property(lambda self: _s.transpose(self, -2, -1), doc="The last two dims exchanged."),
    "H": property(_hermitian, doc="The transpose of a matrix (conjugated if complex)."),
    "mH": property(_s.adjoint, doc="The last two dims exchanged (conjugated if complex)."),
    "data": property(_v.data_of, _v.set_data, doc="The same memory without history."),
    "itemsize": property(lambda self: self._array.itemsize, doc="Bytes of one element."),
    "nbytes": property(lambda self: self._array.nbytes, doc="Bytes of all elements."),
    "real": property(lambda self: _real(self), doc="The real part."),
    "imag": property(lambda self: _imag(self), doc="The imaginary part."),
    "is_cuda": property(lambda self: self._device is not None and self._device.type == "cuda", doc="On a GPU?"),
    "is_cpu": property(lambda self: self._device is None, doc="In main memory?"),
    "is_meta": property(lambda self: self._is_meta(), doc="Without data?"),
    "is_mps": property(lambda self: False, doc="On an Apple GPU? Never."),
    "is_xpu": property(lambda self: False, doc="On an Intel GPU? Never."),
    "is_sparse": property(lambda self: False, doc="Sparse? Never."),
    "is_sparse_csr": property(lambda self: False, doc="In compressed rows? Those are a class of their own."),
    "is_mkldnn": property(lambda self: False, doc="In a library's own layout? Never."),
    "is_quantized": property(lambda self: False, doc="Quantised? Never."),
    "is_nested": property(lambda self: False, doc="Ragged? Never."),
    "names": property(lambda self: (None,) * self._array.ndim, doc="Named dims are not supported."),
    "output_nr": property(lambda self: self._index, doc="Which output of its grad_fn this is."),
    "_base": property(lambda self: base_of(self), doc="The tensor this is a view of, or None."),
    "layout": property(lambda self: _layout(), doc="Always torch.strided."),
}  # fmt: skip


def _sparse() -> Any:
    from . import sparse_functions

    return sparse_functions


def _layout() -> Any:
    import graphtorch

    return graphtorch.strided


def _real(self: Tensor) -> Tensor:
    return self if self._array.dtype.kind != "c" else ops.real(self)


def _imag(self: Tensor) -> Tensor:
    if self._array.dtype.kind != "c":
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return ops.imag(self)


METHODS_ASKING: dict[str, Any] = {
    "size": _s.size_of, "dim": lambda self: self._array.ndim, "ndimension": lambda self: self._array.ndim,
    "numel": lambda self: self._array.size, "nelement": lambda self: self._array.size,
    "element_size": lambda self: self._array.itemsize,
    "stride": stride, "storage_offset": storage_offset,
    "data_ptr": lambda self: self._array.__array_interface__["data"][0],
    "untyped_storage": lambda self: UntypedStorage.of(self), "set_": set_,
    "to_sparse": lambda self, *args, **options: _sparse().to_sparse(self, *args, **options),
    "to_sparse_csr": lambda self, dense_dim=None: _sparse().to_sparse_csr(self, dense_dim),
    "storage": lambda self: TypedStorage(wrap_storage=UntypedStorage.of(self), dtype=self.dtype),
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
    "new_full": creation.new_full, "new_empty_strided": creation.new_empty_strided, "new_tensor": from_data.new_tensor, "new": legacy.new,
}  # fmt: skip

# methods that are the function of the same name
SAME_AS_FUNCTION: dict[Any, str] = {
    _p: "add sub subtract mul multiply div divide true_divide floor_divide remainder fmod neg negative positive"
        " exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal sin cos tan asin acos atan sinh cosh tanh"
        " asinh acosh atanh arcsin arccos arctan arcsinh arccosh arctanh erf erfc erfinv sigmoid lgamma digamma"
        " floor ceil trunc fix round frac relu square isnan isinf isfinite isposinf isneginf logical_not"
        " bitwise_not bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift abs absolute sign"
        " sgn signbit deg2rad rad2deg logit nan_to_num pow float_power maximum minimum fmax fmin atan2 arctan2"
        " hypot copysign logaddexp xlogy gcd lcm nextafter mvlgamma clamp clip clamp_min clamp_max lerp addcmul addcdiv",
    _c: "eq ne lt le gt ge not_equal less less_equal greater greater_equal logical_and logical_or logical_xor"
        " masked_fill masked_scatter",
    _r: "sum mean nansum nanmean prod amax amin max min argmax argmin aminmax all any count_nonzero logsumexp"
        " histc bincount",
    _m: "var std norm dist cov corrcoef",
    _n: "cumsum cumprod cummax cummin logcumsumexp diff",
    _s: "reshape view view_as reshape_as flatten ravel unflatten squeeze unsqueeze permute transpose swapaxes"
        " swapdims t adjoint movedim moveaxis expand expand_as broadcast_to repeat tile repeat_interleave",
    _t: "narrow select split split_with_sizes chunk tensor_split dsplit hsplit vsplit unbind slice_scatter select_scatter",
    _a: "flip fliplr flipud rot90 roll diagonal diag diag_embed diagflat diagonal_scatter tril triu",
    _e: "scatter scatter_add scatter_reduce",
    _i: "gather index_select take take_along_dim index_add index_copy"
        " index_fill index_put masked_select nonzero argwhere",
    _l: "matmul mm bmm mv dot vdot inner outer ger addmm addmv addr baddbmm addbmm matrix_power kron trace cross",
    _q: "i0 igamma igammac polygamma sinc",
    _d: "cholesky cholesky_inverse cholesky_solve det geqrf lu lu_solve ormqr triangular_solve inverse logdet matrix_exp pinverse qr slogdet svd",
    _z: "angle conj conj_physical resolve_conj resolve_neg isreal",
    _k: "narrow_copy unsafe_chunk unsafe_split unsafe_split_with_sizes",
    _f: "frexp ldexp heaviside logaddexp2 renorm",
    _h: "histogram",
    _w: "put index_reduce nonzero_static",
    _o: "sort argsort msort topk kthvalue median nanmedian mode quantile nanquantile unique unique_consecutive",
}  # fmt: skip

# methods that write the function's result into the tensor
IN_PLACE: dict[Any, str] = {
    _p: "floor_divide remainder fmod neg exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal sin cos tan"
        " asin acos atan sinh cosh tanh asinh acosh atanh erf erfc erfinv sigmoid lgamma digamma floor ceil"
        " trunc round frac relu square logical_not bitwise_not bitwise_and bitwise_or bitwise_xor abs sign sgn"
        " deg2rad rad2deg logit nan_to_num pow float_power atan2 hypot copysign xlogy clamp clip clamp_min"
        " clamp_max gcd lcm true_divide divide multiply subtract negative absolute arccos arccosh arcsin arcsinh arctan"
        " arctanh arctan2 fix bitwise_left_shift bitwise_right_shift nextafter mvlgamma",
    _c: "eq ne lt le gt ge logical_and logical_or logical_xor masked_fill masked_scatter greater greater_equal less"
        " less_equal not_equal",
    _z: "conj_physical",
    _q: "i0 igamma igammac polygamma sinc",
    _n: "cumsum cumprod",
    _a: "tril triu",
    _e: "scatter scatter_add scatter_reduce",
    _i: "index_add index_copy index_fill index_put",
    _l: "addmm addmv addr baddbmm addbmm",
    _f: "ldexp heaviside renorm",
    _w: "put index_reduce",
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
        if grad_state.enabled and self._requires_grad:
            self._check_write()
        left_if_from_outside(
            self, f"{function.__name__}_ changes the shape of a tensor from outside"
        )
        become(self, function(alias_of(self), *args, **kwargs))
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
    left_if_from_outside(self, "resize_ changes the memory of a tensor from outside")
    flat = self._array.reshape(-1)
    if count > flat.size:
        flat = np.concatenate([flat, np.zeros(count - flat.size, flat.dtype)])
    self._array = flat[:count].reshape(shape)
    return self


SHAPE_IN_PLACE: dict[str, Any] = {
    **{f"{f.__name__}_": _reshaping(f) for f in (_s.squeeze, _s.unsqueeze, _s.transpose, _s.t)},
    "swapaxes_": _reshaping(_s.transpose), "swapdims_": _reshaping(_s.transpose),
    "as_strided_": _reshaping(as_strided),
    "fill_diagonal_": _set_fill_diagonal, "resize_": _resize,
    "resize_as_": lambda self, other, **_: _resize(self, other._array.shape),
    "unfold": _a.unfold_windows,
}  # fmt: skip


def _softmax(name: str) -> Any:
    def method(self: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
        from ..nn import functional

        return getattr(functional, name)(self, dim=dim, dtype=dtype)

    return named(method, name, f"`nn.functional.{name}` of this tensor.")


def _apply(self: Tensor, function: Callable) -> Tensor:
    """Replace every element by function(element), in Python."""
    values = [function(v.item()) for v in concrete(self).reshape(-1)]
    return self._write(fresh(np.asarray(values, self._array.dtype).reshape(self._array.shape)))


def _register_post_accumulate_grad_hook(self: Tensor, hook: Callable[[Tensor], None]) -> Any:
    """Call `hook(self)` after `.grad` of this leaf was filled or added to."""
    from .tape import RemovableHandle

    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if self._node is not None:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    hooks = self.__dict__.setdefault("_post_accumulate_hooks", {})
    return RemovableHandle(hooks, hook)


def _sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """Sum the dims that broadcasting from `size` would have grown."""
    from .size import sizes

    goal = sizes(size)
    lead = self._array.ndim - len(goal)
    shape = self._array.shape
    if lead < 0 or any(n not in (1, shape[lead + d]) for d, n in enumerate(goal)):
        raise RuntimeError(f"size {{{list(goal)}}} is not expandable to size {{{list(shape)}}}.")
    if not goal:
        return _r.sum(self)
    dims = [
        *range(lead),
        *(lead + d for d, s in enumerate(goal) if s == 1 and self._array.shape[lead + d] != 1),
    ]
    result = _r.sum(self, tuple(dims)) if dims else self
    return result if result._array.shape == goal else ops.reshape(result, shape=goal)


def _as_strided_scatter(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """`self` with the elements that `as_strided` would show replaced."""
    from .functional.native import as_strided_scatter

    return as_strided_scatter(self, *args, **kwargs)


def _special(name: str) -> Any:
    """A function of `torch.special` as a method; that room loads when it is first called."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        from .. import special

        if name == "polygamma":
            return special.polygamma(*args, self, **kwargs)
        known = {"igamma": "gammainc", "igammac": "gammaincc"}.get(name, name)
        return getattr(special, known)(self, *args, **kwargs)

    return named(method, name, f"`torch.{name}` of this tensor.")


def _float_power(self: Tensor, exponent: Any) -> Tensor:
    """`float_power` in place; raises RuntimeError unless this tensor is float64 (or complex128)."""
    result = _p.float_power(self, exponent)
    if result._array.dtype != self._array.dtype:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {self.dtype} but the operation's result requires"
            f" dtype {result.dtype}"
        )
    return self._write(result)


_SPECIAL = {name: _special(name) for name in ("i0", "igamma", "igammac", "polygamma", "sinc")}


def _stft(name: str) -> Any:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        from .functional import spectral

        return getattr(spectral, name)(self, *args, **kwargs)

    return named(method, name, f"`torch.{name}` of this tensor.")


OTHERS: dict[str, Any] = {
    "softmax": _softmax("softmax"), "log_softmax": _softmax("log_softmax"),
    "apply_": _apply, "sum_to_size": _sum_to_size,
    "where": lambda self, condition, other: _c.where(condition, self, other),
    "float_power_": _float_power,
    **_SPECIAL, **{f"{name}_": in_place(method) for name, method in _SPECIAL.items()},
    "stft": _stft("stft"), "istft": _stft("istft"), "hash_tensor": _r.hash_tensor,
    "rsub": _p.rsub, "isin": _c.isin,
    "as_strided": as_strided, "as_strided_scatter": _as_strided_scatter,
    "register_post_accumulate_grad_hook": _register_post_accumulate_grad_hook,
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
