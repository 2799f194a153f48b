"""`torch.profiler`: where an eager program's time goes, op by op.

>>> import graphtorch as torch
>>> with torch.profiler.profile() as p:
...     y = torch.ones(3) * 2
>>> "aten::mul" in [e.key for e in p.key_averages()]
True
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from .. import absent
from .events import EventList, Recorder
from .events import record_function as record_function


class ProfilerActivity(Enum):
    """What is timed; only the CPU is."""

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3
    HPU = 4
    PrivateUse1 = 5


class ProfilerAction(Enum):
    """What a step of a schedule does."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def kineto_available() -> bool:
    """False: that library is not used."""
    return False


def supported_activities() -> set[ProfilerActivity]:
    """What can be timed."""
    return {ProfilerActivity.CPU}


def schedule(
    *,
    wait: int,
    warmup: int,
    active: int,
    repeat: int = 0,
    skip_first: int = 0,
    skip_first_wait: int = 0,
) -> Callable[[int], ProfilerAction]:
    """A function from step number to action: skip_first, then cycles of wait, warmup, active steps.

    repeat: how many cycles; 0 means for ever.  With `skip_first_wait` the first cycle has no wait.
    """
    if wait < 0 or warmup < 0 or active <= 0 or repeat < 0 or skip_first < 0:
        raise AssertionError(
            f"Invalid profiler schedule arguments: wait={wait}, warmup={warmup}, active={active},"
            f" repeat={repeat}, skip_first={skip_first}"
        )

    def action(step: int) -> ProfilerAction:
        if step < skip_first:
            return ProfilerAction.NONE
        step -= skip_first
        if skip_first_wait:
            step += wait
        cycle = wait + warmup + active
        number, place = divmod(step, cycle)
        if repeat and number >= repeat:
            return ProfilerAction.NONE
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if place < cycle - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def _always(step: int) -> ProfilerAction:
    return ProfilerAction.RECORD


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[Any], None]:
    """An `on_trace_ready` that writes a Chrome trace into a folder."""

    def handler(profiler: Any) -> None:
        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        path = os.path.join(dir_name, f"{worker}.{time.time_ns()}.pt.trace.json")
        profiler.export_chrome_trace(path)
        if use_gzip:
            import gzip

            with open(path, "rb") as source, gzip.open(path + ".gz", "wb") as target:
                target.write(source.read())
            os.remove(path)

    return handler


class profile:
    """A context manager that times every op of the block.

    schedule: which steps (`step()` counts them) are recorded; without it, all.
    on_trace_ready: called with this object at the end of every recorded cycle.
    record_shapes: keep the shapes of inputs; profile_memory: the bytes of results.
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[..., Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        experimental_config: Any = None,
        execution_trace_observer: Any = None,
        acc_events: bool = False,
        use_cuda: bool | None = None,
        custom_trace_id_callback: Callable[[], str] | None = None,
        post_processing_timeout_s: float | None = None,
    ):
        self.activities = set(activities) if activities else supported_activities()
        self.schedule = schedule or _always
        self.on_trace_ready = on_trace_ready
        self.record_shapes, self.profile_memory = record_shapes, profile_memory
        self.acc_events = acc_events
        self.step_num = 0
        self.current_action = self.schedule(0)
        self._recorder: Recorder | None = None
        self._step: record_function | None = None
        self._events = EventList()

    def start(self) -> None:
        """Begin."""
        self._apply(self.schedule(self.step_num))
        self._open_step()

    def stop(self) -> None:
        """End; `on_trace_ready` is called if something was recorded."""
        self._close_step()
        if self._recorder is not None:
            self._finish()

    def step(self) -> None:
        """The program's next step begins."""
        self._close_step()
        done = self.current_action
        self.step_num += 1
        if done is ProfilerAction.RECORD_AND_SAVE and self._recorder is not None:
            self._finish()
        self._apply(self.schedule(self.step_num))
        self._open_step()

    def _open_step(self) -> None:
        if self.schedule is not _always:
            self._step = record_function(f"ProfilerStep#{self.step_num}")
            self._step.__enter__()

    def _close_step(self) -> None:
        if self._step is not None:
            self._step.__exit__(None, None, None)
            self._step = None

    def _apply(self, action: ProfilerAction) -> None:
        self.current_action = action
        wanted = action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
        if wanted and self._recorder is None:
            self._recorder = Recorder(self.record_shapes, self.profile_memory)
            self._recorder.start()
        elif not wanted and self._recorder is not None:
            self._finish()

    def _finish(self) -> None:
        assert self._recorder is not None
        self._recorder.stop()
        kept = self._events if self.acc_events else []
        self._events = EventList([*kept, *self._recorder.events])
        self._recorder = None
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self.stop()

    def events(self) -> EventList:
        """Every event of the last recorded cycle."""
        return self._events

    def key_averages(
        self,
        group_by_input_shape: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:
        """The events, one entry a name."""
        return self._events.key_averages(group_by_input_shape)

    def export_chrome_trace(self, path: str) -> None:
        """Write the events for chrome://tracing or Perfetto."""
        self._events.export_chrome_trace(path)

    def add_metadata(self, key: str, value: str) -> None:
        """Accepted; traces hold events only."""

    add_metadata_json = add_metadata


__getattr__ = absent.names_of(__name__)
