"""graphtorch: PyTorch's API over a compiler written in Python.

    import graphtorch as torch

Nothing is computed here: these are the public names.  Rooms that are large or seldom used load when
they are first asked for (`_ROOMS`, `_LATER`).
"""

from __future__ import annotations

from math import e, inf, nan, pi
from typing import Any

# isort: off
from . import absent as absent
from .errors import CompileError as CompileError
from .errors import GraphtorchError as GraphtorchError
from .errors import UnsupportedError as UnsupportedError
from .errors import VerificationError as VerificationError
from .frontend import eager as _eager
from .frontend import methods as _methods
from .frontend import old_methods as _old_methods
from .frontend import missing_methods as _missing_methods
from .frontend import overriding as _overriding
from .frontend import random_fill as _random_fill
from .frontend.alias import install_as_torch as install_as_torch
from .frontend.allocator import keep_freed_memory as _keep_freed_memory
from .frontend.autograd import is_tracing as _is_tracing
from .frontend.creation import (
    arange, empty, empty_like, empty_strided, eye, full, full_like, linspace, logspace, ones,
    ones_like, tril_indices, triu_indices, vander, zeros, zeros_like,
    empty_permuted,
)  # fmt: skip
from .frontend.from_data import (
    as_tensor, asarray, from_dlpack, from_numpy, frombuffer, scalar_tensor, tensor,
)  # fmt: skip
from .frontend.windows import (
    bartlett_window,
    blackman_window,
    hamming_window,
    hann_window,
    kaiser_window,
)
from .frontend.creation import range_inclusive as range
from .frontend.device import device, get_default_device, set_default_device
from .frontend.formats import (
    channels_last, channels_last_3d, contiguous_format, layout, memory_format, preserve_format, sparse_bsc, sparse_bsr,
    sparse_coo, sparse_csc, sparse_csr, strided,
)  # fmt: skip
from .frontend.functional.comparison import (
    allclose, eq, equal, ge, greater, greater_equal, gt, is_nonzero, isclose, isin, le, less, less_equal,
    logical_and, logical_or, logical_xor, lt, masked_fill, masked_scatter, ne, not_equal, where,
)  # fmt: skip
from .frontend.functional.complex import (
    angle, complex, conj, conj_physical, imag, isreal, polar, real, resolve_conj, resolve_neg, view_as_complex, view_as_real,
)  # fmt: skip
from .frontend.functional.conversion import clone, detach, fill
from .frontend.functional.copying import (
    alias_copy, as_strided_copy, detach_copy, diagonal_copy, expand_copy, narrow_copy, permute_copy, select_copy,
    split_copy, split_with_sizes_copy, squeeze_copy, t_copy, transpose_copy, unbind_copy, unfold_copy, unsafe_chunk,
    unsafe_split, unsafe_split_with_sizes, unsqueeze_copy, view_copy,
)  # fmt: skip
from .frontend.functional.decomposition import (
    cholesky, cholesky_inverse, cholesky_solve, det, geqrf, inverse, logdet, lu, lu_solve, lu_unpack, matrix_exp, ormqr,
    pca_lowrank, pinverse, qr, slogdet, svd, svd_lowrank, triangular_solve,
)  # fmt: skip
from .frontend.functional.floating import frexp, heaviside, ldexp, logaddexp2, renorm
from .frontend.functional.histograms import histogram, histogramdd
from .frontend.functional.index_writing import index_reduce, nonzero_static, put, unravel_index
from .frontend.functional.linear import (
    addbmm, addmm, addmv, addr, baddbmm, bmm, cdist, chain_matmul, cross, dot, ger, inner,
    kron, matmul, matrix_power, mm, mv, outer, tensordot, trace, vdot,
)  # fmt: skip
from .frontend.functional.einsum import einsum
from .frontend.functional.pointwise import (
    abs, absolute, acos, acosh, add, addcdiv, addcmul, arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh,
    asin, asinh, atan, atan2, atanh, bitwise_and, bitwise_left_shift, bitwise_not, bitwise_or, bitwise_right_shift,
    bitwise_xor, ceil, clamp, clamp_max, clamp_min, clip, copysign, cos, cosh, deg2rad, digamma, div, divide, erf,
    erfc, erfinv, exp, exp2, expm1, fix, float_power, floor, floor_divide, fmax, fmin, fmod, frac, gcd, hypot,
    isfinite, isinf, isnan, isneginf, isposinf, lcm, lerp, lgamma, log, log1p, log2, log10, logaddexp,
    logical_not, logit, maximum, minimum, mul, multiply, mvlgamma, nan_to_num, neg, negative, nextafter, positive, pow, rad2deg,
    reciprocal, relu, remainder, round, rsqrt, rsub, sgn, sigmoid, sign, signbit, sin, sinh, sqrt, square, sub,
    subtract, tan, tanh, true_divide, trunc, xlogy,
)  # fmt: skip
from .frontend.functional.reduction import (
    all, amax, amin, aminmax, any, argmax, argmin, bincount, count_nonzero, hash_tensor, histc, logsumexp,
    max, mean, min, nanmean, nansum, prod, sum,
)  # fmt: skip
from .frontend.functional.scan import (
    cummax,
    cummin,
    cumprod,
    cumsum,
    cumulative_trapezoid,
    diff,
    gradient,
    logcumsumexp,
    trapezoid,
    trapz,
)
from .frontend.functional.moments import corrcoef, cov, dist, norm, std, std_mean, var, var_mean
from .frontend.functional.scattering import scatter, scatter_add, scatter_reduce
from .frontend.functional.selection import (
    argwhere, gather, index_add, index_copy, index_fill, index_put, index_select, masked_select, nonzero,
    take, take_along_dim,
)  # fmt: skip
from .frontend.functional.shape import (
    adjoint, broadcast_tensors, broadcast_to, flatten, moveaxis, movedim, numel, permute,
    ravel, repeat_interleave, reshape, squeeze, swapaxes, swapdims, t, tile, transpose,
    unflatten, unsqueeze,
)  # fmt: skip
from .frontend.functional.joining import (
    atleast_1d, atleast_2d, atleast_3d, block_diag, cartesian_prod, cat, column_stack, combinations, concat,
    concatenate, dstack, hstack, meshgrid, row_stack, stack, vstack,
)  # fmt: skip
from .frontend.functional.splitting import (
    chunk, dsplit, hsplit, narrow, select, select_scatter, slice_scatter, split, split_with_sizes,
    tensor_split, unbind, vsplit,
)  # fmt: skip
from .frontend.functional.strided import as_strided
from .frontend.functional.arranging import (
    diag, diag_embed, diagflat, diagonal, diagonal_scatter, flip, fliplr, flipud, roll, rot90,
    tril, triu,
)  # fmt: skip
from .frontend.functional.sorting import (
    argsort, bucketize, kthvalue, median, mode, msort, nanmedian, nanquantile, quantile, searchsorted, sort, topk,
    unique, unique_consecutive,
)  # fmt: skip
from .frontend.grad_mode import (
    enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled,
)  # fmt: skip
from .frontend.legacy import TYPES as _TYPES
from .frontend.numeric_limits import finfo, iinfo
from .frontend.printing import set_printoptions
from .frontend.promotion import (
    broadcast_shapes, can_cast, get_default_dtype, promote_types, result_type, set_default_dtype,
)  # fmt: skip
from .frontend.random import (
    Generator, bernoulli, default_generator, get_rng_state, initial_seed, manual_seed, multinomial, normal, rand,
    rand_like, randint, randint_like, randn, randn_like, randperm, seed, set_rng_state,
)  # fmt: skip
from .frontend.settings import (
    _assert, _check, are_deterministic_algorithms_enabled, get_autocast_dtype, get_float32_matmul_precision, is_autocast_enabled, is_complex, is_deterministic_algorithms_warn_only_enabled,
    is_floating_point, is_storage, is_tensor, set_float32_matmul_precision, typename, use_deterministic_algorithms,
)  # fmt: skip
from .frontend.size import Size
from .frontend.tensor import Tensor
from .ir.types import DType as dtype
from .ir.types import (
    bfloat16, complex32, complex64, complex128, float8_e4m3fn, float8_e4m3fnuz, float8_e5m2, float8_e5m2fnuz, float16, float32,
    float64, int8, int16, int32, int64, qint8, qint32, quint2x4, quint4x2, quint8, uint8, uint16, uint32, uint64,
)  # fmt: skip
from .ir.types import bool_ as bool

