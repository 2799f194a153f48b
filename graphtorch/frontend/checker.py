"""The generated guard function of one compiled variant.

`Checker` collects conditions as lines of Python with their reason as a comment; `build()` makes a
function of them.  What is guarded, and when it was read, is `guards.py`'s business.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.types import DType
from . import autocasting, grad_mode, pytree
from .snapshot import ModuleState, group_picture, snapshot
from .tensor import Tensor


class Checker:
    """Builds the generated guard function of one variant."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {
            "Tensor": Tensor,
            "grad": grad_mode.state,
            "autocast": autocasting.state,
        }
        self._count = 0

    def name(self, value: Any, stem: str = "k") -> str:
        """A variable of the generated function bound to `value`."""
        name = f"{stem}{self._count}"
        self._count += 1
        self.names[name] = value
        return name

    def require(self, condition: str, why: str) -> None:
        """Add a condition with its reason as a comment."""
        self.lines.append(f"    if not ({condition}): return False  # {why}")

    def assign(self, name: str, expression: str) -> None:
        """Add `name = expression`."""
        self.lines.append(f"    {name} = {expression}")

    @property
    def source(self) -> str:
        """The function as text."""
        return "\n".join(["def check(args, kwargs):", *self.lines, "    return True"])

    def build(self) -> Callable[[tuple, dict], bool]:
        """Compile the function."""
        namespace = dict(self.names)
        exec(
            compile(self.source, "<guards>", "exec"), namespace
        )  # our own text, printed by explain()
        return namespace["check"]

    # ---- kinds of guards

    def structure(self, tree: Any, expression: str) -> None:
        """Require a container (or leaf) of the same structure as `tree` at `expression`."""
        found = pytree.children(tree)
        if found is None:
            self.leaf(tree, expression)
            return
        keys, values = found
        kind = type(tree)
        spelled = kind.__name__ if kind in (tuple, list, dict) else self.name(kind, "T")
        if expression not in ("args", "kwargs"):
            self.require(f"type({expression}) is {spelled}", "structure")
        if isinstance(tree, dict):
            if keys:
                self.require(f"tuple({expression}) == {self.name(keys)}", "keys")
            else:
                self.require(
                    f"not {expression}",
                    "no keyword arguments" if expression == "kwargs" else "empty",
                )
        elif isinstance(tree, (tuple, list)):
            self.require(f"len({expression}) == {len(values)}", "length")
        for (path, _), value in zip(_steps(tree, expression), values, strict=True):
            self.structure(value, path)

    def leaf(self, value: Any, expression: str) -> None:
        """Require a leaf like `value`: tensors by type, plain values by equality, the rest by identity."""
        if isinstance(value, Tensor):
            self.tensor(value, expression)
        elif isinstance(value, bool) or value is None or value is Ellipsis:
            self.require(f"{expression} is {value!r}", "value")
        elif isinstance(value, float):
            name = self.name(repr(value))
            self.require(
                f"type({expression}) is float and repr({expression}) == {name}", f"value {value!r}"
            )
        elif isinstance(value, (int, str, bytes)) and type(value) in (int, str, bytes):
            self.require(
                f"type({expression}) is {type(value).__name__} and {expression} == {value!r}",
                "value",
            )
        elif isinstance(value, (DType, slice)) or type(value) is complex:
            self.require(f"{expression} == {self.name(value)}", "value")
        elif isinstance(value, np.ndarray):
            picture = self.name(snapshot(value)[2])
            self.require(
                f"{expression}.tobytes() == {picture} and {expression}.shape == {value.shape}",
                "NumPy contents",
            )
        else:
            self.require(
                f"{expression} is {self.name(value, 'o')}", f"the same {type(value).__name__}"
            )

    def tensor(self, value: Tensor, expression: str) -> None:
        """Require a tensor of the same type, layout and gradient flags."""
        array = value._array
        t, a = self.name(None, "t"), self.name(None, "a")
        del self.names[t], self.names[a]
        self.assign(t, expression)
        kind = "Tensor" if type(value) is Tensor else self.name(type(value), "T")
        place = "is None" if value._device is None else f"== {self.name(value._device, 'device')}"
        self.require(f"type({t}) is {kind} and {t}._device {place}", "a tensor on the same device")
        self.assign(a, f"{t}._array")
        dtype = self.name(array.dtype, "d")
        self.require(f"{a}.shape == {array.shape} and {a}.dtype is {dtype}", str(value.type_))
        if not array.flags.c_contiguous:
            self.require(f"{a}.strides == {array.strides}", "strides")
        else:
            self.require(f"{a}.flags.c_contiguous", "contiguous")
        needs = value.requires_grad
        if needs and value._node is None:
            self.require(f"{t}._requires_grad and {t}._node is None", "a leaf that requires grad")
        elif needs:
            self.require(f"{t}._node is not None", "requires grad")
        else:
            self.require(f"not {t}._requires_grad and {t}._node is None", "no grad")

    def reading(self, holder: Any, name: str, picture: Any, value: Any) -> None:
        """Require that a global, cell or attribute still reads the same."""
        if isinstance(holder, types.CellType):
            expression = f"{self.name(holder, 'cell')}.cell_contents"
        elif isinstance(holder, dict):
            expression = f"{self.name(holder, 'globals')}.get({name!r})"
        elif name in getattr(holder, "__dict__", ()):
            expression = f"{self.name(holder, 'o')}.__dict__.get({name!r})"
        else:
            expression = f"getattr({self.name(holder, 'o')}, {name!r}, None)"
        if isinstance(value, bool) or value is None:
            self.require(f"{expression} is {value!r}", name)
        elif type(value) in (int, str):
            self.require(
                f"{expression} == {value!r} and type({expression}) is {type(value).__name__}", name
            )
        elif picture[0] == "is":
            self.require(f"{expression} is {self.name(value, 'o')}", name)
        else:
            self.names.setdefault("snapshot", snapshot)
            self.require(f"snapshot({expression}) == {self.name(picture)}", name)

    def modules(self, states: list[ModuleState]) -> None:
        """Require that modules are as they were; in full only when the module epoch moved."""
        if not states:
            return
        from ..nn import module

        epoch = module.Epoch
        seen = [epoch.value]

        def unchanged() -> bool:
            if not all(state.holds() for state in states):
                return False
            seen[0] = epoch.value
            return True

        self.names.update(epoch=epoch, seen=seen, unchanged=unchanged)
        self.require("epoch.value == seen[0] or unchanged()", f"{len(states)} modules as they were")
        loose = [(state.module, k, v) for state in states for k, v in state.lists]
        for owner, key, value in loose:
            self.names.setdefault("snapshot", snapshot)
            expression = f"{self.name(owner, 'm')}.__dict__.get({key!r})"
            self.require(f"snapshot({expression}) == {self.name(snapshot(value))}", key)

    def groups(self, groups: list[tuple[Any, Any]], changing: tuple[str, ...]) -> None:
        """Require that optimisers' parameter groups hold the same options."""
        for group, picture in groups:
            plain = tuple((k, v) for k, v in group.items() if k not in changing and k != "params")
            if all(type(v) in (int, float, bool, str, type(None), tuple) for _, v in plain):
                name = self.name(group, "group")
                for key, value in plain:
                    self.require(f"{name}.get({key!r}) == {self.name(value)}", f"option {key}")
                self.require(
                    f"len({name}['params']) == {len(group['params'])}", "parameters of the group"
                )
            else:
                self.names.setdefault("picture", group_picture)
                self.require(
                    f"picture({self.name(group, 'group')}, {self.name(changing)}) == {self.name(picture)}",
                    "group",
                )


def _steps(tree: Any, expression: str) -> list[tuple[str, Any]]:
    keys, values = pytree.children(tree)  # type: ignore[misc]
    attribute = dataclasses.is_dataclass(tree) and not isinstance(tree, dict)
    return [
        (f"{expression}.{key}" if attribute else f"{expression}[{key!r}]", value)
        for key, value in zip(keys, values, strict=True)
    ]
