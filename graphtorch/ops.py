"""`torch.ops`: operators by namespace.  `aten` and `prims` are the functions of PyTorch's name here.

>>> import graphtorch as torch
>>> torch.ops.aten.add.Tensor(torch.ones(2), torch.ones(2))
tensor([2., 2.])
"""

from __future__ import annotations

import os
from typing import Any

from . import library
from .errors import UnsupportedError, message

_BUILT_IN = ("aten", "prims")


class OpOverload:
    """One overload of an operator; it calls the operator's function."""

    def __init__(self, packet: OpOverloadPacket, name: str):
        self.overloadpacket, self._overloadname = packet, name
        self.__name__ = f"{packet.__name__}.{name}"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.overloadpacket(*args, **kwargs)

    def name(self) -> str:
        """`aten::add.Tensor`."""
        return f"{self.overloadpacket._qualified_op_name}.{self._overloadname}"

    def __repr__(self) -> str:
        return f"<OpOverload(op='{self.name().replace('::', '.')}')>"


class OpOverloadPacket:
    """A function of PyTorch under its operator name; calling raises UnsupportedError where it is missing."""

    def __init__(self, namespace: str, name: str, function: Any):
        self._qualified_op_name = f"{namespace}::{name}"
        self.__name__ = name
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._function is None:
            raise UnsupportedError(message(f"operator {self._qualified_op_name} is not supported"))
        return self._function(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = self.__dict__[name] = OpOverload(self, name)
        return made

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='{self._qualified_op_name.replace('::', '.')}')>"


def _function(name: str) -> Any:
    import graphtorch
    from graphtorch.frontend.functional import native
    from graphtorch.nn import functional

    for room in (graphtorch, functional, native):
        found = getattr(room, name, None)
        if callable(found):
            return found
    for room_name, prefix in (("linalg", "linalg_"), ("fft", "fft_"), ("special", "special_")):
        if name.startswith(prefix):
            return getattr(getattr(graphtorch, room_name), name[len(prefix) :], None)
    return getattr(graphtorch.Tensor, name, None)


class Namespace:
    """The operators of one namespace."""

    def __init__(self, name: str):
        self.__name__ = self.name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        full = f"{self.name}::{name}"
        if full in library.REGISTRY:
            return library.REGISTRY[full]
        if self.name in _BUILT_IN:
            made = self.__dict__[name] = OpOverloadPacket(self.name, name, _function(name))
            return made
        raise AttributeError(
            f"'_OpNamespace' '{self.name}' object has no attribute '{name}': nothing registered that operator"
        )

    def __dir__(self) -> list[str]:
        start = self.name + "::"
        return [name[len(start) :] for name in library.REGISTRY if name.startswith(start)]

    def __repr__(self) -> str:
        return f"<module 'torch.ops.{self.name}'>"


class LoadError(UnsupportedError, OSError):
    """A C++ library cannot be loaded."""


def load_library(path: str) -> None:
    """Raises LoadError (an OSError): there is no C++ library to load extensions into.

    For torchvision's library the operators written here are registered instead.
    """
    parts = os.path.normpath(os.fspath(path)).split(os.sep)
    if parts[-2:-1] == ["torchvision"] and parts[-1].startswith("_C."):
        from . import vision_operators

        vision_operators.register()
        return
    raise LoadError(
        message(
            f"{path} cannot be loaded: it needs PyTorch's C++ library",
            hint="torch.library.custom_op adds an operator in Python",
        )
    )


def import_module(module: str) -> None:
    """Import a Python module that registers operators."""
    from importlib import import_module

    import_module(module)


def __getattr__(name: str) -> Any:
    if name in _BUILT_IN or name in library.NAMESPACES:
        found = globals()[name] = Namespace(name)
        return found
    raise AttributeError(
        f"'_Ops' object has no attribute '{name}': nothing registered such operators"
    )
