"""Running a program of CUDA kernels: the same launch list and memory plan as on the CPU.

    exe = compile_cuda(graph)              on the GPU that CuPy finds
    exe.run(inputs, outputs)               NumPy arrays; updated inputs are written

Arrays in managed memory (see `device`) are used where they lie; others are copied there and back.
Temporaries lie in one arena.  Launches follow each other on a stream; the host waits before host
calls, before the first write to an updated input if an earlier launch may have failed, and at the
end.  If something fails the call raises and no input has changed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...errors import CompileError
from ...ir.graph import Graph
from ..host_call import BoundHostCall
from ..memory import MemoryPlan, plan
from ..program import HostCall, KernelSource, Launch, Program
from .device import Device, device
from .kernel import CudaSource
from .lower import Stages, lower_cuda, symbols
from .printer import source_of

if TYPE_CHECKING:
    from ..executable import Timing


class CudaExecutable:
    """A compiled program on a device; see the module docstring."""

    def __init__(self, program: Program, where: Device, stages: Stages | None = None):
        self.program = program
        self.device = where
        self.stages: Stages = stages or []
        began = time.perf_counter()
        self.memory: MemoryPlan = plan(program)
        planned = time.perf_counter()
        self.cuda = source_of(program)
        named = symbols(program)
        loaded = where.load(self.cuda, [symbol for _, symbol in named.values()]) if named else {}
        self.seconds = {"memory": planned - began, "kernels": time.perf_counter() - planned}
        self._functions = {key: loaded[symbol] for key, (_, symbol) in named.items()}
        self._lock = threading.Lock()
        self._arena = where.memory(max(self.memory.arena_bytes, 1))
        self._constants = {
            i: self._copied(b.value) for i, b in enumerate(program.buffers) if b.value is not None
        }
        self._types = [program.buffers[i].type for i in (*program.inputs, *program.outputs)]
        self._staging: dict[int, np.ndarray] = {}  # argument -> managed copy
        launches = list(program.launches)
        scratch = max((_scratch(step) for step in launches), default=0)
        self._scratch = where.memory(scratch) if scratch else None
        self._status = where.memory(16 * max(len(program.steps), 1)).view(np.int64).reshape(-1, 2)
        self._hosts: dict[int, BoundHostCall] = {
            position: BoundHostCall(step, self._host_memory)
            for position, step in enumerate(program.steps)
            if isinstance(step, HostCall)
        }

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def kernels(self) -> list[KernelSource]:
        """The distinct kernels."""
        return list({step.kernel.key: step.kernel for step in self.program.launches}.values())

    @property
    def launches(self) -> list[str]:
        """The launch list, one line a step."""
        return str(self.program).splitlines()[1 : 1 + len(self.program.steps)]

    @property
    def host_calls(self) -> list[HostCall]:
        """The steps that run in NumPy."""
        return [step for step in self.program.steps if isinstance(step, HostCall)]

    def call(self, *arrays: np.ndarray) -> None:
        """`run` with all arrays in a row."""
        count = len(self.program.inputs)
        self.run(arrays[:count], arrays[count:])

    def run(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> None:
        """Compute `outputs` from `inputs`, C-contiguous arrays of the graph's types.

        Raises TypeError for an array that is not as compiled for, IndexError for an index out of
        range inside a kernel, and what a NumPy kernel raises.
        """
        self._carry_out(self._checked((*inputs, *outputs)), None)

    def profile(
        self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray], calls: int = 1
    ) -> list[Timing]:
        """Run the graph `calls` times, waiting after every step; the mean time of each."""
        from ..executable import Timing

        spent = [0.0] * len(self.program.steps)
        for _ in range(calls):
            self._carry_out(self._checked((*inputs, *outputs)), spent)
        return [
            Timing(
                step.name,
                "kernel" if isinstance(step, Launch) else "host",
                taken * 1e9 / calls,
                tuple(node.source for node in step.nodes),
            )
            for step, taken in zip(self.program.steps, spent, strict=True)
        ]

    def _carry_out(self, given: tuple[np.ndarray, ...], spent: list[float] | None) -> None:
        with self._lock:
            arrays = [self._reachable(i, array) for i, array in enumerate(given)]
            self._run(arrays, spent)
            count = len(self.program.inputs)
            written = {self.program.inputs.index(target) for target, _ in self.program.updates}
            for i, (array, used) in enumerate(zip(given, arrays, strict=True)):
                if used is not array and (i >= count or i in written):
                    array[...] = used

    def _checked(self, arrays: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        if len(arrays) != len(self._types):
            raise TypeError(f"{self.name} takes {len(self._types)} arrays, got {len(arrays)}")
        for number, (array, type) in enumerate(zip(arrays, self._types, strict=True)):
            fits = array.dtype == type.dtype.numpy and array.shape == type.shape
            if not fits or not array.flags.c_contiguous:
                raise TypeError(
                    f"{self.name}: argument {number} must be {type}, contiguous;"
                    f" got {array.dtype}{list(array.shape)}"
                )
        return arrays

    def _reachable(self, number: int, array: np.ndarray) -> np.ndarray:
        """The array, or a copy of it that kernels can address."""
        if self.device.holds(array):
            return array
        kept = self._staging.get(number)
        if kept is None:
            kept = self._staging[number] = self.device.memory(array.nbytes)
        staged = kept.view(array.dtype).reshape(array.shape)
        if number < len(self.program.inputs):
            staged[...] = array
        return staged

    def _copied(self, value: np.ndarray) -> np.ndarray:
        memory = self.device.memory(value.nbytes)
        memory[:] = value.reshape(-1).view(np.uint8)
        return memory

    def _run(self, arrays: list[np.ndarray], spent: list[float] | None) -> None:
        device, steps = self.device, self.program.steps
        places = [self._address(i, arrays) for i in range(len(self.program.buffers))]
        updated = {i for i, home in enumerate(self.memory.homes) if home.place == "update"}
        device.synchronize()
        self._status[...] = 0
        doubtful = False  # a launch may have failed since the host last looked
        for position, step in enumerate(steps):
            if doubtful and (isinstance(step, HostCall) or updated.intersection(step.written)):
                self._look()
                doubtful = False
            began = time.perf_counter()
            if isinstance(step, HostCall):
                device.synchronize()
                self._hosts[position].run(tuple(arrays))
            else:
                self._launch(position, step, places)
                doubtful |= step.fallible
            if spent is not None:
                device.synchronize()
                spent[position] += time.perf_counter() - began
        if doubtful:
            self._look()
        self._copies(places, arrays)
        device.synchronize()

    def _launch(self, position: int, step: Launch, places: list[int]) -> None:
        source = step.kernel
        assert isinstance(source, CudaSource)
        arguments = [places[i] for i in step.operands] + list(step.params)
        if source.scratch_bytes and self._scratch is not None:
            arguments.append(self._scratch.ctypes.data)
        if step.fallible:
            arguments.append(self._status[position].ctypes.data)
        if step.chunks:
            grid = source.grid(step.chunks, step.params)
            self._functions[source.key](grid, source.threads, [*arguments, step.chunks])

    def _address(self, buffer: int, arrays: list[np.ndarray]) -> int:
        home = self.memory.homes[buffer]
        match home.place:
            case "arena":
                return int(self._arena.ctypes.data) + home.number
            case "constant":
                return int(self._constants[buffer].ctypes.data)
            case "output":
                return int(arrays[len(self.program.inputs) + home.number].ctypes.data)
        return int(arrays[home.number].ctypes.data)

    def _host_memory(self, buffer: int) -> np.ndarray | int:
        """What a host call sees of a buffer: bytes, or the number of an argument."""
        home = self.memory.homes[buffer]
        match home.place:
            case "arena":
                nbytes = self.program.buffers[buffer].nbytes
                return self._arena[home.number : home.number + nbytes]
            case "constant":
                return self._constants[buffer]
            case "output":
                return len(self.program.inputs) + home.number
        return home.number

    def _copies(self, places: list[int], arrays: list[np.ndarray]) -> None:
        arena = int(self._arena.ctypes.data)
        count = len(self.program.inputs)
        for copy in self.memory.copies:
            source = arena + copy.offset if copy.source is None else places[copy.source]
            if copy.place == "arena":
                to = arena + copy.number
            else:
                number = copy.number + (count if copy.place == "output" else 0)
                to = int(arrays[number].ctypes.data)
            if copy.nbytes and to != source:
                self.device.copy(to, source, copy.nbytes)

    def _look(self) -> None:
        """Wait, and raise what the first failing launch wrote."""
        self.device.synchronize()
        for position, (code, index) in enumerate(self._status.tolist()):
            step = self.program.steps[position]
            if code and isinstance(step, Launch):
                lines = [step.failures[code - 1].message(index)]
                for node in [n for n in step.nodes if n.op.kind == "index"] or step.nodes:
                    where = f" at {node.source}" if str(node.source) else ""
                    lines.append(f"  in {node.name}: {node.type} = {node.op.name}(...){where}")
                raise IndexError("\n".join(lines))

    def __repr__(self) -> str:
        return f"<CudaExecutable {self.name}: {len(self.program.steps)} steps>"


def _scratch(step: Launch) -> int:
    source = step.kernel
    assert isinstance(source, CudaSource)
    return source.scratch_bytes * source.grid(step.chunks, step.params)[0]


def compile_cuda(graph: Graph, number: int = 0, where: Device | None = None) -> CudaExecutable:
    """Compile a graph for a GPU, or for another device that runs CUDA C.

    Raises RuntimeError with PyTorch's words where there is no GPU, and CompileError or
    UnsupportedError where the compiler cannot take the graph.
    """
    chosen = device(number) if where is None else where
    stages, program = lower_cuda(graph)
    try:
        return CudaExecutable(program, chosen, stages)
    except CompileError as error:
        error.add_note(f"while compiling {graph.name} for CUDA; its graph:\n{graph}")
        raise
