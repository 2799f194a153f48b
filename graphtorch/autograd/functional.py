"""Whole Jacobians and Hessians, and their products with vectors.

`torch.func` has the same as transforms of functions; here are PyTorch's older forms, on the tape of
tensors that require gradients.  vectorize=True runs all rows of a Jacobian at once, as a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import absent as absent
from ..frontend.autograd import grad as _grad
from ..frontend.functional.conversion import view_of
from ..frontend.functional.joining import stack
from ..frontend.grad_mode import enable_grad
from ..frontend.tensor import Tensor
from ..ir import ops


def _tuple(x: Any, name: str, what: str) -> tuple[Tensor, ...]:
    found = tuple(x) if isinstance(x, (tuple, list)) else (x,)
    for i, part in enumerate(found):
        if not isinstance(part, Tensor):
            where = f"Value at index {i} of the {name}" if isinstance(x, (tuple, list)) else f"The {name}"  # fmt: skip
            raise TypeError(
                f"The {name} given to {what} must be either a Tensor or a tuple of Tensors but the"
                f" {where} has type {type(part)}."
            )
    return found


def _inputs(inputs: Any, what: str, create_graph: bool) -> tuple[Tensor, ...]:
    """Fresh leaves; with create_graph aliases that keep the history of the inputs."""
    return tuple(
        [
            view_of(x) if create_graph and x.requires_grad else x.detach().requires_grad_()
            for x in _tuple(inputs, "inputs", what)
        ]
    )


def _outputs(found: Any, what: str, strict: bool) -> tuple[Tensor, ...]:
    outputs = _tuple(found, "outputs of the user-provided function", what)
    if strict:
        for i, y in enumerate(outputs):
            if not y.requires_grad:
                raise RuntimeError(
                    f"Output {i} of the user-provided function does not require gradients. The outputs must"
                    " be computed in a differentiable manner from the input when running in strict mode."
                )
    return outputs


def _check_vectors(v: tuple[Tensor, ...], others: tuple[Tensor, ...], many: bool) -> None:
    if len(v) != len(others):
        if many:
            raise RuntimeError(
                f"v is a tuple of invalid length: should be {len(others)} but got {len(v)}."
            )
        raise RuntimeError("The given v should contain a single Tensor.")
    for i, (a, b) in enumerate(zip(v, others, strict=True)):
        if a._array.shape != b._array.shape:
            where = f"Entry {i} in " if many else ""
            raise RuntimeError(
                f"{where}v has invalid size: should be {tuple(b._array.shape)} but got"
                f" {tuple(a._array.shape)}."
            )


def _zeros(x: Tensor) -> Tensor:
    return ops.full(shape=x._array.shape, value=0, dtype=x.dtype)


def _ones(x: Tensor) -> Tensor:
    return ops.full(shape=x._array.shape, value=1, dtype=x.dtype)


def _filled(found: Any, others: tuple[Tensor, ...], strict: bool, text: str) -> tuple[Tensor, ...]:
    """Zeros where there is no path; an error in strict mode."""
    filled = []
    for i, (g, x) in enumerate(zip(found, others, strict=True)):
        if g is None and strict:
            raise RuntimeError(text.format(i=i))
        filled.append(_zeros(x) if g is None else g)
    return tuple(filled)


_INDEPENDENT = "The output of the user-provided function is independent of input {i}. This is not allowed in strict mode."
_HESSIAN_INDEPENDENT = (
    "The jacobian of the user-provided function is independent of input {i}. This is not allowed in strict"
    " mode."
)


def _plain(values: Any, like: Any, create_graph: bool) -> Any:
    """Results in the structure of `like`, without history unless wanted."""
    found = values if create_graph else tuple([y.detach() for y in values])
    return tuple(found) if isinstance(like, (tuple, list)) else found[0]


def _gradients(
    outputs: Any, inputs: Any, cotangents: Any = None, create_graph: bool = False
) -> tuple[Any, ...]:
    """`grad` with None for inputs without a path, and for outputs without history."""
    cotangents = [None] * len(outputs) if cotangents is None else cotangents
    pairs = [(y, g) for y, g in zip(outputs, cotangents, strict=True) if y.requires_grad]
    if not pairs:
        return (None,) * len(inputs)
    return _grad(
        [y for y, _ in pairs], list(inputs), [g for _, g in pairs], create_graph=create_graph,
        allow_unused=True,
    )  # fmt: skip


# ---- products


def vjp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """(func(inputs), v times its Jacobian); v has the outputs' shapes, and may be left out for one number.

    >>> import graphtorch as torch
    >>> torch.autograd.functional.vjp(lambda x: x ** 2, torch.tensor([1.0, 2.0]), torch.ones(2))[1]
    tensor([2., 4.])
    """
    with enable_grad():
        given = _inputs(inputs, "vjp", create_graph)
        raw = func(*given)
        outputs = _outputs(raw, "vjp", strict)
        if v is None:
            if len(outputs) != 1 or outputs[0]._array.size != 1:
                raise RuntimeError(
                    "The vector v can only be None if the user-provided function returns a single Tensor with"
                    " a single element."
                )
            cotangents: Any = None
        else:
            cotangents = _tuple(v, "v", "vjp")
            _check_vectors(cotangents, outputs, isinstance(raw, (tuple, list)))
        found = _gradients(outputs, given, cotangents, create_graph)
        filled = _filled(found, given, strict, _INDEPENDENT)
    return _plain(outputs, raw, create_graph), _plain(filled, inputs, create_graph)


def jvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """(func(inputs), its Jacobian times v); v has the inputs' shapes, and may be left out for one number."""
    with enable_grad():
        given = _inputs(inputs, "jvp", create_graph)
        tangents = _directions(v, given, inputs, "jvp")
        raw = func(*given)
        outputs = _outputs(raw, "jvp", strict)
        dual = tuple([_zeros(y).requires_grad_() for y in outputs])
        first = _filled(_gradients(outputs, given, dual, True), given, strict, _INDEPENDENT)
        found = _gradients(first, dual, tangents, create_graph)
        filled = _filled(found, outputs, strict, "The output {i} is independent of the inputs.")
    return _plain(outputs, raw, create_graph), _plain(filled, raw, create_graph)


