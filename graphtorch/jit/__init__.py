"""`torch.jit`: programs that are marked, saved and loaded.  They run as Python; `torch.compile` compiles.

script, trace    return something callable with the module's attributes (`scripting`)
save, load       the captured graph as data (`capture`); TorchScript archives are read, too (`archive`)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from typing import Final as Final

from .. import absent as absent
from . import annotations as annotations
from .capture import TracerWarning as TracerWarning
from .scripting import RecursiveScriptModule as RecursiveScriptModule
from .scripting import ScriptFunction as ScriptFunction
from .scripting import ScriptModule as ScriptModule
from .scripting import TopLevelTracedModule as TopLevelTracedModule
from .scripting import freeze as freeze
from .scripting import load as load
from .scripting import optimize_for_inference as optimize_for_inference
from .scripting import run_frozen_optimizations as run_frozen_optimizations
from .scripting import save as save
from .scripting import script as script
from .scripting import trace as trace
from .scripting import trace_module as trace_module

TracedModule = TopLevelTracedModule


class Error(RuntimeError):
    """What TorchScript raises for an exception inside a script; here the exception itself arrives."""


def is_scripting() -> bool:
    """Always False: programs run as Python."""
    return False


def is_tracing() -> bool:
    """Always False: no symbolic trace is running that would fix control flow."""
    return False


def annotate(the_type: Any, the_value: Any) -> Any:
    """The value: types are for readers.

    >>> import graphtorch as torch
    >>> torch.jit.annotate(list, [])
    []
    """
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Whether the object is of the type; containers are checked by their class."""
    import builtins
    from typing import get_origin

    types = target_type if builtins.isinstance(target_type, tuple) else (target_type,)
    return any(builtins.isinstance(obj, get_origin(t) or t) for t in types)


class Attribute:
    """`torch.jit.Attribute(value, type)` in a module's `__init__`: the value and its type."""

    def __init__(self, value: Any, type: Any):
        self.value, self.type = value, type


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """Mark a method that TorchScript would leave to Python; it stays as it is."""
    return drop if callable(drop) else _same


def unused(fn: Any) -> Any:
    """Mark a method that TorchScript would not compile; it stays as it is."""
    return fn


def _same(fn: Any) -> Any:
    return fn


def export(fn: Callable) -> Callable:
    """Mark a method to be kept in a saved script; it stays as it is."""
    return fn


def script_method(fn: Callable) -> Callable:
    """Mark a method of a `ScriptModule`; it stays as it is."""
    return fn


script_if_tracing = _script_if_tracing = interface = _overload = _overload_method = export


@contextlib.contextmanager
def optimized_execution(should_optimize: bool) -> Iterator[None]:
    """Accepted: there is no optimising interpreter to switch."""
    yield


@contextlib.contextmanager
def fuser(name: str) -> Iterator[None]:
    """Accepted: `torch.compile` fuses."""
    yield


def set_fusion_strategy(strategy: Any) -> list:
    """Accepted; returns the strategy that was set before: none."""
    return []


def enable_onednn_fusion(enabled: bool) -> None:
    """Accepted: there is no oneDNN."""


def onednn_fusion_enabled() -> bool:
    """Always False."""
    return False


def fork(func: Callable, *args: Any, **kwargs: Any) -> Any:
    """Run `func` at once; `wait` gives its result."""
    from ..futures import Future

    future = Future()
    future.set_result(func(*args, **kwargs))
    return future


def wait(future: Any) -> Any:
    """The result of a `fork`."""
    return future.wait()


_fork, _wait = fork, wait
__getattr__ = absent.names_of(__name__)
