"""Accuracy of the vector math over all exponents, against wider arithmetic.

f32 is compared with f64, f64 with NumPy's long double (80 bits on x86; where it has no more bits
than f64 the reference itself may be an ulp off, and so may those functions only `math` has).
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphtorch.codegen.kernel import Kernel, Tiles
from graphtorch.codegen.kernel_builder import KernelBuilder
from graphtorch.codegen.llvm import jit
from graphtorch.codegen.llvm.target import target
from graphtorch.codegen.scalar import CALLS, NumpyScalar
from graphtorch.ir.types import DType, float32, float64, int8, int32, int64, uint8

TARGETS = [t for t in ("host", "sse", "avx512") if target(t).runnable]
SIGNATURE = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 2)
LONG = np.longdouble
TILE = 1024


def kernel(name: str, dtype: DType, arity: int) -> Kernel:
    b = KernelBuilder(name)
    arrays = [b.input(f"x{i}", dtype) for i in range(arity)]
    out, n = b.output("out", dtype), b.param("n")
    c = b.grid("c", Tiles(n, TILE))
    with b.vector("i", b.tiled(c, TILE, n)) as i:
        at = c * TILE + i.index
        y = b.call(name, *(b.load(x, at) for x in arrays))
        b.store(out, at, b.cast(y, dtype))
    return b.finish()


def run(name: str, dtype: DType, *xs: np.ndarray, on: str = "host") -> np.ndarray:
    machine = target(on)
    text = kernel(name, dtype, len(xs)).llvm("kernel", machine)
    library = jit.load([jit.assemble(text, machine)], ["kernel"])
    out = np.empty_like(xs[0])
    arrays = [np.ascontiguousarray(x) for x in xs]
    pointers = (ctypes.c_void_p * (len(xs) + 1))(*(a.ctypes.data for a in arrays), out.ctypes.data)
    params = (ctypes.c_int64 * 1)(out.size)
    SIGNATURE(library["kernel"])(
        ctypes.addressof(pointers), ctypes.addressof(params), None, 0, -(-out.size // TILE)
    )
    return out


def every_exponent(dtype: DType, each: int, seed: int = 0) -> np.ndarray:
    """Both signs, all exponents (denormals, inf and NaN among them), random mantissas; and specials."""
    rng = np.random.default_rng(seed)
    if dtype is float32:
        exponents = np.repeat(np.arange(256, dtype=np.uint32), each)
        bits = exponents << 23 | rng.integers(0, 1 << 23, exponents.size, dtype=np.uint32)
        found = bits.view(np.float32)
    else:
        exponents = np.repeat(np.arange(2048, dtype=np.uint64), max(each // 8, 2))
        low = rng.integers(0, 1 << 52, exponents.size, dtype=np.uint64)
        found = (exponents << np.uint64(52) | low).view(np.float64)
    special = [0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -1.0, 0.5, -0.5, 2.0, 88.7, -87.4]
    near = [
        rng.uniform(-10, 10, 40 * each),
        rng.uniform(-1, 1, 20 * each),
        1 + rng.uniform(-1e-3, 1e-3, 10 * each),
        rng.uniform(-110, 110, 20 * each),
        np.arange(-300, 300) * (math.pi / 4),
    ]
    return np.concatenate(
        [found, -found, np.concatenate(near).astype(found.dtype), np.array(special, found.dtype)]
    )


def ulps(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Distance in units of the last place of the rounded reference; inf where the kinds differ."""
    with np.errstate(all="ignore"):
        rounded = want.astype(got.dtype)
        unit = np.spacing(np.abs(rounded)).astype(LONG)
        error = np.abs(got.astype(LONG) - want) / unit
    top = np.finfo(got.dtype).max
    infinite = np.isinf(got) | np.isinf(rounded)
    almost = np.isinf(rounded) & (np.abs(got) == top) | np.isinf(got) & (np.abs(rounded) == top)
    error = np.where(infinite, np.where(got == rounded, 0, np.where(almost, 1, np.inf)), error)
    both = np.isnan(got) & np.isnan(rounded)
    return np.where(both, 0, np.where(np.isnan(got) | np.isnan(rounded), np.inf, error))


def _each(function: Callable[[float], float]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.vectorize(function, otypes=[np.float64])(x.astype(np.float64)).astype(LONG)


def _wide(name: str) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: getattr(np, name)(x.astype(LONG))


_SAME = """exp exp2 expm1 log log2 log10 log1p sin cos tan sinh cosh tanh sqrt floor ceil trunc"""
REFERENCE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    **{name: _wide(name) for name in _SAME.split()},
    **{"a" + name: _wide("arc" + name) for name in "sin cos tan sinh cosh tanh".split()},
    "erf": _each(math.erf),
    "erfc": _each(math.erfc),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x.astype(LONG))),
    "exp_nonpositive": lambda x: np.exp(x.astype(LONG)),
    "rsqrt": lambda x: 1 / np.sqrt(x.astype(LONG)),
    "round": lambda x: np.rint(x.astype(LONG)),
    "sign": lambda x: np.nan_to_num(np.sign(x.astype(LONG))),
    "isnan": lambda x: np.isnan(x).astype(LONG),
    "isinf": lambda x: np.isinf(x).astype(LONG),
    "isfinite": lambda x: np.isfinite(x).astype(LONG),
}
EXACT = frozenset("floor ceil trunc round sign isnan isinf isfinite".split())
LOOSE = frozenset({"erf", "erfc"})  # the reference is f64 itself


