"""Short-time Fourier transforms."""

from __future__ import annotations

from ...errors import message
from ...ir import ops
from ..tensor import Tensor
from .arranging import unfold_windows
from .complex import view_as_real
from .pointwise import div, mul
from .shape import transpose
from .splitting import part
from .wrapping import check_tensor, concrete


def _window(
    name: str, window: Tensor | None, win_length: int, n_fft: int, like: Tensor
) -> Tensor | None:
    """The window in the middle of n_fft samples; None for n_fft ones."""
    if not 0 < win_length <= n_fft:
        raise RuntimeError(
            f"{name}({like.type_}): expected 0 < win_length <= n_fft, but got win_length={win_length}"
        )
    if window is not None and window._array.shape != (win_length,):
        raise RuntimeError(
            f"{name}({like.type_}): expected a 1D window tensor of size equal to"
            f" win_length={win_length}, but got window with size {list(window._array.shape)}"
        )
    if window is None:
        if win_length == n_fft:
            return None
        real = ops.real(like).dtype if like.dtype.kind == "c" else like.dtype
        window = ops.full(shape=(win_length,), value=1, dtype=real)
    left = (n_fft - win_length) // 2
    if win_length < n_fft:
        window = ops.pad(window, low=(left,), high=(n_fft - win_length - left,), value=0)
    return window


def stft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None, center: bool = True, pad_mode: str = "reflect", normalized: bool = False,
    onesided: bool | None = None, return_complex: bool | None = None, align_to_window: bool | None = None,
) -> Tensor:  # fmt: skip
    """Fourier transforms of windows of a signal: complex[..., frequencies, frames].

    input: [time] or [batch, time].  Without return_complex the last dim holds real and imaginary part.
    """
    from ... import fft
    from ...nn import functional

    check_tensor("stft", input)
    hop = n_fft // 4 if hop_length is None else hop_length
    x = input
    complex_input = x._array.dtype.kind == "c"
    windows_complex = window is not None and window._array.dtype.kind == "c"
    if return_complex is None:
        if not (complex_input or windows_complex):
            raise RuntimeError(
                "stft requires the return_complex parameter be given for real inputs, and will further"
                " require that return_complex=True in a future PyTorch release."
            )
        return_complex = True
    if x._array.dtype.kind not in "fc":
        raise RuntimeError(
            f"stft({x.type_}): expected a tensor of floating point or complex values"
        )
    if not 1 <= x._array.ndim <= 2:
        raise RuntimeError(f"stft({x.type_}): expected a 1D or 2D tensor")
    if align_to_window is not None and center:
        raise RuntimeError("stft align_to_window should only be set when center = false")
    single = x._array.ndim == 1
    if single:
        x = ops.reshape(x, shape=(1, x._array.size))
    batch, length = x._array.shape
    if center:
        half = n_fft // 2
        y = ops.reshape(x, shape=(batch, 1, length))
        y = functional.pad(y, (half, half), pad_mode)
        x = ops.reshape(y, shape=(batch, y._array.shape[-1]))
        length = x._array.shape[1]
    if not 0 < n_fft <= length:
        raise RuntimeError(
            message(
                f"stft({input.type_}, n_fft={n_fft}): expected 0 < n_fft < {length}, but got"
                f" n_fft={n_fft}"
            )
        )
    if hop <= 0:
        raise RuntimeError(
            f"stft({input.type_}): expected hop_length > 0, but got hop_length={hop}"
        )
    w = _window("stft", window, n_fft if win_length is None else win_length, n_fft, x)
    frames = unfold_windows(x, 1, n_fft, hop)
    if w is not None:
        frames = mul(frames, w)
    real_frames = frames._array.dtype.kind != "c"
    one = real_frames if onesided is None else onesided
    norm = "ortho" if normalized else None
    if one and not real_frames:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    found = fft.rfft(frames, dim=2, norm=norm) if one else fft.fft(frames, dim=2, norm=norm)
    found = transpose(found, 1, 2)
    if single:
        found = ops.reshape(found, shape=found._array.shape[1:])
    return found if return_complex else view_as_real(found)


def istft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None, center: bool = True, normalized: bool = False, onesided: bool | None = None,
    length: int | None = None, return_complex: bool = False,
) -> Tensor:  # fmt: skip
    """The signal that `stft` was made from, by the least-squares overlap of its windows."""
    from ... import fft

    check_tensor("istft", input)
    name = f"istft({input.type_})"
    if input._array.dtype.kind != "c":
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with"
            " return_complex=True."
        )
    if not input._array.size:
        raise RuntimeError(f"{name}: input tensor cannot be empty.")
    if not 2 <= input._array.ndim <= 3:
        raise RuntimeError(f"{name}: expected a tensor with 2 or 3 dimensions, but got {input._array.ndim}")  # fmt: skip
    x = input
    single = x._array.ndim == 2
    if single:
        x = ops.reshape(x, shape=(1, *x._array.shape))
    batch, bins, frames = x._array.shape
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    one = (bins != n_fft) if onesided is None else onesided
    if bins != (n_fft // 2 + 1 if one else n_fft):
        raise RuntimeError(
            f"{name}: expected the frequency dimension (3rd to the last) of the input tensor to match"
            f" n_fft {'/ 2 + 1 ' if one else ''}but got {bins}"
        )
    if not 0 < hop <= width:
        raise RuntimeError(f"{name}: expected 0 < hop_length <= win_length")
    w = _window("istft", window, width, n_fft, x)
    real = ops.real(x).dtype
    if w is None:
        w = ops.full(shape=(n_fft,), value=1, dtype=real)
    if return_complex and one:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    norm = "ortho" if normalized else None
    x = transpose(x, 1, 2)
    if return_complex:
        y = fft.ifft(x, dim=2, norm=norm)
    else:
        if not one:
            x = part(x, 2, 0, n_fft // 2 + 1)
        y = fft.irfft(x, n_fft, dim=2, norm=norm)
    total = n_fft + hop * (frames - 1)
    signal = _overlapped(mul(y, w), total, hop)
    square = ops.expand(ops.reshape(mul(w, w), shape=(1, 1, n_fft)), shape=(1, frames, n_fft))
    envelope = _overlapped(square, total, hop)
    start = n_fft // 2 if center else 0
    if length is not None:
        end = start + length
    else:
        end = total - n_fft // 2 if center else total
    last = min(end, total)
    signal, envelope = part(signal, 1, start, last), part(envelope, 1, start, last)
    if envelope._array.size and abs(concrete(envelope)).min() < 1e-11:
        raise RuntimeError(f"{name}: window overlap add min: 1")
    found = div(signal, envelope)
    if end > total:
        found = ops.pad(found, low=(0, 0), high=(0, end - total), value=0)
    return ops.reshape(found, shape=found._array.shape[1:]) if single else found


def _overlapped(frames: Tensor, total: int, hop: int) -> Tensor:
    """[batch, frames, n] added up where frame i starts at i * hop: [batch, total]."""
    import numpy as np

    from .wrapping import fresh

    batch, count, n = frames._array.shape
    places = np.arange(count)[:, None] * hop + np.arange(n)
    zeros = ops.full(shape=(batch, total), value=0, dtype=frames.dtype)
    return ops.index_add(zeros, fresh(places), frames, dim=1)
