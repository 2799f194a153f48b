"""Pickles that may hold any object: read by Python's unpickler, for files that the user trusts."""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any, BinaryIO

from ..errors import UnsupportedError
from .checkpoint_names import find_any
from .checkpoint_values import BUILDERS, QuantizedType, StorageType, known
from .safe_globals import allowed


def _find(module: str, name: str) -> Any:
    """What a global of the pickle is here."""
    builder = BUILDERS.get((module, name))
    if builder is not None:
        return builder
    if module.startswith("torch"):
        found = known(module, name)
        if isinstance(found, StorageType | QuantizedType):
            return found
    if module.startswith("graphtorch") and name.endswith(
        "Storage"
    ):  # a pickler in C wrote our names
        found = known("torch", name)
        if isinstance(found, StorageType):
            return found
    return find_any(module, name)


def unpickler_of(pickle_module: Any, options: dict[str, Any]) -> Callable[..., Any]:
    """A function that reads one pickle with a module's `Unpickler`, PyTorch's names found here."""

    class Reader(pickle_module.Unpickler):  # type: ignore[misc,name-defined]
        resolve_persistent: Callable[[Any], Any] | None = None

        def find_class(self, module: str, name: str) -> Any:
            try:
                return _find(module, name)
            except AttributeError as error:
                entry = allowed(f"{module}.{name}")
                if entry is not None:
                    return entry.function
                if module.startswith("torch"):
                    raise UnsupportedError(
                        f"the file names {module}.{name}, which does not exist here"
                    ) from error
                raise

        def persistent_load(self, identifier: Any) -> Any:
            if self.resolve_persistent is None:
                raise UnpicklingError("the pickle refers to data outside of it")
            return self.resolve_persistent(identifier)

    def loads(file: BinaryIO, persistent: Callable[[Any], Any] | None = None) -> Any:
        reader = Reader(file, **options)
        reader.resolve_persistent = persistent
        return reader.load()

    return loads


def globals_of(data: bytes) -> set[tuple[str, str]]:
    """All globals that a pickle names, without running it."""
    found: set[tuple[str, str]] = set()
    strings: list[str] = []
    memo: dict[int, str] = {}
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in ("GLOBAL", "INST"):
            module, _, name = argument.partition(" ")
            found.add(
                ({"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module), name)
            )
        elif opcode.name == "STACK_GLOBAL" and len(strings) > 1:
            found.add((strings[-2], strings[-1]))
        elif "UNICODE" in opcode.name:
            strings.append(argument)
        elif opcode.name == "MEMOIZE":
            memo[len(memo)] = strings[-1] if strings else ""
        elif opcode.name in ("BINGET", "GET", "LONG_BINGET") and argument in memo:
            strings.append(memo[argument])
    return found
