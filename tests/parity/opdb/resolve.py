"""graphtorch's function for a torch function.

A function that torch exposes under a name is looked up under that name.  A Python function of torch's
test-suite (`lambda x, *args: x.to(*args)`) is run as it is, with `torch` in its globals and the
functions in its closure exchanged for graphtorch's.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import torch

import graphtorch

from .convert import NoCounterpart

_ROOMS = (
    "", "Tensor", "nn.functional", "linalg", "special", "fft", "signal.windows", "masked", "sparse",
    "_C._nn", "_C._linalg", "_C._special", "_C._fft", "ops.aten",
)  # fmt: skip


def _at(root: Any, path: str) -> Any:
    for part in filter(None, path.split(".")):
        root = getattr(root, part)
    return root


@functools.cache
def _names() -> dict[int, tuple[str, Any]]:
    """id of every public torch function -> its dotted name (the first one found) and itself."""
    found: dict[int, tuple[str, Any]] = {}
    for room in _ROOMS[:-1]:
        space = _at(torch, room)
        for name in dir(space):
            try:
                value = getattr(space, name)
            except (AttributeError, RuntimeError, NotImplementedError):
                continue
            if callable(value) or isinstance(value, types.GetSetDescriptorType):
                found.setdefault(id(value), (f"{room}.{name}".lstrip("."), value))
    return found


def named(path: str) -> Any:
    """graphtorch's object at a dotted name, or NoCounterpart."""
    path = path.replace("_C._nn.", "nn.functional.").replace("_C._linalg.linalg_", "linalg.")
    path = path.replace("_C._special.special_", "special.").replace("_C._fft.fft_", "fft.")
    try:
        return _at(graphtorch, path)
    except (AttributeError, ImportError) as error:
        raise NoCounterpart(f"no torch.{path}") from error


class _Missing:
    """Stands for a function that graphtorch lacks: calling it says so."""

    def __init__(self, error: NoCounterpart):
        self.error = error

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise self.error


def _seeded(function: Callable, *args: Any, **kwargs: Any) -> Any:
    """What torch's `wrapper_set_seed` does: the seed is 42 for this call."""
    state = graphtorch.get_rng_state()
    graphtorch.manual_seed(42)
    try:
        return function(*args, **kwargs)
    finally:
        graphtorch.set_rng_state(state)


_made: dict[int, tuple[Any, Any]] = {}  # id -> (counterpart, the torch function itself)


def counterpart(value: Any) -> Any:
    """graphtorch's version of a torch function, module or test-suite function."""
    if id(value) in _made:
        return _made[id(value)][0]
    if isinstance(value, types.ModuleType):
        name = value.__name__
        if name == "torch" or name.startswith("torch."):
            return named(name[6:]) if name != "torch" else graphtorch
        return value
    if isinstance(value, functools.partial):
        return functools.partial(counterpart(value.func), *value.args, **value.keywords)
    if getattr(value, "__name__", "") == "wrapper_set_seed":
        return _seeded
    if id(value) in _names():
        return named(_names()[id(value)][0])
    if isinstance(value, types.FunctionType) and value.__module__.startswith("torch"):
        if value.__module__.startswith("torch.testing"):
            return _rebound(value)
        return named(f"{value.__module__}.{value.__qualname__}"[6:])
    if type(value).__module__.startswith("torch._ops"):
        namespace, name = str(value).split(".")[:2]
        return named(f"ops.{namespace}.{name}")
    return value


def _rebound(function: types.FunctionType) -> Callable:
    """The same code over graphtorch."""
    names = _names_used(function.__code__)
    space: dict[str, Any] = {"__builtins__": __builtins__}
    made = types.FunctionType(
        function.__code__, space, function.__name__, function.__defaults__, None
        if function.__closure__ is None
        else tuple(types.CellType(_safely(c.cell_contents)) for c in function.__closure__),
    )  # fmt: skip
    made.__kwdefaults__ = function.__kwdefaults__
    _made[id(function)] = made, function
    for name in names:
        if name in function.__globals__:
            space[name] = _safely(function.__globals__[name])
    return made


def _safely(value: Any) -> Any:
    if isinstance(value, (torch.Tensor, torch.dtype, torch.device)):
        from .convert import Converter

        return Converter()(value)
    if not callable(value) and not isinstance(value, types.ModuleType):
        return value
    try:
        return counterpart(value)
    except NoCounterpart as error:
        return _Missing(error)


def _names_used(code: types.CodeType) -> set[str]:
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return {*code.co_names, *(n for c in inner for n in _names_used(c))}


def function_of(entry: Any) -> Callable:
    """graphtorch's function for an entry of op_db."""
    op = entry.op
    if isinstance(op, types.FunctionType) and op.__module__.startswith("torch.testing"):
        return _rebound(op)
    try:
        if _at(torch, entry.name) is op and not entry.name.startswith("torch."):
            return named(entry.name)
    except AttributeError:
        pass
    return counterpart(op)


def method_of(entry: Any, suffix: str = "") -> Callable:
    """graphtorch's `Tensor` method for an entry; suffix "_" for the in-place one."""
    variant = entry.inplace_variant if suffix else entry.method_variant
    if isinstance(variant, types.FunctionType) and variant.__module__.startswith("torch.testing"):
        return _rebound(variant)
    if isinstance(variant, functools.partial):
        return counterpart(variant)
    name = getattr(variant, "__name__", entry.name.rsplit(".", 1)[-1] + suffix)
    return named(f"Tensor.{name}")
