"""Kernels as text, for people (`--stage kernels`) and, with canonical names, as a structural key.

Two kernels that differ only in the names of buffers, axes and values have one `structure`, so they
are compiled once.
"""

from __future__ import annotations

from collections.abc import Iterator

from .kernel import (
    AxisValue,
    Buffer,
    Carry,
    Compute,
    Const,
    Guard,
    Index,
    Indirect,
    Kernel,
    Load,
    Loop,
    Operand,
    Reduction,
    Statement,
    Store,
    Tile,
    Tiles,
    Value,
)


def to_text(kernel: Kernel) -> str:
    """The kernel as the docstring of `codegen.kernel` shows it."""
    buffers = [
        f"{b.name}: {b.role} {b.dtype.short}{f'[{b.size}]' if b.size else ''}"
        for b in kernel.buffers
    ]
    if kernel.can_fail:
        buffers.append("status")
    params = "; " + ", ".join(kernel.params) if kernel.params else ""
    lines = [f"kernel {kernel.name}({', '.join(buffers)}{params})"]
    grid = ", ".join(f"{axis} < {extent}" for axis, extent in kernel.grid)
    lines.append(f"  grid {grid or '1'}:")
    lines.extend("    " + line for line in _block(kernel.body))
    return "\n".join(lines) + "\n"


def structure(kernel: Kernel) -> str:
    """The text with canonical names: equal for structurally equal kernels."""
    return to_text(_renamed(kernel))


def _block(body: tuple[Statement, ...]) -> Iterator[str]:
    for statement in body:
        match statement:
            case Compute(out, op, args):
                dtype = f", {out.dtype.short}" if op in ("cast", "bitcast") else ""
                yield f"{_def(out)} = {op}({', '.join(map(_operand, args))}{dtype})"
            case AxisValue(out, index):
                yield f"{_def(out)} = index({index})"
            case Load(out, buffer, index, guards, when, fill, indirect, ahead):
                place = f"{buffer.name}[{_address(index, indirect)}]"
                otherwise = "" if fill is None else f" else {_operand(fill)}"
                hint = f"  # prefetch +{ahead}" if ahead else ""
                yield f"{_def(out)} = {place}{_condition(guards, when)}{otherwise}{hint}"
            case Store(buffer, index, value, guards, when, indirect, accumulate, streaming):
                place = f"{buffer.name}[{_address(index, indirect)}]"
                sign = "+=" if accumulate else "="
                hint = "  # streaming" if streaming else ""
                yield f"{place} {sign} {_operand(value)}{_condition(guards, when)}{hint}"
            case Loop():
                results = [
                    f"{_def(r.out)} = {r.combine}({_operand(r.value)})"
                    for r in statement.reductions
                ]
                arrow = " -> " + ", ".join(results) if results else ""
                carried = [
                    f"{c.value.name}: {c.value.dtype.short} = {_operand(c.init)} then {_operand(c.next)}"
                    f" -> {c.out.name}"
                    for c in statement.carries
                ]
                carry = " carry " + ", ".join(carried) if carried else ""
                hint = f" unroll {statement.unroll}" if statement.unroll else ""
                yield f"{statement.kind} {statement.axis} < {statement.extent}{arrow}{carry}{hint}:"
                for line in _block(statement.body):
                    yield "  " + line


def _def(value: Value) -> str:
    return f"{value.name}: {value.dtype.short}"


def _operand(x: Operand) -> str:
    return x.name if isinstance(x, Value) else repr(x.value)


def _address(index: Index, indirect: tuple[Indirect, ...]) -> str:
    parts = [str(i) for i in indirect]
    return " + ".join([*parts, str(index)] if index.terms or not parts else parts)


def _condition(guards: tuple[Guard, ...], when: Value | None) -> str:
    parts = [str(g) for g in guards] + ([when.name] if when is not None else [])
    return " if " + " and ".join(parts) if parts else ""


