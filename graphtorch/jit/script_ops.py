"""What `torch.name(...)` and `ops.prim.name(...)` mean in TorchScript's code.

Serialised code calls operators by their schema: positional arguments, dtypes as numbers, scalar
arithmetic as functions.  Those that differ from the public functions are in `SPECIAL`; every other name
is the public function, or the method, of that name.  Nothing else can be called.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from ..errors import UnsupportedError, message
from ..frontend import grad_mode, overriding
from ..frontend.tensor import Tensor
from ..ir.types import BY_NAME, DType

_DTYPES = {
    0: "uint8", 1: "int8", 2: "int16", 3: "int32", 4: "int64", 5: "float16", 6: "float32", 7: "float64",
    9: "complex64", 10: "complex128", 11: "bool", 15: "bfloat16",
}  # fmt: skip
_IGNORED = ("layout", "pin_memory", "memory_format", "generator", "implicit")


def dtype_of(code: Any) -> Any:
    """The dtype of a number in the code."""
    if code is None or isinstance(code, DType):
        return code
    if code not in _DTYPES:
        raise UnsupportedError(message(f"TorchScript's scalar type {code} is not supported"))
    return BY_NAME[_DTYPES[code]]


def _scalar_or(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    """Python's operation for numbers, strings and lists; the tensor's function for tensors."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(a, Tensor) for a in args):
            return public(name)(*args, **kwargs)
        return plain(*args)

    return call


def _divide(a: Any, b: Any, rounding_mode: Any = None) -> Any:
    return a / b


def _remainder(a: Any, b: Any) -> Any:
    return a % b


def _slice(x: Any, *args: Any) -> Any:
    """slice(list, start, end, step), slice(tensor, dim, start, end, step)."""
    if not isinstance(x, Tensor):
        start, end, step = (*args, *(None, None, None))[:3]
        return x[slice(start, end, step)]
    dim, start, end, step = (*args, *(0, None, None, 1)[len(args) :])
    size = x._array.shape[dim]
    item: list[Any] = [slice(None)] * x._array.ndim
    end = None if end is None or end >= size else end
    item[dim] = slice(start, end, step)
    return x[tuple(item)]  # type: ignore[index]


def _index(x: Tensor, indices: list[Any]) -> Any:
    return x[tuple([slice(None) if i is None else i for i in indices])]  # type: ignore[index]


def _index_put(x: Tensor, indices: list[Any], values: Any, accumulate: bool = False) -> Any:
    key = tuple([slice(None) if i is None else i for i in indices])
    if accumulate:
        raise UnsupportedError(message("TorchScript: index_put_ with accumulate"))
    x[key] = values  # type: ignore[index]
    return x


def _to(x: Tensor, *args: Any, **kwargs: Any) -> Any:
    kept = [a for a in args if a is not None and not isinstance(a, bool)]
    kept = [dtype_of(a) if isinstance(a, int) else a for a in kept[:2]]
    if isinstance(kwargs.get("dtype"), int):
        kwargs["dtype"] = dtype_of(kwargs["dtype"])
    return x.to(*kept, **{k: v for k, v in kwargs.items() if v is not None and k not in _IGNORED})  # type: ignore[attr-defined]


def _conv(x: Any, w: Any, b: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
          output_padding: Any, groups: int, *_: Any) -> Any:  # fmt: skip
    from ..nn import functional

    dims = x._array.ndim - 2
    if transposed:
        function = getattr(functional, f"conv_transpose{dims}d")
        return function(x, w, b, stride, padding, output_padding, groups, dilation)
    return getattr(functional, f"conv{dims}d")(x, w, b, stride, padding, dilation, groups)


def _batch_norm(x: Any, w: Any, b: Any, mean: Any, var: Any, training: bool, momentum: float, eps: float,
                cudnn: bool = False) -> Any:  # fmt: skip
    from ..nn import functional

    return functional.batch_norm(x, mean, var, w, b, training, momentum, eps)


