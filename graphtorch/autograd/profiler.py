"""`torch.autograd.profiler`: the older face of `torch.profiler`."""

from __future__ import annotations

from typing import Any

from .. import absent
from ..errors import UnsupportedError, message
from ..profiler.events import EventList as EventList
from ..profiler.events import FunctionEvent as FunctionEvent
from ..profiler.events import FunctionEventAvg as FunctionEventAvg
from ..profiler.events import Recorder
from ..profiler.events import record_function as record_function


class profile:
    """A context manager that times every op of the block; prints as a table."""

    def __init__(
        self,
        enabled: bool = True,
        *,
        use_cuda: bool = False,
        use_device: str | None = None,
        record_shapes: bool = False,
        with_flops: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_modules: bool = False,
        use_kineto: bool = False,
        use_cpu: bool = True,
        **_: Any,
    ):
        self.enabled = enabled
        self._recorder = Recorder(record_shapes, profile_memory)

    def __enter__(self) -> profile:
        if self.enabled:
            self._recorder.start()
        return self

    def __exit__(self, *error: Any) -> None:
        if self.enabled:
            self._recorder.stop()

    @property
    def function_events(self) -> EventList:
        """Every event."""
        return self._recorder.events

    def key_averages(self, group_by_input_shape: bool = False, *_: Any, **__: Any) -> EventList:
        """The events, one entry a name."""
        return self._recorder.events.key_averages(group_by_input_shape)

    def total_average(self) -> FunctionEventAvg:
        """All events as one."""
        return self._recorder.events.total_average()

    def table(self, *args: Any, **kwargs: Any) -> str:
        """The events as text."""
        return self._recorder.events.table(*args, **kwargs)

    def export_chrome_trace(self, path: str) -> None:
        """Write the events for chrome://tracing or Perfetto."""
        self._recorder.events.export_chrome_trace(path)

    @property
    def self_cpu_time_total(self) -> float:
        """Time of all events, each counted once, in microseconds."""
        return self._recorder.events.self_cpu_time_total

    def __str__(self) -> str:
        return self.table()


class emit_nvtx:
    """Marks for NVIDIA's profiler; entering it raises UnsupportedError unless `enabled=False`."""

    def __init__(self, enabled: bool = True, record_shapes: bool = False):
        self.enabled = enabled

    def __enter__(self) -> emit_nvtx:
        if self.enabled:
            raise UnsupportedError(
                message(
                    f"{type(self).__name__} is not supported", hint="use torch.profiler.profile"
                )
            )
        return self

    def __exit__(self, *error: Any) -> None:
        pass


class emit_itt(emit_nvtx):
    """Marks for Intel's profiler; entering it raises UnsupportedError unless `enabled=False`."""


__getattr__ = absent.names_of(__name__)
