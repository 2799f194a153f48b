"""The CPU generator's numbers: a Mersenne twister consumed in PyTorch's order, on NumPy arrays.

PyTorch's CPU generator is MT19937 (Matsumoto and Nishimura, ACM TOMACS 8, 1998) seeded with one
32-bit integer.  NumPy has the same twister, so a draw of n numbers is one call; what each
distribution takes from the stream follows `aten/src/ATen/core/DistributionsHelper.h`:

    float32 uniform     24 low bits of one 32-bit draw
    float64 uniform     53 low bits of one 64-bit draw (two 32-bit draws, the first is the high half)
    integers            one draw modulo the range; 64-bit draws from a range of 2**28
    normal              16 or more elements: Box-Muller on blocks of 16 (`box_muller.py`), else in pairs
                        in float64, the second number of a pair being kept for the next call
    bernoulli(p)        float64 uniform < p; with a tensor of float32 p: float32 uniform < p
    permutation         Fisher-Yates from the front

Nothing here knows tensors: shapes are flat, dtypes are NumPy's.
"""

from __future__ import annotations

import math
import struct
import threading

import numpy as np

from .box_muller import BLOCK, normal_float32, normal_float64

_WORDS = 624  # size of the twister's state
_STATE = struct.Struct(f"<QiiQ{_WORDS}QdddiifBxxx")  # layout of torch.Generator.get_state()
STATE_BYTES = _STATE.size  # 5056
_U32, _U64 = np.uint32, np.uint64
_FEW = 4096
_53_BITS = (1 << 53) - 1
_MANY = 1 << 28  # integer ranges from here on take 64-bit draws
_HUGE_PERMUTATION = (2**32 - 1) // 20
_LOOP_PERMUTATION = 512  # below this a Python loop beats the array method


