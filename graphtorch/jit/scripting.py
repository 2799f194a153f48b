"""`script`, `trace`, `save`, `load`: programs run as the Python they are; saving captures their graph.

A scripted or traced module is an object of its own class and of `ScriptModule`, sharing the parameters
of the module it was made from; a function stays itself and passes for a `ScriptFunction`.
"""

from __future__ import annotations

import functools
import inspect
import os
import types
import weakref
from collections.abc import Callable
from typing import Any

from ..errors import UnsupportedError, message
from ..frontend.tensor import Tensor
from ..frontend.trace import is_tracing
from ..nn.module import Module
from . import capture as _capture

# what modules were last called with: kept beside them, so that a call changes no module
_examples: weakref.WeakKeyDictionary[Module, tuple[Any, ...]] = weakref.WeakKeyDictionary()


class _AnyScripted(type):
    """`isinstance(f, ScriptFunction)` holds for functions that `script` or `trace` returned."""

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, types.FunctionType) and hasattr(value, "_jit_example")


class ScriptFunction(metaclass=_AnyScripted):
    """What `script` and `trace` return for functions; for isinstance checks."""


class ScriptModule(Module):
    """What `script` and `trace` return for modules; also a base class of one's own."""

    _c = property(lambda self: self, doc="PyTorch's C++ module: here the module itself.")

    def __init__(self) -> None:
        super().__init__()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not kwargs and not is_tracing():
            _examples[self] = args
        return super().__call__(*args, **kwargs)

    @property
    def original_name(self) -> str:
        """The name of the class it was made from."""
        return self.__dict__.get("_original_name", type(self).__name__)

    @property
    def code(self) -> str:
        """The source of `forward`."""
        return inspect.getsource(type(self).forward)

    @property
    def graph(self) -> Any:
        """The captured graph of the last call's arguments; UnsupportedError before the first call."""
        return _captured(self, self.forward, _examples.get(self), self)[0].graph

    def save(self, f: Any, **kwargs: Any) -> None:
        """`torch.jit.save(self, f)`."""
        save(self, f, **kwargs)

    def save_to_buffer(self, **kwargs: Any) -> bytes:
        """The bytes that `save` writes."""
        import io

        file = io.BytesIO()
        save(self, file, **kwargs)
        return file.getvalue()


RecursiveScriptModule = ScriptModule


class TopLevelTracedModule(ScriptModule):
    """What `trace` returns for modules."""


def _scripted_module(module: Module, kind: type = ScriptModule) -> Any:
    if isinstance(module, ScriptModule) and type(module) is not kind:
        return module
    cls = type(module)
    made = Module.__new__(type(cls.__name__, (kind, cls), {"__module__": cls.__module__}))
    state = dict(module.__dict__)
    for table in ("_parameters", "_buffers", "_modules"):
        state[table] = type(state[table])(state[table])
    made.__dict__.update(state)
    made.__dict__["_original_name"] = cls.__name__
    for name, value in state.items():
        if isinstance(value, types.MethodType) and value.__self__ is module:
            made.__dict__[name] = types.MethodType(value.__func__, made)
    return made


def _marked(function: Any, example: Any = None) -> Any:
    """A function with what a ScriptFunction has."""
    function._jit_example = example
    function.save = functools.partial(save, function)
    try:
        function.code = inspect.getsource(function)
    except (OSError, TypeError):
        function.code = ""
    function.qualified_name = f"__torch__.{function.__module__}.{function.__qualname__}"
    return function


def script(
    obj: Any = None,
    optimize: Any = None,
    _frames_up: int = 0,
    _rcb: Any = None,
    example_inputs: Any = None,
) -> Any:
    """A module, function or class as something that runs like its Python, and can be saved.

    A module comes back as a `ScriptModule` with the same parameters; a function and a class as
    themselves.  Nothing is checked: what Python runs, runs.

    >>> import graphtorch as torch
    >>> @torch.jit.script
    ... def f(x: torch.Tensor) -> torch.Tensor:
    ...     return x * 2 if bool(x.sum() > 0) else x
    >>> f(torch.ones(2)), isinstance(f, torch.jit.ScriptFunction)
    (tensor([2., 2.]), True)
    """
    if obj is None:
        return script
    if isinstance(obj, Module):
        return _scripted_module(obj)
    if isinstance(obj, types.FunctionType):
        return _marked(obj)
    if isinstance(obj, types.MethodType) and isinstance(obj.__self__, Module):
        raise UnsupportedError(
            message("torch.jit.script of a method", hint="script the module, and call its method")
        )
    return obj


