"""The lowered program: what `codegen.lower` makes of an optimised graph and the executable runs.

    Program
        buffers    the table; an operand anywhere below is an index into it
        steps      Launch and HostCall in execution order (dependences are implied by the order)
        inputs     one buffer per graph input, in order (kind "input")
        outputs    one buffer per graph output, in order; any kind, repeats allowed
        updates    (input buffer, value buffer): after the call the input holds the value

A buffer is a dense row-major piece of memory.  A graph value that only renames memory (reshape of a
contiguous value, `pick`, `stop_gradient`) maps to the *same* buffer; a view that kernels read
through an index map has no buffer of its own.  Lowering does not decide where a buffer lives:
`codegen.memory` puts values into the arena, straight into the caller's output arrays, or straight
into an input that is updated.

Machine-code interface of every kernel

    void kernel(ptr buffers, ptr params, ptr scratch, i64 begin, i64 end)

        buffers  the data pointers of `Launch.operands`, in order; if the launch can fail, the
                 status words (2 x i64: code, bad index) follow as one more pointer
        params   `Launch.params` as i64
        scratch  `kernel.scratch_bytes` bytes of this thread's own, 64-byte aligned, not cleared
        [begin, end)  the work items to do, out of [0, Launch.chunks); items are independent, so
                 any split over any number of threads must give the same bits

    Buffers from the caller are aligned to their element only; arena buffers to 64 bytes.
    A kernel that meets a bad index writes code (1 + position in `Launch.failures`) and the index
    into the status words and goes on with a clamped index; it never faults.

This module does not print code, plan memory or execute.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from ..errors import VerificationError
from ..ir.graph import Node
from ..ir.op import Op
from ..ir.types import BY_NUMPY, TensorType

if TYPE_CHECKING:
    from .llvm.target import Target

ALIGNMENT = 64  # bytes; of every arena buffer, constant and scratch area

BufferKind = Literal["input", "constant", "value"]


class KernelSource(Protocol):
    """What a Launch needs of a kernel; loop kernels and contraction kernels both provide it.

    name: readable, a valid identifier ("exp_mul_sum", "matmul_1024x64x256").
    key: equal keys mean interchangeable machine code for one target; text of any length (it is
        hashed).  Sizes that are baked into the code belong in it, names of graph nodes do not.
    scratch_bytes: per-thread scratch the code wants; it may differ between kernels of equal key.
    llvm(symbol, target): LLVM text of a module that defines `symbol` with the interface above;
        everything else it defines is `internal` or `private`.
    """

    @property
    def name(self) -> str: ...

    @property
    def key(self) -> str: ...

    @property
    def scratch_bytes(self) -> int: ...

    def llvm(self, symbol: str, target: Target) -> str: ...


@dataclass(frozen=True, slots=True)
class Buffer:
    """One row of the table.  `value` holds the contents of a constant."""

    name: str
    type: TensorType
    kind: BufferKind
    value: np.ndarray | None = None

    @property
    def nbytes(self) -> int:
        return self.type.nbytes

    def __str__(self) -> str:
        return f"{self.name}: {self.type}"


@dataclass(frozen=True, slots=True)
class Failure:
    """What one status code of a launch means: an index outside `[-size, size)` of dimension `dim`."""

    dim: int
    size: int

    def message(self, index: int) -> str:
        return f"index {index} is out of bounds for dimension {self.dim} with size {self.size}"


@dataclass(frozen=True, slots=True)
class Launch:
    """One run of a kernel over `chunks` independent work items.

    operands: buffer indices in the kernel's parameter order.
    writes: positions in `operands` that the kernel writes (it may read them too, if an earlier
        step wrote them).
    params: the run-time integers.
    chunks: number of work items; chosen from sizes only, never from the number of threads.
    grain: smallest number of work items worth handing to a thread at once.
    work: rough one-core time in nanoseconds (`work_estimate`); it steers how many threads take
        part and whether the GIL is released, never the result.
    inplace: pairs (write position, read position): the written buffer may be the memory of the
        read one, because every element is read, by the same work item, before it is overwritten
        and no other operand position looks at that memory.
    failures: non-empty if the kernel can fail; meaning of status code 1 + position.
    nodes: the graph nodes this launch computes (names and source lines for reports and errors).
    """

    kernel: KernelSource
    operands: tuple[int, ...]
    writes: tuple[int, ...]
    params: tuple[int, ...] = ()
    chunks: int = 1
    grain: int = 1
    work: int = 1000
    inplace: tuple[tuple[int, int], ...] = ()
    failures: tuple[Failure, ...] = ()
    nodes: tuple[Node, ...] = ()

    @property
    def name(self) -> str:
        return self.kernel.name

    @property
    def fallible(self) -> bool:
        return bool(self.failures)

    @property
    def written(self) -> tuple[int, ...]:
        """Buffers this step writes."""
        return tuple(self.operands[p] for p in self.writes)

    @property
    def read(self) -> tuple[int, ...]:
        """Buffers this step reads (written operands excluded)."""
        return tuple(b for p, b in enumerate(self.operands) if p not in self.writes)


@dataclass(frozen=True, slots=True)
class Array:
    """A buffer seen as an array of `type`; strides and offset (in elements) None/0: all of it."""

    buffer: int
    type: TensorType
    strides: tuple[int, ...] | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class HostCall:
    """One call of an op's NumPy kernel: `results = op.numpy(*arguments, **attrs)`.

    arguments: a buffer index with the type to look at it by (`Array`), or a Python scalar.
    results: one per result of the op, in order; None for a result nobody wants.
    """

    op: Op
    arguments: tuple[Array | bool | int | float, ...]
    results: tuple[Array | None, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    nodes: tuple[Node, ...] = ()
    reason: str = ""  # why no kernel does it, for explain()

    @property
    def name(self) -> str:
        return self.op.name

    @property
    def fallible(self) -> bool:
        return True  # NumPy may raise

    @property
    def written(self) -> tuple[int, ...]:
        return tuple(r.buffer for r in self.results if r is not None)

    @property
    def read(self) -> tuple[int, ...]:
        return tuple(a.buffer for a in self.arguments if isinstance(a, Array))


Step = Launch | HostCall


@dataclass(frozen=True, slots=True)
class Program:
    """See the module docstring."""

    name: str
    buffers: tuple[Buffer, ...]
    steps: tuple[Step, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    updates: tuple[tuple[int, int], ...] = ()

    @property
    def launches(self) -> Iterator[Launch]:
        return (step for step in self.steps if isinstance(step, Launch))

    def check(self) -> Program:
        """Return the program if it is well-formed; raise VerificationError naming the step if not."""
        known = set(self.inputs)
        known.update(i for i, b in enumerate(self.buffers) if b.kind == "constant")
        for position, step in enumerate(self.steps):
            where = f"step {position} ({step.name}) of {self.name}"
            if isinstance(step, Launch):
                _check_launch(step, where)
            for index in (*step.read, *step.written):
                if not 0 <= index < len(self.buffers):
                    raise VerificationError(f"{where}: there is no buffer {index}")
            for index in step.read:
                if index not in known:
                    raise VerificationError(
                        f"{where} reads {self.buffers[index]} before it is written"
                    )
            for index in step.written:
                if self.buffers[index].kind != "value":
                    raise VerificationError(
                        f"{where} writes {self.buffers[index]}, which is no value"
                    )
            known.update(step.written)
        for index in (*self.outputs, *(value for _, value in self.updates)):
            if index not in known:
                raise VerificationError(
                    f"{self.name} returns {self.buffers[index]}, which no step writes"
                )
        for target, value in self.updates:
            if self.buffers[target].kind != "input":
                raise VerificationError(
                    f"{self.name} updates {self.buffers[target]}, which is no input"
                )
            if self.buffers[target].nbytes != self.buffers[value].nbytes:
                raise VerificationError(
                    f"{self.name} updates {self.buffers[target]} with {self.buffers[value]}"
                )
        return self

    def __str__(self) -> str:
        def names(indices: Sequence[int]) -> str:
            return ", ".join(str(self.buffers[i]) for i in indices)

        lines = [f"program {self.name}({names(self.inputs)})"]
        for step in self.steps:
            extra = ""
            if isinstance(step, Launch):
                extra = f"  chunks={step.chunks}"
                if step.params:
                    extra += f" params={list(step.params)}"
                if step.fallible:
                    extra += " can fail"
            else:
                extra = "  host" + (f": {step.reason}" if step.reason else "")
            arguments = ", ".join(self.buffers[i].name for i in step.read)
            lines.append(f"  {names(step.written)} = {step.name}({arguments}){extra}")
        for target, value in self.updates:
            lines.append(f"  {self.buffers[target].name} <- {self.buffers[value].name}")
        lines.append(f"  return {', '.join(self.buffers[i].name for i in self.outputs)}")
        return "\n".join(lines)


def _check_launch(step: Launch, where: str) -> None:
    if step.chunks < 0 or step.grain < 1:
        raise VerificationError(f"{where}: chunks={step.chunks}, grain={step.grain}")
    if any(not 0 <= p < len(step.operands) for p in step.writes):
        raise VerificationError(f"{where}: writes={step.writes} of {len(step.operands)} operands")
    for write, read in step.inplace:
        if write not in step.writes or read in step.writes:
            raise VerificationError(f"{where}: inplace pair {(write, read)} is not (write, read)")


def work_estimate(*, nbytes: int, flops: int = 0) -> int:
    """A rough one-core time in nanoseconds for moving `nbytes` and doing `flops`.

    >>> work_estimate(nbytes=80_000)
    8000
    """
    return max(nbytes // 10, flops // 20, 1)


class ProgramBuilder:
    """Collects buffers and steps while a graph is lowered.

    b = ProgramBuilder("f")
    x = b.input("x", f32[8])
    y = b.value("y", f32[8])
    b.launch(kernel, (x, y), writes=(1,))
    program = b.finish(outputs=(y,))
    """

    def __init__(self, name: str):
        self.name = name
        self.buffers: list[Buffer] = []
        self.steps: list[Step] = []
        self.inputs: list[int] = []

    def input(self, name: str, type: TensorType) -> int:
        """Add the next graph input."""
        index = self._add(Buffer(name, type, "input"))
        self.inputs.append(index)
        return index

    def constant(self, name: str, array: np.ndarray) -> int:
        """Add a constant; its contents are copied into aligned memory."""
        array = np.ascontiguousarray(array)
        return self._add(
            Buffer(name, TensorType(BY_NUMPY[array.dtype], array.shape), "constant", array)
        )

    def value(self, name: str, type: TensorType) -> int:
        """Add a buffer that some step writes."""
        return self._add(Buffer(name, type, "value"))

    def launch(
        self, kernel: KernelSource, operands: Sequence[int], writes: Sequence[int], **fields: Any
    ) -> None:
        """Add a Launch; keyword arguments are its other fields."""
        self.steps.append(Launch(kernel, tuple(operands), tuple(writes), **fields))

    def host(
        self,
        op: Op,
        arguments: Sequence[Array | bool | int | float],
        results: Sequence[Array | None],
        **fields: Any,
    ) -> None:
        """Add a HostCall; keyword arguments are its other fields."""
        self.steps.append(HostCall(op, tuple(arguments), tuple(results), **fields))

    def finish(self, outputs: Sequence[int], updates: Sequence[tuple[int, int]] = ()) -> Program:
        """Return the checked program."""
        return Program(
            self.name, tuple(self.buffers), tuple(self.steps), tuple(self.inputs), tuple(outputs),
            tuple(updates),
        ).check()  # fmt: skip

    def _add(self, buffer: Buffer) -> int:
        self.buffers.append(buffer)
        return len(self.buffers) - 1
