"""`torch.utils.benchmark`: timing statements fairly, and comparing them.

>>> t = Timer("x + 1", globals={"x": 1})
>>> t.timeit(100).number_per_run
100
"""

from __future__ import annotations

import statistics
import time
import timeit
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ... import absent
from ...errors import UnsupportedError


class Language(Enum):
    """Of the statement; only Python runs."""

    PYTHON = 0
    CPP = 1


@dataclass(frozen=True)
class TaskSpec:
    """What is timed."""

    stmt: str
    setup: str
    global_setup: str = ""
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    env: str | None = None
    num_threads: int = 1

    @property
    def title(self) -> str:
        """The label and sub-label, or the statement."""
        if self.label is not None:
            return self.label + (f": {self.sub_label}" if self.sub_label else "")
        return self.sub_label or self.stmt


def _unit(seconds: float) -> tuple[str, float]:
    for unit, scale in (("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3)):
        if seconds < 1000 * scale:
            return unit, scale
    return "s", 1.0


@dataclass
class Measurement:
    """Times of several runs of one task, in seconds a run: `mean`, `median`, `iqr`."""

    number_per_run: int
    raw_times: list[float]
    task_spec: TaskSpec
    metadata: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def times(self) -> list[float]:
        """Seconds of one execution, for each run."""
        return [t / self.number_per_run for t in self.raw_times]

    @property
    def mean(self) -> float:
        """Mean of `times`."""
        return statistics.fmean(self.times)

    @property
    def median(self) -> float:
        """Median of `times`."""
        return statistics.median(self.times)

    @property
    def iqr(self) -> float:
        """Between the quartiles of `times`."""
        if len(self.times) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.times, n=4, method="inclusive")
        return high - low

    @property
    def title(self) -> str:
        """The task's title."""
        return self.task_spec.title

    def meets_confidence(self, threshold: float = 0.1) -> bool:
        """Whether the quartiles are close to the median."""
        return self.iqr / self.median < threshold

    @property
    def has_warnings(self) -> bool:
        """Whether the times scatter."""
        return len(self.times) > 1 and not self.meets_confidence()

    @staticmethod
    def merge(measurements: Iterable[Measurement]) -> list[Measurement]:
        """One measurement a task, with the times of all of its."""
        found: dict[TaskSpec, Measurement] = {}
        for m in measurements:
            if m.task_spec in found:
                found[m.task_spec].raw_times += [
                    t * found[m.task_spec].number_per_run for t in m.times
                ]
            else:
                found[m.task_spec] = Measurement(m.number_per_run, list(m.raw_times), m.task_spec, m.metadata)  # fmt: skip
        return list(found.values())

    def __repr__(self) -> str:
        unit, scale = _unit(self.median)
        runs, threads = len(self.raw_times), self.task_spec.num_threads
        lines = [
            f"<{type(self).__module__.replace('graphtorch', 'torch')}.Measurement object at {hex(id(self))}>",
            self.title,
        ]
        if self.task_spec.description:
            lines.append(self.task_spec.description)
        if self.task_spec.setup != "pass":
            lines.append(f"setup: {self.task_spec.setup}")
        lines.append(f"  {'Median: ' if runs > 1 else ''}{self.median / scale:.2f} {unit}")
        each = " per measurement" if runs > 1 else ""
        plural = "s" if runs > 1 else ""
        lines.append(
            f"  {runs} measurement{plural}, {self.number_per_run} runs{each} , {threads} thread{'s' * (threads > 1)}"
        )
        if self.has_warnings:
            lines.append(f"  WARNING: Interquartile range is {100 * self.iqr / self.median:.1f}% of the median measurement.")  # fmt: skip
        return "\n".join(lines)

    __str__ = __repr__


class Timer:
    """Times a statement with a set number of threads.

    stmt, setup: Python source; globals: names they see; label, sub_label, description: for `Compare`.
    Raises UnsupportedError for C++ statements.
    """

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Callable[[], float] = time.perf_counter,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
        language: Language | str = Language.PYTHON,
    ):
        if language not in (Language.PYTHON, "py", "python"):
            raise UnsupportedError("torch.utils.benchmark times Python statements only")
        import graphtorch

        names = {"torch": graphtorch, **(globals or {})}
        self._task_spec = TaskSpec(stmt, setup, global_setup, label, sub_label, description, env, num_threads)  # fmt: skip
        self._timer = timeit.Timer(stmt, setup, timer, names)

    def _time(self, number: int) -> float:
        from ...codegen.runtime import get_num_threads, set_num_threads

        before = get_num_threads()
        set_num_threads(self._task_spec.num_threads)
        try:
            return self._timer.timeit(number)
        finally:
            set_num_threads(before)

    def timeit(self, number: int = 1000000) -> Measurement:
        """Run the statement `number` times, after a few to warm up."""
        self._time(max(number // 100, 2))
        return Measurement(number, [self._time(number)], self._task_spec)

    def _block(self, min_run_time: float) -> int:
        """How often a block runs the statement, for the clock's overhead not to count."""
        number = 1
        while True:
            taken = self._time(number)
            if taken > min_run_time / 1000 or taken >= 1e-4:
                return number
            number *= 10

    def blocked_autorange(
        self, callback: Callable | None = None, min_run_time: float = 0.2
    ) -> Measurement:
        """Run blocks of the statement for `min_run_time` seconds."""
        number, times = self._block(min_run_time), []
        while not times or sum(times) < min_run_time:
            times.append(self._time(number))
            if callback is not None:
                callback(number, times[-1])
        return Measurement(number, times, self._task_spec)

    def adaptive_autorange(
        self,
        threshold: float = 0.1,
        *,
        min_run_time: float = 0.01,
        max_run_time: float = 10.0,
        callback: Callable | None = None,
    ) -> Measurement:
        """Run blocks until the quartiles lie within `threshold` of the median, or time is up."""
        number, times = self._block(min_run_time), []
        while True:
            times.append(self._time(number))
            if callback is not None:
                callback(number, times[-1])
            found = Measurement(number, times, self._task_spec)
            if sum(times) >= max_run_time:
                return found
            if sum(times) >= min_run_time and len(times) >= 4 and found.meets_confidence(threshold):
                return found


class Compare:
    """A table of measurements: sub-labels down, descriptions across."""

    def __init__(self, results: list[Measurement]):
        self._results = list(results)

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """Add measurements."""
        self._results += results

    def trim_significant_figures(self) -> None:
        """Accepted: numbers have one digit after the point."""

    colorize = highlight_warnings = trim_significant_figures

    def print(self) -> None:
        """Print the table."""
        print(str(self))

    def __str__(self) -> str:
        merged = Measurement.merge(self._results)
        if not merged:
            return ""
        unit, scale = _unit(min(m.median for m in merged))
        lines = []
        for label in dict.fromkeys(m.task_spec.label for m in merged):
            chosen = [m for m in merged if m.task_spec.label == label]
            columns = list(dict.fromkeys(m.task_spec.description or "" for m in chosen))
            rows: dict[Any, dict[str, str]] = {}
            for m in chosen:
                key = m.task_spec.num_threads, m.task_spec.sub_label or m.task_spec.stmt
                rows.setdefault(key, {})[m.task_spec.description or ""] = f"{m.median / scale:.1f}"
            threads = list(dict.fromkeys(n for n, _ in rows))
            heads = {n: f"{n} threads: " for n in threads}
            first = max(len(t) for t in [*heads.values(), *(f"      {s}  " for _, s in rows)])
            widths = [max(len(c), *(len(r.get(c, "")) for r in rows.values())) for c in columns]
            body = "  |  ".join(c.center(w) for c, w in zip(columns, widths, strict=True))
            total = first + 3 + len(body) + 2
            lines.append(f"[{f' {label} '.center(total - 2, '-')}]")
            lines.append(f"{'':{first}} |  {body}")
            for n in threads:
                lines.append(heads[n] + "-" * (total - len(heads[n])))
                for (count, sub), row in rows.items():
                    if count == n:
                        cells = "  |  ".join(row.get(c, "").rjust(w) for c, w in zip(columns, widths, strict=True))  # fmt: skip
                        lines.append(f"{f'      {sub}  ':{first}} |  {cells}")
        names = {"ns": "nanoseconds", "us": "microseconds", "ms": "milliseconds", "s": "seconds"}
        return "\n".join([*lines, "", f"Times are in {names[unit]} ({unit}).", ""])


__getattr__ = absent.names_of(__name__)