def trace(
    func: Any, example_inputs: Any = None, optimize: Any = None, check_trace: bool = True,
    check_inputs: Any = None, check_tolerance: float = 1e-5, strict: bool = True, _force_outplace: bool = False,
    _module_class: Any = None, _compilation_unit: Any = None, example_kwarg_inputs: Any = None,
    _store_inputs: bool = True,
) -> Any:  # fmt: skip
    """A module or function with the example inputs that its graph is captured from when it is saved.

    It runs as Python, so control flow that depends on values stays right for every input.

    >>> import graphtorch as torch
    >>> traced = torch.jit.trace(torch.nn.Linear(2, 3), torch.ones(1, 2))
    >>> traced(torch.ones(1, 2)).shape
    torch.Size([1, 3])
    """
    if example_inputs is None and example_kwarg_inputs is None:
        raise RuntimeError("trace() needs example_inputs or example_kwarg_inputs")
    keywords = dict(example_kwarg_inputs or {})
    example = (
        (example_inputs,)
        if isinstance(example_inputs, (Tensor, dict))
        else tuple(example_inputs or ())
    )
    if isinstance(func, ScriptModule) or isinstance(func, ScriptFunction):
        return func
    if isinstance(func, Module):
        made = _scripted_module(func, TopLevelTracedModule)
        made(*example, **keywords)
        if keywords:
            names = list(inspect.signature(func.forward).parameters)
            example = tuple([keywords[n] for n in names if n in keywords])
        _examples[made] = example
        return made
    if isinstance(func, types.MethodType) and isinstance(func.__self__, Module):
        return trace(func.__self__, example_inputs, example_kwarg_inputs=example_kwarg_inputs)
    if not callable(func):
        raise TypeError(f"trace() takes a module or a function, not {type(func).__name__}")

    @functools.wraps(func)
    def traced(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    traced(*example, **keywords)
    return _marked(traced, example)


def trace_module(mod: Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
    """`trace` of a module's methods, by name; the graph saved is that of "forward"."""
    made = _scripted_module(mod, TopLevelTracedModule)
    for name, example in inputs.items():
        given = example if isinstance(example, tuple) else (example,)
        getattr(made, name)(*given)
        if name == "forward":
            _examples[made] = given
    return made


def freeze(mod: Any, preserved_attrs: Any = None, optimize_numerics: bool = True) -> Any:
    """The module, which must be in eval mode."""
    if not isinstance(mod, ScriptModule | _capture.GraphCode):
        raise RuntimeError(
            "Freezing expects a ScriptModule as input. Please use torch.jit.script or torch.jit.trace to"
            " script your 'nn.Module'."
        )
    if mod.training:
        raise RuntimeError(
            "Freezing is currently only implemented for modules in eval mode. Please call .eval() on your"
            " module before freezing."
        )
    return mod


def optimize_for_inference(mod: Any, other_methods: Any = None) -> Any:
    """The module in eval mode."""
    return freeze(mod.eval())


def run_frozen_optimizations(mod: Any, *args: Any, **kwargs: Any) -> None:
    """Accepted: `torch.compile` optimises."""


# ---- files


def _captured(obj: Any, function: Callable, example: Any, owner: Module | None) -> Any:
    if example is None:
        raise UnsupportedError(
            message(
                "a scripted program is saved as the graph of an example, and there is none yet",
                hint="call the module once, or use torch.jit.trace with example inputs",
            )
        )
    return _capture.capture(function, example, owner)


def save(m: Any, f: Any, _extra_files: Any = None) -> None:
    """Write a scripted or traced program to a file: its graph as text, and its tensors.

    The graph is that of the trace's examples (of the last call, for `script`): its sizes are fixed.
    Raises UnsupportedError where the program cannot be captured.
    """
    from ..frontend.serialization import save as write

    extra = {
        k: v if isinstance(v, bytes) else str(v).encode() for k, v in (_extra_files or {}).items()
    }
    if isinstance(m, _capture.GraphCode):
        parameters = [n for n, _ in m.named_parameters()]
        tensors = {n: t.detach() for n, t in (*m.named_parameters(), *m.named_buffers())}
        data = _capture.to_data(m.captured, tensors, parameters, m.original_name)
    elif isinstance(m, ScriptModule):
        captured, constants = _captured(m, lambda *a: Module.__call__(m, *a), _examples.get(m), m)
        parameters = [n for n, _ in m.named_parameters()]
        tensors = {n: t.detach() for n, t in (*m.named_parameters(), *m.named_buffers())}
        data = _capture.to_data(captured, {**tensors, **constants}, parameters, m.original_name)
    elif isinstance(m, ScriptFunction):
        captured, constants = _captured(m, m, m._jit_example, None)  # type: ignore[attr-defined, arg-type]
        data = _capture.to_data(captured, constants, [], m.__name__)  # type: ignore[attr-defined]
    else:
        raise AttributeError(
            f"'{type(m).__name__}' object has no attribute 'save': torch.jit.save takes what torch.jit.script or"
            " torch.jit.trace returned"
        )
    write({**data, "extra": extra}, f)


def load(
    f: Any, map_location: Any = None, _extra_files: Any = None, _restore_shapes: bool = False
) -> Any:
    """Read a program that `torch.jit.save` wrote, here or in PyTorch (a TorchScript archive).

    Nothing in the file is executed as Python: a graph is data, and TorchScript's code is read by an
    interpreter that knows tensors and nothing else.
    """
    from ..frontend.checkpoint_reader import load as read
    from .archive import is_archive, load_archive

    if isinstance(f, (str, os.PathLike)):
        if not os.path.exists(f):
            raise ValueError(f"The provided filename {f} does not exist")
        if os.path.isdir(f):
            raise ValueError(f"The provided filename {f} is a directory")
        with open(f, "rb") as file:
            return load(file, map_location, _extra_files)
    start = f.tell()
    if is_archive(f):
        f.seek(start)
        return load_archive(f, map_location, _extra_files)
    f.seek(start)
    data = read(f, map_location=map_location, weights_only=True)
    if not isinstance(data, dict) or data.get("format") != _capture.FORMAT:
        raise RuntimeError("this file was not written by torch.jit.save; read it with torch.load")
    for name in _extra_files or {}:
        if name in data["extra"]:
            _extra_files[name] = data["extra"][name]
    return _capture.from_data(data)


__all__ = [
    "ScriptFunction",
    "ScriptModule",
    "TopLevelTracedModule",
    "freeze",
    "load",
    "save",
    "script",
    "trace",
]
