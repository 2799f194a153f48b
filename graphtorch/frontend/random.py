"""Random tensors and generators: the same seed gives PyTorch's numbers (`random_stream.py`).

Draws from the default generator are ops, so a compiled function draws anew at every call.  Draws from
another generator are made at once; a function that makes them is left to eager by the compiler.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..ir import ops
from ..ir.dispatch import _stack
from ..ir.ops.random import set_generator
from ..ir.types import DType, bool_, int64
from . import promotion
from .device import CPU, device, resolve
from .functional.wrapping import into, scalar_name
from .random_stream import RandomStream
from .size import sizes
from .tensor import Tensor, wrap

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
        self._stream = RandomStream(_DEFAULT_SEED)

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
        self.stream = generator._stream

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
default_generator.seed()
_default_draws = Draws(default_generator)
set_generator(_default_draws)


def _leave(why: str) -> None:
    tracer = _stack.top
    if tracer is not None:
        tracer.leave(why)  # type: ignore[attr-defined]


def _draws(generator: Generator | None, what: str) -> Draws:
    """Where to draw at once, outside a graph."""
    _leave(f"{what} is drawn at once and would be the same at every call")
    return _default_draws if generator is None else Draws(generator)


# ---- seeding


def manual_seed(seed: int) -> Generator:
    """Start the default generator from a seed and return it."""
    _leave("manual_seed() starts the generator again at every call")
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Start the default generator from a seed of the operating system and return it."""
    _leave("seed() starts the generator again at every call")
    return default_generator.seed()


def initial_seed() -> int:
    """The seed the default generator last started from."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The default generator's state as bytes, in PyTorch's layout."""
    _leave("get_rng_state() reads the generator")
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Put the default generator back into a state."""
    _leave("set_rng_state() changes the generator")
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


# ---- new tensors




def _new(
    name: str,
    shape: tuple[int, ...],
    dtype: DType,
    generator: Generator | None,
    *,
    device: Any = None,
    requires_grad: bool = False,
    out: Tensor | None = None,
    **attrs: Any,
) -> Tensor:
    if min(shape, default=0) < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(shape)}: {list(shape)}")
    if generator is None or generator is default_generator:
        result = getattr(ops, name)(shape=shape, dtype=dtype, **attrs)
    else:
        result = wrap(getattr(_draws(generator, "a generator's number"), name)(shape, dtype.numpy, **attrs))
    where = resolve(device) if device is not None else None
    if where is not None:
        result = result.to(where)
    if out is not None:
        return into(out, result)
    return result.requires_grad_() if requires_grad else result


def _float_dtype(dtype: DType | None, kernel: str) -> DType:
    dtype = dtype or promotion.get_default_dtype()
    if dtype.kind != "f":
        raise RuntimeError(f"\"{kernel}\" not implemented for '{scalar_name(dtype)}'")
    return dtype


def _size(args: tuple, size: Any) -> tuple[int, ...]:
    return sizes(args) if size is None else sizes((size,))


def rand(
    *args: Any, size: Any = None, generator: Generator | None = None, out: Tensor | None = None,
    dtype: DType | None = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False, names: Any = None,
) -> Tensor:  # fmt: skip
    """Uniform numbers in [0, 1).

    >>> import graphtorch as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.rand(2)
    tensor([0.4963, 0.7682])
    """
    dtype = _float_dtype(dtype or (out.dtype if out is not None else None), "check_uniform_bounds")
    options = {"device": device, "requires_grad": requires_grad, "out": out}
    return _new("uniform", _size(args, size), dtype, generator, low=0.0, high=1.0, **options)


def randn(
    *args: Any, size: Any = None, generator: Generator | None = None, out: Tensor | None = None,
    dtype: DType | None = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False, names: Any = None,
) -> Tensor:  # fmt: skip
    """Standard normal numbers.

    >>> import graphtorch as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.randn(3)
    tensor([ 1.5410, -0.2934, -2.1788])
    """
    dtype = _float_dtype(dtype or (out.dtype if out is not None else None), "normal_kernel_cpu")
    options = {"device": device, "requires_grad": requires_grad, "out": out}
    return _new("normal", _size(args, size), dtype, generator, mean=0.0, std=1.0, **options)


def _range(low: int, high: int, dtype: DType) -> tuple[int, int]:
    """Check the ends of [low, high)."""
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    if dtype.kind in "iu":
        limits = np.iinfo(dtype.numpy)
        smallest, largest = int(limits.min), int(limits.max)
    elif dtype is bool_:
        smallest, largest = 0, 1
    else:
        return low, high
    if not smallest <= low <= largest:
        raise RuntimeError(f"from is out of bounds for {_C_NAMES.get(dtype.name, dtype.name)}")
    if not smallest <= high - 1 <= largest:
        raise RuntimeError(f"to - 1 is out of bounds for {_C_NAMES.get(dtype.name, dtype.name)}")
    return low, high


_C_NAMES = {
    "int64": "long", "int32": "int", "int16": "short int", "int8": "signed char", "uint8": "unsigned char",
}  # fmt: skip


def randint(
    *args: Any, low: int | None = None, high: int | None = None, size: Any = None,
    generator: Generator | None = None, out: Tensor | None = None, dtype: DType | None = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Integers in [low, high): `randint(high, size)` or `randint(low, high, size)`."""
    given = list(args)
    if size is None:
        if not given:
            raise TypeError("randint() missing the argument 'size'")
        size = given.pop()
    if high is None:
        if not given:
            raise TypeError("randint() missing the argument 'high'")
        high = given.pop()
    if given:
        low = given.pop()
    dtype = dtype or (int64 if out is None else out.dtype)
    low, high = _range(int(low or 0), int(high), dtype)
    options = {"device": device, "requires_grad": requires_grad, "out": out}
    return _new("randint", sizes((size,)), dtype, generator, low=low, high=high, **options)


