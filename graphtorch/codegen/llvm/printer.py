"""Prints a kernel as LLVM text: explicit vectors, one function with the program's interface.

    void kernel(ptr buffers, ptr params, ptr scratch, i64 begin, i64 end)

A vector loop becomes a main loop over `copies` vectors at once and, if the extent does not divide,
a remainder loop over one masked vector; both print the same body, so an element's bits do not
depend on where in the loop it stands.  Reductions keep one accumulator per lane and copy; these are
combined in a fixed tree.  `mul` feeding `add` or `sub` is fused where the target has FMA.

The parts stand on each other: `vector` (instructions), `printer_index` (indices, addresses, masks),
`printer_memory` (loads, stores), `printer_reduce`, `printer_loops`, `printer_transpose`, and this file.
"""

from __future__ import annotations

from ...errors import UnsupportedError
from ...ir.types import DType, int64
from ..kernel import (
    AxisValue,
    Compute,
    Index,
    Kernel,
    Load,
    Loop,
    Operand,
    Size,
    Statement,
    Store,
    Tile,
    Tiles,
    Value,
    statements,
)
from .jit import FINAL
from .printer_transpose import Transposes
from .target import Target
from .vector_text import Level, Lines, Text, Vec


def print_kernel(kernel: Kernel, symbol: str, target: Target) -> str:
    """LLVM text of a module that defines `symbol`."""
    text = Text(target)
    try:
        body = _Function(kernel, text).print(symbol)
    except UnsupportedError as error:
        raise UnsupportedError(f"kernel {kernel.name}: {error}") from None
    return f"{FINAL}{text}\n{body}\n{_METADATA}"


