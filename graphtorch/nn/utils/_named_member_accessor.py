"""`torch.nn.utils._named_member_accessor`: reading and replacing a module's tensors by name."""

from __future__ import annotations

from typing import Any

from ... import absent
from ...frontend.tensor import Tensor
from ..module import Module

_MISSING = object()


def _table(module: Module, name: str) -> dict[str, Any]:
    if "." in name or name == "":
        raise KeyError(f"tensor name can't be {name!r}")
    for table in (module._parameters, module._buffers):
        if name in table:
            return table
    return module.__dict__


def swap_tensor(
    module: Module, name: str, tensor: Tensor | None, allow_missing: bool = False
) -> Any:
    """Put a tensor in the place of the one called `name` and return that.

    Raises AttributeError if there is none, unless `allow_missing`.
    """
    table = _table(module, name)
    before = table.get(name, _MISSING)
    if before is _MISSING and not allow_missing:
        raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
    if before is not _MISSING and before is not None and not isinstance(before, Tensor):
        raise TypeError(f"attribute `{name}`: {before} is not an instance of torch.Tensor")
    if tensor is _MISSING:
        table.pop(name, None)
    else:
        table[name] = tensor
    return before


def set_tensor(module: Module, name: str, tensor: Tensor) -> None:
    """Put a tensor in the place of the one called `name`."""
    swap_tensor(module, name, tensor, allow_missing=True)


class NamedMemberAccessor:
    """The tensors and submodules of a module under their dotted names."""

    def __init__(self, module: Module):
        self.module = module

    def _owner(self, name: str) -> tuple[Module, str]:
        path, _, leaf = name.rpartition(".")
        return self.module.get_submodule(path), leaf

    def get_submodule(self, name: str) -> Module:
        """The module called `name`."""
        return self.module.get_submodule(name)

    def get_tensor(self, name: str) -> Tensor:
        """The tensor called `name`; raises AttributeError if there is none."""
        owner, leaf = self._owner(name)
        return getattr(owner, leaf)

    def set_tensor(self, name: str, value: Tensor) -> None:
        """Replace the tensor called `name`."""
        owner, leaf = self._owner(name)
        set_tensor(owner, leaf, value)

    def swap_tensor(self, name: str, value: Tensor, allow_missing: bool = False) -> Any:
        """Replace the tensor called `name` and return what was there."""
        owner, leaf = self._owner(name)
        return swap_tensor(owner, leaf, value, allow_missing)

    def swap_tensors_dict(
        self, named_tensors: dict[str, Tensor], allow_missing: bool = False
    ) -> tuple[dict[str, Any], list[str]]:
        """Replace several; returns what was there, and the names that were missing."""
        before: dict[str, Any] = {}
        missing: list[str] = []
        for name, tensor in named_tensors.items():
            before[name] = self.swap_tensor(name, tensor, allow_missing)
            if before[name] is _MISSING:
                missing.append(name)
        return before, missing


__getattr__ = absent.names_of(__name__)
