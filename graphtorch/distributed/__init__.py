"""`torch.distributed` for a group of one process.

`is_available()` answers False: there is no way to another process.  A program that starts a group of
one anyway (`init_process_group(rank=0, world_size=1)`) runs: every collective gives what it gives there.

>>> import graphtorch.distributed as dist
>>> dist.init_process_group("gloo", rank=0, world_size=1)
>>> dist.get_world_size()
1
>>> dist.destroy_process_group()
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

from .. import absent
from ..errors import UnsupportedError, message
from ..frontend.tensor import Tensor


class ProcessGroup:
    """The group whose only member is this process."""

    def __init__(self, backend: str = "gloo"):
        self._backend = backend

    def rank(self) -> int:
        """Always 0."""
        return 0

    def size(self) -> int:
        """Always 1."""
        return 1

    def name(self) -> str:
        """The backend asked for."""
        return self._backend


class Work:
    """A collective that was started; in a group of one it is done."""

    def __init__(self, result: Any = None):
        self._result = result

    def is_completed(self) -> bool:
        """Always True."""
        return True

    def is_success(self) -> bool:
        """Always True."""
        return True

    def wait(self, timeout: Any = None) -> bool:
        """Return at once."""
        return True

    def result(self) -> Any:
        """What was computed."""
        return self._result


class ReduceOp(Enum):
    """How `all_reduce` combines; one process has nothing to combine."""

    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4
    BAND = 5
    BOR = 6
    BXOR = 7


reduce_op = ReduceOp


class Backend(str):
    """Names of transports."""

    UNDEFINED, GLOO, NCCL, UCC, MPI, XCCL = "undefined", "gloo", "nccl", "ucc", "mpi", "xccl"


class GroupMember:
    """Where PyTorch keeps the default group."""

    WORLD: ProcessGroup | None = None
    NON_GROUP_MEMBER = -100


group = GroupMember


class DistBackendError(RuntimeError):
    """An error of a transport."""


class DistNetworkError(RuntimeError):
    """An error of a connection."""


def is_available() -> bool:
    """False: this process cannot talk to another."""
    return False


def is_initialized() -> bool:
    """Whether `init_process_group` was called."""
    return GroupMember.WORLD is not None


def is_gloo_available() -> bool:
    """Always False."""
    return False


is_nccl_available = is_mpi_available = is_ucc_available = is_xccl_available = is_gloo_available


def is_torchelastic_launched() -> bool:
    """Whether `torchrun` started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def init_process_group(
    backend: str | None = None,
    init_method: str | None = None,
    timeout: Any = None,
    world_size: int = -1,
    rank: int = -1,
    store: Any = None,
    group_name: str = "",
    pg_options: Any = None,
    device_id: Any = None,
    _ranks: list[int] | None = None,
) -> None:
    """Start the group.  Raises UnsupportedError for more than one process."""
    size = world_size if world_size > 0 else int(os.environ.get("WORLD_SIZE", "1"))
    if size != 1:
        raise UnsupportedError(
            message(
                f"a process group of {size} processes is not supported",
                hint="graphtorch trains in one process: use world_size=1",
            )
        )
    if is_initialized():
        raise ValueError("trying to initialize the default process group twice!")
    GroupMember.WORLD = ProcessGroup(backend or "gloo")


def destroy_process_group(group: Any = None) -> None:
    """End the group."""
    GroupMember.WORLD = None


def _started() -> ProcessGroup:
    if GroupMember.WORLD is None:
        raise ValueError(
            "Default process group has not been initialized, please make sure to call init_process_group."
        )
    return GroupMember.WORLD


def get_rank(group: Any = None) -> int:
    """This process's number: 0.  Raises ValueError before `init_process_group`."""
    return _started().rank()


def get_world_size(group: Any = None) -> int:
    """How many processes there are: 1.  Raises ValueError before `init_process_group`."""
    return _started().size()


def get_backend(group: Any = None) -> str:
    """The transport asked for."""
    return _started().name()


def get_process_group_ranks(group: Any = None) -> list[int]:
    """The members of the group."""
    return [0]


def get_global_rank(group: Any, group_rank: int) -> int:
    """The number in the whole of a number in the group."""
    return group_rank


