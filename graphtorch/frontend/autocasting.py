"""Automatic mixed precision: which functions cast their operands inside `autocast`, and to what.

The lists are PyTorch's for the CPU.  The first `autocast` of a process gives the listed functions a code
object that asks whether it is on (as `overriding` does); until then nothing is slower for it.
Inside a listed function autocast is off: what it calls gets operands that are cast already.
"""

from __future__ import annotations

import functools
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..ir.types import DType, bfloat16, float16, float32
from .stand_in import stand_in
from .tensor import Tensor

# to the narrow type: products
NARROW = """
    torch.addbmm torch.addmm torch.baddbmm torch.bmm torch.einsum torch.matmul torch.mm torch.prelu torch.tensordot
    torch.conv1d torch.conv2d torch.conv3d torch.conv_transpose1d torch.conv_transpose2d torch.conv_transpose3d
    torch.chain_matmul Tensor.__matmul__ Tensor.__rmatmul__
    linalg.matrix_power linalg.multi_dot linalg.vecdot
    F.bilinear F.conv1d F.conv2d F.conv3d F.conv_transpose1d F.conv_transpose2d F.conv_transpose3d F.linear F.prelu
    F.scaled_dot_product_attention
"""
# to float32: what loses too much otherwise
WIDE = """
    torch.cdist torch.cholesky torch.cholesky_inverse torch.cholesky_solve torch.geqrf torch.lu_solve torch.nanquantile
    torch.prod torch.quantile torch.qr torch.stft torch.svd torch.trace torch.pinverse
    linalg.cholesky linalg.cholesky_ex linalg.cond linalg.eigh linalg.eigvalsh linalg.householder_product linalg.inv
    linalg.inv_ex linalg.lstsq linalg.qr linalg.solve linalg.svd linalg.svdvals linalg.tensorinv linalg.tensorsolve
    fft.fft fft.ifft fft.rfft fft.irfft fft.hfft fft.ihfft fft.fft2 fft.ifft2 fft.rfft2 fft.irfft2 fft.fftn fft.ifftn
    fft.rfftn fft.irfftn
    F.adaptive_avg_pool3d F.adaptive_max_pool3d F.avg_pool3d F.max_pool3d F.fractional_max_pool2d
    F.fractional_max_pool3d F.max_unpool1d F.max_unpool2d F.max_unpool3d F.grid_sample
    F.binary_cross_entropy F.binary_cross_entropy_with_logits F.cosine_embedding_loss F.cross_entropy F.ctc_loss
    F.hinge_embedding_loss F.huber_loss F.kl_div F.l1_loss F.linear_cross_entropy F.margin_ranking_loss F.mse_loss
    F.multi_margin_loss F.multilabel_margin_loss F.nll_loss F.poisson_nll_loss F.smooth_l1_loss F.soft_margin_loss
    F.triplet_margin_loss
"""
# to the widest type among the operands
WIDEST = "torch.cat torch.stack torch.concat torch.concatenate torch.index_copy"
# computed in float32 where parameters are, given back in the input's type
MIXED = "F.layer_norm F.group_norm F.batch_norm F.instance_norm F.rms_norm"

# left as they are, though made of products here
KEPT = "torch.addmv torch.addr torch.dot torch.ger torch.kron torch.mv torch.outer torch.vdot"


class _State(threading.local):
    def __init__(self) -> None:
        self.enabled = {"cpu": False, "cuda": False}
        self.dtype: dict[str, DType] = {"cpu": bfloat16, "cuda": float16}
        self.depth = 0
        self.caching = True
        self.cache: dict[int, tuple[Tensor, Tensor]] = {}
        self.now: DType | None = None  # what functions cast to now; compiled variants depend on it

    def switch(self, enabled: dict[str, bool], dtype: dict[str, DType]) -> None:
        """Set what is on, and what it casts to."""
        self.enabled, self.dtype = enabled, dtype
        self.now = dtype["cpu"] if enabled["cpu"] else None


state = _State()
_installed = False


@contextmanager
def suspended() -> Iterator[None]:
    """Autocast off."""
    before = state.enabled
    state.switch({"cpu": False, "cuda": False}, state.dtype)
    try:
        yield
    finally:
        state.switch(before, state.dtype)


def cast(value: Any, dtype: DType) -> Any:
    """Floating tensors (but not float64) of a tree of tuples, lists and dicts in another type."""
    if isinstance(value, Tensor):
        if not value.dtype.is_floating_point or value.dtype is dtype or value.dtype.itemsize > 4:
            return value
        return _cast_parameter(value, dtype) if _is_weight(value, dtype) else value.to(dtype)
    if value.__class__ in (tuple, list):
        return value.__class__([cast(item, dtype) for item in value])
    if value.__class__ is dict:
        return {name: cast(item, dtype) for name, item in value.items()}
    return value


