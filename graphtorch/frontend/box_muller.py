"""Uniform numbers to normal ones, rounded exactly as PyTorch's vectorised CPU kernel rounds them.

PyTorch fills a float32 tensor of 16 or more elements block by block: of 16 uniform numbers the
first 8 give the radius and the last 8 the angle of the Box-Muller transform

    radius = sqrt(-2 log(1 - u[:8]))    angle = 2 pi u[8:]
    normal = [radius cos(angle), radius sin(angle)]

with the single-precision polynomials of Moshier's Cephes library (https://netlib.org/cephes,
`logf.c`, `sinf.c`) evaluated in fused multiply-adds.  NumPy has no fused multiply-add, but a product
of two float32 is exact in float64, so here every step runs in float64 and is rounded to float32.
Where LLVM is at hand the same steps run as machine code (`codegen/llvm/box_muller.py`), bit for bit.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np

BLOCK = 16  # numbers per Box-Muller block: 8 radii, 8 angles
_COMPILED_FROM = 1 << 20  # numbers from which it pays to load LLVM and compile
_READY_FROM = 1 << 12  # numbers from which machine code is used if LLVM is loaded anyway
_LLVM = "llvmlite.binding"
_CHUNK = 8192

_f32, _f64 = np.float32, np.float64


def _constants(*values: float) -> tuple[float, ...]:
    """The values rounded to float32."""
    return tuple(float(_f32(value)) for value in values)


# fmt: off
_LOG = _constants(
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)
_COS = _constants(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
_SIN = _constants(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_PI_4_PARTS = _constants(-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8)
_LN2_LOW, _LN2_HIGH = _constants(-2.12194440e-4, 0.693359375)
_SQRT_HALF, _4_OVER_PI, _2_PI = _constants(0.707106781186547524, 1.27323954473516, 2 * np.pi)
# fmt: on


class _Chunk:
    """The arithmetic on one chunk, in buffers that are made once.

    The float64 buffers hold float32 values only.  Buffers, because fresh memory costs more than sums.
    """

    def __init__(self, size: int):
        self.low = np.empty(size, _f32)
        self.bits, self.mantissa = np.empty(size, np.int32), np.empty(size, np.int32)
        self.flag = np.empty(size, np.bool_)
        self.product, self.x, self.y, self.z, self.w = (np.empty(size, _f64) for _ in range(5))
        self.radius, self.sine, self.cosine = (np.empty(size, _f64) for _ in range(3))

    def round(self, x: np.ndarray) -> None:
        """Round `x` to float32 precision, in place."""
        self.low[...] = x
        x[...] = self.low

    def fma(
        self, a: np.ndarray, b: np.ndarray | float, c: np.ndarray | float, out: np.ndarray
    ) -> None:
        """out = round(a * b + c); `out` may be any of the operands."""
        np.multiply(a, b, out=self.product)
        np.add(self.product, c, out=out)
        self.round(out)

    def mul(self, a: np.ndarray, b: np.ndarray | float, out: np.ndarray) -> None:
        """out = round(a * b)."""
        np.multiply(a, b, out=out)
        self.round(out)

    def horner(self, coefficients: tuple[float, ...], x: np.ndarray, out: np.ndarray) -> None:
        """out = the polynomial with the given coefficients, highest power first."""
        self.fma(x, coefficients[0], coefficients[1], out)
        for coefficient in coefficients[2:]:
            self.fma(out, x, coefficient, out)

    def log(self, u: np.ndarray, out: np.ndarray) -> None:
        """out = log(u) of float32 numbers in (0, 1]."""
        bits, mantissa, x, y, z, exponent = self.bits, self.mantissa, self.x, self.y, self.z, self.w
        np.bitwise_and(u.view(np.int32), 0x007FFFFF, out=mantissa)
        np.bitwise_or(mantissa, 0x3F000000, out=mantissa)
        x[...] = mantissa.view(_f32)  # in [0.5, 1)
        np.right_shift(u.view(np.int32), 23, out=bits)
        np.less(x, _SQRT_HALF, out=self.flag)
        np.subtract(bits, self.flag, out=bits)
        np.subtract(bits, 126, out=exponent)
        np.add(self.flag, 1, out=y, dtype=_f64)
        x *= y
        x -= 1.0
        self.mul(x, x, z)
        self.horner(_LOG, x, y)
        self.mul(y, x, y)
        self.mul(exponent, _LN2_LOW, out)
        self.fma(y, z, out, y)
        self.fma(z, -0.5, y, y)
        x += y
        self.round(x)
        self.fma(exponent, _LN2_HIGH, x, out)

    def sine_cosine(self, x: np.ndarray) -> None:
        """Put sin and cos of the angles x in [0, 2 pi] into `sine` and `cosine`; overwrites x."""
        octant, y, z, s, c = self.bits, self.y, self.z, self.w, self.product
        self.mul(x, _4_OVER_PI, y)
        octant[...] = y  # truncates
        octant += 1
        octant &= ~1
        y[...] = octant
        for part in _PI_4_PARTS:
            self.fma(y, part, x, x)
        self.mul(x, x, z)
        self.horner(_SIN, z, s)
        self.mul(s, z, s)
        self.fma(s, x, x, s)
        self.horner(_COS, z, y)
        self.mul(y, z, y)
        np.multiply(z, -0.5, out=x)
        self.fma(y, z, x, y)
        y += 1.0
        self.round(y)
        c = y
        np.not_equal(np.bitwise_and(octant, 2, out=self.mantissa), 0, out=self.flag)
        np.copyto(self.sine, s)
        np.copyto(self.sine, c, where=self.flag)
        np.copyto(self.cosine, c)
        np.copyto(self.cosine, s, where=self.flag)
        np.subtract(
            1,
            np.right_shift(np.bitwise_and(octant, 4, out=self.mantissa), 1, out=self.mantissa),
            out=self.mantissa,
        )
        self.sine *= self.mantissa
        octant += 2
        np.subtract(
            1,
            np.right_shift(np.bitwise_and(octant, 4, out=self.mantissa), 1, out=self.mantissa),
            out=self.mantissa,
        )
        self.cosine *= self.mantissa


def normal_float32(bits: np.ndarray, mean: float, std: float) -> np.ndarray:
    """Return float32 normal numbers for 32-bit draws, 16 to a block; may overwrite `bits`.

    The size of `bits` is a multiple of 16.  Long runs go through machine code, with the same result.
    """
    if bits.size >= _COMPILED_FROM or (bits.size >= _READY_FROM and _LLVM in sys.modules):
        native = _native()
        if native is not None and bits.flags.c_contiguous:
            native(bits.ctypes.data, bits.size // BLOCK, *_constants(mean, std))
            return bits.view(_f32)
    return _with_numpy(bits, mean, std)


@functools.cache
def _native() -> Any:
    """The compiled kernel, or None where it cannot be had."""
    from ..codegen.llvm.box_muller import Constants, kernel

    return kernel(
        Constants(_LOG, _COS, _SIN, _PI_4_PARTS, _LN2_LOW, _LN2_HIGH, _SQRT_HALF, _4_OVER_PI, _2_PI)
    )


def _with_numpy(bits: np.ndarray, mean: float, std: float) -> np.ndarray:
    uniform = (bits & np.uint32((1 << 24) - 1)).view(np.int32).astype(_f32)
    uniform *= _f32(2.0**-24)
    pairs = uniform.reshape(-1, 2, 8)
    out = np.empty_like(pairs)
    mean, std = _constants(mean, std)
    rows = min(_CHUNK // 8, pairs.shape[0])
    chunk = _Chunk(rows * 8)
    for start in range(0, pairs.shape[0], rows):
        block = pairs[start : start + rows]
        if len(block) < rows:
            rows = len(block)
            chunk = _Chunk(rows * 8)
        u, radius, angle = chunk.low, chunk.radius, chunk.x
        np.subtract(_f32(1), block[:, 0], out=u.reshape(-1, 8))
        chunk.log(u, radius)
        radius *= -2.0
        np.sqrt(radius, out=radius)
        chunk.round(radius)
        np.multiply(block[:, 1], _2_PI, out=angle.reshape(-1, 8))
        chunk.round(angle)
        chunk.sine_cosine(angle)
        for half, wave in enumerate((chunk.cosine, chunk.sine)):
            chunk.mul(radius, wave, wave)
            wave *= std
            wave += mean
            out[start : start + rows, half] = wave.reshape(-1, 8)
    return out.reshape(-1)


def normal_float64(uniform: np.ndarray, mean: float, std: float) -> np.ndarray:
    """Return float64 normal numbers for uniform float64 numbers, with NumPy's own log, sin and cos."""
    pairs = uniform.reshape(-1, 2, 8)
    radius = np.sqrt(-2.0 * np.log(1.0 - pairs[:, 0]))
    angle = 2.0 * np.pi * pairs[:, 1]
    out = np.empty_like(pairs)
    out[:, 0] = radius * np.cos(angle) * std + mean
    out[:, 1] = radius * np.sin(angle) * std + mean
    return out.reshape(-1)