def _directions(v: Any, given: tuple[Tensor, ...], inputs: Any, what: str) -> tuple[Tensor, ...]:
    if v is not None:
        tangents = _tuple(v, "v", what)
        _check_vectors(tangents, given, isinstance(inputs, (tuple, list)))
        return tangents
    if len(given) != 1 or given[0]._array.size != 1:
        raise RuntimeError(
            "The vector v can only be None if the input to the user-provided function is a single Tensor with a"
            " single element."
        )
    return (_ones(given[0]),)


def _scalar(outputs: tuple[Tensor, ...], raw: Any, what: str) -> None:
    if isinstance(raw, (tuple, list)) or outputs[0]._array.size != 1:
        raise RuntimeError(
            f"The output of the function given to {what} should be a single Tensor with a single element"
        )


def _hessian_product(
    what: str, func: Callable, inputs: Any, v: Any, create_graph: bool, strict: bool
) -> Any:
    with enable_grad():
        given = _inputs(inputs, what, create_graph)
        tangents = _directions(v, given, inputs, what)
        raw = func(*given)
        outputs = _outputs(raw, what, strict)
        _scalar(outputs, raw, what)
        first = _filled(_gradients(outputs, given, None, True), given, strict, _INDEPENDENT)
        found = _gradients(first, given, tangents, create_graph)
        filled = _filled(found, given, strict, _HESSIAN_INDEPENDENT)
    return _plain(outputs, raw, create_graph), _plain(filled, inputs, create_graph)


def hvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """(func(inputs), its Hessian times v) of a function with one number as result."""
    return _hessian_product("hvp", func, inputs, v, create_graph, strict)


def vhp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """(func(inputs), v times its Hessian), which is symmetric."""
    return _hessian_product("vhp", func, inputs, v, create_graph, strict)


# ---- whole matrices


def _one_by_one(
    y: Tensor, inputs: tuple[Tensor, ...], create_graph: bool, strict: bool
) -> list[Tensor]:
    """d(y)/d(x) for every input, of shape y.shape + x.shape, a row at a time."""
    count = y._array.size
    flat = ops.reshape(y, shape=(count,))
    rows: list[list[Tensor]] = [[] for _ in inputs]
    for i in range(count):
        found: Any = [None] * len(inputs)
        if y.requires_grad:
            found = _grad(
                flat[i], list(inputs), retain_graph=True, create_graph=create_graph, allow_unused=True
            )  # fmt: skip
        for k, g in enumerate(_filled(found, inputs, strict, _INDEPENDENT)):
            if strict and create_graph and not g.requires_grad:
                raise RuntimeError(_HESSIAN_INDEPENDENT.format(i=k))
            rows[k].append(g)
    shape = y._array.shape
    return [
        ops.reshape(stack(row), shape=shape + x._array.shape)
        if row
        else ops.full(shape=shape + x._array.shape, value=0, dtype=x.dtype)
        for row, x in zip(rows, inputs, strict=True)
    ]


