"""`*_copy`: what a view function gives, in memory of its own; and `unsafe_*`, which promise nothing."""

from __future__ import annotations

from typing import Any

from ...ir import ops
from ..tensor import Tensor
from . import arranging, shape, splitting
from .strided import as_strided
from .wrapping import accepts_out, into, named


def _copying(name: str, view: Any) -> Any:
    @accepts_out
    def function(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return ops.copy(view(input, *args, **kwargs))

    return named(function, name, f"`{view.__name__}` in memory of its own.")


def _copying_all(name: str, view: Any) -> Any:
    def function(input: Tensor, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        parts = tuple([ops.copy(x) for x in view(input, *args, **kwargs)])
        if out is None:
            return parts
        for target, x in zip(out, parts, strict=True):
            into(target, x)
        return None

    return named(function, name, f"`{view.__name__}` with parts in memory of their own.")


def alias(input: Tensor) -> Tensor:
    """A view of all of the tensor."""
    return ops.reshape(input, shape=input._array.shape)


alias_copy, view_copy = _copying("alias_copy", alias), _copying("view_copy", shape.view)
expand_copy, permute_copy = _copying("expand_copy", shape.expand), _copying("permute_copy", shape.permute)  # fmt: skip
squeeze_copy = _copying("squeeze_copy", shape.squeeze)
unsqueeze_copy = _copying("unsqueeze_copy", shape.unsqueeze)
transpose_copy, t_copy = _copying("transpose_copy", shape.transpose), _copying("t_copy", shape.t)
detach_copy = _copying("detach_copy", Tensor.detach)
diagonal_copy = _copying("diagonal_copy", arranging.diagonal)
unfold_copy = _copying("unfold_copy", arranging.unfold_windows)


@accepts_out
def narrow_copy(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """`narrow` in memory of its own."""
    if input._array.ndim and dim >= input._array.ndim:
        raise RuntimeError(
            "Expected dim < static_cast<int64_t>(self_sizes.size()) to be true, but got false."
        )
    return ops.copy(splitting.narrow(input, dim, start, length))


select_copy = _copying("select_copy", splitting.select)
as_strided_copy = _copying("as_strided_copy", as_strided)
split_copy = _copying_all("split_copy", splitting.split)
split_with_sizes_copy = _copying_all("split_with_sizes_copy", splitting.split_with_sizes)
unbind_copy = _copying_all("unbind_copy", splitting.unbind)

unsafe_chunk, unsafe_split = splitting.chunk, splitting.split
unsafe_split_with_sizes = splitting.split_with_sizes