class RandomStream:
    """One generator.  Methods draw `n` numbers and return a flat array; safe to share by threads."""

    def __init__(self, seed: int):
        self._lock = threading.RLock()
        self._twister = np.random.MT19937(0)
        self._draw = np.random.Generator(self._twister)
        self.seed(seed)

    # ---- seeding and state

    def seed(self, seed: int) -> None:
        """Start again; PyTorch keeps 64 bits of the seed and uses the low 32."""
        with self._lock:
            self.initial_seed = seed & 0xFFFFFFFFFFFFFFFF
            self._twister._legacy_seeding(seed & 0xFFFFFFFF)
            self._kept: float | None = None  # second number of the last normal pair

    def state(self) -> np.ndarray:
        """The state as the 5056 bytes that `torch.Generator.get_state` gives."""
        with self._lock:
            inner = self._twister.state["state"]
            key, position = inner["key"], int(inner["pos"])
            fresh = position == _WORDS
            packed = _STATE.pack(
                self.initial_seed,
                1 if fresh else _WORDS + 1 - position,  # draws left before the state is renewed
                1,
                0 if fresh else position,
                *map(int, key),
                0.0,
                0.0 if self._kept is None else self._kept,
                0.0,
                int(self._kept is not None),
                0,
                0.0,
                0,
            )
        return np.frombuffer(packed, np.uint8).copy()

    def set_state(self, state: np.ndarray) -> None:
        """Restore what `state` gave, here or in PyTorch; raises RuntimeError for other bytes."""
        data = np.ascontiguousarray(state, np.uint8).tobytes()
        if len(data) != STATE_BYTES:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {STATE_BYTES} but found the input RNG state size to be {len(data)}"
            )
        seed, left, seeded, following, *rest = _STATE.unpack(data)
        key, (_, kept, _, kept_valid, _, _, _) = rest[:_WORDS], rest[_WORDS:]
        if not seeded or not 1 <= left <= _WORDS or following > _WORDS or max(key) > 0xFFFFFFFF:
            raise RuntimeError("Invalid mt19937 state")
        with self._lock:
            self.initial_seed = seed
            position = _WORDS if left == 1 else following
            self._twister.state = {
                "bit_generator": "MT19937",
                "state": {"key": np.array(key, _U32), "pos": position},
            }
            self._kept = kept if kept_valid else None

    # ---- raw draws

    def random32(self) -> int:
        """One 32-bit draw."""
        with self._lock:
            return int(self._twister.random_raw())

    def random64(self) -> int:
        """One 64-bit draw."""
        with self._lock:
            high = int(self._twister.random_raw())
            return high << 32 | int(self._twister.random_raw())

    def bits32(self, n: int) -> np.ndarray:
        """n 32-bit draws."""
        with self._lock:
            if n <= _FEW:  # NumPy's `integers` takes longer to start
                return self._twister.random_raw(n).astype(_U32)
            return self._draw.integers(0, 1 << 32, size=n, dtype=_U32)

    def bits64(self, n: int) -> np.ndarray:
        """n 64-bit draws."""
        with self._lock:
            if n <= _FEW:
                halves = self._twister.random_raw(2 * n).reshape(n, 2)
                return halves[:, 0] << _U64(32) | halves[:, 1]
            return self._draw.integers(0, (1 << 64) - 1, size=n, dtype=_U64, endpoint=True)

    # ---- distributions

    def _uniform64(self, n: int) -> np.ndarray:
        bits = self.bits64(n)
        bits &= _U64(_53_BITS)
        out = bits.view(np.int64).astype(np.float64)
        out *= 2.0**-53
        return out

    def _uniform32(self, n: int) -> np.ndarray:
        bits = self.bits32(n)
        bits &= _U32((1 << 24) - 1)
        out = bits.view(np.int32).astype(np.float32)
        out *= np.float32(2.0**-24)
        return out

    def uniform(self, n: int, dtype: np.dtype, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        """Numbers in [low, high); narrow dtypes are drawn in float32 and never round up to `high`."""
        if dtype == np.float64:
            out = self._uniform64(n)
            if (low, high) != (0.0, 1.0):
                out *= high - low
                out += low
            return out
        out = self._uniform32(n)
        if (low, high) != (0.0, 1.0):
            low32, high32 = np.float32(low), np.float32(high)
            wide = out.astype(np.float64)  # PyTorch's is a fused multiply-add
            wide *= np.float64(high32 - low32)
            wide += np.float64(low32)
            out = wide.astype(np.float32)
        if dtype != np.float32 or (low, high) != (0.0, 1.0):
            out = out.astype(dtype, copy=False)
            out[out == np.asarray(high).astype(dtype)] = np.asarray(low).astype(dtype)
        return out

    def normal(
        self, n: int, dtype: np.dtype, mean: float = 0.0, std: float = 1.0, *, serial: bool = False
    ) -> np.ndarray:
        """Normal numbers.  serial: the way PyTorch fills a tensor that is not contiguous."""
        if n < BLOCK or serial:
            out = np.array(self._normal_pairs(n, mean, std), np.float64)
            return out if dtype == np.float64 else out.astype(np.float32).astype(dtype, copy=False)
        with self._lock:
            whole = n - n % BLOCK
            wide = dtype == np.float64
            draw, transform = (
                (self._uniform64, normal_float64) if wide else (self.bits32, normal_float32)
            )
            # float32 and float64 draw n numbers, narrow dtypes only whole blocks
            drawn = draw(n if dtype in (np.float32, np.float64) else whole)
            out = transform(drawn[:whole], mean, std)
            if whole != n:  # the last 16 are drawn again
                last = transform(draw(BLOCK), mean, std)
                out = np.concatenate((out[: n - BLOCK], last))
        return out.astype(dtype, copy=False)

    def _normal_pairs(self, n: int, mean: float, std: float) -> list[float]:
        with self._lock:
            numbers = [] if self._kept is None else [self._kept]
            self._kept = None
            pairs = max(n - len(numbers) + 1, 0) // 2
            draws = iter(self._twister.random_raw(4 * pairs).tolist())
            for high1, low1, high2, low2 in zip(draws, draws, draws, draws, strict=True):
                first = ((high1 << 32 | low1) & _53_BITS) * 2.0**-53
                second = ((high2 << 32 | low2) & _53_BITS) * 2.0**-53
                radius = math.sqrt(-2.0 * math.log1p(-second))
                angle = 2.0 * math.pi * first
                numbers += (radius * math.cos(angle), radius * math.sin(angle))
            if len(numbers) > n:
                self._kept = numbers.pop()
        return [number * std + mean for number in numbers]

    def integers(self, n: int, low: int, high: int, dtype: np.dtype) -> np.ndarray:
        """Integers in [low, high), in any dtype."""
        if dtype.kind not in "iub":
            low, high = _representable(low, high, dtype)
        span = high - low
        if span >= _MANY:
            bits = self.bits64(n)
            if span >= 1 << 64:  # the one range that 64 bits fill
                return bits.view(np.int64).astype(dtype, copy=False)
            bits %= _U64(span)
            out = bits.view(np.int64)
        else:
            bits = self.bits32(n)
            bits %= _U32(span)
            out = bits.view(np.int32).astype(np.int64)
        with np.errstate(over="ignore"):
            out += np.int64(low)
        return out.astype(dtype, copy=False)

    def full_range(self, n: int, dtype: np.dtype) -> np.ndarray:
        """What `Tensor.random_()` draws: all non-negative integers, or [0, 2**digits] for floats."""
        if dtype == np.int64:
            return (self.bits64(n) & _U64((1 << 63) - 1)).view(np.int64)
        if dtype == np.float64:
            return (self.bits64(n) % _U64((1 << 53) + 1)).astype(np.float64)
        bits = self.bits32(n)
        if dtype == np.bool_:
            return (bits & _U32(1)).astype(np.bool_)
        if dtype.kind in "iu":
            return (bits % _U32(np.iinfo(dtype).max + 1)).astype(dtype)
        return (bits % _U32((1 << _digits(dtype)) + 1)).astype(dtype)

    def bernoulli(self, n: int, p: float) -> np.ndarray:
        """Booleans that are True with probability p."""
        bits = self.bits64(n)
        bits &= _U64(_53_BITS)
        return bits.view(np.int64) < _threshold(p)

    def bernoulli_each(self, p: np.ndarray) -> np.ndarray:
        """Booleans that are True with the probability given for each."""
        flat = np.ascontiguousarray(p).reshape(-1)
        if flat.dtype == np.float64:
            return self._uniform64(flat.size) < flat
        return self._uniform32(flat.size) < flat.astype(np.float32, copy=False)

    def exponential(self, n: int, dtype: np.dtype, rate: float = 1.0) -> np.ndarray:
        """Exponential numbers with the given rate."""
        uniform = self._uniform64(n)
        np.negative(uniform, out=uniform)
        np.log1p(uniform, out=uniform)
        uniform *= -1.0 / rate
        return uniform.astype(dtype, copy=False)

    def geometric(self, n: int, dtype: np.dtype, p: float) -> np.ndarray:
        """Number of trials up to the first success."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.ceil(np.log(self._uniform64(n)) / math.log1p(-p)).astype(dtype)

    def cauchy(
        self, n: int, dtype: np.dtype, median: float = 0.0, sigma: float = 1.0
    ) -> np.ndarray:
        """Cauchy numbers."""
        return (median + sigma * np.tan(np.pi * (self._uniform64(n) - 0.5))).astype(dtype)

    def log_normal(
        self, n: int, dtype: np.dtype, mean: float = 1.0, std: float = 2.0
    ) -> np.ndarray:
        """Numbers whose logarithm is normal."""
        return np.exp(np.array(self._normal_pairs(n, mean, std), np.float64)).astype(dtype)

    def multinomial(self, weights: np.ndarray, n: int) -> np.ndarray:
        """For each row of `weights` draw n indices, with replacement.  Rows must be valid."""
        total = np.cumsum(
            weights, axis=-1, dtype=np.float64 if weights.dtype == np.float64 else np.float32
        )
        total /= total[:, -1:]
        total[:, -1] = 1
        uniform = self._uniform64(n * len(total)).reshape(len(total), n)
        rows = zip(total, uniform, strict=True)
        return np.array(
            [np.searchsorted(t.astype(np.float64), u) for t, u in rows], np.int64
        ).reshape(-1, n)

    def permutation(self, n: int) -> np.ndarray:
        """A random order of range(n), as int64."""
        if n < 2:
            return np.arange(n)
        if n >= _HUGE_PERMUTATION:
            partner = self.bits64(n - 1)
            partner %= np.arange(n, 1, -1, dtype=_U64)
        else:
            partner = self.bits32(n - 1)
            partner %= np.arange(n, 1, -1, dtype=_U32)
        partner = partner.astype(np.int64)
        partner += np.arange(n - 1)
        return _swaps_in_a_loop(partner) if n < _LOOP_PERMUTATION else _swaps(partner)


def _digits(dtype: np.dtype) -> int:
    """Bits of a float dtype's significand, the hidden one included."""
    return {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}[dtype.name]


def _representable(low: int, high: int, dtype: np.dtype) -> tuple[int, int]:
    """Move the ends of [low, high) inwards where `dtype` would round a number out of the range."""
    up = int(np.float64(np.float64(low + 1).astype(dtype)))
    if up < low:
        low = up + (1 << max(abs(low + 1).bit_length() - _digits(dtype), 0))
    down = int(np.float64(np.float64(high - 1).astype(dtype)))
    if down >= high:
        high = down - (1 << max(abs(high - 1).bit_length() - _digits(dtype), 0))
    return low, high


def _threshold(p: float) -> int:
    """The smallest k with k * 2**-53 >= p: a uniform number is below p if its 53 bits are below k."""
    return math.ceil(p * 2.0**53)


def _swaps_in_a_loop(partner: np.ndarray) -> np.ndarray:
    """Swap elements i and partner[i] of range(n) for i = 0, 1, ..."""
    order = list(range(len(partner) + 1))
    for i, j in enumerate(partner.tolist()):
        order[i], order[j] = order[j], order[i]
    return np.array(order, np.int64)


def _swaps(partner: np.ndarray) -> np.ndarray:
    """The same with arrays, for long orders.

    After step i, position i is final: it holds what stood at position partner[i] =: j.  That is what an
    earlier step k (the last with partner[k] = j) put there, namely the content of position k at step k,
    which again an earlier step put there, and so on down to a step whose position was untouched.
    The chains are followed all at once by pointer doubling.
    """
    n = len(partner) + 1
    j = np.empty(n, np.int64)
    j[:-1], j[-1] = partner, n - 1
    key = j << 32  # n < 2**31: memory ends sooner
    key |= np.arange(n)
    key.sort()
    step = key.astype(np.int32)  # the low half: steps, grouped by the partner they chose, in order
    key >>= 32
    same = key[1:] == key[:-1]
    before = np.full(n, -1, np.int32)  # before[i]: the last step before i that chose i's partner
    before[step[1:][same]] = step[:-1][same]
    # root[i]: the last step before i that chose position i, else i.  A step that chose its own
    # position comes after those, so it is left out.
    last = np.flatnonzero(np.append(~same, True))  # the last of each group
    own = key[last] == step[last]
    root = np.arange(n, dtype=np.int32)
    root[key[last][~own]] = step[last][~own]
    followed = before[key[last][own]]
    root[key[last][own]] = np.where(followed < 0, key[last][own], followed)
    while True:
        following = root.take(root)
        if np.array_equal(following, root):
            break
        root = following
    return np.where(before < 0, j, root.take(before, mode="clip"))
