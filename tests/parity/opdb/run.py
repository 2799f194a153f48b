"""Run many entries: forked workers, so that an entry that crashes or hangs costs only itself."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from typing import Any

from .check import Report, check, name_of


def database() -> dict[str, Any]:
    """All entries of op_db by name; a repeated name gets a number."""
    import torch
    from torch.testing._internal.common_methods_invocations import op_db

    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    for entry in op_db:
        name, number = name_of(entry), 2
        while name in found:
            name, number = f"{name_of(entry)}#{number}", number + 1
        found[name] = entry
    return found


def _work(pipe: Any, entries: dict[str, Any], names: list[str], limit: int) -> None:
    import torch

    # torch.manual_seed formats the stack for each kind of GPU it may find later: a millisecond a call
    torch.manual_seed = torch.default_generator.manual_seed
    for name in names:
        pipe.send(("start", name))
        try:
            report = check(entries[name], limit)
        except Exception as error:
            report = Report(name)
            report.add(
                "forward", f"the runner could not run it: {type(error).__name__}: {error!s:.200}"
            )
        report.name = name
        pipe.send(("done", report))
    pipe.close()


class _Worker:
    """A process that checks entries one by one."""

    def __init__(self, entries: dict[str, Any], names: list[str], limit: int):
        context = multiprocessing.get_context("fork")
        self.pipe, theirs = context.Pipe(duplex=False)
        self.process = context.Process(
            target=_work, args=(theirs, entries, names, limit), daemon=True
        )
        self.process.start()
        theirs.close()
        self.left, self.now, self.since = list(names), "", time.monotonic()
        self.dead = False

    def poll(self, seconds: float) -> Iterator[Report]:
        """Reports that have come; a dead or late worker gives the report of what it died on."""
        try:
            while self.pipe.poll(0):
                kind, value = self.pipe.recv()
                if kind == "start":
                    self.now, self.since = value, time.monotonic()
                else:
                    self.left.remove(value.name)
                    self.now = ""
                    yield value
        except EOFError:
            if self.left:
                yield self._lost("the process died")
        if not self.dead and self.now and time.monotonic() - self.since > seconds:
            yield self._lost(f"no answer in {seconds:.0f} s")

    def _lost(self, why: str) -> Report:
        self.dead = True
        self.process.kill()
        self.process.join()
        report = Report(self.now or self.left[0])
        self.left.remove(report.name)
        self.now = ""
        report.add("forward", why)
        return report


def run(
    entries: dict[str, Any],
    names: list[str],
    *,
    workers: int = 1,
    seconds: float = 120,
    limit: int = 100_000,
) -> Iterator[Report]:
    """The reports of these entries, in the order they finish."""
    shares = [names[i::workers] for i in range(workers)]
    crew = [_Worker(entries, share, limit) for share in shares if share]
    while crew:
        for i, worker in enumerate(list(crew)):
            yield from worker.poll(seconds)
            if not worker.left:
                worker.process.join()
                crew[i] = None  # type: ignore[call-overload]
            elif worker.dead:
                crew[i] = _Worker(entries, worker.left, limit)
        crew = [w for w in crew if w is not None]
        time.sleep(0.02)
