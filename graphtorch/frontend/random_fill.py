"""Methods that fill a tensor with random numbers in place: `uniform_`, `normal_`, ..."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ir import ops
from ..ir.dispatch import _stack
from .functional.wrapping import scalar_name
from .generator import Generator, draws_of
from .random import (
    _check_probability,
    _check_std,
    _new,
    _range,
    bernoulli,
    multinomial,
)
from .tensor import Tensor, wrap


def _fill(self: Tensor, name: str, generator: Generator | None, **attrs: Any) -> Tensor:
    """Fill in the order PyTorch does: along memory, for a tensor that is dense but permuted."""
    array = self._array
    if not array.flags.c_contiguous and array.ndim > 1:
        order = sorted(range(array.ndim), key=lambda d: -abs(array.strides[d]))
        shape = tuple(array.shape[d] for d in order)
        back = tuple(int(d) for d in np.argsort(order))
        drawn = _drawn(self, name, shape, generator, attrs)
        return self._write(drawn if order == sorted(order) else ops.permute(drawn, dims=back))
    return self._write(_drawn(self, name, array.shape, generator, attrs))


def _drawn(
    self: Tensor, name: str, shape: tuple, generator: Generator | None, attrs: dict[str, Any]
) -> Tensor:
    if name in ("uniform", "normal", "exponential", "bernoulli_fill", "randint"):
        return _new(name, shape, self.dtype, generator, device=self._device, **attrs)
    drawn = wrap(
        getattr(draws_of(generator, f"{name}'s number"), name)(shape, self._array.dtype, **attrs)
    )
    return drawn if self._device is None else drawn.to(self._device)


def _need_float(self: Tensor, kernel: str) -> None:
    if self.dtype.kind != "f":
        raise RuntimeError(f"\"{kernel}\" not implemented for '{scalar_name(self.dtype)}'")


def uniform_(
    self: Tensor,
    from_: float = 0.0,
    to: float = 1.0,
    *,
    generator: Generator | None = None,
    **old: Any,
) -> Tensor:
    """Fill with uniform numbers in [from, to)."""
    from_ = old.pop("from", from_)
    if self.dtype.kind == "c":
        uniform_(ops.view_as_real(self), from_, to, generator=generator)
        return self
    _need_float(self, "check_uniform_bounds")
    if from_ > to:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={from_} > to={to}"
        )
    return _fill(self, "uniform", generator, low=float(from_), high=float(to))


def normal_(
    self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with normal numbers; std is that of a complex number, half of its variance is in each part."""
    if self.dtype.kind == "c":
        normal_(ops.view_as_real(self), mean, std / math.sqrt(2), generator=generator)
        return self
    _need_float(self, "normal_kernel_cpu")
    _check_std(std)
    contiguous = self._array.flags.c_contiguous or self._array.size < 16
    name = "normal" if contiguous or _stack.top is not None else "normal_serial"
    return _fill(self, name, generator, mean=float(mean), std=float(std))


def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with exponential numbers of rate lambd."""
    if self.dtype.kind != "f":
        raise RuntimeError(
            "Exponential distribution is a continuous probability distribution. dtype must be a floating point"
            f" but you specified {scalar_name(self.dtype)}"
        )
    if lambd <= 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    return _fill(self, "exponential", generator, rate=float(lambd))


def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Fill with the number of trials up to the first success of probability p."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    return _fill(self, "geometric", generator, p=float(p))


def cauchy_(
    self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with Cauchy numbers."""
    _need_float(self, "cauchy_cpu")
    if sigma <= 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
    return _fill(self, "cauchy", generator, median=float(median), sigma=float(sigma))


def log_normal_(
    self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with numbers whose logarithm is normal."""
    _need_float(self, "log_normal_cpu")
    if std <= 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std}")
    return _fill(self, "log_normal", generator, mean=float(mean), std=float(std))


def random_(
    self: Tensor, *args: Any, generator: Generator | None = None, to: Any = None, **options: Any
) -> Tensor:
    """Fill with integers: `random_()` over the dtype's range, `random_(to)`, `random_(from, to)`.

    `random_(from, None)` goes up to the dtype's largest number.
    """
    if not args and to is None and "from" not in options:
        return _fill(self, "full_range", generator)
    if len(args) == 1 and to is None and "from" not in options:
        low, high = 0, args[0]
    else:
        given = list(args)
        low = options.pop("from") if "from" in options else given.pop(0) if given else 0
        high = given.pop(0) if given else to
    if high is None:
        whole = self.dtype.kind in "iu"
        high = int(np.iinfo(self._array.dtype).max) + 1 if whole else 1 << 24
        if self.dtype.name == "int64" and low == -(1 << 63):
            return _fill(self, "randint", generator, low=low, high=1 << 63)
    return _fill(
        self,
        "randint",
        generator,
        **dict(zip(("low", "high"), _range(int(low), int(high), self.dtype))),
    )


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill with ones with probability p (a number or a tensor), else zeros."""
    if isinstance(p, Tensor):
        expanded = p.detach().expand(self.shape)
        return self._write(bernoulli(expanded, generator=generator).to(self.dtype))
    _check_probability(p)
    return _fill(self, "bernoulli_fill", generator, p=float(p))


METHODS = {
    "uniform_": uniform_, "normal_": normal_, "exponential_": exponential_, "geometric_": geometric_,
    "cauchy_": cauchy_, "log_normal_": log_normal_, "random_": random_, "bernoulli_": bernoulli_,
    "bernoulli": bernoulli, "multinomial": multinomial,
}  # fmt: skip

for _name, _method in METHODS.items():
    setattr(Tensor, _name, _method)

__all__ = ["METHODS", *METHODS]
