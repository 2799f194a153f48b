"""Whole Jacobians and Hessians, and their products with vectors, by repeated reverse mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..frontend.autograd import grad as _grad
from ..frontend.functional.conversion import view_of
from ..frontend.functional.joining import stack
from ..frontend.grad_mode import enable_grad
from ..frontend.tensor import Tensor
from ..ir import ops


def _tuple(x: Any) -> tuple[Tensor, ...]:
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


def _fresh(inputs: Any, create_graph: bool) -> tuple[Tensor, ...]:
    return tuple(
        view_of(x) if create_graph and x.requires_grad else x.detach().requires_grad_()
        for x in _tuple(inputs)
    )


def _zeros(x: Tensor) -> Tensor:
    return ops.full(shape=x._array.shape, value=0, dtype=x.dtype)


def _rows(y: Tensor, inputs: tuple[Tensor, ...], create_graph: bool) -> list[Tensor]:
    """d(y)/d(x) for every input, of shape y.shape + x.shape."""
    flat = ops.reshape(y, shape=(y._array.size,))
    rows: list[list[Tensor]] = [[] for _ in inputs]
    for i in range(y._array.size):
        found: Any = [None] * len(inputs)
        if y.requires_grad:
            found = _grad(
                flat[i],
                list(inputs),
                retain_graph=True,
                create_graph=create_graph,
                allow_unused=True,
            )
        for row, x, g in zip(rows, inputs, found, strict=True):
            row.append(_zeros(x) if g is None else g)
    return [
        ops.reshape(stack(row), shape=y._array.shape + x._array.shape)
        if row
        else ops.full(shape=y._array.shape + x._array.shape, value=0, dtype=x.dtype)
        for row, x in zip(rows, inputs, strict=True)
    ]


def jacobian(
    func: Callable, inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """The Jacobian of `func`: a tensor, or tuples over outputs and inputs."""
    with enable_grad():
        given = _fresh(inputs, create_graph)
        outputs = func(*given)
        blocks = tuple(tuple(_rows(y, given, create_graph)) for y in _tuple(outputs))
    if not isinstance(inputs, (tuple, list)):
        blocks = tuple(b[0] for b in blocks)  # type: ignore[misc]
    return blocks if isinstance(outputs, (tuple, list)) else blocks[0]


def hessian(
    func: Callable, inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """The Hessian of a function with a scalar result."""

    def gradient(*given: Tensor) -> Any:
        y = func(*given)
        if y._array.size != 1:
            raise RuntimeError(
                "The output of the function given to hessian should be a single element"
            )
        found = _grad(y, list(given), create_graph=True, allow_unused=True)
        filled = tuple(_zeros(x) if g is None else g for x, g in zip(given, found, strict=True))
        return filled if isinstance(inputs, (tuple, list)) else filled[0]

    return jacobian(gradient, inputs, create_graph=create_graph)


def vjp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """The outputs, and v times the Jacobian."""
    with enable_grad():
        given = _fresh(inputs, create_graph)
        outputs = func(*given)
        cotangents = None if v is None else list(_tuple(v))
        found = _grad(
            list(_tuple(outputs)),
            list(given),
            cotangents,
            create_graph=create_graph,
            allow_unused=True,
        )
    filled = tuple(_zeros(x) if g is None else g for x, g in zip(given, found, strict=True))
    return _plain(outputs, create_graph), filled if isinstance(inputs, (tuple, list)) else filled[0]


def jvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """The outputs, and the Jacobian times v (reverse mode applied twice)."""
    with enable_grad():
        given = _fresh(inputs, create_graph)
        outputs = func(*given)
        ys = _tuple(outputs)
        dual = [_zeros(y).requires_grad_() for y in ys]
        first = _grad(list(ys), list(given), dual, create_graph=True, allow_unused=True)
        tangents = (
            _tuple(v)
            if v is not None
            else tuple(ops.full(shape=x._array.shape, value=1, dtype=x.dtype) for x in given)
        )
        pairs = [(g, t) for g, t in zip(first, tangents, strict=True) if g is not None]
        found = _grad(
            [g for g, _ in pairs],
            dual,
            [t for _, t in pairs],
            create_graph=create_graph,
            allow_unused=True,
        )
    filled = tuple(_zeros(y) if g is None else g for y, g in zip(ys, found, strict=True))
    return _plain(outputs, create_graph), filled if isinstance(outputs, (tuple, list)) else filled[
        0
    ]


def hvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """The value of a scalar function, and its Hessian times v."""
    with enable_grad():
        given = _fresh(inputs, create_graph)
        y = func(*given)
        first = _grad(y, list(given), create_graph=True, allow_unused=True)
        tangents = (
            _tuple(v)
            if v is not None
            else tuple(ops.full(shape=x._array.shape, value=1, dtype=x.dtype) for x in given)
        )
        pairs = [
            (g, t)
            for g, t in zip(first, tangents, strict=True)
            if g is not None and g.requires_grad
        ]
        found: Any = [None] * len(given)
        if pairs:
            found = _grad(
                [g for g, _ in pairs],
                list(given),
                [t for _, t in pairs],
                create_graph=create_graph,
                allow_unused=True,
            )
    filled = tuple(_zeros(x) if g is None else g for x, g in zip(given, found, strict=True))
    return _plain(y, create_graph), filled if isinstance(inputs, (tuple, list)) else filled[0]


def vhp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """The value of a scalar function, and v times its Hessian (which is symmetric)."""
    return hvp(func, inputs, v, create_graph, strict)


def _plain(outputs: Any, create_graph: bool) -> Any:
    if create_graph:
        return outputs
    return (
        tuple(y.detach() for y in outputs)
        if isinstance(outputs, (tuple, list))
        else outputs.detach()
    )
