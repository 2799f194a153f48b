"""The classes and functions that a user lets checkpoints name: `torch.serialization.add_safe_globals`."""

from __future__ import annotations

from typing import Any

from .unpickle import Constructor

_allowed: dict[
    str, tuple[Any, Constructor]
] = {}  # path in the pickle -> the user's entry, what it stands for


def _build(instance: Any, state: Any) -> Any:
    """What BUILD does to an instance of an allowed class, as `pickle` would."""
    if hasattr(instance, "__setstate__"):
        instance.__setstate__(state)
        return instance
    fields, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    instance.__dict__.update(fields or {})
    for key, field in (slots or {}).items():
        setattr(instance, key, field)
    return instance


def add_safe_globals(safe_globals: list[Any]) -> None:
    """Let checkpoints make instances of these classes and call these functions.

    An entry may be (object, "path.in.the.file") where the two differ.
    """
    for item in safe_globals:
        if isinstance(item, tuple):
            if len(item) != 2:
                raise ValueError(
                    f"Expected tuple of length 2 (global, str of callable full path), but got tuple of length: {len(item)}"
                )
            value, path = item
            if not callable(value) or not isinstance(path, str):
                raise TypeError(
                    "Expected object in tuple to be of form (callable, str path), but got"
                    f" ({type(value).__name__}, {type(path).__name__})"
                )
            paths = [path]
        else:
            value = item
            paths = _paths(value)
        kind = value if isinstance(value, type) else None
        constructor = Constructor(paths[0], value, kind, _build if kind else None)
        for path in paths:
            _allowed[path] = item, constructor


def _paths(value: Any) -> list[str]:
    from .checkpoint_names import torch_name

    paths = [f"{value.__module__}.{value.__qualname__}"]
    name = torch_name(value)
    if name is not None:
        paths.append(".".join(name))
    return paths


def allowed(path: str) -> Constructor | None:
    """What a global of that path stands for, if the user allowed it."""
    found = _allowed.get(path)
    return None if found is None else found[1]


def constructor_of(value: Any) -> Constructor | None:
    """How a pickle may call an object, if the user allowed it."""
    for _, constructor in _allowed.values():
        if constructor.function is value:
            return constructor
    return None


def builder_of(instance: Any) -> Any:
    """How BUILD sets the state of an instance of an allowed class; None if its class is not."""
    kind = type(instance)
    for _, constructor in _allowed.values():
        if constructor.type is kind:
            return constructor.build
    return None


def get_safe_globals() -> list[Any]:
    """What `add_safe_globals` was given."""
    entries: list[Any] = []
    for item, _ in _allowed.values():
        if not any(item is entry for entry in entries):
            entries.append(item)
    return entries


def clear_safe_globals() -> None:
    """Allow nothing beyond what safe loading knows by itself."""
    _allowed.clear()


class safe_globals:
    """`add_safe_globals` for a `with` block.

    >>> import graphtorch as torch
    >>> class Config: ...
    >>> with torch.serialization.safe_globals([Config]):
    ...     torch.serialization.get_safe_globals()
    [<class '...Config'>]
    >>> torch.serialization.get_safe_globals()
    []
    """

    def __init__(self, safe_globals: list[Any]):
        self._entries = safe_globals

    def __enter__(self) -> None:
        self._before = dict(_allowed)
        add_safe_globals(self._entries)

    def __exit__(self, *error: Any) -> None:
        _allowed.clear()
        _allowed.update(self._before)
