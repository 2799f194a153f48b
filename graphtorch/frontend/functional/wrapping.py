"""What the public functions share: argument errors, `out=`, in-place variants, function factories.

sqrt = float_unary(ops.sqrt)        ->  torch.sqrt(input, *, out=None)
sqrt_ = inplace(sqrt)               ->  Tensor.sqrt_()
"""

from __future__ import annotations

import contextvars
import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import message
from ...ir import dispatch, ops
from ...ir.dispatch import _stack
from ...ir.op import Op
from ...ir.types import BY_NUMPY, DType, bool_
from .. import promotion
from ..grad_mode import state as grad_state
from ..tensor import Tensor, wrap

bind = dispatch.bind

_silent = contextvars.Context()
_silent.run(np.seterr, all="ignore")
_fresh = _silent.copy

# PyTorch's C++ names, used in its messages
SCALAR_NAMES = {
    "float64": "Double", "float32": "Float", "float16": "Half", "bfloat16": "BFloat16",
    "int64": "Long", "int32": "Int", "int16": "Short", "int8": "Char", "uint8": "Byte",
    "bool": "Bool", "complex64": "ComplexFloat", "complex128": "ComplexDouble",
    "uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64", "float8_e4m3fn": "Float8_e4m3fn",
    "float8_e5m2": "Float8_e5m2", "float8_e4m3fnuz": "Float8_e4m3fnuz", "float8_e5m2fnuz": "Float8_e5m2fnuz",
}  # fmt: skip

C_NAMES = {
    "float64": "double", "float32": "float", "float16": "c10::Half", "bfloat16": "c10::BFloat16",
    "int64": "long int", "int32": "int", "int16": "short int", "int8": "signed char",
    "uint8": "unsigned char", "bool": "bool", "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>", "uint16": "unsigned short", "uint32": "unsigned int",
    "uint64": "unsigned long", "float8_e4m3fn": "c10::Float8_e4m3fn", "float8_e5m2": "c10::Float8_e5m2",
    "float8_e4m3fnuz": "c10::Float8_e4m3fnuz", "float8_e5m2fnuz": "c10::Float8_e5m2fnuz",
}  # fmt: skip


def scalar_name(dtype: DType) -> str:
    """PyTorch's internal name of a dtype: `Long` for int64."""
    return SCALAR_NAMES[dtype.name]


def not_tensor(function: str, argument: str, position: int, value: Any) -> TypeError:
    """The error for an argument that should be a Tensor."""
    return TypeError(
        message(
            f"{function}(): argument '{argument}' (position {position}) must be Tensor, not"
            f" {type(value).__name__}"
        )
    )


def check_tensor(function: str, value: Any, argument: str = "input", position: int = 1) -> Tensor:
    """`value` if it is a Tensor; raises TypeError otherwise."""
    if not isinstance(value, Tensor):
        raise not_tensor(function, argument, position, value)
    return value


def tensor_list(function: str, tensors: Any) -> list[Tensor]:
    """A list of Tensors from any sequence of them."""
    if isinstance(tensors, Tensor):
        if tensors._array.ndim == 0:
            raise TypeError(
                f"{function}(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor"
            )
        return list(tensors)  # type: ignore[call-overload]
    found = list(tensors)
    for i, x in enumerate(found):
        if not isinstance(x, Tensor):
            raise TypeError(
                f"expected Tensor as element {i} in argument 0, but got {type(x).__name__}"
            )
    return found


def into(out: Tensor, result: Tensor) -> Tensor:
    """Store a result in the tensor given as `out=` and return that.

    Raises RuntimeError where the dtype does not fit; a buffer of another shape is replaced.
    """
    if not promotion.can_cast(result.dtype, out.dtype):
        raise RuntimeError(
            message(
                f"result type {scalar_name(result.dtype)} can't be cast to the desired output type"
                f" {scalar_name(out.dtype)}",
                operands={"result": result.type_, "out": out.type_},
            )
        )
    if (out.requires_grad or result.requires_grad) and grad_state.enabled:
        raise RuntimeError(
            "functions with out=... arguments don't support automatic differentiation, but one of"
            " the arguments requires grad."
        )
    result = promotion.cast(result, out.dtype)
    if out._array.shape != result._array.shape:
        if _stack.top is not None:
            raise RuntimeError(message("out= of another shape cannot be compiled"))
        out._array = np.empty(result._array.shape, out._array.dtype)
    return out._write(result)


def into_all(outs: Any, results: tuple[Any, ...]) -> list[Tensor]:
    """`into` for functions with several results."""
    return [into(o, r) for o, r in zip(outs, results, strict=True)]