@pytest.mark.parametrize("dtype", [float32, float64], ids=lambda d: d.short)
@pytest.mark.parametrize("name", sorted(REFERENCE))
def test_ulps(name: str, dtype: DType) -> None:
    x = every_exponent(dtype, 120)
    if name == "exp_nonpositive":
        x = -np.abs(x)
    with np.errstate(all="ignore"):
        want = REFERENCE[name](x)
    bound = 0.0 if name in EXACT else 3.0 if dtype is float32 or name not in LOOSE else 5.5
    for on in TARGETS:
        got = run(name, dtype, x, on=on)
        error = ulps(got, want)
        worst = int(np.argmax(error))
        assert error[worst] <= bound, (
            f"{on}: {name}({x[worst]!r}) = {got[worst]!r}, not {want[worst]}"
        )
        zero = (want == 0) & (got == 0) & ~np.isnan(x)
        if name not in ("sign", "isnan", "isinf", "isfinite"):
            np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(want[zero]))


@pytest.mark.parametrize("name", ["lgamma", "digamma", "erfinv"])
def test_gamma_and_inverse_error_functions(name: str) -> None:
    x = every_exponent(float32, 10)
    with np.errstate(all="ignore"):
        want = NumpyScalar().call(name, x.astype(np.float64)).astype(LONG)
    zeros = np.zeros(x.shape, bool)
    if name != "erfinv":  # next to the zeros of the function its reference has no relative accuracy
        zeros = np.abs(want.astype(np.float64)) < 1e-4
        if name == "digamma":
            zeros |= np.abs(x) > 2**22  # poles fill the negative axis
    got = run(name, float32, x)
    error = np.where(zeros, 0, ulps(got, want))
    worst = int(np.argmax(error))
    assert error[worst] <= 2, f"{name}({x[worst]!r}) = {got[worst]!r}, not {want[worst]}"


def test_lgamma_is_accurate_at_its_zeros() -> None:
    x = np.concatenate([1 + np.ldexp(1.0, -np.arange(5, 50)), 2 - np.ldexp(1.0, -np.arange(5, 50))])
    z = np.where(x < 1.5, x - 1, x - 2)
    # lgamma(1 + z) = -gamma z + zeta(2)/2 z^2 - ..., lgamma(2 + z) = lgamma(1 + z) + log1p(z)
    zeta = [
        1.6449340668482264,
        1.2020569031595942,
        1.0823232337111382,
        1.0369277551433699,
        1.0173430619844491,
    ]
    series = -0.5772156649015329 * z
    for k, value in enumerate(zeta, 2):
        series += (-z) ** k * value / k
    want = series + np.where(x < 1.5, 0, np.log1p(z))
    near = np.abs(z) < 1e-3
    np.testing.assert_allclose(run("lgamma", float64, x)[near], want[near], rtol=2e-15)


PAIRS = ["pow", "atan2", "fmod", "remainder", "floor_divide", "copysign", "hypot"]


def pairs(dtype: DType) -> tuple[np.ndarray, np.ndarray]:
    """Random pairs of all magnitudes, and every combination of special values."""
    rng = np.random.default_rng(5)
    t = dtype.numpy.type
    a, b = every_exponent(dtype, 16, 1), every_exponent(dtype, 16, 2)
    rng.shuffle(b)
    odd = [0.0, 1.0, 2.0, 3.0, 0.5, 2.5, 7.0, 1e9, 1e-40, math.inf, math.nan, 0.1, 0.3]
    special = np.array([*odd, *(-x for x in odd)], t)
    grid = [x.ravel() for x in np.meshgrid(special, special)]
    near = [rng.uniform(0, 30, 20000), rng.uniform(-30, 30, 20000)]
    whole = [np.round(rng.uniform(-40, 40, 5000)), np.round(rng.uniform(-9, 9, 5000))]
    x = [a, grid[0], near[0], whole[0], 1 + near[1] * 1e-6]
    y = [b, grid[1], near[1], whole[1], near[0] * 1e6]
    with np.errstate(all="ignore"):
        return np.concatenate(x).astype(t), np.concatenate(y).astype(t)


def wide(dtype: DType) -> Any:
    return np.float64 if dtype is float32 else LONG


