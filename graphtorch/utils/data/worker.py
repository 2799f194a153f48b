"""Worker processes of a loader: they fetch batches ahead and hand them over in shared memory.

    parent                                  worker i
    tasks:   indices of a batch  ──pipe──>  fetch, collate
    result:  pickled structure   <──pipe──  arrays in one shared-memory block

Each worker has its own copy of the dataset and its own random seed, base seed + i, as in PyTorch.  A thread
of the worker takes tasks off the pipe at once, so that neither side waits for the other to read.
"""

from __future__ import annotations

import io
import os
import pickle
import random
import secrets
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import shared_memory
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

import numpy as np

from ...frontend.random import manual_seed
from ...frontend.tensor import Tensor, wrap

_SHARED_FROM = 1 << 16  # bytes of arrays from which a batch goes through shared memory


@dataclass(frozen=True)
class WorkerInfo:
    """Which worker this process is."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_worker_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a worker process its `WorkerInfo`, in the main process None."""
    return _worker_info


class WorkerError(Exception):
    """Carries an exception and its traceback out of a worker."""

    def __init__(self, kind: type[BaseException], text: str, worker: int):
        super().__init__(kind, text, worker)
        self.kind, self.text, self.worker = kind, text, worker

    def raise_again(self) -> None:
        """Raise an exception of the same class that shows the worker's traceback."""
        what = f"Caught {self.kind.__name__} in DataLoader worker process {self.worker}.\nOriginal {self.text}"
        try:
            error = self.kind(what)
        except TypeError:
            error = RuntimeError(what)
        raise error


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return wrap, (value._array,)
        return NotImplemented


def packed(value: Any) -> tuple[bytes, str | None, list[int]]:
    """A picklable form of a batch: structure, name of the shared block, sizes of the arrays in it."""
    arrays: list[pickle.PickleBuffer] = []

    def out_of_band(buffer: pickle.PickleBuffer) -> bool:
        arrays.append(buffer)
        return False

    stream = io.BytesIO()
    _Pickler(stream, protocol=5, buffer_callback=out_of_band).dump(value)
    views = [np.frombuffer(array.raw(), np.uint8) for array in arrays]
    sizes = [view.nbytes for view in views]
    if sum(sizes) < _SHARED_FROM:
        plain = io.BytesIO()
        _Pickler(plain, protocol=5).dump(value)
        return plain.getvalue(), None, []
    name = f"graphtorch-{os.getppid()}-{secrets.token_hex(8)}"
    block = shared_memory.SharedMemory(name, create=True, size=sum(sizes))
    start = 0
    target = np.frombuffer(block.buf, np.uint8)
    for view in views:
        target[start : start + view.nbytes] = view
        start += view.nbytes
    del target
    block.close()
    return stream.getvalue(), name, sizes


def unpacked(message: tuple[bytes, str | None, list[int]]) -> Any:
    """The batch again; its shared block is freed."""
    structure, name, sizes = message
    if name is None:
        return pickle.loads(structure)  # from our own worker
    block = shared_memory.SharedMemory(name=name)
    buffers, start = [], 0
    for size in sizes:
        buffers.append(bytearray(block.buf[start : start + size]))
        start += size
    block.close()
    block.unlink()
    return pickle.loads(structure, buffers=buffers)


def discard(message: Any) -> None:
    """Free the shared block of a batch that nobody wants."""
    if isinstance(message, tuple) and message[1] is not None:
        block = shared_memory.SharedMemory(name=message[1])
        block.close()
        block.unlink()


END = "end"


class _Tasks:
    """Tasks in the order they came; empty for good once the parent says stop or is gone."""

    def __init__(self, connection: Connection):
        self._connection = connection
        self._tasks: SimpleQueue[Any] = SimpleQueue()
        self._stopping = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while not self._stopping:
            try:
                task = self._connection.recv()
            except (EOFError, OSError):
                task = None
            self._stopping = task is None
            self._tasks.put(task)

    def next(self) -> Any:
        """The next task, or None to stop; tasks still waiting then are dropped."""
        task = self._tasks.get()
        return None if self._stopping else task


def run_worker(
    inherited: Sequence[Connection],
    connection: Connection,
    make_fetcher: Callable[[Any], Callable[[Any], Any]],
    dataset: Any,
    init: Callable[[int], None] | None,
    worker: int,
    count: int,
    base_seed: int,
) -> None:
    """The loop of a worker process.

    inherited: the parent's ends of pipes that a forked process has copies of; held open here, they would
    keep other workers from noticing that the parent is gone.
    """
    global _worker_info
    try:
        for other in inherited:
            other.close()
        tasks = _Tasks(connection)
        _seed(base_seed, worker)
        _worker_info = WorkerInfo(worker, count, base_seed + worker, dataset)
        fetch: Any = None
        failure: WorkerError | None = None
        try:
            if init is not None:
                init(worker)
            fetch = make_fetcher(dataset)
        except Exception as error:
            failure = WorkerError(type(error), traceback.format_exc(), worker)
        while (task := tasks.next()) is not None:
            kind, value = task
            if kind == "again":
                _seed(value, worker)
                fetch = make_fetcher(dataset)
                continue
            try:
                if failure is not None:
                    raise failure
                message: Any = packed(fetch(value))
            except StopIteration:
                message = END
            except WorkerError as error:
                message = error
            except Exception as error:
                message = WorkerError(type(error), traceback.format_exc(), worker)
            connection.send(message)
    except (KeyboardInterrupt, EOFError, BrokenPipeError):
        pass


def _seed(base_seed: int, worker: int) -> None:
    seed = base_seed + worker
    random.seed(seed)
    manual_seed(seed)
    np.random.seed(_generate_state(base_seed, worker))


def _generate_state(base_seed: int, worker_id: int) -> list[int]:
    """Four words to seed NumPy with, as PyTorch makes them."""
    words = [worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    return np.random.SeedSequence(words).generate_state(4).tolist()