class _Function(Transposes):
    """One kernel's function; see the module docstring."""

    def __init__(self, kernel: Kernel, text: Text):
        super().__init__(text)
        self.kernel = kernel
        self.uses = _use_counts(kernel)
        self.products: dict[str, Compute] = {
            s.out.name: s
            for s in statements(kernel.body)
            if isinstance(s, Compute) and s.op == "mul" and s.out.dtype.kind == "f"
        }

    def print(self, symbol: str) -> str:
        entry = self.lines
        self.declare_operands()
        self.levels.append(Level())
        before: Lines = []
        self.levels[0].before = before
        entry.append(before)
        self.level = 1
        self.line("  br label %work\nwork:")
        self.line("  %some = icmp slt i64 %begin, %end")
        self.line("  br i1 %some, label %item, label %done\nitem:")
        self.line("  %w = phi i64 [%begin, %work], [%w_next, %next]")
        self.bind_grid()
        self.block(self.kernel.body)
        self.line("  br label %next\nnext:")
        self.line("  %w_next = add i64 %w, 1")
        self.line("  %more = icmp slt i64 %w_next, %end")
        self.line("  br i1 %more, label %item, label %done\ndone:")
        head = (
            f"define void @{symbol}(ptr noalias %buffers, ptr noalias %params, ptr noalias %scratch,"
            " i64 %begin, i64 %end) nounwind {\nentry:"
        )
        if self.streamed and self.target.x86:  # such stores are ordered by nothing else
            self.text.declare("void", "llvm.x86.sse.sfence", [])
            self.line("  call void @llvm.x86.sse.sfence()")
        return "\n".join([head, *self.allocations, *_flat(entry), "  ret void\n}"])

    def declare_operands(self) -> None:
        """Load pointers and parameters once, at the entry."""
        operands = self.kernel.operands
        names = [b.name for b in operands] + (["status"] if self.kernel.can_fail else [])
        for position, name in enumerate(names):
            self.line(f"  %slot{position} = getelementptr ptr, ptr %buffers, i64 {position}")
            self.line(f"  %buffer{position} = load ptr, ptr %slot{position}, align 8")
            self.pointers[name] = f"%buffer{position}"
        offset = 0
        for position, buffer in enumerate(self.kernel.temps):
            self.line(f"  %temp{position} = getelementptr i8, ptr %scratch, i64 {offset}")
            self.pointers[buffer.name] = f"%temp{position}"
            offset += (buffer.size * buffer.dtype.itemsize + 63) // 64 * 64
        for position, name in enumerate(self.kernel.params):
            self.line(f"  %place{position} = getelementptr i64, ptr %params, i64 {position}")
            self.line(f"  %param{position} = load i64, ptr %place{position}, align 8")
            self.symbols[name] = Vec(f"%param{position}", int64, 1, 0)

    def bind_grid(self) -> None:
        """Split the work item's number into the grid's axes."""
        rest = Vec("%w", int64, 1, 1)
        for position in range(len(self.kernel.grid) - 1, -1, -1):
            axis, extent = self.kernel.grid[position]
            if position == 0:
                self.symbols[axis] = rest
                break
            size = self.extent(extent)
            self.symbols[axis] = self.bits(rest, "urem", size)
            rest = self.bits(rest, "udiv", size)

    # statements ----------------------------------------------------------------------------------

    def block(self, body: tuple[Statement, ...]) -> None:
        for statement in body:
            match statement:
                case Compute():
                    self.compute(statement)
                case AxisValue(out, index):
                    self.values[out.name] = self.positions(index)
                case Load():
                    self.values[statement.out.name] = self.load(statement)
                case Store():
                    self.store(statement)
                case Loop(kind="vector"):
                    self.vector_loop(statement)
                case Loop():
                    self.serial_loop(statement)

    def compute(self, s: Compute) -> None:
        product = self.fusable(s)
        if product is not None:
            factors, other, negate = product
            columns = self.columns(*factors, other)
            self.values[s.out.name] = [
                self.fma(
                    self.neg(a) if negate == "product" else a,
                    b,
                    self.neg(c) if negate == "other" else c,
                )
                for a, b, c in columns
            ]
            return
        columns = self.columns(*s.args)
        self.values[s.out.name] = [self.apply(s.op, s.out.dtype, *xs) for xs in columns]

    def fusable(self, s: Compute) -> tuple[tuple[Operand, ...], Operand, str] | None:
        """The factors and the other operand where `s` adds to a product nobody else uses.

        Two products are not fused in a difference: a*b - a*b stays exactly zero.
        """
        if s.op not in ("add", "sub") or not self.target.fma or s.out.dtype.kind != "f":
            return None
        a, b = s.args
        left, right = self.product(a), self.product(b)
        if s.op == "sub" and left is not None and right is not None:
            return None
        if right is not None:
            return right, a, "product" if s.op == "sub" else ""
        if left is not None:
            return left, b, "other" if s.op == "sub" else ""
        return None

    def product(self, x: Operand) -> tuple[Operand, ...] | None:
        if not isinstance(x, Value) or self.uses.get(x.name) != 1:
            return None
        found = self.products.get(x.name)
        return None if found is None else found.args

    def apply(self, op: str, dtype: DType, *xs: Vec) -> Vec:
        if op in ("cast", "bitcast"):
            return self.cast(xs[0], dtype) if op == "cast" else self.bitcast(xs[0], dtype)
        method = getattr(self, op, None) if op in _DIRECT else None
        result = self.call(op, *xs) if method is None else method(*xs)
        assert isinstance(result, Vec)
        return result

    # sizes ---------------------------------------------------------------------------------------

    def size(self, size: Size) -> Vec:
        return self.symbols[size] if isinstance(size, str) else Vec(str(size), int64)

    def extent(self, extent: Size | Tile | Tiles) -> Vec:
        if isinstance(extent, Tiles):
            if isinstance(extent.total, int):
                return Vec(str(-(-extent.total // extent.size)), int64)
            rounded = self.add(self.size(extent.total), extent.size - 1)
            return self.bits(rounded, "udiv", Vec(str(extent.size), int64))
        if isinstance(extent, Tile):
            rest = self.sub(
                self.size(extent.total), self.scalar(Index.of(extent.axis) * extent.size)
            )
            return self.intrinsic("smin", int64, rest, Vec(str(extent.size), int64))
        return self.size(extent)


_DIRECT = frozenset(
    """add sub mul div neg abs min max fma less less_equal equal not_equal select logical_and
    logical_or logical_xor logical_not shift_left shift_right isnan""".split()
)


# !0: a branch that is hardly ever taken;  !1: a store past the cache
_METADATA = """!0 = !{!"branch_weights", i32 1, i32 2000}
!1 = !{i32 1}
"""


def _use_counts(kernel: Kernel) -> dict[str, int]:
    """How often each value is used, counting results of loops as used more than once."""
    uses: dict[str, int] = {}

    def use(x: Operand | None, times: int = 1) -> None:
        if isinstance(x, Value):
            uses[x.name] = uses.get(x.name, 0) + times

    for s in statements(kernel.body):
        match s:
            case Compute():
                for x in s.args:
                    use(x)
            case Load():
                for y in (s.when, s.fill, *(i.value for i in s.indirect)):
                    use(y)
            case Store():
                for y in (s.value, s.when, *(i.value for i in s.indirect)):
                    use(y)
            case Loop():
                for r in s.reductions:
                    use(r.value)
                for c in s.carries:
                    use(c.init, 2)
                    use(c.next, 2)
    return uses


def _flat(lines: Lines) -> list[str]:
    found: list[str] = []
    for line in lines:
        if isinstance(line, str):
            found.append(line)
        else:
            found.extend(_flat(line))
    return found
