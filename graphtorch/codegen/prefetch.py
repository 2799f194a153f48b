"""Row kernels that read their rows more than once fetch the next row while they compute this one.

    grid i < 8192:
      vector r < 1024 -> amax: ...          # waits for memory
        x_at: f32 = x[1024*i + r]
      vector r < 1024 -> sum: ...           # the row is in the first cache: the arithmetic's turn
        x_at: f32 = x[1024*i + r]  # prefetch +1024

A processor's own prefetcher stops at the end of a page, which is where a row of a thousand floats
ends; the first sweep would wait for memory and the others would leave memory idle.
"""

from __future__ import annotations

from dataclasses import replace

from .kernel import Kernel, Load, Loop, Statement

ROW = 1 << 14  # bytes; a longer row would push its own beginning out of the first cache


def prefetched(kernel: Kernel) -> Kernel:
    """The kernel with `Load.ahead` set where a row is read for the last time."""
    items = kernel.grid[-1][0] if kernel.grid else None  # the axis that moves from item to item
    return replace(kernel, body=_block(kernel.body, items))


def _block(body: tuple[Statement, ...], outer: str | None) -> tuple[Statement, ...]:
    """Statements inside the loop over `outer`."""
    swept: dict[tuple[str, str], int] = {}  # rows and the last loop that reads them
    again: set[tuple[str, str]] = set()
    for number, s in enumerate(body):
        for row in _rows(s, outer):
            if swept.setdefault(row, number) != number:
                again.add(row)
            swept[row] = number
    result: list[Statement] = []
    for number, s in enumerate(body):
        if isinstance(s, Loop) and s.kind == "serial":
            s = replace(s, body=_block(s.body, s.axis))
        elif isinstance(s, Loop) and outer is not None:
            for row in sorted(set(_rows(s, outer)) & again):
                s = _ahead(s, row, outer) if swept[row] == number else s
        result.append(s)
    return tuple(result)


def _rows(s: Statement, outer: str | None) -> list[tuple[str, str]]:
    """The rows of inputs that a vector loop reads from one end to the other."""
    if not isinstance(s, Loop) or s.kind != "vector" or outer is None:
        return []
    return [row for load in s.body if (row := _row(load, s.axis, outer)) is not None]


def _row(s: Statement, axis: str, outer: str) -> tuple[str, str] | None:
    """Buffer and beginning of the row, if rows lie one behind the other along `outer`."""
    if not isinstance(s, Load) or s.buffer.role != "in" or s.guards or s.when or s.indirect:
        return None
    along, across = s.index.stride(axis).constant, s.index.stride(outer).constant
    if along != 1 or across is None or not 0 < across * s.buffer.dtype.itemsize <= ROW:
        return None
    return s.buffer.name, str(s.index.without(axis))


def _ahead(loop: Loop, row: tuple[str, str], outer: str) -> Loop:
    """The loop, its first load from the row marked."""
    body = list(loop.body)
    for place, s in enumerate(body):
        if isinstance(s, Load) and _row(s, loop.axis, outer) == row:
            body[place] = replace(s, ahead=s.index.stride(outer).constant or 0)
            break
    return replace(loop, body=tuple(body))
