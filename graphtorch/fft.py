"""`torch.fft`: discrete Fourier transforms, differentiable, over three rows (`ir/ops/fourier.py`).

    fft ifft        one dim           complex -> complex
    rfft irfft      one dim           real <-> the first half of a Hermitian signal
    hfft ihfft      one dim           half of a Hermitian signal <-> real, with the signs turned
    ...2  ...n      two, several dims

norm: "backward" divides inverse transforms by n, "forward" the forward ones, "ortho" both by sqrt(n).
Complex tensors are computed eagerly: a compiled function that meets one is left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from . import absent as absent
from .errors import message
from .frontend import promotion
from .frontend.functional.arranging import roll
from .frontend.functional.complex import whole
from .frontend.functional.wrapping import accepts_out, check_tensor
from .frontend.size import wrap_dim
from .frontend.tensor import Tensor
from .ir import ops
from .ir.types import DType, float16

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "hfft2", "hfftn", "ifft", "ifft2", "ifftn", "ifftshift",
    "ihfft", "ihfft2", "ihfftn", "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip

Dims = tuple[int, ...]


def _error(name: str, what: str, x: Tensor) -> RuntimeError:
    return RuntimeError(message(f"{name}: {what}", operands={"input": x.type_}))


def _scale(name: str, norm: str | None, count: int, forward: bool) -> float:
    """The factor of a transform over `count` elements."""
    norm = "backward" if norm is None else norm
    if norm not in ("backward", "forward", "ortho"):
        raise RuntimeError(message(f'Invalid normalization mode: "{norm}"'))
    if norm == "ortho":
        return 1 / math.sqrt(count) if count else 1.0
    return 1 / count if count and (norm == "forward") == forward else 1.0


def _ready(name: str, x: Any, real: bool = False) -> Tensor:
    """A floating or complex operand; integers are converted to the default dtype."""
    check_tensor(name, x)
    if real and x._array.dtype.kind == "c":
        raise _error(name, f"expects a real input tensor, but got {x.dtype!r}", x)
    x = promotion.floating(x)
    if x.dtype is float16 or x._array.dtype.kind == "V":
        raise _error(name, f"Unsupported dtype {x.dtype!r}", x)
    return x


def _dims(name: str, x: Tensor, s: Any, dim: Any, every: bool = True) -> tuple[Dims, Dims]:
    """The transformed dims and the sizes they get."""
    ndim = x._array.ndim
    s = (s,) if isinstance(s, int) else None if s is None else tuple(s)
    if dim is not None:
        dims = tuple(wrap_dim(d, ndim) for d in ((dim,) if isinstance(dim, int) else dim))
        if len(set(dims)) != len(dims):
            raise _error(name, "FFT dims must be unique", x)
    elif s is not None:
        if len(s) > ndim:
            raise _error(
                name,
                f"Got shape with {len(s)} values but input tensor only has {ndim} dimensions.",
                x,
            )
        dims = tuple(range(ndim - len(s), ndim))
    else:
        dims = tuple(range(ndim))
    if s is None:
        sizes = tuple(x._array.shape[d] for d in dims)
    else:
        if len(s) != len(dims):
            raise _error(name, "When given, dim and shape arguments must have the same length", x)
        sizes = tuple(x._array.shape[d] if n == -1 else n for n, d in zip(s, dims, strict=True))
    return dims, sizes


def _checked(name: str, x: Tensor, sizes: Dims) -> None:
    for n in sizes:
        if n < 1:
            raise _error(name, f"Invalid number of data points ({n}) specified", x)


def _resized(x: Tensor, dims: Dims, sizes: Dims) -> Tensor:
    """Cut off, or continued with zeros, to these sizes along these dims."""
    shape = x._array.shape
    stops, more = list(shape), [0] * len(shape)
    for d, n in zip(dims, sizes, strict=True):
        stops[d], more[d] = min(n, shape[d]), max(n - shape[d], 0)
    if tuple(stops) != shape:
        ndim = len(shape)
        x = ops.slice(x, starts=(0,) * ndim, stops=tuple(stops), steps=(1,) * ndim)
    if any(more):
        x = ops.pad(x, low=(0,) * len(shape), high=tuple(more))
    return x


def _c2c(name: str, x: Any, s: Any, dim: Any, norm: str | None, forward: bool) -> Tensor:
    x = whole(_ready(name, x))
    dims, sizes = _dims(name, x, s, dim)
    _checked(name, x, sizes)
    scale = _scale(name, norm, math.prod(sizes), forward)
    if not dims:
        return ops.copy(x) if scale == 1 else ops.mul(x, scale)
    return ops.fft_c2c(_resized(x, dims, sizes), dims=dims, forward=forward, scale=scale)


def _r2c(name: str, x: Any, s: Any, dim: Any, norm: str | None, forward: bool) -> Tensor:
    x = _ready(name, x, real=True)
    dims, sizes = _dims(name, x, s, dim)
    if not dims:
        raise _error(name, "must transform at least one axis", x)
    _checked(name, x, sizes)
    scale = _scale(name, norm, math.prod(sizes), forward)
    x = _resized(x, dims, sizes)
    if forward:
        return ops.fft_r2c(x, dims=dims, scale=scale)
    half = ops.conj(ops.fft_r2c(x, dims=dims[-1:], scale=scale))
    return ops.fft_c2c(half, dims=dims[:-1], forward=False) if len(dims) > 1 else half


def _c2r(name: str, x: Any, s: Any, dim: Any, norm: str | None, forward: bool) -> Tensor:
    x = whole(_ready(name, x))
    dims, sizes = _dims(name, x, s, dim)
    if not dims:
        raise _error(name, "must transform at least one axis", x)
    asked = None if s is None else (s if isinstance(s, int) else s[-1])
    length = 2 * (x._array.shape[dims[-1]] - 1) if asked in (None, -1) else sizes[-1]
    sizes = (*sizes[:-1], length)
    _checked(name, x, sizes)
    scale = _scale(name, norm, math.prod(sizes), forward)
    x = _resized(x, dims, (*sizes[:-1], length // 2 + 1))
    if forward:  # conjugating the operand turns the sign of the exponent
        if len(dims) > 1:
            x = ops.fft_c2c(x, dims=dims[:-1], forward=True)
        return ops.fft_c2r(ops.conj(x), dims=dims[-1:], length=length, scale=scale)
    return ops.fft_c2r(x, dims=dims, length=length, scale=scale)


def _one(name: str, transform: Any, forward: bool, doc: str) -> Any:
    def function(
        input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None
    ) -> Tensor:
        check_tensor(name, input)
        if input._array.ndim == 0:
            raise IndexError(message(f"Dimension specified as {dim} but tensor has no dimensions"))
        return transform(name, input, None if n is None else (n,), (dim,), norm, forward)

    return _named(function, name, doc)


def _several(name: str, transform: Any, forward: bool, doc: str, dims: Any = None) -> Any:
    def function(
        input: Tensor, s: Sequence[int] | None = None, dim: Any = dims, norm: str | None = None
    ) -> Tensor:
        return transform(name, input, s, dim, norm, forward)

    return _named(function, name, doc)


def _named(function: Any, name: str, doc: str) -> Any:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return accepts_out(function)


_BOTH = (-2, -1)
# fmt: off
fft    = _one("fft",    _c2c, True,  "The transform along `dim`, cut or zero-padded to n: complex[..., n].")
ifft   = _one("ifft",   _c2c, False, "The inverse of `fft`.")
rfft   = _one("rfft",   _r2c, True,  "The first n // 2 + 1 elements of the transform of a real signal.")
irfft  = _one("irfft",  _c2r, False, "The real signal of n (default 2 (m - 1)) elements with this half transform.")
hfft   = _one("hfft",   _c2r, True,  "The (real) transform of a Hermitian signal given by its first half.")
ihfft  = _one("ihfft",  _r2c, False, "The inverse of `hfft`: the first half of a Hermitian signal.")
fftn   = _several("fftn",   _c2c, True,  "`fft` over several dims (all by default).")
ifftn  = _several("ifftn",  _c2c, False, "The inverse of `fftn`.")
rfftn  = _several("rfftn",  _r2c, True,  "`rfft` over several dims; the last of them is halved.")
irfftn = _several("irfftn", _c2r, False, "The inverse of `rfftn`.")
hfftn  = _several("hfftn",  _c2r, True,  "`hfft` over several dims; the operand is half along the last of them.")
ihfftn = _several("ihfftn", _r2c, False, "The inverse of `hfftn`.")
fft2   = _several("fft2",   _c2c, True,  "`fftn` over the last two dims.", _BOTH)
ifft2  = _several("ifft2",  _c2c, False, "`ifftn` over the last two dims.", _BOTH)
rfft2  = _several("rfft2",  _r2c, True,  "`rfftn` over the last two dims.", _BOTH)
irfft2 = _several("irfft2", _c2r, False, "`irfftn` over the last two dims.", _BOTH)
hfft2  = _several("hfft2",  _c2r, True,  "`hfftn` over the last two dims.", _BOTH)
ihfft2 = _several("ihfft2", _r2c, False, "`ihfftn` over the last two dims.", _BOTH)
# fmt: on


@accepts_out
def fftfreq(n: int, d: float = 1.0, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False, **_: Any) -> Tensor:  # fmt: skip
    """The frequencies of `fft`'s elements: [0, 1, ..., -2, -1] / (n d).

    >>> import graphtorch as torch
    >>> torch.fft.fftfreq(4)
    tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    from .frontend.creation import arange

    dtype = dtype or promotion.get_default_dtype()
    first = arange((n + 1) // 2, dtype=dtype, device=device)
    second = arange(-(n // 2), 0, dtype=dtype, device=device)
    from .frontend.functional.joining import cat

    result = cat([first, second]) * (1.0 / (n * d))
    return result.requires_grad_(requires_grad) if requires_grad else result


@accepts_out
def rfftfreq(n: int, d: float = 1.0, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False, **_: Any) -> Tensor:  # fmt: skip
    """The frequencies of `rfft`'s elements: [0, 1, ..., n // 2] / (n d)."""
    from .frontend.creation import arange

    dtype = dtype or promotion.get_default_dtype()
    result = arange(n // 2 + 1, dtype=dtype, device=device) * (1.0 / (n * d))
    return result.requires_grad_(requires_grad) if requires_grad else result


def _shifted(input: Tensor, dim: Any, back: bool) -> Tensor:
    ndim = input._array.ndim
    dims = range(ndim) if dim is None else ((dim,) if isinstance(dim, int) else dim)
    places = tuple(wrap_dim(d, ndim) for d in dims)
    sizes = [input._array.shape[d] for d in places]
    return (
        roll(input, [(n + 1) // 2 if back else n // 2 for n in sizes], places) if places else input
    )


def fftshift(input: Tensor, dim: Any = None) -> Tensor:
    """The zero frequency moved to the middle of `dim` (all dims by default)."""
    return _shifted(check_tensor("fftshift", input), dim, False)


def ifftshift(input: Tensor, dim: Any = None) -> Tensor:
    """The inverse of `fftshift`."""
    return _shifted(check_tensor("ifftshift", input), dim, True)


__getattr__ = absent.names_of(__name__)