def randperm(
    n: int, *, generator: Generator | None = None, out: Tensor | None = None, dtype: DType | None = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """0 to n - 1 in random order."""
    n = int(n)
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got{n}")
    dtype = dtype or (int64 if out is None else out.dtype)
    if generator is None or generator is default_generator:
        result = ops.randperm(n=n, dtype=dtype)
    else:
        result = wrap(_draws(generator, "a generator's permutation").randperm(n, dtype.numpy))
    if device is not None and resolve(device) is not None:
        result = result.to(device)
    if out is not None:
        return into(out, result)
    return result.requires_grad_() if requires_grad else result


def _like(input: Tensor, options: dict[str, Any]) -> dict[str, Any]:
    options.pop("memory_format", None)
    if options.get("dtype") is None:
        options["dtype"] = input.dtype
    if options.get("device") is None and input._device is not None:
        options["device"] = input._device
    return options


def rand_like(input: Tensor, **options: Any) -> Tensor:
    """`rand` of the shape, dtype and device of `input`."""
    return rand(tuple(input.shape), **_like(input, options))


def randn_like(input: Tensor, **options: Any) -> Tensor:
    """`randn` of the shape, dtype and device of `input`."""
    return randn(tuple(input.shape), **_like(input, options))


def randint_like(input: Tensor, low: int, high: int | None = None, **options: Any) -> Tensor:
    """`randint` of the shape, dtype and device of `input`; `randint_like(input, high)` starts at 0."""
    if high is None:
        low, high = 0, low
    return randint(low, high, tuple(input.shape), **_like(input, options))


def normal(
    mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None,
    out: Tensor | None = None, dtype: DType | None = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Normal numbers; mean and standard deviation are numbers (with `size`) or tensors."""
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        if size is None:
            raise TypeError("normal() missing the argument 'size'")
        _check_std(std)
        dtype = _float_dtype(dtype, "normal_kernel_cpu")
        options = {"device": device, "requires_grad": requires_grad, "out": out}
        return _new("normal", sizes((size,)), dtype, generator, mean=float(mean), std=float(std), **options)
    parts = [x for x in (mean, std) if isinstance(x, Tensor)]
    dtype = promotion.result_type(*parts) if len(parts) == 2 else parts[0].dtype
    shape = promotion.common_shape(tuple(tuple(x.shape) for x in parts))
    if isinstance(std, Tensor):
        if std.numel() and not bool((std >= 0).all()):
            raise RuntimeError("normal expects all elements of std >= 0.0")
        result = _new("normal", shape, dtype, generator, mean=0.0, std=1.0) * std + mean
    else:
        _check_std(std)
        result = _new("normal", shape, dtype, generator, mean=0.0, std=float(std)) + mean
    return result if out is None else into(out, result)


def _check_std(std: float) -> None:
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")


def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None, out: Tensor | None = None) -> Tensor:
    """1 with the probability given for each element, or with probability p for all."""
    if p is not None:
        _check_probability(p)
        result = _new("bernoulli_fill", tuple(input.shape), input.dtype, generator, p=float(p))
    elif generator is None or generator is default_generator:
        _check_probabilities(input)
        result = ops.bernoulli(input.detach())
    else:
        _check_probabilities(input)
        result = wrap(_draws(generator, "a generator's number").bernoulli(input._array))
    return result if out is None else into(out, result)


def _check_probability(p: float) -> None:
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")


def _check_probabilities(p: Tensor) -> None:
    if p.dtype.kind != "f":
        raise RuntimeError(f"bernoulli expects floating-point probabilities, got {p.type_}")
    array = p._array
    if _stack.top is None and array.size and not (array.min() >= 0 and array.max() <= 1):
        raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.")


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Positions drawn in proportion to `input`, row by row; int64."""
    if generator is None or generator is default_generator:
        result = ops.multinomial(input.detach(), num_samples=int(num_samples), replacement=bool(replacement))
    else:
        ops.multinomial.infer(input.type_, num_samples=int(num_samples), replacement=bool(replacement))
        draws = _draws(generator, "a generator's number")
        result = wrap(draws.multinomial(input._array, int(num_samples), bool(replacement)))
    return result if out is None else into(out, result)
