"""`torch.jit`: decorators that mark code for TorchScript.  Here code simply runs; `torch.compile` compiles it."""

from __future__ import annotations

from typing import Any
from typing import Final as Final

from .. import absent as absent
from ..errors import UnsupportedError, message


def is_scripting() -> bool:
    """Always False: nothing is scripted."""
    return False


def is_tracing() -> bool:
    """Always False: `torch.jit.trace` does not run programs symbolically."""
    return False


def script(obj: Any = None, *args: Any, **kwargs: Any) -> Any:
    """Return `obj` itself, which does in Python what the script would do."""
    return (lambda o: o) if obj is None else obj


def trace(func: Any = None, example_inputs: Any = None, *args: Any, **kwargs: Any) -> Any:
    """Return `func` itself (a trace would freeze its control flow; Python's is right for every input)."""
    return func


def freeze(mod: Any, *args: Any, **kwargs: Any) -> Any:
    """Return the module itself."""
    return mod


optimize_for_inference = freeze


def _mark(fn: Any = None, *args: Any, **kwargs: Any) -> Any:
    return fn if callable(fn) else (lambda f: f)


unused = ignore = _script_if_tracing = script_if_tracing = export = interface = _overload = (
    _overload_method
) = _mark


def load(f: Any, *args: Any, **kwargs: Any) -> Any:
    """TorchScript archives hold code of another interpreter."""
    raise UnsupportedError(
        message("torch.jit.load is not supported", hint="load the state dict with torch.load")
    )


def save(m: Any, f: Any, *args: Any, **kwargs: Any) -> None:
    """TorchScript archives hold code of another interpreter."""
    raise UnsupportedError(
        message("torch.jit.save is not supported", hint="save m.state_dict() with torch.save")
    )


class ScriptModule:
    """What `script` returned once; for isinstance checks."""


class ScriptFunction:
    """What `script` returned once; for isinstance checks."""

__getattr__ = absent.names_of(__name__)
