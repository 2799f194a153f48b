"""Generators: streams of random numbers that start from a seed, with PyTorch's numbers.

The default generator is what the random ops draw from (`ir/ops/random.py`).
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..ir.dispatch import _stack
from ..ir.ops.random import set_generator
from .device import CPU, device
from .random_stream import RandomStream
from .tensor import Tensor, wrap

_starting = threading.Lock()
_DEFAULT_SEED = 67280421310721  # what PyTorch gives a new Generator


class Generator:
    """A stream of random numbers; PyTorch's CPU generator.

    >>> import graphtorch as torch
    >>> g = torch.Generator().manual_seed(0)
    >>> torch.rand(2, generator=g)
    tensor([0.4963, 0.7682])
    """

    def __init__(self, device: Any = "cpu"):
        where = _device(device)
        if where.type != "cpu":
            raise RuntimeError(f"graphtorch has CPU generators only, not {where}")
        self._first_seed = _DEFAULT_SEED
        self._started: RandomStream | None = None

    @property
    def _stream(self) -> RandomStream:
        """Made at the first draw: importing NumPy's generators takes longer than most of this package."""
        if self._started is None:
            with _starting:
                self._started = self._started or RandomStream(self._first_seed)
        return self._started

    @property
    def device(self) -> device:
        """Where the generator works: the CPU."""
        return CPU

    def manual_seed(self, seed: int) -> Generator:
        """Start again from a 64-bit seed (negative ones wrap around) and return self."""
        self._stream.seed(_checked_seed(seed))
        return self

    def seed(self) -> int:
        """Start from a seed of the operating system and return it."""
        seed = int.from_bytes(os.urandom(8), "little")
        self._stream.seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed last started from."""
        return self._stream.initial_seed

    def get_state(self) -> Tensor:
        """The state as bytes, in PyTorch's layout."""
        return wrap(self._stream.state())

    def set_state(self, new_state: Tensor) -> Generator:
        """Go back to a state that `get_state` gave."""
        if not isinstance(new_state, Tensor):
            raise TypeError(f"expected a torch.ByteTensor, but got {type(new_state).__name__}")
        if new_state._array.dtype != np.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        self._stream.set_state(new_state._array)
        return self

    def clone_state(self) -> Generator:
        """A new generator in the same state."""
        return Generator().set_state(self.get_state())

    def __reduce__(self) -> tuple:
        return (_restored, (self.get_state(),))

    def __repr__(self) -> str:
        return f"<torch._C.Generator object at {hex(id(self))}>"


_device = device


def _restored(state: Tensor) -> Generator:
    return Generator().set_state(state)


def _checked_seed(seed: Any) -> int:
    seed = int(seed)
    if not -(1 << 63) <= seed < 1 << 64:
        raise RuntimeError("Overflow when unpacking long long")
    return seed % (1 << 64)


class Draws:
    """Arrays of any shape from one generator: what the random ops and the functions below call."""

    def __init__(self, generator: Generator):
        self.generator = generator

    @property
    def stream(self) -> RandomStream:
        return self.generator._stream

    def uniform(self, shape: tuple, dtype: np.dtype, low: float, high: float) -> np.ndarray:
        """Uniform in [low, high)."""
        return self.stream.uniform(_count(shape), dtype, low, high).reshape(shape)

    def normal(self, shape: tuple, dtype: np.dtype, mean: float, std: float) -> np.ndarray:
        """Normal."""
        return self.stream.normal(_count(shape), dtype, mean, std).reshape(shape)

    def normal_serial(self, shape: tuple, dtype: np.dtype, mean: float, std: float) -> np.ndarray:
        """Normal, drawn the way PyTorch fills tensors that are not contiguous."""
        return self.stream.normal(_count(shape), dtype, mean, std, serial=True).reshape(shape)

    def exponential(self, shape: tuple, dtype: np.dtype, rate: float) -> np.ndarray:
        """Exponential."""
        return self.stream.exponential(_count(shape), dtype, rate).reshape(shape)

    def geometric(self, shape: tuple, dtype: np.dtype, p: float) -> np.ndarray:
        """Geometric."""
        return self.stream.geometric(_count(shape), dtype, p).reshape(shape)

    def cauchy(self, shape: tuple, dtype: np.dtype, median: float, sigma: float) -> np.ndarray:
        """Cauchy."""
        return self.stream.cauchy(_count(shape), dtype, median, sigma).reshape(shape)

    def log_normal(self, shape: tuple, dtype: np.dtype, mean: float, std: float) -> np.ndarray:
        """Log-normal."""
        return self.stream.log_normal(_count(shape), dtype, mean, std).reshape(shape)

    def randint(self, shape: tuple, dtype: np.dtype, low: int, high: int) -> np.ndarray:
        """Integers in [low, high)."""
        return self.stream.integers(_count(shape), low, high, dtype).reshape(shape)

    def full_range(self, shape: tuple, dtype: np.dtype) -> np.ndarray:
        """All non-negative integers of the dtype."""
        return self.stream.full_range(_count(shape), dtype).reshape(shape)

    def randperm(self, n: int, dtype: np.dtype) -> np.ndarray:
        """A random order of 0 to n - 1."""
        return self.stream.permutation(n).astype(dtype, copy=False)

    def bernoulli(self, p: np.ndarray) -> np.ndarray:
        """1 with the probability given for each element."""
        return self.stream.bernoulli_each(p).reshape(p.shape).astype(p.dtype)

    def bernoulli_fill(self, shape: tuple, dtype: np.dtype, p: float) -> np.ndarray:
        """1 with probability p."""
        return self.stream.bernoulli(_count(shape), p).reshape(shape).astype(dtype)

    def multinomial(self, weights: np.ndarray, n: int, replacement: bool) -> np.ndarray:
        """Indices drawn in proportion to the weights, row by row."""
        if replacement and n > 1:
            rows = np.atleast_2d(weights)
            return self.stream.multinomial(rows, n).reshape(*weights.shape[:-1], n)
        race = self.stream.exponential(weights.size, weights.dtype).reshape(weights.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            score = (weights / race).astype(np.float64)
        if n == 1:
            return score.argmax(axis=-1, keepdims=True)
        return np.argsort(-score, axis=-1, kind="stable")[..., :n]


def _count(shape: tuple) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


default_generator = Generator()
default_generator._first_seed = int.from_bytes(os.urandom(8), "little")  # like PyTorch's
default_draws = Draws(default_generator)
set_generator(default_draws)


def leave(why: str) -> None:
    tracer = _stack.top
    if tracer is not None:
        tracer.leave(why)  # type: ignore[attr-defined]


def draws_of(generator: Generator | None, what: str) -> Draws:
    """Where to draw at once, outside a graph."""
    leave(f"{what} is drawn at once and would be the same at every call")
    return default_draws if generator is None else Draws(generator)


# ---- seeding


def manual_seed(seed: int) -> Generator:
    """Start the default generator from a seed and return it."""
    leave("manual_seed() starts the generator again at every call")
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Start the default generator from a seed of the operating system and return it."""
    leave("seed() starts the generator again at every call")
    return default_generator.seed()


def initial_seed() -> int:
    """The seed the default generator last started from."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The default generator's state as bytes, in PyTorch's layout."""
    leave("get_rng_state() reads the generator")
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Put the default generator back into a state."""
    leave("set_rng_state() changes the generator")
    default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng(
    devices: Any = None,
    enabled: bool = True,
    _caller: str = "fork_rng",
    _devices_kw: str = "devices",
    device_type: str = "cuda",
) -> Iterator[None]:
    """Run a block and put the default generator back as it was."""
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
