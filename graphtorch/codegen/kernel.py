"""The kernel IR: one small loop language with two printers (`codegen/llvm`, `codegen/cuda`).

    kernel  = grid of work items (each may run on any thread, in any order), and a body
    body    = statements: Compute | AxisValue | Load | Store | Loop
    loop    = serial | vector, with reductions (any order) and carries (serial loops, in order)

    kernel softmax(x: in f32, y: out f32, t: temp f32[1024])
      grid r < 8192:
        vector j < 1024 -> m: f32 = max(a):
          a: f32 = x[1024*r + j]
        vector j < 1024 -> z: f32 = add(e):
          a_1: f32 = x[1024*r + j]
          d: f32 = sub(a_1, m)
          e: f32 = exp(d)
          t[j] = e
        vector j < 1024:
          p: f32 = t[j]
          q: f32 = div(p, z)
          y[1024*r + j] = q

Values are SSA scalars.  Inside a vector loop a value that depends on the loop's axis stands for one
element per lane; at most one vector loop is open at a time, serial loops may stand inside it (column
reductions) or around it.  Extents are integers or runtime parameters, so one kernel serves many
sizes; indices are polynomials in axes and parameters (`Index`), linear in every axis.

Meaning that both printers keep
    * work items are independent: no work item reads what another one writes;
    * inside a work item statements happen in order; within one vector loop no iteration reads what
      another one writes (a printer may run any number of iterations at once);
    * an output may share memory with an input only if every index of the input is read before the
      same index is written, and by the same iteration (in-place pointwise kernels);
    * a read of an input that does not depend on a loop's axis may happen once, before the loop, even
      if the loop turns out to have no iteration: its index must be valid there too;
    * bool is stored as one byte 0 or 1; bf16 and f16 exist in memory only and are f32 in values;
    * a reduction's tree depends on extents and the printer's vector width, never on threads.

Build kernels with `kernel_builder.KernelBuilder`; run them for tests with `kernel_interpret`.
This module knows no target and no graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..ir.types import DType, bfloat16, float16, float32

if TYPE_CHECKING:
    from .llvm.target import Target

Role = Literal["in", "out", "inout", "temp", "status"]
Combine = Literal["add", "mul", "max", "min", "and", "or", "argmax", "argmin"]


def compute_dtype(storage: DType) -> DType:
    """The dtype a value has in registers: f32 for bf16 and f16, else the storage dtype itself."""
    return float32 if storage is bfloat16 or storage is float16 else storage


@dataclass(frozen=True, slots=True)
class Index:
    """A polynomial with integer coefficients over axes and parameters: `1024*r + n*i + j + 3`.

    >>> r, j = Index.of("r"), Index.of("j")
    >>> str(r * 1024 + j + 3)
    '1024*r + j + 3'
    """

    terms: tuple[tuple[tuple[str, ...], int], ...] = ()  # (sorted symbols, coefficient != 0)

    @staticmethod
    def of(value: Index | int | str) -> Index:
        """An index from an integer, a symbol or an index."""
        if isinstance(value, Index):
            return value
        if isinstance(value, str):
            return Index((((value,), 1),))
        return Index((((), int(value)),)) if value else Index()

    @staticmethod
    def _of(terms: Mapping[tuple[str, ...], int]) -> Index:
        kept = ((symbols, c) for symbols, c in terms.items() if c)
        return Index(tuple(sorted(kept, key=lambda term: (not term[0], term[0]))))

    def __add__(self, other: Index | int | str) -> Index:
        terms = dict(self.terms)
        for symbols, coefficient in Index.of(other).terms:
            terms[symbols] = terms.get(symbols, 0) + coefficient
        return Index._of(terms)

    def __mul__(self, other: Index | int | str) -> Index:
        terms: dict[tuple[str, ...], int] = {}
        for a, m in self.terms:
            for b, n in Index.of(other).terms:
                symbols = tuple(sorted((*a, *b)))
                terms[symbols] = terms.get(symbols, 0) + m * n
        return Index._of(terms)

    def __neg__(self) -> Index:
        return self * -1

    def __sub__(self, other: Index | int | str) -> Index:
        return self + Index.of(other) * -1

    def __radd__(self, other: int) -> Index:
        return self + other

    def __rsub__(self, other: int) -> Index:
        return Index.of(other) - self

    def __rmul__(self, other: int) -> Index:
        return self * other

    @property
    def symbols(self) -> frozenset[str]:
        """All axes and parameters that occur."""
        return frozenset(s for symbols, _ in self.terms for s in symbols)

    @property
    def constant(self) -> int | None:
        """The value if no symbol occurs, else None."""
        if not self.terms:
            return 0
        return self.terms[0][1] if self.terms == (((), self.terms[0][1]),) else None

    def stride(self, axis: str) -> Index:
        """The coefficient of `axis` (0 where it does not occur)."""
        found = {}
        for symbols, coefficient in self.terms:
            if axis in symbols:
                rest = list(symbols)
                rest.remove(axis)
                found[tuple(rest)] = coefficient
        return Index._of(found)

    def without(self, axis: str) -> Index:
        """The terms in which `axis` does not occur: the index at axis = 0."""
        return Index(tuple(term for term in self.terms if axis not in term[0]))

    def __str__(self) -> str:
        text = ""
        for symbols, coefficient in sorted(self.terms, key=lambda t: (not t[0], -abs(t[1]), t[0])):
            sign = " - " if coefficient < 0 else " + "
            factors = [*([str(abs(coefficient))] if abs(coefficient) != 1 or not symbols else [])]
            text += sign + "*".join([*factors, *symbols])
        if not text:
            return "0"
        return "-" + text[3:] if text.startswith(" - ") else text[3:]


Size = int | str  # an integer, or the name of a runtime parameter


@dataclass(frozen=True, slots=True)
class Tile:
    """Extent of the inner loop of a tiled pair: min(size, total - size * axis), axis the outer."""

    axis: str
    size: int
    total: Size

    def __str__(self) -> str:
        return f"min({self.size}, {self.total} - {self.size}*{self.axis})"


@dataclass(frozen=True, slots=True)
class Tiles:
    """Extent of the outer loop of a tiled pair: ceil(total / size)."""

    total: Size
    size: int

    def __str__(self) -> str:
        return f"ceil({self.total} / {self.size})"


Extent = Size | Tile | Tiles


@dataclass(frozen=True, slots=True)
class Buffer:
    """An array the kernel addresses.  Temps live in the thread's scratch and have a size.

    The status buffer (two i64: code, bad index) is implied by `Kernel.can_fail`, not listed.
    """

    name: str
    dtype: DType
    role: Role
    size: int = 0  # temps: elements


@dataclass(frozen=True, slots=True)
class Value:
    """One SSA scalar; its dtype is a compute dtype (never bf16, f16 or complex)."""

    name: str
    dtype: DType


@dataclass(frozen=True, slots=True)
class Const:
    """A literal of a compute dtype."""

    value: bool | int | float
    dtype: DType


Operand = Value | Const


@dataclass(frozen=True, slots=True)
class Guard:
    """True where lower <= index < upper (either bound may be None)."""

    index: Index
    lower: Index | None
    upper: Index | None

    def __str__(self) -> str:
        low = "" if self.lower is None else f"{self.lower} <= "
        return low + str(self.index) + ("" if self.upper is None else f" < {self.upper}")


@dataclass(frozen=True, slots=True)
class Indirect:
    """Adds value * stride to an address; value must lie in [0, size), with `wrap` in [-size, size).

    A value outside writes (code, value) to the status buffer, if it is the first failure, and is
    clamped.  Code 0: unchecked, the caller promises that it is in range.  Codes number the checks
    of a kernel from 1 (`Launch.failures` says what each means).
    """

    value: Value  # i64 or i32
    stride: Index
    size: Size
    code: int = 1
    wrap: bool = False

    def __str__(self) -> str:
        mark = " wraps in" if self.wrap else " in"
        check = f" or fail {self.code}" if self.code else ""
        return f"{self.stride}*({self.value.name}{mark} {self.size}{check})"


@dataclass(frozen=True, slots=True)
class Compute:
    """out = op(args); the op names are those of `codegen.scalar`."""

    out: Value
    op: str
    args: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class AxisValue:
    """out = the value of an index, as i64 (iota, positions)."""

    out: Value
    index: Index


@dataclass(frozen=True, slots=True)
class Load:
    """out = buffer[index + indirect], or `fill` where a guard or `when` is false (no access).

    ahead: a hint that the element this far behind it is read soon (prefetch); 0 for none.
    """

    out: Value
    buffer: Buffer
    index: Index
    guards: tuple[Guard, ...] = ()
    when: Value | None = None
    fill: Operand | None = None
    indirect: tuple[Indirect, ...] = ()
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class Store:
    """buffer[index + indirect] = value, where every guard and `when` holds.

    accumulate: adds to what is there (one rounding); lanes of a vector loop must not collide, so an
    indirect accumulate whose indices vary in the loop belongs in a serial loop.
    streaming: a hint that the data will not be read soon (non-temporal stores).
    """

    buffer: Buffer
    index: Index
    value: Operand
    guards: tuple[Guard, ...] = ()
    when: Value | None = None
    indirect: tuple[Indirect, ...] = ()
    accumulate: bool = False
    streaming: bool = False


@dataclass(frozen=True, slots=True)
class Reduction:
    """After the loop `out` holds all iterations' `value` combined; the printer picks the tree.

    max and min propagate NaN.  argmax and argmin give the iteration number (i64) of the first
    extreme value; NaN counts as extreme.  An empty loop gives the identity (argmax: 0).
    """

    out: Value
    combine: Combine
    value: Operand


@dataclass(frozen=True, slots=True)
class Carry:
    """A value handed from one iteration of a serial loop to the next.

    `value` is what an iteration sees, `next` what it hands on; `out` is the last `next` (or `init`).
    """

    value: Value
    init: Operand
    next: Operand
    out: Value


@dataclass(frozen=True, slots=True)
class Loop:
    """`for axis in range(extent)`; see the module docstring."""

    axis: str
    extent: Extent
    kind: Literal["serial", "vector"]
    body: tuple[Statement, ...]
    reductions: tuple[Reduction, ...] = ()
    carries: tuple[Carry, ...] = ()
    unroll: int = 0  # 0: the printer chooses


Statement = Compute | AxisValue | Load | Store | Loop


@dataclass(frozen=True, slots=True)
class Kernel:
    """See the module docstring.

    buffers: in the order of the launch's operands; temps are not operands and stand last.
    params: names of the runtime i64 parameters, in the order of the launch's params.
    grid: (axis, extent) pairs, outermost first; the work items are their product in row-major order.
    """

    name: str
    buffers: tuple[Buffer, ...]
    params: tuple[str, ...]
    grid: tuple[tuple[str, int | str | Tiles], ...]
    body: tuple[Statement, ...]

    @property
    def operands(self) -> tuple[Buffer, ...]:
        """The buffers a launch binds (without temps and the status buffer)."""
        return tuple(b for b in self.buffers if b.role != "temp")

    @property
    def temps(self) -> tuple[Buffer, ...]:
        return tuple(b for b in self.buffers if b.role == "temp")

    @property
    def scratch_bytes(self) -> int:
        """Scratch each thread needs; temps are laid out at multiples of 64 bytes."""
        return sum((b.size * b.dtype.itemsize + 63) // 64 * 64 for b in self.temps)

    @property
    def can_fail(self) -> bool:
        """Whether a launch passes the status buffer after the operands."""
        return any(
            i.code
            for s in statements(self.body)
            if isinstance(s, (Load, Store))
            for i in s.indirect
        )

    def items(self, params: Mapping[str, int] | None = None) -> int:
        """Number of work items for the given parameter values."""
        total = 1
        for _, extent in self.grid:
            if isinstance(extent, Tiles):
                total *= -(-_value(extent.total, params) // extent.size)
            else:
                total *= _value(extent, params)
        return total

    @property
    def key(self) -> str:
        """Text that is equal for structurally equal kernels (names do not count)."""
        from .kernel_text import structure

        return structure(self)

    def llvm(self, symbol: str, target: Target) -> str:
        """LLVM text of a module that defines `symbol`; see `codegen.program.KernelSource`."""
        from .llvm.printer import print_kernel

        return print_kernel(self, symbol, target)

    def __str__(self) -> str:
        from .kernel_text import to_text

        return to_text(self)


def _value(size: Size, params: Mapping[str, int] | None) -> int:
    return (params or {})[size] if isinstance(size, str) else size


def statements(body: tuple[Statement, ...]) -> Iterator[Statement]:
    """All statements in order, loops before their bodies."""
    for statement in body:
        yield statement
        if isinstance(statement, Loop):
            yield from statements(statement.body)
