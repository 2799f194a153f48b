"""Streams and events.  Compiled graphs end with the host waiting, so a stream orders nothing more.

Both exist for programs that time themselves; making one needs a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def _gpu(where: Any = None) -> Any:
    from . import _gpu

    return _gpu(where)


class Stream:
    """A queue of work on a GPU."""

    def __init__(self, device: Any = None, priority: int = 0, *, _stream: Any = None):
        gpu = _gpu(device)
        self._stream = gpu.cupy.cuda.Stream(non_blocking=True) if _stream is None else _stream

    def synchronize(self) -> None:
        """Wait until the queue is empty."""
        self._stream.synchronize()

    def query(self) -> bool:
        """Whether the queue is empty."""
        return bool(self._stream.done)

    def record_event(self, event: Event | None = None) -> Event:
        """Put an event into the queue."""
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """Let what comes later wait for an event."""
        self._stream.wait_event(event._event)

    def wait_stream(self, other: Stream) -> None:
        """Let what comes later wait for what is in another queue now."""
        self.wait_event(other.record_event())


class Event:
    """A point in a stream."""

    def __init__(
        self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False
    ):
        self._event = _gpu().cupy.cuda.Event(block=blocking, disable_timing=not enable_timing)

    def record(self, stream: Stream | None = None) -> None:
        """Mark the stream's present end."""
        self._event.record(None if stream is None else stream._stream)

    def synchronize(self) -> None:
        """Wait until the event is reached."""
        self._event.synchronize()

    def query(self) -> bool:
        """Whether the event is reached."""
        return bool(self._event.done)

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this event to a later one; both were made with enable_timing=True."""
        cupy = _gpu().cupy
        return float(cupy.cuda.get_elapsed_time(self._event, end_event._event))


def current_stream(device: Any = None) -> Stream:
    """The stream that work goes to now."""
    return Stream(device, _stream=_gpu(device).cupy.cuda.get_current_stream())


def default_stream(device: Any = None) -> Stream:
    """The stream that work goes to where none is chosen."""
    return Stream(device, _stream=_gpu(device).cupy.cuda.Stream.null)


@contextmanager
def stream(chosen: Stream | None) -> Iterator[None]:
    """Inside this block work goes to the chosen stream."""
    if chosen is None:
        yield
        return
    with chosen._stream:
        yield


class StreamContext:
    """What `torch.cuda.stream(...)` gives, as a class that programs name."""

    def __init__(self, stream: Stream | None):
        self._context = globals()["stream"](stream)

    def __enter__(self) -> None:
        self._context.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._context.__exit__(*error)


class CUDAGraph:
    """Recorded work, which programs name in annotations; compiled graphs are launched whole instead."""

    def __init__(self, *args: object, **kwargs: object):
        from ..errors import UnsupportedError

        raise UnsupportedError(
            "torch.cuda.CUDAGraph: there are no recorded streams here; torch.compile launches a graph whole"
        )


class graph(CUDAGraph):
    """The block in which PyTorch records work into a `CUDAGraph`; refused in the same way."""
