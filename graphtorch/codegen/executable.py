"""From a graph to something callable, and the call itself.

    compile_graph(graph)  ->  passes  ->  lower  ->  plan memory  ->  load kernels  ->  Executable

    exe.run(inputs, outputs)      arrays in, arrays filled; updated inputs are written
    exe.call(*inputs, *outputs)   the same, the fastest way in (a builtin made of machine code)

Arrays are C-contiguous, aligned, and of the dtypes and shapes of the graph; the caller passes copies
of those that are not.  Output arrays overlap neither each other nor an input; an input that is
updated overlaps no other input.

A call is one native call over the launch list.  Host calls (ops that run in NumPy) cut the list into
segments.  If something fails (a bad index, an exception in NumPy) the call raises and no input has
changed.  Calls from several threads at once are safe: each has a context with memory of its own.

For people who look: `stages` (name, graph), `program`, `launches`, `kernels`, `llvm`, `asm`,
`memory`, `seconds` (of every stage of compilation), `profile`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .. import config
from ..errors import CompileError, UnsupportedError
from ..ir.graph import Graph, Source
from .cache import object_cache
from .context import Context
from .llvm import jit
from .llvm.build import cache_entry, load_kernels, symbol_of
from .llvm.target import target
from .memory import MemoryPlan, plan
from .program import HostCall, KernelSource, Launch, Program
from .saved import from_json, program_key, to_json
from .tables import Tables

if TYPE_CHECKING:
    from .cuda.executable import CudaExecutable

Stages = list[tuple[str, Graph]]


@dataclass(frozen=True)
class Timing:
    """Time spent in one step: nanoseconds per call, what it is, and the user's lines it serves."""

    name: str
    kind: Literal["kernel", "host", "copy"]
    nanoseconds: float
    sources: tuple[Source, ...]

    def __str__(self) -> str:
        lines = ", ".join(dict.fromkeys(str(s) for s in self.sources if str(s)))
        return f"{self.nanoseconds / 1e3:10.1f} us  {self.kind:6}  {self.name}  {lines}".rstrip()


class Executable:
    """A compiled program; see the module docstring.

    look: makes the stages and the program again with the texts of its kernels, for an executable
        that came from the cache without them.
    """

    def __init__(
        self,
        program: Program,
        stages: Stages | None = None,
        look: Callable[[], tuple[Stages, Program]] | None = None,
    ):
        self.program = program
        self.seconds: dict[str, float] = {}
        self.target = target()
        self._stages = stages
        self._look = look
        self._whole = program  # with the texts of its kernels, once somebody looked
        began = time.perf_counter()
        self.memory: MemoryPlan = plan(program)
        planned = time.perf_counter()
        distinct = {step.kernel.key: step.kernel for step in program.launches}
        kernels = load_kernels(list(distinct.values()), self.target)
        loaded = dict(zip(distinct, kernels, strict=True))
        self.seconds.update(memory=planned - began, kernels=time.perf_counter() - planned)
        self._tables = Tables(program, self.memory, loaded)
        self._spare: list[Context] = []
        self._context = Context(self._tables, self._elsewhere, shared_arena=True)
        self.call: Callable[..., Any] = self._context.call

    @property
    def name(self) -> str:
        return self.program.name

    def run(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> None:
        """Compute `outputs` from `inputs`; see the module docstring for what the arrays must be.

        Raises TypeError or ValueError for an array that is not as compiled for, IndexError for an
        index out of range inside a kernel, and what a NumPy kernel raises.
        """
        self.call(*inputs, *outputs)

    def _elsewhere(self, arrays: tuple[Any, ...]) -> None:
        """A call while the first context is in use: take another one, with its own memory."""
        try:
            context = self._spare.pop()  # atomic; a lock might be held in the middle of a fork
        except IndexError:
            context = Context(self._tables, self._elsewhere, shared_arena=False)
        try:
            context.call(*arrays)
        finally:
            self._spare.append(context)

    # ---- for people who look

    @property
    def stages(self) -> Stages:
        """Every graph on the way, (name, graph), the first as it was traced."""
        if self._stages is None:
            self._looked()
        return self._stages or []

    @property
    def kernels(self) -> list[KernelSource]:
        """The distinct kernels."""
        launches = self._looked().launches
        return list({step.kernel.key: step.kernel for step in launches}.values())

    def _looked(self) -> Program:
        """The program with the texts of its kernels."""
        if self._look is not None:
            self._stages, self._whole = self._look()
            self._look = None
        return self._whole

    @property
    def launches(self) -> list[str]:
        """The launch list, one line a step."""
        return str(self.program).splitlines()[1 : 1 + len(self.program.steps)]

    @property
    def host_calls(self) -> list[HostCall]:
        """The steps that run in NumPy."""
        return [step for step in self.program.steps if isinstance(step, HostCall)]

    def _text(self, kernel: KernelSource) -> str:
        return kernel.llvm(symbol_of(kernel, "0" * 12), self.target)

    @property
    def llvm(self) -> str:
        """The LLVM text of every distinct kernel, as generated."""
        return "\n".join(self._text(kernel) for kernel in self.kernels)

    @property
    def llvm_optimised(self) -> str:
        """The LLVM text of every distinct kernel after LLVM's own passes."""
        return "\n".join(jit.optimised(self._text(kernel), self.target) for kernel in self.kernels)

    @property
    def asm(self) -> str:
        """The assembly of every distinct kernel."""
        return "\n".join(jit.assembly(self._text(kernel), self.target) for kernel in self.kernels)

    def profile(
        self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray], calls: int = 1
    ) -> list[Timing]:
        """Run the graph `calls` times (updates happen) and return the mean time of every step."""
        context = Context(self._tables, self._elsewhere, shared_arena=False, profile=True)
        for _ in range(calls):
            context.call(*inputs, *outputs)
        found = []
        for step, nanoseconds in context.timings():
            if isinstance(step, (Launch, HostCall)):
                kind: Literal["kernel", "host"] = "kernel" if isinstance(step, Launch) else "host"
                sources = tuple(node.source for node in step.nodes)
                found.append(Timing(step.name, kind, nanoseconds / calls, sources))
            else:
                found.append(
                    Timing(f"to {step.place} {step.number}", "copy", nanoseconds / calls, ())
                )
        return found

    def __repr__(self) -> str:
        steps, kernels = len(self.program.steps), {s.kernel.key for s in self.program.launches}
        return f"<Executable {self.name}: {steps} steps, {len(kernels)} kernels>"


