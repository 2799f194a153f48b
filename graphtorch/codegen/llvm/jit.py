"""LLVM text -> object code -> addresses.

    assemble(text, target)         object code (bytes), from any thread
    load(objects, exports)         a Library: the objects linked into this process
    optimised(text, target), assembly(text, target)     the two dumps

The text already holds hoisted vector code, so little of LLVM's middle end is used.  A fault in the
text gives a CompileError that shows the lines around it; an unknown symbol gives one at load time:
nothing here aborts the process.

LLVM calls of llvmlite take one process-wide lock.  The two that take time (running the passes and
emitting code) are called through a second handle on the same library instead, each thread with a
context and a target machine of its own, which LLVM allows: two cores compile twice as fast.

This module knows no kernels and no cache.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ...errors import CompileError
from .target import Target

FINAL = "; final\n"  # text that starts with this skips LLVM's middle end
CODEGEN_LEVEL = 1  # of instruction selection and scheduling; 2 and 3 take longer, no faster code


@functools.cache
def _llvm() -> Any:
    """llvmlite's binding, with the native backend switched on."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    return llvm


@functools.cache
def _all_targets() -> None:
    """Switch on the other backends, to assemble for another machine."""
    llvm = _llvm()
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


@functools.cache
def _unlocked() -> Any:
    """The LLVM library, called without llvmlite's lock.  See the module docstring."""
    try:
        library = ctypes.CDLL(_llvm().ffi.lib._name)
    except OSError:  # llvmlite unpacked it from an archive and removed it again
        return _llvm().ffi.lib
    for name in ("LLVMPY_RunNewModulePassManager", "LLVMPY_TargetMachineEmitToMemory"):
        function, locked = getattr(library, name), getattr(_llvm().ffi.lib, name)
        function.argtypes, function.restype = locked.argtypes, locked.restype
    return library


class _Machines(threading.local):
    """This thread's target machines: LLVM's are not to be shared between threads."""

    def __init__(self) -> None:
        self.by_key: dict[tuple[str, str, str], Any] = {}

    def get(self, target: Target) -> Any:
        key = (target.triple, target.cpu, target.features)
        machine = self.by_key.get(key)
        if machine is None:
            if not target.runnable:
                _all_targets()
            machine = self.by_key[key] = (
                _llvm()
                .Target.from_triple(target.triple)
                .create_target_machine(
                    cpu=target.cpu,
                    features=target.features,
                    opt=CODEGEN_LEVEL,
                    reloc="pic",
                    codemodel="small",
                )
            )
        return machine


_machines = _Machines()


@contextmanager
def _module(text: str, target: Target) -> Iterator[Any]:
    """The checked module of some text, in a context of its own.

    Both are closed at the end, the module first: left to the garbage collector (an exception's
    traceback is enough) they might be destroyed in the wrong order, which LLVM does not survive.
    """
    llvm = _llvm()
    with llvm.create_context() as context:
        try:
            module = llvm.parse_assembly(text, context)
        except RuntimeError as error:
            raise CompileError(_fault(text, str(error))) from None
        with module:
            try:
                module.verify()
            except RuntimeError as error:
                raise CompileError(_fault(text, str(error))) from None
            module.triple = target.triple
            module.data_layout = str(_machines.get(target).target_data)
            yield module


def _fault(text: str, error: str) -> str:
    """LLVM's message and the lines around the place it names, numbered."""
    lines = text.splitlines()
    found = re.search(r":(\d+):(\d+): error", error)
    if found:
        line = int(found[1])
    else:  # the verifier quotes the instruction itself
        quoted = [part.strip() for part in error.splitlines() if part.startswith("  ")]
        places = (i for q in quoted for i, l in enumerate(lines, 1) if l.strip() == q)  # noqa: E741
        line = next(places, 0)
    if not line:
        return f"LLVM rejects the generated code: {error.strip()}"
    first = max(line - 6, 0)
    around = "\n".join(
        f"{'>' if number == line else ' '} {number:4d}  {content}"
        for number, content in enumerate(lines[first : line + 5], first + 1)
    )
    return f"LLVM rejects the generated code: {error.strip()}\n{around}"


