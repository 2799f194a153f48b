"""What a profiled program did: every op and every `record_function` block with its time.

While a `Recorder` is on it stands in front of eager execution and times each op.  A call of a compiled
function is one native call and no event; `step.explain()` times its kernels.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import ContextDecorator
from dataclasses import dataclass, field
from typing import Any

from ..frontend import pytree
from ..ir import dispatch


@dataclass(eq=False)
class FunctionEvent:
    """One op or block; times in microseconds."""

    name: str
    start: float
    thread: int
    is_user_annotation: bool = False
    input_shapes: list[list[int]] = field(default_factory=list)
    cpu_memory_usage: int = 0
    end: float = 0.0
    cpu_children: list[FunctionEvent] = field(default_factory=list)
    cpu_parent: FunctionEvent | None = None
    count: int = 1

    @property
    def key(self) -> str:
        """What events are grouped by."""
        return self.name

    @property
    def cpu_time_total(self) -> float:
        """Time with its children."""
        return self.end - self.start

    @property
    def cpu_time(self) -> float:
        """Time with its children."""
        return self.cpu_time_total

    @property
    def self_cpu_time_total(self) -> float:
        """Time without its children."""
        return self.cpu_time_total - sum(c.cpu_time_total for c in self.cpu_children)

    def __repr__(self) -> str:
        return (
            f"<FunctionEvent name={self.name} cpu_time={_time(self.cpu_time)} thread={self.thread}>"
        )


class FunctionEventAvg:
    """All events of one name."""

    def __init__(self, key: str):
        self.key, self.count = key, 0
        self.cpu_time_total = self.self_cpu_time_total = 0.0
        self.cpu_memory_usage = 0
        self.input_shapes: list[list[int]] = []
        self.is_user_annotation = False
        # nothing is timed on another device
        self.device_time_total = self.self_device_time_total = 0.0
        self.device_memory_usage, self.flops = 0, 0

    @property
    def cpu_time(self) -> float:
        """Mean time of one."""
        return self.cpu_time_total / self.count if self.count else 0.0

    def add(self, event: FunctionEvent) -> None:
        """Count one more."""
        self.count += 1
        self.cpu_time_total += event.cpu_time_total
        self.self_cpu_time_total += event.self_cpu_time_total
        self.cpu_memory_usage += event.cpu_memory_usage
        self.input_shapes = event.input_shapes
        self.is_user_annotation = event.is_user_annotation

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} cpu_time={_time(self.cpu_time)} count={self.count}>"
        )


def _time(us: float) -> str:
    if us >= 1e6:
        return f"{us / 1e6:.3f}s"
    return f"{us / 1e3:.3f}ms" if us >= 1e3 else f"{us:.3f}us"


class EventList(list):
    """Events, or their averages; `table` prints them."""

    @property
    def self_cpu_time_total(self) -> float:
        """Time of all, each counted once."""
        return sum(e.self_cpu_time_total for e in self)

    def key_averages(self, group_by_input_shape: bool = False, *_: Any, **__: Any) -> EventList:
        """One entry a name (and shapes of inputs)."""
        found: dict[Any, FunctionEventAvg] = {}
        for event in self:
            key = (event.name, str(event.input_shapes)) if group_by_input_shape else event.name
            found.setdefault(key, FunctionEventAvg(event.name)).add(event)
        return EventList(found.values())

    def total_average(self) -> FunctionEventAvg:
        """All as one."""
        total = FunctionEventAvg("Total")
        for event in self:
            total.count += event.count
            total.self_cpu_time_total += event.self_cpu_time_total
            total.cpu_time_total += event.self_cpu_time_total
        return total

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
        time_unit: str | None = None,
    ) -> str:
        """The events as text; `sort_by` is one of their attributes, the largest first."""
        rows = list(self)
        if sort_by is not None:
            rows.sort(key=lambda e: getattr(e, sort_by.replace("cuda", "device")), reverse=True)
        total = self.self_cpu_time_total or 1.0
        titles = ["Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg", "# of Calls"]  # fmt: skip
        cells = [
            [
                e.key[:max_name_column_width],
                f"{100 * e.self_cpu_time_total / total:.2f}%",
                _time(e.self_cpu_time_total),
                f"{100 * e.cpu_time_total / total:.2f}%",
                _time(e.cpu_time_total),
                _time(e.cpu_time),
                str(e.count),
            ]
            for e in (rows if row_limit < 0 else rows[:row_limit])
        ]
        widths = [max(12, *(len(r[i]) for r in [titles, *cells])) for i in range(len(titles))]
        rule = "  ".join("-" * w for w in widths) + "  "
        lines = [] if header is None else [header]
        for n, row in enumerate([titles, *cells]):
            lines += [rule] * (n < 2)
            lines.append("  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) + "  ")
        return "\n".join(
            [*lines, rule, f"Self CPU time total: {_time(self.self_cpu_time_total)}", ""]
        )

    __str__ = table

    def export_chrome_trace(self, path: str) -> None:
        """Write the events for chrome://tracing or Perfetto."""
        trace = [
            {"name": e.name, "ph": "X", "ts": e.start, "dur": e.cpu_time_total, "tid": e.thread, "pid": 0,
             "cat": "user_annotation" if e.is_user_annotation else "cpu_op",
             "args": {"Input Dims": e.input_shapes}}
            for e in self
        ]  # fmt: skip
        with open(path, "w") as file:
            json.dump({"schemaVersion": 1, "traceEvents": trace}, file)


