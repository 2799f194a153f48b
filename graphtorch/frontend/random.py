"""Random tensors: the same seed gives PyTorch's numbers (`random_stream.py`).

Draws from the default generator are ops, so a compiled function draws anew at every call.  Draws from
another generator are made at once; a function that makes them is left to eager by the compiler.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ir import ops
from ..ir.dispatch import _stack
from ..ir.ops.complex import part_of
from ..ir.types import DType, bool_, int64
from . import promotion
from .device import resolve
from .functional.wrapping import beside, check_apart, into, scalar_name
from .generator import Generator as Generator
from .generator import default_draws, draws_of
from .generator import default_generator as default_generator
from .generator import fork_rng as fork_rng
from .generator import get_rng_state as get_rng_state
from .generator import initial_seed as initial_seed
from .generator import manual_seed as manual_seed
from .generator import seed as seed
from .generator import set_rng_state as set_rng_state
from .size import sizes
from .tensor import Tensor, wrap


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
    if shape and min(shape) < 0:
        raise RuntimeError(
            f"Trying to create tensor with negative dimension {min(shape)}: {list(shape)}"
        )
    where = resolve(device)
    if where is not None and where.type == "meta":  # nothing is drawn
        from .meta import meta_tensor

        result = meta_tensor(shape, dtype)
        return result.requires_grad_() if requires_grad else result
    own = generator is None or generator is default_generator
    if own and _stack.top is not None:
        result = getattr(ops, name)(shape=shape, dtype=dtype, **attrs)
    else:  # what the op does, without its way through the interpreter
        draws = default_draws if own else draws_of(generator, "a generator's number")
        result = wrap(getattr(draws, name)(shape, dtype.numpy, **attrs))
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


def _of_parts(parts: Tensor, out: Tensor | None, requires_grad: bool) -> Tensor:
    """Complex numbers from [..., 2] random ones."""
    result = ops.copy(ops.view_as_complex(parts))
    if out is not None:
        return into(out, result)
    return result.requires_grad_() if requires_grad else result


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
    if dtype is not None and dtype.kind == "c":
        parts = rand(
            *_size(args, size), 2, generator=generator, dtype=part_of(dtype), device=device
        )
        return _of_parts(parts, out, requires_grad)
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
    if dtype is not None and dtype.kind == "c":  # each part has half of the variance
        parts = randn(
            *_size(args, size), 2, generator=generator, dtype=part_of(dtype), device=device
        )
        return _of_parts(ops.mul(parts, math.sqrt(0.5)), out, requires_grad)
    dtype = _float_dtype(dtype or (out.dtype if out is not None else None), "normal_kernel_cpu")
    options = {"device": device, "requires_grad": requires_grad, "out": out}
    return _new("normal", _size(args, size), dtype, generator, mean=0.0, std=1.0, **options)


def _range(low: int, high: int, dtype: DType) -> tuple[int, int]:
    """Check the ends of [low, high)."""
    if low >= high:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )
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
        result = wrap(draws_of(generator, "a generator's permutation").randperm(n, dtype.numpy))
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


def randint_like(
    input: Tensor, *args: int, low: int = 0, high: int | None = None, **options: Any
) -> Tensor:
    """`randint` of the shape, dtype and device of `input`; `randint_like(input, high)` starts at 0."""
    if len(args) == 2:
        low, high = args
    elif args and high is None:
        high = args[0]
    elif args:
        low = args[0]
    if high is None:
        raise TypeError("randint_like() missing the argument 'high'")
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
        return _new(
            "normal", sizes((size,)), dtype, generator, mean=float(mean), std=float(std), **options
        )
    parts = [x for x in (mean, std) if isinstance(x, Tensor)]
    dtype = promotion.result_type(*parts) if len(parts) == 2 else parts[0].dtype
    shape = promotion.common_shape(tuple(tuple(x.shape) for x in parts))
    if isinstance(std, Tensor):
        if std.numel() and not bool((std >= 0).all()):
            raise RuntimeError("normal expects all elements of std >= 0.0")
        mean_ = mean.detach() if isinstance(mean, Tensor) else mean
        result = _new("normal", shape, dtype, generator, mean=0.0, std=1.0) * std.detach() + mean_
    else:
        _check_std(std)
        result = _new("normal", shape, dtype, generator, mean=0.0, std=float(std)) + mean.detach()
    if out is not None:
        return into(out, result)
    for x in parts:  # a draw has a gradient of zero
        if x._array.shape == shape:
            result = beside(x, result)
        elif x.requires_grad:
            result = beside(ops.expand(x, shape=shape), result)
    return result if out is None else into(out, result)


def _check_std(std: float) -> None:
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")


def bernoulli(
    input: Tensor,
    p: float | None = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """1 with the probability given for each element, or with probability p for all."""
    if p is not None:
        _check_probability(p)
        result = _new("bernoulli_fill", tuple(input.shape), input.dtype, generator, p=float(p))
    elif generator is None or generator is default_generator:
        _check_probabilities(input)
        result = ops.bernoulli(input.detach())
    else:
        _check_probabilities(input)
        result = wrap(draws_of(generator, "a generator's number").bernoulli(input._array))
    if out is not None:
        check_apart(out)
    elif p is None:
        result = beside(input, result)
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
    if input._array.dtype.kind not in "fV":
        raise RuntimeError(
            "multinomial only supports floating-point dtypes for input, got:"
            f" {scalar_name(input.dtype)}"
        )
    if out is not None and out._array.dtype != np.int64:
        raise RuntimeError(f"multinomial expects Long tensor out, got: {scalar_name(out.dtype)}")
    options = {"num_samples": int(num_samples), "replacement": bool(replacement)}
    ops.multinomial.infer(input.type_, **options)  # checks the shapes
    if generator is None or generator is default_generator:
        result = ops.multinomial(input.detach(), **options)
    else:
        draws = draws_of(generator, "a generator's number")
        result = wrap(draws.multinomial(input._array, int(num_samples), bool(replacement)))
    return result if out is None else into(out, result)
