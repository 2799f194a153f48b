"""One element of a fused body, as statements of a kernel.

`Elements.value(node, position)` emits what computes the node's element at a position and returns the
scalar: loads for the body's inputs, scalar bodies for pointwise ops, index arithmetic for views; the
ops that look elsewhere are in `lower_reads`.  An element is emitted once per open loop and as far outside as the axes it depends on allow,
so a row's mean is not computed again for every column.

Values that loops make (a reduction's result, a value kept in a row buffer) are told by `know`; the
schedules in `lower_loops` decide which.  This module knows no schedules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import CompileError, UnsupportedError
from ..ir.graph import Node
from ..ir.passes.fuse_cores import REDUCTIONS
from ..ir.passes.fuse_index import VIEWS
from ..ir.types import DType, bool_, int64
from .kernel import Buffer, Const, Guard, Index, Indirect, Operand, Value, compute_dtype
from .kernel_builder import KernelBuilder, LoopBuilder, Weak
from .lower_position import Cutter, Digit, Position, address, joined
from .program import Failure

# A chain of slice updates reads its start once for every choice on the way: past this many elements a body
# is not one kernel (its nodes run one by one).
MAXIMUM_ELEMENTS = 4_000

Conditions = tuple[tuple[Guard, ...], Value | None]  # what must hold for an element to exist
BLOCK = 16  # elements worth an axis of their own
ALWAYS: Conditions = ((), None)
Bound = tuple[Digit, int | None, int | None]  # lower <= digit < upper
Key = tuple[Node, Position, Conditions]


class Elements:
    """See the module docstring.

    buffers: the kernel's buffer of every input of the body.
    failures: what the kernel's status codes mean; grows while checked reads are emitted.
    """

    own = frozenset(("full", "iota"))  # ops with a method of their own, `_full`

    def __init__(
        self, builder: KernelBuilder, cutter: Cutter, buffers: dict[Node, Buffer],
        failures: list[Failure] | None = None,
    ):  # fmt: skip
        self.builder, self.cutter, self.buffers = builder, cutter, buffers
        self.failures: list[Failure] = [] if failures is None else failures
        self.scopes: list[dict[Key, Operand]] = [{}]
        self.axes: dict[str, int] = {}  # how deep the loop of an axis is
        self.depths: dict[str, int] = {}  # how deep a value was emitted
        self.seen: set[Key] = set()  # everything asked for
        self.staged: dict[tuple[Node, Index], Callable[[], Operand]] = {}  # loads that go elsewhere
        self.on_value: Callable[[Key, Operand], None] | None = None

    # scopes --------------------------------------------------------------------------------------

    @property
    def depth(self) -> int:
        return len(self.scopes) - 1

    @contextmanager
    def loop(self, axis: str, extent: Any, kind: str) -> Iterator[LoopBuilder]:
        """A loop whose body's elements are emitted inside the `with` block."""
        with self.builder.loop(axis, extent, kind) as loop:
            self.scopes.append({})
            self.axes[loop.axis] = self.depth
            yield loop
            self.scopes.pop()
            del self.axes[loop.axis]

    def know(
        self, node: Node, position: Position, value: Operand, conditions: Conditions = ALWAYS
    ) -> None:
        """From here on, in the open loops, this is the node's element."""
        self.scopes[-1][node, position, conditions] = value
        if isinstance(value, Value):
            self.depths[value.name] = self.depth

    def _depth_of(self, *values: Any) -> int:
        depth = 0
        for value in values:
            if isinstance(value, Value):
                depth = max(depth, self.depths.get(value.name, self.depth))
            elif isinstance(value, Index):
                depth = max([depth, *(self.axes.get(s, 0) for s in value.symbols)])
            elif isinstance(value, Guard):
                depth = max(depth, self._depth_of(value.index, value.lower, value.upper))
            elif isinstance(value, Indirect):
                depth = max(depth, self._depth_of(value.value, value.stride))
        return depth

    def _emit(self, depth: int, make: Callable[[], Any]) -> Any:
        """Emit as far outside as `depth`."""
        with self.builder.outside(depth):
            result = make()
        if isinstance(result, Value):
            self.depths.setdefault(result.name, depth)
        return result

    # elements ------------------------------------------------------------------------------------

    def value(self, node: Node, position: Position, conditions: Conditions = ALWAYS) -> Operand:
        """The node's element at a position; where the conditions fail, any value."""
        key = (node, position, conditions)
        self.seen.add(key)
        if len(self.seen) > MAXIMUM_ELEMENTS:
            raise CompileError(f"one element of a body reads more than {MAXIMUM_ELEMENTS} others")
        for scope in self.scopes:
            found = scope.get(key)
            if found is not None:
                return found
        result = self._value(node, position, conditions)
        depth = self._depth_of(result)
        self.scopes[depth][key] = result
        if self.on_value is not None:
            self.on_value(key, result)
        return result

    def _value(self, node: Node, position: Position, conditions: Conditions) -> Operand:
        name = node.op.name
        if node in self.buffers:
            return self.load(node, position, conditions)
        if name in VIEWS:
            operand = node.operands[0]
            return self.value(operand, self.cutter.behind(node, position), conditions)
        if node.op.kind == "pointwise":
            return self._pointwise(node, position, conditions)
        if name in self.own:
            found: Operand = getattr(self, f"_{name}")(node, position, conditions)
            return found
        if name in REDUCTIONS:
            return self._reduce_one(node, position, conditions)
        raise UnsupportedError(f"no kernel computes {node.op.name} ({node!r}, {node.source})")

    def load(
        self, node: Node, position: Position, conditions: Conditions = ALWAYS, fill: Any = None
    ) -> Operand:
        """An element of one of the body's inputs."""
        buffer = self.buffers[node]
        index, indirect = address(position)
        if not indirect and conditions == ALWAYS and (node, index) in self.staged:
            return self.staged[node, index]()
        guards, when = conditions
        depth = self._depth_of(index, when, *guards, *indirect)
        wanted = None if fill is None else Weak(fill)
        made: Operand = self._emit(
            depth,
            lambda: self.builder.load(
                buffer, index, guards=guards, when=when, fill=wanted, indirect=indirect
            ),
        )
        return made

    def _pointwise(self, node: Node, position: Position, conditions: Conditions) -> Operand:
        operands = node.operands
        typed = operands[-1] if node.op.name == "where" else operands[0]
        dtype = compute_dtype(node.dtype if node.op.name == "where" else typed.dtype)
        args = [
            self.value(x, position, conditions)
            if isinstance(x, Node)
            else self.builder.const(x, dtype)
            for x in node.inputs
        ]
        depth = self._depth_of(*args)
        body = node.op.body
        assert body is not None
        result = self._emit(depth, lambda: body(self.builder, *args, **node.attrs))
        return self.typed(result, node.dtype)

    def typed(self, value: Any, dtype: DType) -> Operand:
        """A scalar body's result, with a dtype if it was a bare number."""
        typed: Operand = (
            self.builder.const(value.value, dtype) if isinstance(value, Weak) else value
        )
        return typed

    def _reduce_one(self, node: Node, position: Position, conditions: Conditions) -> Operand:
        """A reduction over dimensions of size 1."""
        operand = node.operands[0]
        dims = node.attrs["dims"] if "dims" in node.attrs else (node.attrs["dim"],)
        if any(operand.shape[d] != 1 for d in dims):
            raise AssertionError(f"{node!r} is read before its loop has run")
        if node.op.name in ("argmax", "argmin"):
            return Const(0, int64)
        value = self.value(operand, position, conditions)
        if node.dtype is bool_ and value.dtype is not bool_:
            truth: Operand = self._emit(
                self._depth_of(value),
                lambda: self.builder.not_equal(value, self.builder.const(0, value.dtype)),
            )
            return truth
        return value

    # creations -----------------------------------------------------------------------------------

    def _full(self, node: Node, position: Position, conditions: Conditions) -> Operand:
        constant: Operand = self.builder.const(node.attrs["value"], node.dtype)
        return constant

    def _iota(self, node: Node, position: Position, conditions: Conditions) -> Operand:
        start, step = node.attrs["start"], node.attrs["step"]
        digit = joined(position, node.shape[0])
        dtype = compute_dtype(node.dtype)

        def make() -> Any:
            b = self.builder
            if all(float(x).is_integer() for x in (start, step)) and not digit.dynamic:
                return b.cast(b.position(digit.index * int(step) + int(start)), dtype)
            place = b.cast(self.cutter.computed(digit), dtype)
            return b.add(b.mul(place, b.const(step, dtype)), b.const(start, dtype))

        depth = self._depth_of(digit.index, *(d.value for d in digit.dynamic))
        result: Operand = self._emit(depth, make)
        return result