def _is_weight(x: Tensor, dtype: DType) -> bool:
    return (
        state.caching
        and x.dtype is float32
        and dtype is not float32
        and x.requires_grad
        and x.is_leaf
    )


def _cast_parameter(x: Tensor, dtype: DType) -> Tensor:
    """A weight is cast once in one outermost `autocast`."""
    from . import trace
    from .grad_mode import state as grad_state

    if trace.is_tracing() or not grad_state.enabled:
        return x.to(dtype)
    known = state.cache.get(id(x))
    if known is None or known[0] is not x or known[1].dtype is not dtype:
        known = state.cache[id(x)] = (x, x.to(dtype))
    return known[1]


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if value.__class__ is dict:
        value = list(value.values())
    if value.__class__ in (tuple, list):
        return [x for item in value for x in _tensors(item)]
    return []


def _narrow(original: Callable, args: tuple, kwargs: dict) -> Any:
    dtype = state.dtype["cpu"]
    args, kwargs = cast(args, dtype), cast(kwargs, dtype)
    with suspended():
        return original(*args, **kwargs)


def _wide(original: Callable, args: tuple, kwargs: dict) -> Any:
    args, kwargs = cast(args, float32), cast(kwargs, float32)
    with suspended():
        return original(*args, **kwargs)


def _widest(original: Callable, args: tuple, kwargs: dict) -> Any:
    kinds = {x.dtype for x in _tensors((args, kwargs)) if x.dtype.is_floating_point}
    with suspended():
        if len(kinds) > 1 and all(kind.itemsize <= 4 for kind in kinds):
            return original(*cast(args, float32), **cast(kwargs, float32))
        return original(*args, **kwargs)


def _kept(original: Callable, args: tuple, kwargs: dict) -> Any:
    with suspended():
        return original(*args, **kwargs)


def _mixed(original: Callable, args: tuple, kwargs: dict) -> Any:
    x = args[0] if args else kwargs["input"]
    with suspended():
        if x.dtype not in (bfloat16, float16):
            return original(*args, **kwargs)
        return original(*cast(args, float32), **cast(kwargs, float32)).to(x.dtype)


def _asked(rule: Callable, original: Callable) -> Callable:
    def run(args: tuple, kwargs: dict) -> Any:
        if state.now is not None:
            return rule(original, args, kwargs)
        return original(*args, **kwargs)

    return run


def install() -> None:
    """Let the listed functions ask from now on; once per process."""
    global _installed
    if _installed:
        return
    _installed = True
    import graphtorch

    places = {
        "torch": graphtorch, "Tensor": Tensor, "F": graphtorch.nn.functional, "linalg": graphtorch.linalg,
        "fft": graphtorch.fft,
    }  # fmt: skip
    done: set[int] = set()
    for names, rule in (
        (NARROW, _narrow),
        (WIDE, _wide),
        (WIDEST, _widest),
        (MIXED, _mixed),
        (KEPT, _kept),
    ):
        for full in names.split():
            place, _, name = full.partition(".")
            function = getattr(places[place], name, None)
            if isinstance(function, types.FunctionType) and id(function) not in done:
                done.add(id(function))
                stand_in(function, functools.partial(_asked, rule))


# ---- PyTorch's switches


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether autocast is on for a device type; without one, for "cuda" (as in PyTorch)."""
    return state.enabled.get(device_type or "cuda", False)


def set_autocast_enabled(device_type: Any, enabled: bool | None = None) -> None:
    """Switch autocast for a device type; with one argument for "cuda"."""
    kind, on = ("cuda", bool(device_type)) if enabled is None else (device_type, enabled)
    if on:
        install()
    state.switch({**state.enabled, kind: on}, state.dtype)


def get_autocast_dtype(device_type: str) -> DType:
    """The type that autocast casts to on a device type."""
    return state.dtype.get(device_type, float16)


def set_autocast_dtype(device_type: str, dtype: DType) -> None:
    """Choose the type that autocast casts to on a device type."""
    state.switch(state.enabled, {**state.dtype, device_type: dtype})


def is_autocast_cache_enabled() -> bool:
    """Whether weights are cast only once inside one `autocast`."""
    return state.caching


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Choose whether weights are cast only once inside one `autocast`."""
    state.caching = enabled


def clear_autocast_cache() -> None:
    """Forget the weights cast so far."""
    state.cache.clear()


def autocast_increment_nesting() -> int:
    """Enter one more `autocast`; returns how many there are."""
    state.depth += 1
    return state.depth


def autocast_decrement_nesting() -> int:
    """Leave an `autocast`; returns how many are left."""
    state.depth -= 1
    return state.depth
