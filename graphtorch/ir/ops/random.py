"""Random draws.  They are kept, once each and in order, so that the stream of numbers is PyTorch's.

The numbers come from `generator`, which the frontend sets: this room does not know how PyTorch
turns a seed into numbers.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from ... import errors
from ..op import Op, declare
from ..types import DType, TensorType, float32, int64
from .inference import operands_message, require, require_kind
from .kernels import Array

Shape = tuple[int, ...]


class Generator(Protocol):
    """What draws the numbers; every method returns an array of the shape and dtype asked for."""

    def uniform(self, shape: Shape, dtype: np.dtype[Any], low: float, high: float) -> Array: ...
    def normal(self, shape: Shape, dtype: np.dtype[Any], mean: float, std: float) -> Array: ...
    def exponential(self, shape: Shape, dtype: np.dtype[Any], rate: float) -> Array: ...
    def randint(self, shape: Shape, dtype: np.dtype[Any], low: int, high: int) -> Array: ...
    def randperm(self, n: int, dtype: np.dtype[Any]) -> Array: ...
    def bernoulli(self, p: Array) -> Array: ...
    def bernoulli_fill(self, shape: Shape, dtype: np.dtype[Any], p: float) -> Array: ...
    def multinomial(self, weights: Array, n: int, replacement: bool) -> Array: ...


generator: Generator | None = None


def set_generator(new: Generator) -> None:
    """Draw from `new` from now on."""
    global generator
    generator = new


def _generator() -> Generator:
    if generator is None:
        raise RuntimeError("no random generator is set: import graphtorch")
    return generator


def _shaped(*, shape: Shape, dtype: DType, **attrs: Any) -> TensorType:
    if min(shape, default=0) < 0:
        raise RuntimeError(
            errors.message(f"Trying to create tensor with negative dimension: {list(shape)}")
        )
    return TensorType(dtype, tuple(shape))


def _draw(name: str, **row: Any) -> Op:
    """A row that fills a shape; attributes besides shape and dtype go to the generator by name."""

    def numpy(*, shape: Shape, dtype: DType, **attrs: Any) -> Array:
        drawn: Array = getattr(_generator(), name)(shape, dtype.numpy, **attrs)
        return drawn

    return declare(name, "random", "", _shaped, numpy, effect=True, vjp=(), **row)


def _float_draw(name: str, **attrs: float) -> Op:
    return _draw(name, samples=lambda: [((), {"shape": (3, 5), "dtype": float32, **attrs})])


# uniform(shape=, dtype=, low=, high=): in [low, high)
uniform = _float_draw("uniform", low=-1.0, high=2.0)
# normal(shape=, dtype=, mean=, std=)
normal = _float_draw("normal", mean=1.0, std=0.5)
# exponential(shape=, dtype=, rate=)
exponential = _float_draw("exponential", rate=1.0)
# bernoulli_fill(shape=, dtype=, p=): 1 with probability p, else 0
bernoulli_fill = _float_draw("bernoulli_fill", p=0.25)
# randint(shape=, dtype=, low=, high=): integers in [low, high)
randint = _draw(
    "randint", samples=lambda: [((), {"shape": (3, 5), "dtype": int64, "low": -2, "high": 3})]
)  # fmt: skip

# randperm(n=, dtype=): 0 to n - 1 in random order
randperm = declare(
    "randperm", "random", "", lambda *, n, dtype: TensorType(dtype, (n,)),
    lambda *, n, dtype: _generator().randperm(n, dtype.numpy), effect=True, vjp=(),
    samples=lambda: [((), {"n": 7, "dtype": int64})],
)  # fmt: skip


def _bernoulli_type(p: TensorType) -> TensorType:
    require_kind("bernoulli", p, "f")
    return p


# bernoulli(p): for every element 1 with probability p, else 0, in p's dtype
bernoulli = declare(
    "bernoulli", "random", "p", _bernoulli_type, lambda p: _generator().bernoulli(p), effect=True,
    samples=lambda: [((np.array([0, 0.25, 1], np.float32),), {})],
)  # fmt: skip


def _multinomial_type(p: TensorType, *, num_samples: int, replacement: bool = False) -> TensorType:
    require_kind("multinomial", p, "f")
    require(p.ndim in (1, 2), "prob_dist must be 1 or 2 dim", p=p)
    if num_samples <= 0:
        raise RuntimeError(operands_message("cannot sample n_sample <= 0 samples", p=p))
    require(
        replacement or num_samples <= p.shape[-1],
        "cannot sample n_sample > prob_dist.size(-1) samples without replacement",
        p=p,
    )
    return TensorType(int64, (*p.shape[:-1], num_samples))


def _multinomial(p: Array, *, num_samples: int, replacement: bool = False) -> Array:
    if p.size and not (np.isfinite(p).all() and (p >= 0).all()):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if not (p.sum(axis=-1) > 0).all():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    return _generator().multinomial(p, num_samples, replacement)


# multinomial(p, num_samples=, replacement=False): positions drawn in proportion to p, row by row
multinomial = declare(
    "multinomial", "random", "p", _multinomial_type, _multinomial, effect=True,
    samples=lambda: [((np.array([[0, 2, 1], [1, 0, 0]], np.float32),), {"num_samples": 1, "replacement": True})],
)  # fmt: skip


# ---- dropout


def _dropout_type(x: TensorType, mask: TensorType, *, p: float) -> TensorType:
    require_kind("dropout", x, "f")
    require(mask == x, "dropout: the mask must be of x's shape and dtype", x=x, mask=mask)
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    return x


def _scale(p: float) -> float:
    return 0.0 if p == 1 else 1 / (1 - p)


def _dropout(x: Array, mask: Array, *, p: float) -> Array:
    scaled: Array = mask * x.dtype.type(_scale(p))
    scaled *= x
    return scaled


def _dropout_samples() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    from .samples import flags
    from .samples import normal as sample

    mask = flags(3, 5).astype(np.float32)
    return [((sample(3, 5), mask), {"p": 0.25}), ((sample(3, 5), 0 * mask), {"p": 1.0})]


# dropout(x, mask, p=): x * mask / (1 - p), the mask drawn by bernoulli_fill(p=1-p)
dropout: Op = declare(
    "dropout", "composite", "x mask", _dropout_type, _dropout,
    decompose=lambda x, mask, *, p: x * (mask * _scale(p)),
    vjp=(lambda g, mask, p: dropout(g, mask, p=p), lambda g, x, p: g * (x * _scale(p))), samples=_dropout_samples,
)  # fmt: skip
