"""`DataLoader`: batches of a dataset, in order or shuffled, fetched here or by worker processes."""

from __future__ import annotations

import math
import multiprocessing
import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import resource_tracker
from typing import Any

import numpy as np

from ...frontend import trace
from ...frontend.random import Generator
from ...frontend.tensor import Tensor, wrap
from .collate import default_collate, default_convert
from .dataset import Dataset, IterableDataset, Subset, TensorDataset
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, drawn_seed
from .worker import END, WorkerError, discard, run_worker, unpacked
from .worker import get_worker_info as get_worker_info


class _Forever(Sampler):
    """What takes the place of indices for a stream."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


class DataLoader:
    """Batches of a dataset.

    shuffle, sampler, batch_sampler: the order; at most one of them.  batch_size None: single samples.
    collate_fn: makes a batch of a list of samples.  generator: what shuffling draws from.
    num_workers: processes that fetch ahead (`prefetch_factor` batches each); 0 fetches in this one.

    >>> import graphtorch as torch
    >>> from graphtorch.utils.data import DataLoader, TensorDataset
    >>> for (x,) in DataLoader(TensorDataset(torch.arange(5)), batch_size=2):
    ...     print(x)
    tensor([0, 1])
    tensor([2, 3])
    tensor([4])
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable | None = None,
        batch_sampler: Iterable | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ):
        if num_workers < 0:
            raise ValueError(
                "num_workers option should be non-negative; use num_workers=0 to disable multiprocessing."
            )
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError(
                "prefetch_factor option could only be specified in multiprocessing.let num_workers > 0 to enable"
                " multiprocessing, otherwise set prefetch_factor to None."
            )
        if prefetch_factor is not None and prefetch_factor < 0:
            raise ValueError("prefetch_factor option should be non-negative")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")
        self._streams = isinstance(dataset, IterableDataset)
        if self._streams:
            for name, value in (
                ("shuffle", shuffle),
                ("sampler", sampler),
                ("batch_sampler", batch_sampler),
            ):
                if value not in (None, False):
                    raise ValueError(
                        f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={value}"
                    )
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
            )
        if sampler is None:
            if self._streams:
                sampler = _Forever()
            else:
                sampler = (
                    RandomSampler(dataset, generator=generator)
                    if shuffle
                    else SequentialSampler(dataset)
                )
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        if isinstance(multiprocessing_context, str):
            multiprocessing_context = multiprocessing.get_context(multiprocessing_context)
        self.multiprocessing_context = multiprocessing_context
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        batched = batch_sampler is not None
        self.collate_fn = collate_fn or (default_collate if batched else default_convert)
        self._workers: _Workers | None = None
        self._initialized = True

    def __setattr__(self, name: str, value: Any) -> None:
        fixed = (
            "batch_size",
            "batch_sampler",
            "sampler",
            "drop_last",
            "dataset",
            "persistent_workers",
        )
        if name in fixed and self.__dict__.get("_initialized"):
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized"
            )
        super().__setattr__(name, value)

    @property
    def _index_sampler(self) -> Any:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def __len__(self) -> int:
        if not self._streams:
            return len(self._index_sampler)
        length = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else math.ceil(length / self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        tracer = trace.active()
        if tracer is not None:
            tracer.leave("a DataLoader gives other batches at every call")
        indices = iter(self._index_sampler)
        base_seed = drawn_seed(self.generator)
        if self.num_workers == 0:
            if self.timeout != 0:
                raise AssertionError("_SingleProcessDataLoaderIter requires timeout == 0")
            return _Here(self, indices)
        if self.persistent_workers and self._workers is not None:
            self._workers.again(base_seed)
        else:
            self._workers = _Workers(self, base_seed)
        return _Ahead(self, self._workers, indices)

    def _make_fetcher(self) -> Callable[[Any], Callable[[Any], Any]]:
        return _FetcherMaker(
            self._streams, self.batch_sampler is not None, self.collate_fn, self.drop_last
        )


class _FetcherMaker:
    """Makes the function from indices to a batch; travels to worker processes."""

    def __init__(
        self, streams: bool, batched: bool, collate_fn: Callable[[Any], Any], drop_last: bool
    ):
        self.streams, self.batched, self.collate_fn, self.drop_last = (
            streams,
            batched,
            collate_fn,
            drop_last,
        )

    def __call__(self, dataset: Any) -> Callable[[Any], Any]:
        if self.streams:
            return self._from_stream(iter(dataset))
        collate = self.collate_fn
        if not self.batched:
            return lambda index: collate(dataset[index])
        rows = _rows(dataset) if collate is default_collate else None
        if rows is not None:
            return rows
        several = getattr(dataset, "__getitems__", None)
        if several:
            return lambda indices: collate(several(indices))
        return lambda indices: collate([dataset[i] for i in indices])

    def _from_stream(self, stream: Iterator[Any]) -> Callable[[Any], Any]:
        def fetch(indices: Any) -> Any:
            if not self.batched:
                return self.collate_fn(next(stream))
            batch = []
            for _ in indices:
                try:
                    batch.append(next(stream))
                except StopIteration:
                    break
            if not batch or (self.drop_last and len(batch) < len(indices)):
                raise StopIteration
            return self.collate_fn(batch)

        return fetch


def _rows(dataset: Any) -> Callable[[list[int]], list[Tensor]] | None:
    """For tensors on the CPU: take a batch's rows at once instead of stacking them one by one."""
    chosen = None
    if type(dataset) is Subset:
        chosen, dataset = np.asarray(dataset.indices, np.int64), dataset.dataset
    if (
        type(dataset) is not TensorDataset
        or type(dataset).__getitem__ is not TensorDataset.__getitem__
    ):
        return None
    if any(
        t.requires_grad or t._device is not None or type(t) is not Tensor for t in dataset.tensors
    ):
        return None

    def fetch(indices: list[int]) -> list[Tensor]:
        rows = np.asarray(indices, np.int64)
        if chosen is not None:
            rows = chosen[rows]
        return [wrap(tensor._array.take(rows, axis=0)) for tensor in dataset.tensors]

    return fetch


class _BaseDataLoaderIter:
    """What iterating over a DataLoader gives."""


class _Here(_BaseDataLoaderIter):
    """Fetches in this process."""

    def __init__(self, loader: DataLoader, indices: Iterator[Any]):
        self._indices = indices
        self._length = loader.__len__
        self._fetch = loader._make_fetcher()(loader.dataset)

    def __iter__(self) -> _Here:
        return self

    def __next__(self) -> Any:
        return self._fetch(next(self._indices))

    def __len__(self) -> int:
        return self._length()


class _Workers:
    """The worker processes of one loader."""

    def __init__(self, loader: DataLoader, base_seed: int):
        methods = multiprocessing.get_all_start_methods()
        default = multiprocessing.get_context("fork" if "fork" in methods else None)
        context = loader.multiprocessing_context or default
        self.connections: list[Any] = []
        self.processes: list[Any] = []
        self._owner = os.getpid()
        resource_tracker.ensure_running()  # one for all: shared blocks are made there and freed here
        for worker in range(loader.num_workers):
            here, there = context.Pipe()
            self.connections.append(here)
            forks = context.get_start_method() == "fork"
            arguments = (
                self.connections if forks else [], there, loader._make_fetcher(), loader.dataset, loader.worker_init_fn, worker, loader.num_workers,
                base_seed,
            )  # fmt: skip
            process = context.Process(target=run_worker, args=arguments, daemon=True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # fork beside other threads
                process.start()
            there.close()
            self.processes.append(process)

    def again(self, base_seed: int) -> None:
        """Start another epoch in the same processes."""
        for connection in self.connections:
            connection.send(("again", base_seed))

    def stop(self) -> None:
        """End the processes; a forked copy of this object in a worker does nothing."""
        if self._owner != os.getpid():
            return
        connections, self.connections = self.connections, []
        for connection in connections:
            try:
                connection.send(None)
            except OSError:
                pass
        deadline = time.monotonic() + 5
        for connection, process in zip(connections, self.processes, strict=True):
            self._drain(connection, process, deadline)
            process.join(timeout=1)
            if process.is_alive():
                process.terminate()
            connection.close()
        self.processes = []

    @staticmethod
    def _drain(connection: Any, process: Any, deadline: float) -> None:
        """Take what a worker still wants to hand over, so that it can end and nothing is left in shared memory."""
        while time.monotonic() < deadline:
            try:
                if connection.poll(0.05):
                    discard(connection.recv())
                elif not process.is_alive():
                    return
            except (EOFError, OSError):
                return

    def __del__(self) -> None:
        if self.connections:
            self.stop()


class _Ahead(_BaseDataLoaderIter):
    """Hands batches to the workers in turn and takes them back in the same order."""

    def __init__(self, loader: DataLoader, workers: _Workers, indices: Iterator[Any]):
        self._loader = loader
        self._workers = workers
        self._indices = indices
        self._waiting: deque[int] = deque()  # which worker has the next batch, and so on
        self._active = list(range(loader.num_workers))
        self._turn = 0
        for _ in range((loader.prefetch_factor or 2) * loader.num_workers):
            self._assign()

    def _assign(self) -> None:
        if not self._active:
            return
        try:
            task = next(self._indices)
        except StopIteration:
            return
        worker = self._active[self._turn % len(self._active)]
        self._turn += 1
        self._workers.connections[worker].send(("fetch", task))
        self._waiting.append(worker)

    def __iter__(self) -> _Ahead:
        return self

    def __len__(self) -> int:
        return len(self._loader)

    def __next__(self) -> Any:
        while self._waiting:
            worker = self._waiting.popleft()
            message = self._receive(worker)
            if isinstance(message, str) and message == END:
                if worker in self._active:
                    self._active.remove(worker)
                self._assign()
                continue
            self._assign()
            if isinstance(message, WorkerError):
                self._stop()
                message.raise_again()
            return unpacked(message)
        self._stop()
        raise StopIteration

    def _receive(self, worker: int) -> Any:
        connection, timeout = self._workers.connections[worker], self._loader.timeout
        if timeout and not connection.poll(timeout):
            self._stop()
            raise RuntimeError(f"DataLoader timed out after {timeout} seconds")
        try:
            return connection.recv()
        except (EOFError, ConnectionResetError):
            process = self._workers.processes[worker]
            self._workers.stop()
            self._loader._workers = None
            raise RuntimeError(
                f"DataLoader worker (pid(s) {process.pid}) exited unexpectedly with exit code {process.exitcode}"
            ) from None

    def _stop(self) -> None:
        """End the workers, unless they are kept for the next epoch."""
        if not self._loader.persistent_workers:
            self._workers.stop()
            if self._loader._workers is self._workers:
                self._loader._workers = None
        else:
            while self._waiting:  # results of this epoch that nobody took
                discard(self._workers.connections[self._waiting.popleft()].recv())

    def __del__(self) -> None:
        workers = self.__dict__.get("_workers")
        if workers is not None and workers.connections:
            self._stop()


_collate_fn_t = Callable[[list[Any]], Any]  # PyTorch's name of the type

# PyTorch's names of the two
_SingleProcessDataLoaderIter, _MultiProcessingDataLoaderIter = _Here, _Ahead
