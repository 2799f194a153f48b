"""Collectives that return their result, and that gradients pass through.  One process: identities."""

from __future__ import annotations

from typing import Any

from ... import absent
from ...frontend.tensor import Tensor
from .. import _started


def all_reduce(tensor: Tensor, op: Any = None, group: Any = None) -> Tensor:
    """The combination over all processes: the tensor."""
    _started()
    return tensor


def broadcast(tensor: Tensor, src: int, group: Any = None) -> Tensor:
    """The tensor of process `src`."""
    _started()
    return tensor


def reduce(tensor: Tensor, dst: int, op: Any = None, group: Any = None) -> Tensor:
    """The combination over all processes, at `dst`."""
    _started()
    return tensor


def all_gather(tensor: Tensor, group: Any = None) -> tuple[Tensor, ...]:
    """The tensors of all processes."""
    _started()
    return (tensor,)


def gather(tensor: Tensor, dst: int = 0, group: Any = None) -> tuple[Tensor, ...]:
    """The tensors of all processes, at `dst`."""
    _started()
    return (tensor,)


def scatter(tensors: list[Tensor], src: int = 0, group: Any = None) -> Tensor:
    """This process's tensor of `src`'s list."""
    _started()
    return tensors[0]


def reduce_scatter(
    output: Tensor, input_list: list[Tensor], op: Any = None, group: Any = None
) -> Tensor:
    """This process's tensor of the combined lists."""
    _started()
    return input_list[0]


def all_to_all(
    output_tensor_list: list[Tensor], input_tensor_list: list[Tensor], group: Any = None
) -> tuple[Tensor, ...]:
    """What every process sent to this one."""
    _started()
    return tuple(input_tensor_list)


__getattr__ = absent.names_of(__name__)