get_group_rank = get_global_rank


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """This process's number on this machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def new_group(ranks: list[int] | None = None, *args: Any, **kwargs: Any) -> ProcessGroup:
    """Another group of the same process."""
    return ProcessGroup(_started().name())


def _done(async_op: bool, result: Any = None) -> Work | None:
    _started()
    return Work(result) if async_op else None


def barrier(
    group: Any = None, async_op: bool = False, device_ids: Any = None, timeout: Any = None
) -> Work | None:
    """Wait for the others, of whom there are none."""
    return _done(async_op)


def monitored_barrier(group: Any = None, timeout: Any = None, wait_all_ranks: bool = False) -> None:
    """Wait for the others, of whom there are none."""
    _started()


def all_reduce(
    tensor: Tensor, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """Combine `tensor` over all processes, in place: it stays what it is."""
    return _done(async_op, [tensor])


def broadcast(
    tensor: Tensor, src: int | None = None, group: Any = None, async_op: bool = False, **_: Any
) -> Work | None:
    """Give everyone the tensor of `src`: it stays what it is."""
    return _done(async_op, [tensor])


def reduce(
    tensor: Tensor,
    dst: int | None = None,
    op: Any = ReduceOp.SUM,
    group: Any = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """Combine `tensor` over all processes at `dst`."""
    return _done(async_op, [tensor])


def _fill(outputs: list[Tensor], *inputs: Tensor) -> None:
    from ..frontend.grad_mode import no_grad

    with no_grad():
        for out, value in zip(outputs, inputs, strict=True):
            out.copy_(value)


def all_gather(
    tensor_list: list[Tensor], tensor: Tensor, group: Any = None, async_op: bool = False
) -> Work | None:
    """Write every process's tensor into the list."""
    _fill(tensor_list, tensor)
    return _done(async_op, tensor_list)


def all_gather_into_tensor(
    output_tensor: Tensor, input_tensor: Tensor, group: Any = None, async_op: bool = False
) -> Work | None:
    """Write every process's tensor into one, one after the other."""
    _fill([output_tensor], input_tensor.reshape(output_tensor.shape))
    return _done(async_op, output_tensor)


_all_gather_base = all_gather_into_tensor


def gather(
    tensor: Tensor,
    gather_list: list[Tensor] | None = None,
    dst: int | None = None,
    group: Any = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """Write every process's tensor into the list of `dst`."""
    if gather_list:
        _fill(gather_list, tensor)
    return _done(async_op, gather_list)


def scatter(
    tensor: Tensor,
    scatter_list: list[Tensor] | None = None,
    src: int | None = None,
    group: Any = None,
    async_op: bool = False,
    group_src: int | None = None,
) -> Work | None:
    """Write this process's tensor of the list into `tensor`."""
    if scatter_list:
        _fill([tensor], scatter_list[0])
    return _done(async_op, [tensor])


def reduce_scatter(
    output: Tensor,
    input_list: list[Tensor],
    op: Any = ReduceOp.SUM,
    group: Any = None,
    async_op: bool = False,
) -> Work | None:
    """Combine the lists over all processes, and write this process's tensor."""
    _fill([output], input_list[0])
    return _done(async_op, [output])


def reduce_scatter_tensor(
    output: Tensor,
    input: Tensor,
    op: Any = ReduceOp.SUM,
    group: Any = None,
    async_op: bool = False,
) -> Work | None:
    """Combine the tensors over all processes, and write this process's part."""
    _fill([output], input.reshape(output.shape))
    return _done(async_op, output)


def all_gather_object(object_list: list[Any], obj: Any, group: Any = None) -> None:
    """Write every process's object into the list."""
    _started()
    object_list[0] = obj


def gather_object(
    obj: Any,
    object_gather_list: list[Any] | None = None,
    dst: int | None = None,
    group: Any = None,
    group_dst: int | None = None,
) -> None:
    """Write every process's object into the list of `dst`."""
    _started()
    if object_gather_list is not None:
        object_gather_list[0] = obj


def broadcast_object_list(
    object_list: list[Any], src: int | None = None, group: Any = None, device: Any = None, **_: Any
) -> None:
    """Give everyone the objects of `src`."""
    _started()


def scatter_object_list(
    scatter_object_output_list: list[Any],
    scatter_object_input_list: list[Any] | None = None,
    src: int | None = None,
    group: Any = None,
    group_src: int | None = None,
) -> None:
    """Write this process's object of the list."""
    _started()
    if scatter_object_input_list:
        scatter_object_output_list[0] = scatter_object_input_list[0]


def _alone(name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        raise UnsupportedError(
            message(
                f"torch.distributed.{name} needs another process",
                hint="graphtorch trains in one process",
            )
        )

    call.__name__ = call.__qualname__ = name
    call.__doc__ = "Raises UnsupportedError: there is no other process."
    return call


send, recv, isend, irecv = _alone("send"), _alone("recv"), _alone("isend"), _alone("irecv")
batch_isend_irecv, P2POp = _alone("batch_isend_irecv"), _alone("P2POp")


class Store(dict):
    """Values that processes share; here a dictionary."""

    def set(self, key: str, value: Any) -> None:
        """Keep a value, as bytes."""
        self[key] = value if isinstance(value, bytes) else str(value).encode()

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value."""
        return self[key] if default is None else super().get(key, default)

    def wait(self, keys: Iterator[str], timeout: Any = None) -> None:
        """Raise KeyError for a key that nobody will set."""
        for key in keys:
            self[key]


HashStore = Store


class FileStore(Store):
    """A store of one process."""

    def __init__(self, file_name: str, world_size: int = -1):
        super().__init__()


class TCPStore(Store):
    """A store of one process."""

    def __init__(self, host_name: str, port: int, *args: Any, **kwargs: Any):
        super().__init__()


__getattr__ = absent.names_of(__name__)