class Recorder:
    """Collects events; an interpreter in front of the one that computes."""

    def __init__(self, shapes: bool = False, memory: bool = False):
        self.events = EventList()
        self._shapes, self._memory = shapes, memory
        self._open = threading.local()

    def begin(self, name: str, annotation: bool = False) -> FunctionEvent:
        """Open an event; those begun before its `end` are its children."""
        event = FunctionEvent(name, 0.0, threading.get_ident(), annotation)
        stack = self._open.__dict__.setdefault("stack", [])
        if stack:
            event.cpu_parent = stack[-1]
            stack[-1].cpu_children.append(event)
        stack.append(event)
        self.events.append(event)
        event.start = time.perf_counter_ns() / 1000
        return event

    def end(self, event: FunctionEvent) -> None:
        """Close an event."""
        event.end = time.perf_counter_ns() / 1000
        self._open.stack.remove(event)

    def process(self, op: Any, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Time one op."""
        event = self.begin(f"aten::{op.name}")
        try:
            result = self._below.process(op, inputs, attrs)
        finally:
            self.end(event)
        if self._shapes:
            event.input_shapes = [list(getattr(x, "shape", ())) for x in inputs]
        if self._memory:
            event.cpu_memory_usage = sum(getattr(x, "nbytes", 0) for x in pytree.flatten(result)[0])
        return result

    def start(self) -> None:
        """Record from now on."""
        global _active
        self._below: Any = dispatch._base
        dispatch.set_base(self)
        _active = self

    def stop(self) -> None:
        """Record no longer."""
        global _active
        dispatch.set_base(self._below)
        _active = None


_active: Recorder | None = None


class record_function(ContextDecorator):
    """A named block of the profile; a context manager and a decorator.

    >>> with record_function("forward"):
    ...     pass
    """

    def __init__(self, name: str, args: str | None = None):
        self.name, self.args = name, args
        self._event: FunctionEvent | None = None
        self._recorder: Recorder | None = None

    def __enter__(self) -> record_function:
        self._recorder = _active
        if _active is not None:
            self._event = _active.begin(self.name, annotation=True)
        return self

    def __exit__(self, *error: Any) -> None:
        if self._recorder is not None and self._event is not None:
            self._recorder.end(self._event)
        self._recorder = self._event = None

    def _recreate_cm(self) -> record_function:
        return record_function(self.name, self.args)