def _at_once(y: Tensor, inputs: tuple[Tensor, ...], create_graph: bool) -> list[Tensor]:
    """The same with all rows as one batch."""
    from ..func.derivatives import _basis

    shape = y._array.shape
    found: Any = [None] * len(inputs)
    if y.requires_grad and y._array.size:
        (rows,) = _basis([y])
        found = _grad(
            y, list(inputs), rows, retain_graph=True, create_graph=create_graph, allow_unused=True,
            is_grads_batched=True,
        )  # fmt: skip
    return [
        ops.full(shape=shape + x._array.shape, value=0, dtype=x.dtype)
        if g is None
        else ops.reshape(g, shape=shape + x._array.shape)
        for g, x in zip(found, inputs, strict=True)
    ]


def jacobian(
    func: Callable, inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """The Jacobian of `func`: a block of shape output.shape + input.shape for every output and input.

    One tensor for one output and one input, else tuples over the outputs, then over the inputs.
    vectorize: all rows at once.  strategy "forward-mode" (with vectorize) goes column by column.
    strict: raise RuntimeError where an output does not depend on an input.

    >>> import graphtorch as torch
    >>> torch.autograd.functional.jacobian(torch.exp, torch.zeros(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise ValueError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more'
            ' outputs than inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use'
            ' "reverse-mode".'
        )
    if strategy == "forward-mode":
        return _forward_jacobian(func, inputs, create_graph, strict, vectorize)
    if vectorize and strict:
        raise RuntimeError("torch.autograd.functional.jacobian: `strict=True` and `vectorize=True` are not supported together")  # fmt: skip
    with enable_grad():
        given = _inputs(inputs, "jacobian", create_graph)
        raw = func(*given)
        outputs = _outputs(raw, "jacobian", strict)
        blocks = [
            _at_once(y, given, create_graph)
            if vectorize
            else _one_by_one(y, given, create_graph, strict)
            for y in outputs
        ]
    found = [_plain(row, inputs, create_graph) for row in blocks]
    return tuple(found) if isinstance(raw, (tuple, list)) else found[0]


def _forward_jacobian(
    func: Callable, inputs: Any, create_graph: bool, strict: bool, vectorize: bool
) -> Any:
    if strict:
        raise RuntimeError('torch.autograd.functional.jacobian: `strict=True` and `strategy="forward-mode"` are not supported together')  # fmt: skip
    if not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is only implemented for"
            " `vectorize=True`."
        )
    from ..func.derivatives import jacfwd

    many = isinstance(inputs, (tuple, list))
    given = tuple([x if create_graph else x.detach() for x in _tuple(inputs, "inputs", "jacobian")])
    places: Any = tuple(range(len(given))) if many else 0
    found = jacfwd(func, places)(*given)
    return found if create_graph else _detached(found)


def _detached(tree: Any) -> Any:
    if isinstance(tree, (tuple, list)):
        return tuple([_detached(t) for t in tree])
    return tree.detach()


def hessian(
    func: Callable, inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """The Hessian of a function with one number as result: the Jacobian of its gradient."""
    if outer_jacobian_strategy not in ("reverse-mode", "forward-mode"):
        raise ValueError('Expected strategy to be either "reverse-mode" or "forward-mode".')
    forward = outer_jacobian_strategy == "forward-mode"
    many = isinstance(inputs, (tuple, list))

    def checked(*given: Tensor) -> Tensor:
        y = func(*given)
        _scalar(_tuple(y, "outputs of the user-provided function", "hessian"), y, "hessian")
        return ops.reshape(y, shape=())

    def gradient(*given: Tensor) -> Any:
        if forward:
            from ..func.derivatives import grad

            places: Any = tuple(range(len(given))) if many else 0
            return grad(checked, places)(*given)
        y = checked(*given)
        if strict and not y.requires_grad:
            raise RuntimeError(
                "The output of the user-provided function does not require gradients."
            )
        found = _gradients((y,), given, None, True)
        filled = _filled(found, given, strict, _INDEPENDENT)
        return filled if many else filled[0]

    return jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)


__getattr__ = absent.names_of(__name__)