def compile_graph(graph: Graph, device: str = "cpu") -> Executable | CudaExecutable:
    """Compile a graph, from the tracer or from hand, for "cpu" or "cuda" (or "cuda:1").

    Raises CompileError or UnsupportedError where the compiler cannot take it.

    >>> with GraphBuilder("double") as b:
    ...     graph = b.finish((b.input(f32[3], "x") * 2.0,))
    >>> exe, y = compile_graph(graph), np.empty(3, np.float32)
    >>> exe.run([np.arange(3, dtype=np.float32)], [y])
    >>> y
    array([0., 2., 4.], dtype=float32)
    """
    if device != "cpu":
        kind, _, number = device.partition(":")
        if kind != "cuda":
            raise UnsupportedError(
                f"compile_graph generates code for cpu and cuda, not for {device!r}"
            )
        from .cuda.executable import compile_cuda

        return compile_cuda(graph, int(number or 0))
    began = time.perf_counter()
    machine, cache = target(), object_cache()
    key = program_key(graph, machine) if cache else None
    executable = _from_cache(graph, key) if key else None
    if executable is None:
        seconds: dict[str, float] = {}
        stages, program = _lowered(graph, seconds)
        try:
            executable = Executable(program, stages)
        except CompileError as error:
            error.add_note(f"while compiling {graph.name}; its graph:\n{graph}")
            raise
        executable.seconds = seconds | executable.seconds
        if cache and key:
            entries = {
                step.kernel.key: cache_entry(step.kernel, machine) for step in program.launches
            }
            content = to_json(program, entries)
            if content is not None:
                cache.put(key, f"program {graph.name}", content)
    else:
        executable.seconds = {"cached": time.perf_counter() - began}
    if config.flags.debug >= 2:
        _tell(executable, config.flags.debug)
    return executable


def _from_cache(graph: Graph, key: str) -> Executable | None:
    """The executable of a graph that was compiled before, by any process."""
    cache = object_cache()
    found = cache.get(key) if cache else None
    if found is None:
        return None
    try:
        return Executable(from_json(found[1]), look=lambda: _lowered(graph, {}))
    except CompileError:
        return None  # a kernel's entry is gone or damaged: compile again


def _lowered(graph: Graph, seconds: dict[str, float]) -> tuple[Stages, Program]:
    """Run the passes and lower; notes the seconds of each."""
    from ..ir.passes import pipeline
    from .lower import lower
    from .lower_special import claimed
    from .together import together

    stages: Stages = [("trace", graph)]
    hooks = [pipeline.keeping(stages), pipeline.timing(seconds)]
    if config.flags.debug >= 5:
        hooks.insert(0, pipeline.verifying)
    optimised = pipeline.run_passes(graph, pipeline.pipeline(claimed), hooks)
    began = time.perf_counter()
    program = together(lower(optimised))
    seconds["lower"] = time.perf_counter() - began
    return stages, program


def _tell(executable: Executable, level: int) -> None:
    """The steps 2 to 5 of the debug ladder (`config`)."""

    def say(title: str, text: object) -> None:
        print(f"# {executable.name}: {title}\n{text}\n", file=sys.stderr)

    stages = executable.stages if level >= 3 else [executable.stages[0], executable.stages[-1]]
    for name, graph in stages:
        say(name, graph)
    if level >= 3:
        say("launches", "\n".join(executable.launches))
        say("memory", executable.memory)
        taken = ", ".join(f"{k} {v * 1e3:.1f} ms" for k, v in executable.seconds.items())
        say("time to compile", taken)
    if level >= 4:
        for kernel in executable.kernels:
            say(f"kernel {kernel.name}", kernel)
        say("LLVM", executable.llvm)
    if level >= 5:
        say("assembly", executable.asm)
