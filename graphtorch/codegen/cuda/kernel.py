"""A loop kernel as a CUDA kernel: one block per work item, vector loops over its threads.

    extern "C" __global__ void exp_mul(const float* x, float* y, long long n, long long items)
        operands     the kernel's operands, in order
        parameters   the runtime integers
        scratch      bytes of every block's own, if local arrays do not fit into shared memory
        status       two words (code, bad index), if the kernel can fail
        items        number of work items; a block takes every gridDim.x-th

A kernel whose vector loops need no other thread (no reduction over one, no local arrays) may spread
them over several blocks: gridDim.y.  Nothing of that changes a result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ...errors import UnsupportedError
from ..kernel import Compute, Kernel, Load, Loop, Operand, Statement, Store, Tile, Value, statements
from ..lower_draft import inplace_pairs
from .body import Body
from .hazards import barriers
from .prelude import Printed, module_text
from .scalars import stored_type

if TYPE_CHECKING:
    from ..llvm.target import Target

SHARED_BYTES = 32 * 1024  # local arrays up to this size live in shared memory
BLOCKS = 1 << 16  # most blocks of a launch; more work items are taken in turns
SCRATCH_BLOCKS = 512  # the same for kernels with scratch in global memory
_SPLITS = 1 << 10


@runtime_checkable
class CudaSource(Protocol):
    """What the CUDA executable needs of a kernel; it also is a `program.KernelSource`.

    threads: of a block.  scratch_bytes: of every block, in global memory.
    print(symbol): CUDA C that defines `symbol`.  grid(chunks, params): blocks in x and y.
    """

    @property
    def name(self) -> str: ...

    @property
    def key(self) -> str: ...

    @property
    def scratch_bytes(self) -> int: ...

    @property
    def threads(self) -> int: ...

    def print(self, symbol: str) -> Printed: ...

    def grid(self, chunks: int, params: tuple[int, ...]) -> tuple[int, int]: ...


@dataclass(frozen=True)
class CudaLoopKernel:
    """A kernel of the loop language for the CUDA executable."""

    kernel: Kernel

    @property
    def name(self) -> str:
        return self.kernel.name

    @property
    def key(self) -> str:
        return f"cuda {self.kernel.key}"

    def llvm(self, symbol: str, target: Target) -> str:
        raise UnsupportedError(f"{self.name} is a CUDA kernel")

    @cached_property
    def in_shared(self) -> bool:
        """Whether local arrays live in shared memory."""
        return self.kernel.scratch_bytes <= SHARED_BYTES

    @property
    def scratch_bytes(self) -> int:
        return 0 if self.in_shared else self.kernel.scratch_bytes

    @cached_property
    def threads(self) -> int:
        """A power of two from 32 to 256, about the longest vector loop."""
        longest = max((_longest(loop, {}) for loop in _vectors(self.kernel.body)), default=1)
        return min(max(1 << (longest - 1).bit_length(), 32), 256)

    @cached_property
    def split(self) -> bool:
        """Whether vector loops may be spread over several blocks."""
        loops = list(_vectors(self.kernel.body))
        alone = not any(loop.reductions for loop in loops) and not self.kernel.temps
        return bool(loops) and alone and not barriers(self.kernel) and not self._uniform_stores

    @cached_property
    def _uniform_stores(self) -> bool:
        return any(isinstance(s, Store) for s in _uniform(self.kernel.body))

    @cached_property
    def inplace(self) -> frozenset[tuple[int, int]]:
        """Pairs (write position, read position) that may share memory here.

        A buffer that all threads read alike may not: thread 0 might store before another one reads.
        """
        alike = {s.buffer.name for s in _uniform(self.kernel.body) if isinstance(s, Load)}
        names = [b.name for b in self.kernel.operands]
        return frozenset(p for p in inplace_pairs(self.kernel) if names[p[1]] not in alike)

    def grid(self, chunks: int, params: tuple[int, ...]) -> tuple[int, int]:
        """Blocks in x and y."""
        blocks = min(chunks, BLOCKS if self.in_shared else SCRATCH_BLOCKS)
        if not self.split:
            return max(blocks, 1), 1
        given = dict(zip(self.kernel.params, params, strict=True))
        longest = max(_longest(loop, given) for loop in _vectors(self.kernel.body))
        return max(blocks, 1), min(max(-(-longest // self.threads), 1), _SPLITS)

    def print(self, symbol: str) -> Printed:
        """CUDA C that defines `symbol`."""
        try:
            return _Printer(self).print(symbol)
        except UnsupportedError as error:
            raise UnsupportedError(f"kernel {self.name}: {error}") from None

    def cuda(self, symbol: str) -> str:
        """A module of this kernel alone."""
        return module_text(self.print(symbol))


def _vectors(body: tuple[Statement, ...]) -> list[Loop]:
    return [s for s in statements(body) if isinstance(s, Loop) and s.kind == "vector"]


def _uniform(body: tuple[Statement, ...]) -> list[Statement]:
    """Statements outside of vector loops."""
    found: list[Statement] = []
    for s in body:
        if isinstance(s, Loop):
            if s.kind == "serial":
                found += _uniform(s.body)
        else:
            found.append(s)
    return found


def _longest(loop: Loop, params: Mapping[str, int]) -> int:
    extent = loop.extent
    if isinstance(extent, Tile):
        return extent.size
    if isinstance(extent, str):
        return params.get(extent, 1024)
    assert isinstance(extent, int)
    return max(extent, 1)


class _Printer(Body):
    def __init__(self, source: CudaLoopKernel):
        self.source, self.kernel = source, source.kernel
        super().__init__(source.threads, barriers(self.kernel), source.split)
        self.find_products(self.kernel.body, use_counts(self.kernel.body))

    def print(self, symbol: str) -> Printed:
        kernel = self.kernel
        pairs = self.source.inplace
        aliased = {p for pair in pairs for p in pair}
        arguments = []
        for position, b in enumerate(kernel.operands):
            const = "const " if b.role == "in" else ""
            mark = "" if position in aliased or b.role == "inout" else " __restrict__"
            arguments.append(f"{const}{stored_type(b.dtype)}*{mark} {self.buffer(b.name)}")
        arguments += [f"long long {self.symbol(p)}" for p in kernel.params]
        if self.source.scratch_bytes:
            arguments.append("unsigned char* __restrict__ scratch")
        if kernel.can_fail:
            arguments.append("long long* status")
        self._temps()
        with self.braces("for (long long item = blockIdx.x; item < items; item += gridDim.x)"):
            self._axes()
            self.block(kernel.body)
        return Printed(self.trees, self.function(symbol, arguments))

    def _temps(self) -> None:
        offset = 0
        for b in self.kernel.temps:
            kind, name = stored_type(b.dtype), self.buffer(b.name)
            if self.source.in_shared:
                self.line(f"__shared__ {kind} {name}[{b.size}];")
            else:
                start = f"scratch + {self.kernel.scratch_bytes}LL*blockIdx.x + {offset}"
                self.line(f"{kind}* {name} = ({kind}*)({start});")
            offset += (b.size * b.dtype.itemsize + 63) // 64 * 64

    def _axes(self) -> None:
        """Split the item's number into the grid's axes."""
        rest = "item"
        for position in range(len(self.kernel.grid) - 1, -1, -1):
            axis, extent = self.kernel.grid[position]
            name = self.symbol(axis)
            if position == 0:
                self.line(f"const long long {name} = {rest};")
                break
            size = f"({self.extent(extent)})"
            self.line(f"const long long {name} = {rest} % {size};")
            following = self.fresh("rest")
            self.line(f"const long long {following} = {rest} / {size};")
            rest = following


def use_counts(body: tuple[Statement, ...]) -> dict[str, int]:
    """How often each value is used; what leaves a loop counts as used more than once."""
    uses: dict[str, int] = {}

    def use(x: Operand | None, times: int = 1) -> None:
        if isinstance(x, Value):
            uses[x.name] = uses.get(x.name, 0) + times

    for s in statements(body):
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
                    use(r.value, 2)
                for c in s.carries:
                    use(c.init, 2)
                    use(c.next, 2)
    return uses
