"""`torch._functorch.vmap`: helpers of PyTorch's `vmap` that packages import and replace.

`_add_batch_dim` and `_remove_batch_dim` raise: `torch.vmap` makes its batches another way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import absent
from .._C._functorch import _add_batch_dim as _add_batch_dim
from .._C._functorch import _remove_batch_dim as _remove_batch_dim
from ..frontend.tensor import Tensor as Tensor
from ..func.trees import spread
from ..func.vmapping import vmap as vmap
from ..utils._pytree import tree_flatten as tree_flatten
from ..utils._pytree import tree_map_ as tree_map_
from ..utils._pytree import tree_unflatten as tree_unflatten

_maybe_remove_batch_dim = _remove_batch_dim


def _broadcast_to_and_flatten(tree: Any, treespec: Any, is_leaf: Any = None) -> list[Any] | None:
    return spread(tree, tree_unflatten([None] * treespec.num_leaves, treespec))


def _get_name(func: Callable) -> str:
    return getattr(func, "__name__", repr(func))


def _as_tuple(value: Any, num_elements: int, error_message_lambda: Callable[[], str]) -> tuple:
    if not isinstance(value, tuple):
        return (value,)
    if len(value) != num_elements:
        raise ValueError(error_message_lambda())
    return value


__getattr__ = absent.names_of(__name__)
