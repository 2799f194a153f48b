"""TorchScript archives, as `torch.jit.save` of PyTorch writes them.

data.pkl        the modules and their attributes    read by the unpickler that runs no code
constants.pkl   tensors that the code names
code/*.py       the methods                         read by `script_code`, never executed
version, extra/ and the tensors' bytes
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any, BinaryIO

from ..frontend.checkpoint_location import locator
from ..frontend.checkpoint_reader import _storage_bytes, checked_identifier, record, typed
from ..frontend.checkpoint_values import resolve
from ..frontend.unpickle import Constructor, Unpickler, buildable
from ..nn.module import Module
from ..nn.parameter import Parameter
from .script_code import ScriptClass, ScriptObject, Unit, bound
from .scripting import ScriptModule


class LoadedModule(ScriptModule):
    """A module of an archive: its methods are the archive's code."""

    def __init__(self, script_class: ScriptClass):
        super().__init__()
        self.__dict__["_script_class"] = script_class
        self.__dict__["_original_name"] = script_class.tree.name
        self.__dict__["training"] = (
            False  # unless the archive says otherwise: frozen modules say nothing
        )
        self.__dict__.update(script_class.constants)

    def _assign(self, name: str, value: Any) -> None:
        lists = self._script_class.lists
        if name == "training":
            self.__dict__["training"] = bool(value)
        elif isinstance(value, Module):
            self._modules[name] = value
        elif name in lists.get("__parameters__", ()) and name not in self._parameters:
            self._parameters[name] = (
                None if value is None else Parameter(value, value.requires_grad)
            )
        elif name in self._parameters:
            self._parameters[name] = value
        elif name in lists.get("__buffers__", ()) or name in self._buffers:
            self._buffers[name] = value
        else:
            self.__dict__[name] = value

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The archive's `forward`."""
        return bound(self, self._script_class, "forward")(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        script_class = self.__dict__.get("_script_class")
        if script_class is not None and name in script_class.methods:
            return bound(self, script_class, name)
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if "_script_class" in self.__dict__:
            self._assign(name, value)
        else:
            super().__setattr__(name, value)

    def __len__(self) -> int:
        return self.__getattr__("__len__")()

    def __bool__(self) -> bool:
        return True

    @property
    def code(self) -> str:
        """The text of `forward`."""
        import ast

        return ast.unparse(self._script_class.methods["forward"])

    def save(self, f: Any, **kwargs: Any) -> None:
        """Archives that were read are written as captured graphs: see `torch.jit.save`."""
        super().save(f, **kwargs)


def _build(instance: Any, state: Any) -> Any:
    if not isinstance(state, dict) or not all(isinstance(k, str) for k in state):
        raise UnpicklingError("a script object's state is a dict of attributes")
    if isinstance(instance, ScriptObject):
        instance.__dict__.update(state)
        return instance
    for name, value in state.items():
        if not name.startswith("__"):
            instance._assign(name, value)
    return instance


buildable(LoadedModule, _build)
buildable(ScriptObject, _build)


def is_archive(file: BinaryIO) -> bool:
    """Whether a file holds TorchScript code; the position in it is lost."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return False
    return any(n.count("/") == 1 and n.endswith("/constants.pkl") for n in names) and any(
        "/code/" in n for n in names
    )


def load_archive(file: BinaryIO, map_location: Any = None, extra: dict | None = None) -> Any:
    """The module of an archive; raises RuntimeError for a broken one, UnpicklingError for an unsafe one."""
    locate = locator(map_location)
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        prefix = next(n for n in names if n.count("/") == 1 and n.endswith("/constants.pkl"))[
            : -len("constants.pkl")
        ]
        sources = {
            name[len(prefix) + len("code/") : -len(".py")].replace("/", "."): record(
                archive, name
            ).decode("utf-8")
            for name in names
            if name.startswith(f"{prefix}code/") and name.endswith(".py")
        }
        unit = Unit(sources)
        unit.constants = _read(archive, prefix, "constants", unit, locate)
        module = _read(archive, prefix, "data", unit, locate)
        for name in extra or {}:
            path = f"{prefix}extra/{name}"
            if path in names:
                extra[name] = record(archive, path)
    return module


def _read(archive: zipfile.ZipFile, prefix: str, what: str, unit: Unit, locate: Callable) -> Any:
    loaded: dict[str, Any] = {}

    def storage(identifier: Any) -> Any:
        storage_type, key, location, _ = checked_identifier(identifier)[:4]
        if key not in loaded:
            loaded[key] = locate(_storage_bytes(archive, f"{prefix}{what}/{key}"), location)
        return typed(loaded[key], storage_type)

    def constructor(module: str, name: str) -> Any:
        if module.startswith("__torch__"):
            found = unit.find(f"{module}.{name}")
            if not isinstance(found, ScriptClass):
                raise UnpicklingError(f"{module}.{name} is not a class of the archive")
            made = LoadedModule if found.is_module else ScriptObject
            if found.base == "NamedTuple":
                return Constructor(name, found.make)
            return Constructor(name, lambda *_: made(found))
        if module == "torch.jit._pickle" and name in _PICKLE:
            return Constructor(name, _PICKLE[name])
        return resolve(module, name)

    text = record(archive, f"{prefix}{what}.pkl")
    return Unpickler(io.BytesIO(text), constructor, storage).load()


def _list(values: Any) -> list:
    return list(values)


_PICKLE: dict[str, Callable[..., Any]] = {
    "build_intlist": _list, "build_tensorlist": _list, "build_doublelist": _list, "build_boollist": _list,
    "restore_type_tag": lambda value, tag: value,
}  # fmt: skip
__all__ = ["LoadedModule", "is_archive", "load_archive"]
