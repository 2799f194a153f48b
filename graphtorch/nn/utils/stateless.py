"""Calling a module with other parameters than its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...frontend.tensor import Tensor
from ..module import Module


def functional_call(
    module: Module,
    parameters_and_buffers: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call `module` with the given tensors in place of its parameters and buffers of those names.

    tie_weights: a tensor given for one name also replaces the names that share its parameter.
    strict: raise RuntimeError unless exactly the module's names are given.
    """
    given: dict[str, Tensor] = {}
    parts = (
        [parameters_and_buffers]
        if isinstance(parameters_and_buffers, Mapping)
        else parameters_and_buffers
    )
    for part in parts:
        given.update(part)
    members = dict(module.named_parameters(remove_duplicate=False))
    members.update(module.named_buffers(remove_duplicate=False))
    if strict and set(given) != set(members):
        missing, unexpected = sorted(set(members) - set(given)), sorted(set(given) - set(members))
        raise RuntimeError(f"Missing key(s): {missing}. Unexpected key(s): {unexpected}.")
    for name in set(given) - set(members):
        raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
    if tie_weights:
        by_identity = {id(members[name]): tensor for name, tensor in given.items()}
        for name, member in members.items():
            if name not in given and id(member) in by_identity:
                given[name] = by_identity[id(member)]
    undo = []
    try:
        for name, tensor in given.items():
            path, _, last = name.rpartition(".")
            owner = module.get_submodule(path)
            table = owner._parameters if last in owner._parameters else owner._buffers
            undo.append((table, last, table[last]))
            dict.__setitem__(table, last, tensor)  # for this call only: no change of the module
        if args is None:
            args = ()
        return module(*(args if isinstance(args, tuple) else (args,)), **(kwargs or {}))
    finally:
        for table, last, member in reversed(undo):
            dict.__setitem__(table, last, member)
