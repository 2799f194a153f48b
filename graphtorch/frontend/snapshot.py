"""Pictures of Python values, to be compared later: what a guard remembers of what a trace read."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.types import DType

_SIMPLE = (int, float, bool, str, bytes, complex, type(None), type(Ellipsis), DType, slice)
MAXIMUM = 10_000  # values in one picture


def snapshot(value: Any, depth: int = 0, budget: list[int] | None = None) -> Any:
    """A comparable picture of a value: equality for plain data, identity for everything else."""
    budget = budget if budget is not None else [MAXIMUM]
    budget[0] -= 1
    if budget[0] < 0:
        raise OverflowError
    if isinstance(value, _SIMPLE):
        return (type(value), repr(value) if isinstance(value, float) else value)
    if isinstance(value, np.ndarray):
        return (
            "ndarray",
            id(value),
            value.tobytes() if value.size <= 1_000_000 and value.dtype.kind != "O" else None,
        )
    if isinstance(value, (list, tuple)) and depth < 8:
        return (type(value), tuple([snapshot(v, depth + 1, budget) for v in value]))
    if isinstance(value, dict) and depth < 8:
        return (
            type(value),
            tuple(
                [
                    (snapshot(k, depth + 1, budget), snapshot(v, depth + 1, budget))
                    for k, v in value.items()
                ]
            ),
        )
    if isinstance(value, (set, frozenset)):
        return (
            type(value),
            frozenset(map(id, value))
            if any(not isinstance(v, _SIMPLE) for v in value)
            else frozenset(value),
        )
    return ("is", id(value))


class ModuleState:
    """A snapshot of one nn.Module: everything its forward may read."""

    __slots__ = ("lists", "module", "picture")

    def __init__(self, module: Any):
        self.module = module
        self.lists = [
            (k, v) for k, v in module.__dict__.items()
            if isinstance(v, (list, dict, set, np.ndarray)) and k not in _MODULE_DICTS and k not in _MODULE_SKIP
        ]  # fmt: skip
        self.picture = self._take()

    def _take(self) -> Any:
        module = self.module
        fields = module.__dict__
        plain = tuple(
            [
                (k, snapshot(v))
                for k, v in fields.items()
                if k not in _MODULE_SKIP and k not in _MODULE_DICTS
            ]
        )
        held = tuple(
            [
                tuple([(k, id(v)) for k, v in fields[name].items()]) if fields.get(name) else ()
                for name in _MODULE_DICTS
            ]
        )
        trainable = tuple(
            [p.requires_grad for p in fields["_parameters"].values() if p is not None]
        )
        return plain, held, trainable, type(module)

    def holds(self) -> bool:
        """Whether the module is as it was."""
        return self._take() == self.picture


_MODULE_DICTS = (
    "_parameters", "_buffers", "_modules", "_forward_hooks", "_forward_pre_hooks", "_backward_hooks",
    "_backward_pre_hooks", "_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs",
)  # fmt: skip
_MODULE_SKIP = {  # nothing a forward reads, or watched by the epoch
    "_forward_hooks_always_called", "_load_state_dict_post_hooks", "_load_state_dict_pre_hooks",
    "_non_persistent_buffers_set", "_state_dict_hooks", "_state_dict_pre_hooks", "forward", "_compiled_call_impl",
}  # fmt: skip


def group_picture(group: dict, changing: tuple[str, ...]) -> Any:
    return tuple([(k, snapshot(v)) for k, v in group.items() if k not in changing])