def accepts_out(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the function also takes `out=`, a tensor (or as many as it has results) to fill."""

    @functools.wraps(function)
    def with_out(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        if out is None:
            return function(*args, **kwargs)
        result = function(*args, **kwargs)
        if isinstance(result, Tensor):
            return into(out, result)
        for target in out:
            check_apart(target, *args, *kwargs.values())
        stored = into_all(out, result)
        return type(result)(*stored) if hasattr(result, "_fields") else type(result)(stored)

    return _signed(with_out, function)


def _signed(with_out: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """Show `out` in the signature."""
    known = inspect.signature(function)
    parameters = list(known.parameters.values())
    place = len(parameters) - (parameters[-1].kind is inspect.Parameter.VAR_KEYWORD)
    out = inspect.Parameter("out", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Any)
    parameters.insert(place, out)
    with_out.__signature__ = known.replace(parameters=parameters)
    return with_out


def accepts_out_apart(function: Callable[..., Any]) -> Callable[..., Any]:
    """`accepts_out` with the results' dtypes; `out` must not share memory with an input."""

    @functools.wraps(function)
    def with_out(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if out is None:
            return result
        one = isinstance(result, Tensor)
        for target, part in ((out, result),) if one else zip(out, result, strict=True):
            check_apart(target, *args, *kwargs.values())
            if target._array.dtype != part._array.dtype:
                raise RuntimeError(
                    message(
                        f"Expected out tensor to have dtype {part.dtype}, but got {target.dtype} instead",
                        operands={"result": part.type_, "out": target.type_},
                    )
                )
        return into(out, result) if one else type(result)(*into_all(out, result))

    return _signed(with_out, function)


def beside(input: Tensor, result: Tensor) -> Tensor:
    """`result` (of the input's shape and dtype) as a value with a gradient of zero to `input`."""
    if not (grad_state.enabled and input.requires_grad):
        return result
    never = ops.full(shape=input._array.shape, value=False, dtype=bool_)
    return ops.where(never, input, result)


def check_apart(out: Tensor, *inputs: Any) -> None:
    """Raise RuntimeError if `out` shares memory with an input, or holds an element twice."""
    if out._array.size > 1 and 0 in out._array.strides:
        _check_single(out)
    for x in inputs:
        if isinstance(x, (list, tuple)):
            check_apart(out, *x)
        elif isinstance(x, Tensor) and (x is out or np.may_share_memory(out._array, x._array)):
            raise RuntimeError(
                message(
                    "unsupported operation: some elements of the input tensor and the written-to tensor"
                    " refer to a single memory location. Please clone() the tensor before performing the"
                    " operation.",
                    operands={"input": x.type_, "out": out.type_},
                )
            )


def _check_single(out: Tensor) -> None:
    shape, strides = out._array.shape, out._array.strides
    if any(n > 1 and s == 0 for n, s in zip(shape, strides, strict=True)):
        raise RuntimeError(
            message(
                "unsupported operation: more than one element of the written-to tensor refers to a single"
                " memory location. Please clone() the tensor before performing the operation.",
                operands={"out": out.type_},
            )
        )


def fit(target: Tensor, value: Tensor) -> Tensor:
    """`value` in `target`'s dtype, for an in-place write; raises RuntimeError if it does not fit."""
    array, goal = value._array, target._array
    if array.shape != goal.shape:
        try:
            fits = promotion.common_shape((goal.shape, array.shape)) == goal.shape
        except RuntimeError as error:
            raise promotion.shape_error(error, self=target, value=value) from None
        if not fits:
            raise RuntimeError(
                message(
                    f"output with shape {list(goal.shape)} doesn't match the broadcast shape"
                    f" {list(array.shape)}",
                    operands={"self": target.type_, "value": value.type_},
                )
            )
        value = ops.expand(value, shape=goal.shape)
    if array.dtype != goal.dtype:
        if not promotion.can_cast(value.dtype, target.dtype):
            raise RuntimeError(
                message(
                    f"result type {scalar_name(value.dtype)} can't be cast to the desired output"
                    f" type {scalar_name(target.dtype)}",
                    operands={"self": target.type_, "value": value.type_},
                )
            )
        value = ops.cast(value, dtype=target.dtype)
    return value


def inplace(function: Callable[..., Tensor], name: str = "") -> Callable[..., Tensor]:
    """The variant of `function` that writes its result into its first argument."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return self._write(fit(self, function(self, *args, **kwargs)))

    method.__name__ = method.__qualname__ = name or function.__name__ + "_"
    method.__doc__ = f"Write `{function.__name__}(self, ...)` into this tensor and return it."
    return method


def plain_write(x: Tensor) -> bool:
    """Whether `x` may be written with NumPy alone: no tracer, no history to keep.

    The caller bumps the version with `touched`.
    """
    return (
        _stack.top is None
        and not (
            grad_state.enabled and (x._requires_grad or x._node is not None or x._view is not None)
        )
        and x._array.flags.writeable
    )


def touched(x: Tensor) -> Tensor:
    """Note that `x`'s buffer was written in place."""
    x._count_write()
    return x


def silently(function: Callable[..., Any], *args: Any) -> Any:
    """Run a NumPy function without floating-point warnings."""
    return _fresh().run(function, *args)


def concrete(x: Tensor) -> np.ndarray:
    """The values of `x`, taken out of the program: a tracer guards on them."""
    tracer = _stack.top
    if tracer is not None:
        tracer.read_value(x)  # type: ignore[attr-defined]
    if x._device is not None and x._device.type == "meta":
        from ..meta import no_data

        raise no_data(x)
    return x._array


def fresh(array: np.ndarray, device: Any = None) -> Tensor:
    """A tensor made from Python data; a tracer takes its values for constants."""
    tensor = wrap(array)
    if device is not None:
        tensor._device = device
    tracer = _stack.top
    if tracer is not None:
        tracer._remember(tensor, None)  # type: ignore[attr-defined]
    return tensor


def named(function: Any, name: str, doc: str) -> Any:
    """Give a made function its public name and docstring."""
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def refuse(kernel: str, input: Tensor, kinds: str) -> None:
    """Raise NotImplementedError, in PyTorch's words, if the dtype is of one of the NumPy kinds."""
    if input._array.dtype.kind in kinds:
        raise NotImplementedError(
            message(
                f"\"{kernel}\" not implemented for '{scalar_name(dtype_of(input))}'",
                operands={"input": input.type_},
            )
        )


def unary(op: Op, name: str = "", refuses: str = "", kernel: str = "") -> Callable[..., Tensor]:
    """A function of one tensor that keeps its dtype.

    refuses: NumPy kinds of dtypes it is not defined for; kernel: PyTorch's name for it in the error.
    """
    name = name or op.name
    kernel = kernel or f"{name}_cpu"

    def function(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        if not isinstance(input, Tensor):
            raise not_tensor(name, "input", 1, input)
        if refuses:
            refuse(kernel, input, refuses)
        result = bind(op, (input,), {})
        return result if out is None else into(out, result)

    return named(function, name, f"`{name}` of every element.")


def float_unary(op: Op, name: str = "") -> Callable[..., Tensor]:
    """A function of one tensor that is computed in floating point (integers are converted)."""
    name = name or op.name

    def function(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        if not isinstance(input, Tensor):
            raise not_tensor(name, "input", 1, input)
        if input._array.dtype.kind not in "fVc":
            input = ops.cast(input, dtype=promotion.get_default_dtype())
        result = bind(op, (input,), {})
        return result if out is None else into(out, result)

    return named(function, name, f"`{name}` of every element; integers are converted to floats.")


def binary(
    op: Op, name: str = "", *, floats: bool = False, scalars: str = "both",
    refuses: str = "", kernel: str = "",
) -> Callable[..., Tensor]:  # fmt: skip
    """A function of two operands with promotion and broadcasting.

    floats: integers are converted to the default dtype.  scalars: where a Python number may be
    passed: "" (nowhere), "other" (as second operand), "one" (as one of the two), "both".
    refuses, kernel: as for `unary`, of the promoted dtype.
    """
    name = name or op.name
    kernel = kernel or f"{name}_cpu"

    def function(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
        try:
            x, y = input._array, other._array
            if x.dtype is y.dtype and x.shape == y.shape and not (floats and x.dtype.kind in "iub"):
                if refuses:
                    refuse(kernel, input, refuses)
                result = bind(op, (input, other), {})
                return result if out is None else into(out, result)
        except AttributeError:
            check_operands(name, input, other, scalars)
        dtype = None
        if floats:
            dtype = promotion.result_type(input, other)
            if dtype.kind in "iub":
                dtype = promotion.get_default_dtype()
        pair = promotion.operands(input, other, dtype)
        if refuses:
            refuse(kernel, pair[0] if isinstance(pair[0], Tensor) else pair[1], refuses)
        result = bind(op, pair, {})
        return result if out is None else into(out, result)

    return named(
        function, name, f"`{name}` of every pair of elements, with broadcasting and promotion."
    )


def check_operands(name: str, input: Any, other: Any, scalars: str = "both") -> None:
    """Raise TypeError unless both are tensors or, where `scalars` allows it (see `binary`), numbers."""
    first, second = isinstance(input, Tensor), isinstance(other, Tensor)
    if not first and not (
        scalars in ("one", "both") and promotion.is_number(input) and (second or scalars == "both")
    ):
        raise not_tensor(name, "input", 1, input)
    if not second and not (scalars and promotion.is_number(other)):
        raise not_tensor(name, "other", 2, other)


def dtype_of(x: Tensor) -> DType:
    """The dtype of a tensor."""
    return BY_NUMPY[x._array.dtype]