def _layer_norm(x: Any, shape: Any, w: Any = None, b: Any = None, eps: float = 1e-5, cudnn: bool = True) -> Any:  # fmt: skip
    from ..nn import functional

    return functional.layer_norm(x, shape, w, b, eps)


def _embedding(weight: Any, index: Any, padding_idx: int = -1, *_: Any) -> Any:
    from ..nn import functional

    return functional.embedding(index, weight)


def _pool(name: str) -> Callable[..., Any]:
    def call(x: Any, kernel: Any, stride: Any = (), *rest: Any) -> Any:
        from ..nn import functional

        return getattr(functional, name)(x, kernel, list(stride) or None, *rest)

    return call


def _lstm_cell(x: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    from ..nn import functional

    h, c = hx
    gates = functional.linear(x, w_ih, b_ih) + functional.linear(h, w_hh, b_hh)
    i, f, g, o = gates.chunk(4, 1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _gru_cell(x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    from ..nn import functional

    ri, zi, ni = functional.linear(x, w_ih, b_ih).chunk(3, 1)
    rh, zh, nh = functional.linear(h, w_hh, b_hh).chunk(3, 1)
    r, z = (ri + rh).sigmoid(), (zi + zh).sigmoid()
    n = (ni + r * nh).tanh()
    return n + z * (h - n)


def _recurrent(cell: str) -> Callable[..., Any]:
    """lstm/gru(input, hidden, weights, has_biases, layers, dropout, train, bidirectional, batch_first)."""

    def call(x: Any, hidden: Any, weights: Any, has_biases: bool, layers: int, dropout: float,
             train: bool, bidirectional: bool, batch_first: bool) -> Any:  # fmt: skip
        import graphtorch

        if dropout and train:
            raise UnsupportedError(message(f"TorchScript: {cell} with dropout in training mode"))
        step = _lstm_cell if cell == "lstm" else _gru_cell
        x = x.transpose(0, 1) if batch_first else x
        count, directions = 4 if has_biases else 2, 2 if bidirectional else 1
        states = list(zip(*hidden, strict=True)) if cell == "lstm" else list(hidden)
        final = []
        for layer in range(layers):
            outputs = []
            for direction in range(directions):
                k = layer * directions + direction
                w = weights[k * count : (k + 1) * count]
                state, steps = states[k], []
                for t in range(len(x))[:: -1 if direction else 1]:
                    state = step(x[t], state, *w)
                    steps.append(state[0] if cell == "lstm" else state)
                outputs.append(graphtorch.stack(steps[:: -1 if direction else 1]))
                final.append(state)
            x = outputs[0] if directions == 1 else graphtorch.cat(outputs, -1)
        y = x.transpose(0, 1) if batch_first else x
        if cell == "lstm":
            return (
                y,
                graphtorch.stack([h for h, _ in final]),
                graphtorch.stack([c for _, c in final]),
            )
        return y, graphtorch.stack(final)

    return call


def _format(text: str, *args: Any) -> str:
    parts = text.split("{}")
    shown = [str(a) for a in args]
    return "".join(p + s for p, s in zip(parts, [*shown, *[""] * len(parts)], strict=False))


def _raise(text: Any, cls: str = "builtins.Exception", *_: Any) -> None:
    known = {"ValueError": ValueError, "TypeError": TypeError, "IndexError": IndexError, "KeyError": KeyError,
             "NotImplementedError": NotImplementedError, "AssertionError": AssertionError}  # fmt: skip
    raise known.get(str(cls).rpartition(".")[2], RuntimeError)(text)


def _warn(text: Any, *_: Any) -> None:
    import warnings

    warnings.warn(str(text), stacklevel=2)


def _append(values: list, x: Any) -> list:
    values.append(x)
    return values


def _size(x: Any, dim: Any = None) -> Any:
    return list(x._array.shape) if dim is None else x._array.shape[dim]


def _new(name: str) -> Callable[..., Any]:
    """A creation function, whose dtype may be a number."""

    def call(*args: Any, **kwargs: Any) -> Any:
        import graphtorch

        if "dtype" in kwargs:
            kwargs["dtype"] = dtype_of(kwargs["dtype"])
        kept = {k: v for k, v in kwargs.items() if v is not None and k not in _IGNORED}
        return getattr(graphtorch, name)(*args, **kept)

    return call


def _reduce(name: str) -> Callable[..., Any]:
    """sum(x, dims, keepdim, dtype=)."""

    def call(x: Any, *args: Any, dtype: Any = None) -> Any:
        more = {} if dtype is None else {"dtype": dtype_of(dtype)}
        if args and args[0] is None:
            args = (tuple(range(x._array.ndim)), *args[1:])
        return getattr(x, name)(*args, **more)

    return call


def _softmax(name: str) -> Callable[..., Any]:
    def call(x: Any, dim: int, dtype: Any = None) -> Any:
        return getattr(x, name)(dim, dtype=dtype_of(dtype))

    return call


SPECIAL: dict[str, Callable[..., Any]] = {
    **{name: _scalar_or(name, getattr(operator, name)) for name in ("add", "sub", "mul", "eq", "ne", "lt", "le", "gt", "ge", "neg", "pow")},
    **{name: _scalar_or(name, getattr(math, name)) for name in ("sqrt", "exp", "log", "sin", "cos", "floor", "ceil", "log2", "log10", "tanh")},
    "div": _scalar_or("div", _divide), "remainder": _scalar_or("remainder", _remainder),
    "floordiv": operator.floordiv, "floor_divide": _scalar_or("floor_divide", operator.floordiv), "abs": _scalar_or("abs", abs),
    "round": _scalar_or("round", round), "max": _scalar_or("max", max), "min": _scalar_or("min", min),
    "add_": lambda a, b, alpha=1: a.add_(b, alpha=alpha) if isinstance(a, Tensor) else operator.iadd(a, b),
    "__and__": operator.and_, "__or__": operator.or_, "__xor__": operator.xor,
    "__not__": operator.not_, "__is__": operator.is_, "__isnot__": operator.is_not, "__contains__": operator.contains,
    "__getitem__": operator.getitem, "_set_item": operator.setitem, "Delete": operator.delitem,
    "__range_length": lambda low, high, step: len(range(low, high, step)),
    "__derive_index": lambda i, start, step: start + i * step,
    "len": len, "dim": lambda x: x._array.ndim, "size": _size, "numel": lambda x: x._array.size,
    "append": _append, "extend": lambda x, y: x.extend(y), "insert": lambda x, i, y: x.insert(i, y),
    "pop": lambda x, *i: x.pop(*i), "clear": lambda x: x.clear(), "copy": lambda x: x.copy(),
    "reverse": lambda x: x.reverse(), "list": list, "dict": dict, "keys": lambda d: list(d.keys()),
    "values": lambda d: list(d.values()), "items": lambda d: list(d.items()), "get": lambda d, k, v=None: d.get(k, v),
    "join": lambda s, x: s.join(x), "split": lambda x, *a: x.split(*a), "upper": lambda s: s.upper(),
    "lower": lambda s: s.lower(), "startswith": lambda s, p: s.startswith(p), "endswith": lambda s, p: s.endswith(p),
    "strip": lambda s, *a: s.strip(*a), "replace": lambda s, a, b: s.replace(a, b),
    "str": str, "ord": ord, "chr": chr, "format": _format, "percentFormat": lambda s, *a: s % a,
    "slice": _slice, "index": _index, "index_put_": _index_put, "to": _to, "_convolution": _conv,
    "convolution": _conv, "batch_norm": _batch_norm, "layer_norm": _layer_norm, "embedding": _embedding,
    "max_pool1d": _pool("max_pool1d"), "max_pool2d": _pool("max_pool2d"), "avg_pool1d": _pool("avg_pool1d"),
    "avg_pool2d": _pool("avg_pool2d"), "lstm_cell": _lstm_cell, "gru_cell": _gru_cell,
    "lstm": _recurrent("lstm"), "gru": _recurrent("gru"), "warn": _warn, "item": lambda x: x.item(),
    "tensor": _new("tensor"), "zeros": _new("zeros"), "ones": _new("ones"), "full": _new("full"),
    "empty": _new("empty"), "arange": _new("arange"), "rand": _new("rand"), "randn": _new("randn"),
    "zeros_like": _new("zeros_like"), "ones_like": _new("ones_like"), "eye": _new("eye"), "linspace": _new("linspace"),
    "full_like": _new("full_like"), "empty_like": _new("empty_like"), "hann_window": _new("hann_window"),
    "sum": _reduce("sum"), "mean": _reduce("mean"), "prod": _reduce("prod"), "cumsum": _reduce("cumsum"),
    "softmax": _softmax("softmax"), "log_softmax": _softmax("log_softmax"), "cpu": lambda x: x.cpu(),
    "type_as": lambda x, y: x.type_as(y), "contiguous": lambda x, *_: x.contiguous(),
    "clone": lambda x, **_: x.clone(), "detach": lambda x: x.detach(), "alias": lambda x: x,
    "view": lambda x, shape: x.view(shape), "reshape": lambda x, shape: x.reshape(shape),
    "expand": lambda x, shape, implicit=False: x.expand(shape), "expand_as": lambda x, y: x.expand_as(y),
    "repeat": lambda x, counts: x.repeat(counts), "permute": lambda x, dims: x.permute(dims),
    "is_floating_point": lambda x: x.is_floating_point(), "is_grad_enabled": grad_mode.is_grad_enabled,
    "set_grad_enabled": lambda mode: setattr(grad_mode.state, "enabled", bool(mode)),
    "dropout": lambda x, p, train: public("dropout")(x, p, train),
    "dropout_": lambda x, p, train: public("dropout")(x, p, train, True),
    "device": lambda name: _device(name), "Size": lambda x: list(x), "Int": int, "Float": float, "Bool": bool,
}  # fmt: skip

PRIM: dict[str, Callable[..., Any]] = {
    "RaiseException": _raise, "device": lambda x: x.device, "dtype": lambda x: x.dtype,
    "data": lambda x: x.detach(), "shape": _size, "is_cuda": lambda x: x.is_cuda, "grad": lambda x: x.grad,
    "requires_grad": lambda x: x.requires_grad, "layout": lambda x: None, "NumToTensor": lambda x: _new("tensor")(x),
    "min": min, "max": max, "abs": abs, "unchecked_unwrap_optional": lambda x: x, "TupleIndex": operator.getitem,
    "isinstance": lambda *_: True, "type": lambda x: x.device.type, "index": lambda x: x.device.index,
}  # fmt: skip


def _device(name: str) -> Any:
    from ..frontend.device import device

    return device(name)


_known: dict[str, Callable[..., Any]] = {}


def public(name: str) -> Callable[..., Any]:
    """The public function or method of a name; raises UnsupportedError for names that are neither."""
    if not _known:
        namespaces = overriding.namespaces()
        order = [*namespaces[2:], namespaces[1], namespaces[0]]
        for namespace in order:
            for key, function in overriding._public(namespace):
                if not key.startswith("_"):
                    _known[key] = function
    found = _known.get(name) or _known.get(name.replace("linalg_", "", 1).replace("fft_", "", 1))
    if found is None:
        raise UnsupportedError(
            message(
                f"TorchScript's torch.{name} is not supported", hint="use the model's Python code"
            )
        )
    return found


def called(room: str, name: str) -> Callable[..., Any]:
    """What `torch.name` (room "torch") or `ops.room.name` means."""
    if room == "prim":
        found = PRIM.get(name)
        if found is None:
            raise UnsupportedError(message(f"TorchScript's prim::{name} is not supported"))
        return found
    special = SPECIAL.get(name)
    return special if special is not None else _clean(public(name))


def _clean(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function without the arguments that mean nothing here."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            kwargs = {k: v for k, v in kwargs.items() if k not in _IGNORED}
            if isinstance(kwargs.get("dtype"), int):
                kwargs["dtype"] = dtype_of(kwargs["dtype"])
        return function(*args, **kwargs)

    return call
