"""Questions about loops that the CPU printer asks before it prints them."""

from __future__ import annotations

from ..kernel import AxisValue, Compute, Index, Load, Loop, Operand, Store, Value, statements
from ..scalar import CALLS

_SHORT = 512  # iterations of a main loop whose sums need no blocks


def spread(loop: Loop, axis: str, found: set[str]) -> None:
    """Add the values of the loop that depend on `axis` or on values already found."""

    def wide(x: Operand | None) -> bool:
        return isinstance(x, Value) and x.name in found

    def reads(s: Load) -> bool:
        indices: list[Index] = [s.index]
        for guard in s.guards:
            indices += [i for i in (guard.index, guard.lower, guard.upper) if i is not None]
        return (
            any(axis in i.symbols for i in indices)
            or wide(s.when)
            or wide(s.fill)
            or any(wide(i.value) for i in s.indirect)
        )

    for c in loop.carries:
        if wide(c.init) or wide(c.next):
            found.add(c.value.name)
    for s in loop.body:
        match s:
            case Compute(out, _, args) if any(wide(x) for x in args):
                found.add(out.name)
            case AxisValue(out, index) if axis in index.symbols:
                found.add(out.name)
            case Load() if reads(s):
                found.add(s.out.name)
            case Loop():
                spread(s, axis, found)
    for r in loop.reductions:
        if wide(r.value):
            found.add(r.out.name)
    for c in loop.carries:
        if wide(c.init) or wide(c.next):
            found.add(c.value.name)
            found.add(c.out.name)


def _cost(loop: Loop) -> int:
    """Instructions of one iteration, roughly."""
    total = 0
    for s in statements(loop.body):
        if isinstance(s, Compute):
            total += 20 if s.op in CALLS and s.op != "sqrt" else 1
        elif isinstance(s, (Load, Store)):
            total += 1
    return total


def copies_for(loop: Loop) -> int:
    """Vectors side by side: they hide latency, of memory in short bodies, of long chains in others."""
    cost = _cost(loop)
    if cost <= 8:
        return 4
    return 2 if cost <= 40 or cost > 150 else 4


def copies_of_fixed(loop: Loop, extent: int, lanes: int, copies: int) -> tuple[int, bool]:
    """Copies for a known extent, and whether the main loop is worth its code.

    As many copies as leave no remainder; a long body over a few vectors is printed once, masked.
    """
    for fewer in range(copies, 0, -1):
        if extent % (lanes * fewer) == 0:
            return fewer, True
    if extent > 4 * lanes * copies:
        return copies, True
    return 1, not (extent <= 4 * lanes and _cost(loop) > 60)


def lanes_for(loop: Loop, vector_bits: int) -> int:
    """Lanes that fill a register with the loop's narrowest floats, else with its widest integers."""
    floats: set[int] = set()
    integers = {1}
    for s in statements(loop.body):
        if isinstance(s, (Compute, Load, AxisValue)):
            dtype = s.out.dtype
        elif isinstance(s, Store):
            dtype = s.value.dtype
        else:
            continue
        (floats if dtype.kind == "f" else integers).add(dtype.itemsize)
    return vector_bits // 8 // (min(floats) if floats else max(integers))


def is_long_sum(loop: Loop, limit: int | None, step: int) -> bool:
    floats = any(r.combine == "add" and r.value.dtype.kind == "f" for r in loop.reductions)
    simple = all(r.combine not in ("argmax", "argmin") for r in loop.reductions)
    return floats and simple and (limit is None or limit > step * _SHORT)