class _Renamer:
    """Gives canonical names: buffers b0.., parameters n0.., axes i0.. by depth, values v0..."""

    def __init__(self, kernel: Kernel):
        self.buffers = {
            b: Buffer(f"b{i}", b.dtype, b.role, b.size) for i, b in enumerate(kernel.buffers)
        }
        self.symbols = {p: f"n{i}" for i, p in enumerate(kernel.params)}
        self.values: dict[str, Value] = {}

    def value(self, value: Value) -> Value:
        found = self.values.get(value.name)
        if found is None:
            found = self.values[value.name] = Value(f"v{len(self.values)}", value.dtype)
        return found

    def optional(self, value: Value | None) -> Value | None:
        return None if value is None else self.value(value)

    def operand(self, x: Operand) -> Operand:
        return x if isinstance(x, Const) else self.value(x)

    def index(self, index: Index) -> Index:
        renamed = Index()
        for symbols, coefficient in index.terms:
            term = Index.of(coefficient)
            for symbol in symbols:
                term = term * self.symbols[symbol]
            renamed = renamed + term
        return renamed

    def size(self, size: int | str) -> int | str:
        return self.symbols[size] if isinstance(size, str) else size

    def extent(self, extent: int | str | Tile | Tiles) -> int | str | Tile | Tiles:
        if isinstance(extent, Tile):
            return Tile(self.symbols[extent.axis], extent.size, self.size(extent.total))
        if isinstance(extent, Tiles):
            return Tiles(self.size(extent.total), extent.size)
        return self.size(extent)

    def guards(self, guards: tuple[Guard, ...]) -> tuple[Guard, ...]:
        return tuple(
            Guard(
                self.index(g.index),
                None if g.lower is None else self.index(g.lower),
                None if g.upper is None else self.index(g.upper),
            )
            for g in guards
        )

    def indirect(self, indirect: tuple[Indirect, ...]) -> tuple[Indirect, ...]:
        return tuple(
            Indirect(self.value(i.value), self.index(i.stride), self.size(i.size), i.code, i.wrap)
            for i in indirect
        )

    def block(self, body: tuple[Statement, ...], depth: int) -> tuple[Statement, ...]:
        return tuple(self.statement(s, depth) for s in body)

    def statement(self, s: Statement, depth: int) -> Statement:
        match s:
            case Compute(out, op, args):
                operands = tuple(self.operand(x) for x in args)
                return Compute(self.value(out), op, operands)
            case AxisValue(out, index):
                return AxisValue(self.value(out), self.index(index))
            case Load(out, buffer, index, guards, when, fill, indirect, ahead):
                return Load(
                    self.value(out),
                    self.buffers[buffer],
                    self.index(index),
                    self.guards(guards),
                    self.optional(when),
                    None if fill is None else self.operand(fill),
                    self.indirect(indirect),
                    ahead,
                )
            case Store(buffer, index, value, guards, when, indirect, accumulate, streaming):
                return Store(
                    self.buffers[buffer],
                    self.index(index),
                    self.operand(value),
                    self.guards(guards),
                    self.optional(when),
                    self.indirect(indirect),
                    accumulate,
                    streaming,
                )
            case Loop():
                extent = self.extent(s.extent)
                self.symbols[s.axis] = axis = f"i{depth}"
                inits = [self.operand(c.init) for c in s.carries]
                seen = [self.value(c.value) for c in s.carries]
                body = self.block(s.body, depth + 1)
                return Loop(
                    axis,
                    extent,
                    s.kind,
                    body,
                    tuple(
                        Reduction(self.value(r.out), r.combine, self.operand(r.value))
                        for r in s.reductions
                    ),
                    tuple(
                        Carry(value, init, self.operand(c.next), self.value(c.out))
                        for c, init, value in zip(s.carries, inits, seen, strict=True)
                    ),
                    s.unroll,
                )


def _renamed(kernel: Kernel) -> Kernel:
    rename = _Renamer(kernel)
    grid = []
    for depth, (axis, extent) in enumerate(kernel.grid):
        canonical = rename.extent(extent)
        assert not isinstance(canonical, Tile)
        rename.symbols[axis] = f"g{depth}"
        grid.append((f"g{depth}", canonical))
    body = rename.block(kernel.body, 0)
    params = tuple(rename.symbols[p] for p in kernel.params)
    return Kernel("kernel", tuple(rename.buffers.values()), params, tuple(grid), body)
