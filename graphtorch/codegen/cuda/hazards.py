"""Where the threads of a block must wait for each other.

A work item runs on one block: vector loops are spread over its threads, every other statement is
done by all of them alike, except that only thread 0 stores.  Two accesses to one buffer conflict if
one of them writes and different threads may touch the same element; `barriers` finds the statements
before which a barrier must stand.  Everything here follows from the kernel alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..kernel import Index, Kernel, Load, Loop, Statement, Store, Tile, statements


@dataclass(frozen=True, slots=True)
class Touch:
    """One access: which buffer, whether it writes, and the statement if it only writes in place."""

    buffer: str
    writes: bool
    statement: int  # identity of a store that cannot meet itself; 0 otherwise


def shared_buffers(kernel: Kernel) -> set[str]:
    """Buffers that are both written and read, and not by one and the same thread each element."""
    read: set[str] = set()
    written: set[str] = set()
    for s in statements(kernel.body):
        if isinstance(s, Load) or (isinstance(s, Store) and s.accumulate):
            read.add(s.buffer.name)
        if isinstance(s, Store):
            written.add(s.buffer.name)
    repeated = {
        name
        for name in written
        if sum(1 for s in statements(kernel.body) if isinstance(s, Store) and s.buffer.name == name)
        > 1
        or any(
            isinstance(s, Store) and s.buffer.name == name and s.indirect
            for s in statements(kernel.body)
        )
    }
    return {b for b in (read & written) | repeated if not _private(kernel, b)}


def _private(kernel: Kernel, buffer: str) -> bool:
    """Whether every element is only touched by the thread that has one lane of its vector loops."""
    extents: set[int] = set()
    for s, loop in _accesses(kernel.body, None):
        if s.buffer.name != buffer:
            continue
        if loop is None or s.indirect:
            return False
        extent = loop.extent.size if isinstance(loop.extent, Tile) else loop.extent
        if not isinstance(extent, int) or s.index.stride(loop.axis) != Index.of(1):
            return False
        extents.add(extent)
        if any(c % extent for _, c in s.index.without(loop.axis).terms):
            return False
    return len(extents) == 1


def _accesses(
    body: tuple[Statement, ...], vector: Loop | None
) -> Iterator[tuple[Load | Store, Loop | None]]:
    for s in body:
        if isinstance(s, (Load, Store)):
            yield s, vector
        elif isinstance(s, Loop):
            yield from _accesses(s.body, s if s.kind == "vector" else vector)


def barriers(kernel: Kernel) -> set[int]:
    """Identities (`id`) of the statements before which a barrier stands.

    The body counts as repeated: a block may do several work items.
    """
    shared = shared_buffers(kernel)
    found: set[int] = set()
    if shared:
        _repeat(kernel.body, frozenset(), shared, found)
    return found


def _repeat(
    body: tuple[Statement, ...], pending: frozenset[Touch], shared: set[str], found: set[int]
) -> frozenset[Touch]:
    """Walk a loop's body until nothing new is found; what is pending after it."""
    while True:
        before = len(found)
        after = _walk(body, pending, shared, found)
        if len(found) == before and after <= pending:
            return pending | after
        pending |= after


def _walk(
    body: tuple[Statement, ...], pending: frozenset[Touch], shared: set[str], found: set[int]
) -> frozenset[Touch]:
    for s in body:
        if isinstance(s, Loop) and s.kind == "serial":
            pending = _loop(s, pending, shared, found)
            continue
        touches = frozenset(_touches(s, shared))
        if id(s) in found or any(_conflict(a, b) for a in pending for b in touches):
            found.add(id(s))
            pending = frozenset()
        pending |= touches
    return pending


def _loop(
    loop: Loop, pending: frozenset[Touch], shared: set[str], found: set[int]
) -> frozenset[Touch]:
    """A serial loop: what its iterations need among themselves, then one barrier before it if needed."""
    alone = _repeat(loop.body, frozenset(), shared, found)
    trial = set(found)
    together = _repeat(loop.body, pending, shared, trial)
    if id(loop) in found or len(trial) > len(found):
        found.add(id(loop))
        return alone
    return together


def _touches(s: Statement, shared: set[str]) -> Iterator[Touch]:
    for inner in statements((s,)):
        if isinstance(inner, Load) and inner.buffer.name in shared:
            yield Touch(inner.buffer.name, False, 0)
        if isinstance(inner, Store) and inner.buffer.name in shared:
            once = not inner.indirect and not inner.accumulate
            yield Touch(inner.buffer.name, True, id(inner) if once else 0)
            if inner.accumulate:
                yield Touch(inner.buffer.name, False, 0)


def _conflict(a: Touch, b: Touch) -> bool:
    if a.buffer != b.buffer or not (a.writes or b.writes):
        return False
    return not (a.statement and a.statement == b.statement)
