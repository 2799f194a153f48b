"""Derivatives against central differences in float64.

Every input element is moved by eps in both directions; the change of every output, projected by a
fixed random vector, must match the gradient that `backward` gives for that vector.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..frontend.autograd import grad as _grad
from ..frontend.grad_mode import enable_grad, no_grad
from ..frontend.tensor import Tensor, wrap


class GradcheckError(RuntimeError):
    """A gradient differs from its numerical estimate."""


def _outputs(found: Any) -> list[Tensor]:
    return [
        x
        for x in (found if isinstance(found, (tuple, list)) else (found,))
        if isinstance(x, Tensor)
    ]


def _checked(inputs: tuple[Any, ...]) -> list[Tensor]:
    wanted = [x for x in inputs if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )
    for x in wanted:
        if x._array.dtype != np.float64:
            raise GradcheckError(
                f"gradcheck wants float64 inputs (differences in {x.dtype!r} are too coarse)"
            )
    return wanted


def _numerical(
    function: Callable,
    inputs: tuple[Any, ...],
    x: Tensor,
    projections: list[np.ndarray],
    eps: float,
) -> np.ndarray:
    def value() -> float:
        with no_grad():
            found = [y for y in _outputs(function(*inputs)) if y._array.dtype.kind == "f"]
        return float(
            sum(
                (y._array.astype(np.float64) * p).sum()
                for y, p in zip(found, projections, strict=True)
            )
        )

    estimate = np.empty(x._array.shape)
    for place in np.ndindex(*x._array.shape):
        middle = x._array[place]
        x._array[place] = middle + eps
        above = value()
        x._array[place] = middle - eps
        below = value()
        x._array[place] = middle
        estimate[place] = (above - below) / (2 * eps)
    return estimate


def gradcheck(
    func: Callable, inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
    raise_exception: bool = True, nondet_tol: float = 0.0, check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False, check_batched_grad: bool = False, fast_mode: bool = False, **_: Any,
) -> bool:  # fmt: skip
    """Whether the gradients of `func` agree with differences; raises GradcheckError if they do not.

    inputs: float64 tensors with requires_grad=True (others are passed through).
    """
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    wanted = _checked(args)
    random = np.random.default_rng(0)
    with enable_grad():
        found = [y for y in _outputs(func(*args)) if y._array.dtype.kind == "f"]
        projections = [random.uniform(0.5, 1.5, y._array.shape) for y in found]
        roots = [(y, p) for y, p in zip(found, projections, strict=True) if y.requires_grad]
        if not roots:
            raise ValueError("none of the outputs require grad")
        gradients = _grad(
            [y for y, _ in roots],
            wanted,
            [wrap(p.astype(y._array.dtype)) for y, p in roots],
            allow_unused=True,
        )
    for number, (x, gradient) in enumerate(zip(wanted, gradients, strict=True)):
        analytic = np.zeros(x._array.shape) if gradient is None else gradient._array
        estimate = _numerical(func, args, x, projections, eps)
        if not np.allclose(analytic, estimate, rtol, atol):
            if not raise_exception:
                return False
            raise GradcheckError(
                f"Jacobian mismatch for output 0 with respect to input {number},\n"
                f"numerical:{estimate!r}\nanalytical:{analytic!r}\n"
            )
    return True


def gradgradcheck(
    func: Callable, inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-6, atol: float = 1e-5,
    rtol: float = 1e-3, raise_exception: bool = True, **_: Any,
) -> bool:  # fmt: skip
    """`gradcheck` of the gradient."""
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    wanted = _checked(args)
    found = [y for y in _outputs(func(*args)) if y.requires_grad]
    if grad_outputs is None:
        random = np.random.default_rng(1)
        cotangents = [wrap(random.standard_normal(y._array.shape)).requires_grad_() for y in found]
    else:
        cotangents = _outputs(grad_outputs)

    def gradient(*rest: Any) -> tuple[Tensor, ...]:
        given, vectors = rest[: len(args)], rest[len(args) :]
        with enable_grad():
            outputs = [y for y in _outputs(func(*given)) if y.requires_grad]
            got = _grad(outputs, wanted, list(vectors), create_graph=True, allow_unused=True)
        return tuple(g for g in got if g is not None)

    return gradcheck(
        gradient,
        (*args, *cotangents),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
    )