def _optimise(module: Any, target: Target, text: str) -> None:
    """Inline, combine instructions, clean up branches; nothing for text that says it is final.

    LLVM's full pipelines (O1 to O3) take twice as long as its code generator and gain nothing
    measurable on text whose printers have hoisted, shared and vectorised already.
    """
    if text.startswith(FINAL):
        return
    llvm = _llvm()
    with (
        llvm.create_pipeline_tuning_options() as options,
        llvm.create_pass_builder(_machines.get(target), options) as builder,
        llvm.create_new_module_pass_manager() as passes,
    ):
        passes.add_always_inliner_pass()
        passes.add_instruction_combine_pass()
        passes.add_simplify_cfg_pass()
        _unlocked().LLVMPY_RunNewModulePassManager(passes, module, builder)


def _emit(module: Any, target: Target, kind: int) -> bytes:
    """Object code (kind 1) or assembly (kind 0) of an optimised module."""
    llvm, machine = _llvm(), _machines.get(target)
    with llvm.ffi.OutputString() as message:
        buffer = _unlocked().LLVMPY_TargetMachineEmitToMemory(machine, module, kind, message)
        if not buffer:
            raise CompileError(f"LLVM cannot generate code for {target.name}: {message}")
    capi = llvm.ffi.lib
    try:
        return ctypes.string_at(
            capi.LLVMPY_GetBufferStart(buffer), capi.LLVMPY_GetBufferSize(buffer)
        )
    finally:
        capi.LLVMPY_DisposeMemoryBuffer(buffer)


def assemble(text: str, target: Target) -> bytes:
    """Return the object code of a module of LLVM text; raises CompileError."""
    with _module(text, target) as module:
        _optimise(module, target, text)
        return _emit(module, target, 1)


def optimised(text: str, target: Target) -> str:
    """Return the LLVM text after LLVM's optimisation."""
    with _module(text, target) as module:
        _optimise(module, target, text)
        return str(module)


def assembly(text: str, target: Target) -> str:
    """Return the assembler text that `assemble` encodes."""
    with _module(text, target) as module:
        _optimise(module, target, text)
        return _emit(module, target, 0).decode()


class Library:
    """Object code linked into this process; the addresses are good while it lives."""

    def __init__(self, tracker: Any, exports: Iterable[str]):
        self._tracker = tracker
        self.addresses: dict[str, int] = {name: tracker[name] for name in exports}

    def __getitem__(self, symbol: str) -> int:
        return self.addresses[symbol]

    def keep(self) -> None:
        """Never unload it (for code that threads may be inside of until the process ends)."""
        self._tracker.detach()


_numbers = itertools.count()
_load_lock = threading.Lock()


@functools.cache
def _linker() -> Any:
    """The one LLJIT of the process; it only links, all code comes to it as objects."""
    return _llvm().create_lljit_compiler(use_jit_link=True, suppress_errors=True)


def load(
    objects: Sequence[bytes], exports: Sequence[str], imports: Mapping[str, int] | None = None
) -> Library:
    """Link objects into the process.

    exports: the symbols wanted.  imports: addresses of symbols the process does not show itself.
    Raises CompileError if an object is damaged or a symbol is missing.
    """
    builder = _llvm().JITLibraryBuilder().add_current_process()
    for content in objects:
        builder.add_object_img(content)
    for name in exports:
        builder.export_symbol(name)
    for name, address in (imports or {}).items():
        builder.import_symbol(name, address)
    with _load_lock:
        try:
            tracker = builder.link(_linker(), f"graphtorch{next(_numbers)}")
        except RuntimeError as error:
            raise CompileError(f"cannot link the generated code: {error}") from None
    return Library(tracker, exports)


def compile(texts: Sequence[str], exports: Sequence[str], target: Target) -> Library:
    """Assemble modules and load them: the whole way, for code that is not cached."""
    if not target.runnable:
        raise CompileError(f"code for {target.name} cannot run on this machine")
    return load([assemble(text, target) for text in texts], exports)