# isort: on

float, double, half = float32, float64, float16
int, long, short = int32, int64, int16
chalf, cfloat, cdouble = complex32, complex64, complex128

newaxis = None
__version__ = "2.13.0+graphtorch0.1"

FloatTensor, DoubleTensor, HalfTensor = (
    _TYPES["FloatTensor"],
    _TYPES["DoubleTensor"],
    _TYPES["HalfTensor"],
)
BFloat16Tensor, BoolTensor, ByteTensor = (
    _TYPES["BFloat16Tensor"],
    _TYPES["BoolTensor"],
    _TYPES["ByteTensor"],
)
LongTensor, IntTensor, ShortTensor = (
    _TYPES["LongTensor"],
    _TYPES["IntTensor"],
    _TYPES["ShortTensor"],
)
CharTensor = _TYPES["CharTensor"]

# rooms that load when first asked for: torch.nn, torch.optim, ...
_ROOMS = frozenset(
    "__config__ _C _dynamo _functorch _higher_order_ops _subclasses _tensor_str _tensor _utils accelerator cpu mps mtia xpu amp ao autograd backends codegen compiler config cuda distributed distributions errors fft func futures fx hub ir jit"
    " library linalg masked multiprocessing nn onnx ops optim overrides profiler quantization random return_types serialization"
    " signal sparse special storage testing types utils version".split()
)
# names that live in a room that loads when first asked for
_LATER = {
    **dict.fromkeys((
        "SymBool SymFloat SymInt sym_float sym_int sym_ite sym_max sym_min sym_not sym_sqrt sym_sum"
    ).split(), "frontend.symbols"),
    **dict.fromkeys((
        "_assert_async _is_all_true _is_any_true _shape_as_tensor compiled_with_cxx11_abi from_file get_autocast_cpu_dtype"
        " get_autocast_gpu_dtype get_deterministic_debug_mode get_device get_device_module get_num_interop_threads"
        " is_autocast_cpu_enabled is_conj is_distributed is_inference is_neg"
        " is_same_size is_signed is_vulkan_available is_warn_always_enabled set_default_tensor_type"
        " set_deterministic_debug_mode set_flush_denormal set_num_interop_threads set_warn_always"
    ).split(), "frontend.machine"),
    **dict.fromkeys((
        "set_autocast_enabled set_autocast_dtype is_autocast_cache_enabled set_autocast_cache_enabled clear_autocast_cache"
        " autocast_increment_nesting autocast_decrement_nesting"
    ).split(), "frontend.autocasting"),
    **dict.fromkeys((
        "channel_shuffle conv_transpose3d hardshrink pdist pixel_unshuffle rms_norm rrelu"
    ).split(), "nn.functional"),
    **dict.fromkeys((
        "_dirichlet_grad _sample_dirichlet _standard_gamma _standard_gamma_grad binomial poisson"
    ).split(), "frontend.random_counts"),
    "Future": "futures", "GradScaler": "amp", "Event": "cuda", "Stream": "cuda",
    "compile": "frontend.compile", "ScriptModule": "jit", "ScriptFunction": "jit", "PyTorchFileReader": "frontend.archive", "vmap": "func", "is_anomaly_enabled": "autograd", "is_anomaly_check_nan_enabled": "autograd", "autocast": "amp", "sinc": "special", "i0": "special", "polygamma": "special", "stft": "frontend.functional.spectral",
    "istft": "frontend.functional.spectral", "igamma": "special", "igammac": "special", "OutOfMemoryError": "cuda", "UntypedStorage": "frontend.untyped_storage", "TypedStorage": "frontend.typed_storage",
    **{f"{kind}Storage": "storage" for kind in ("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool", "ComplexFloat", "ComplexDouble")},
    **dict.fromkeys(("sparse_coo_tensor", "sparse_csr_tensor"), "frontend.sparse_functions"),
    "save": "frontend.serialization", "load": "frontend.serialization",
    "set_num_threads": "codegen.runtime", "get_num_threads": "codegen.runtime",
    "softmax": "frontend.functional.native", "log_softmax": "frontend.functional.native", "dropout": "nn.functional",
    "layer_norm": "nn.functional", "embedding": "nn.functional", "conv1d": "nn.functional",
    "conv2d": "nn.functional", "conv3d": "nn.functional", "cosine_similarity": "nn.functional",
    "batch_norm": "nn.functional", "group_norm": "nn.functional", "prelu": "nn.functional",
    "selu": "nn.functional", "celu": "nn.functional", "threshold": "nn.functional",
    "conv_transpose1d": "nn.functional", "conv_transpose2d": "nn.functional",
    "pixel_shuffle": "nn.functional", "pairwise_distance": "nn.functional", "bilinear": "nn.functional",
    "max_pool1d": "nn.functional", "max_pool2d": "nn.functional", "avg_pool1d": "nn.functional",
    **dict.fromkeys((
        "native_layer_norm native_group_norm native_batch_norm _native_batch_norm_legit "
        "_batch_norm_with_update constant_pad_nd _safe_softmax _softmax_backward_data "
        "native_dropout_backward max_pool2d_with_indices_backward grid_sampler grid_sampler_2d "
        "grid_sampler_3d _upsample_bilinear2d_aa _unsafe_masked_index "
        "_unsafe_masked_index_put_accumulate _chunk_cat segment_reduce _segment_reduce "
        "as_strided_scatter"
    ).split(), "frontend.functional.native"),
}  # fmt: skip


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _ROOMS:
        try:
            return import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    elif name in ("igamma", "igammac"):
        return getattr(
            import_module(f"{__name__}.special"), {"igamma": "gammainc"}.get(name, "gammaincc")
        )
    elif name in _LATER:
        found = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
        globals()[name] = found
        return found
    elif name.endswith("_") and not name.startswith("_") and hasattr(Tensor, name):
        return getattr(Tensor, name)  # torch.relu_(x) is x.relu_()
    elif name.startswith("_foreach_"):
        return getattr(import_module(f"{__name__}.frontend.foreach"), name)
    elif name == "torch":  # PyTorch has it by an accident that programs rely on
        return import_module(__name__)
    raise absent.error(__name__, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS, *_LATER})


_keep_freed_memory()
Tensor.__module__ = __name__