@pytest.mark.parametrize("dtype", [float32, float64], ids=lambda d: d.short)
@pytest.mark.parametrize("name", ["pow", "atan2", "hypot"])
def test_functions_of_two_operands(name: str, dtype: DType) -> None:
    x, y = pairs(dtype)
    function = {"pow": np.power, "atan2": np.arctan2, "hypot": np.hypot}[name]
    with np.errstate(all="ignore"):
        want = function(x.astype(wide(dtype)), y.astype(wide(dtype))).astype(LONG)
    for on in TARGETS:
        got = run(name, dtype, x, y, on=on)
        error = ulps(got, want)
        worst = int(np.argmax(error))
        assert error[worst] <= 3, (
            f"{on}: {name}({x[worst]!r}, {y[worst]!r}) = {got[worst]!r}, not {want[worst]}"
        )
        zero = (want == 0) & (got == 0)
        np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(want[zero]))


@pytest.mark.parametrize("dtype", [float32, float64], ids=lambda d: d.short)
@pytest.mark.parametrize("name", ["fmod", "remainder", "floor_divide", "copysign"])
def test_remainders_are_exact(name: str, dtype: DType) -> None:
    x, y = pairs(dtype)
    with np.errstate(all="ignore"):
        want = {"floor_divide": floor_divide, "remainder": remainder}.get(name, getattr(np, name))(
            x, y
        )
    for on in TARGETS:
        got = run(name, dtype, x, y, on=on)
        np.testing.assert_array_equal(got, want, err_msg=on)
        if name in ("fmod", "copysign"):
            sure = ~np.isnan(want)
            np.testing.assert_array_equal(np.signbit(got[sure]), np.signbit(want[sure]), err_msg=on)


def remainder(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """PyTorch's: fmod, plus the divisor where the signs differ."""
    r = np.fmod(x, y)
    return np.where((r != 0) & ((r < 0) != (y < 0)) & ~np.isnan(r), r + y, r)


def floor_divide(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """PyTorch's div_floor_floating."""
    r = np.fmod(x, y)
    q = (x - r) / y
    q = np.where((r != 0) & ((y < 0) != (r < 0)), q - 1, q)
    low = np.floor(q)
    low = np.where(q - low > 0.5, low + 1, low)
    low = np.where(q == 0, np.copysign(x.dtype.type(0), x / y), low)
    return np.where(y == 0, x / y, low)


@pytest.mark.parametrize("dtype", [int64, int32, int8, uint8], ids=lambda d: d.short)
@pytest.mark.parametrize("name", ["fmod", "remainder", "floor_divide", "pow", "sign"])
def test_integers(name: str, dtype: DType) -> None:
    info = np.iinfo(dtype.numpy)
    values = np.unique(np.array([info.min, info.min + 1, -7, -3, -2, -1, 0, 1, 2, 3, 5, 100, info.max - 1, info.max]).clip(info.min, info.max)).astype(dtype.numpy)  # fmt: skip
    x, y = (v.ravel().copy() for v in np.meshgrid(values, values))
    if name == "sign":
        np.testing.assert_array_equal(run(name, dtype, x), np.sign(x))
        return
    if name == "pow":
        small = (y >= 0) & (y < 6) | (y < 0)
        x, y = x[small], y[small]
        want = np.array([_int_power(int(a), int(b), dtype) for a, b in zip(x, y, strict=True)])
        np.testing.assert_array_equal(run(name, dtype, x, y), want)
        return
    safe = (y != 0) & ~((x == info.min) & (y == -1) & (dtype.kind == "i"))
    got = run(name, dtype, x, y)  # divisions by zero and overflows must not trap
    np.testing.assert_array_equal(got[safe], getattr(np, name)(x[safe], y[safe]))


def _int_power(base: int, exponent: int, dtype: DType) -> int:
    if exponent < 0:
        return {1: 1, -1: -1 if exponent % 2 else 1}.get(base, 0)
    return int(np.array(base**exponent % (1 << 8 * dtype.itemsize), np.uint64).astype(dtype.numpy))


def test_every_call_has_a_program_in_f32_and_f64() -> None:
    tested = set(REFERENCE) | set(PAIRS) | {"lgamma", "digamma", "erfinv"}
    assert tested == set(CALLS)


def test_multiples_of_pi_and_huge_arguments() -> None:
    """The worst cases of argument reduction (Muller, Elementary Functions, table 11.1)."""
    x = np.array(
        [5.319372648326541e255, 6381956970095103 * 2.0**797, 1e22, 2.0**1000, 1.7e308, 1e6, 4e6]
    )
    np.testing.assert_allclose(run("cos", float64, x)[1], -4.68716592425462761112e-19, rtol=1e-15)
    np.testing.assert_allclose(run("sin", float64, x)[2], -0.8522008497671888, rtol=1e-15)
    x = np.array([16367173 * 2.0**72, 2.0**127, 1e38, 102943.71, 1e5, 3e5], np.float32)
    want = np.sin(x.astype(LONG))
    np.testing.assert_allclose(run("sin", float32, x).astype(LONG), want, rtol=2e-7)
