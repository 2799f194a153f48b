"""`@graphtorch.compile`: trace once, check guards, run the compiled graph from then on.

    CompiledFunction ──first call──> Tracer + Watcher ──> Trace ──> Variant (guards + program)
                     ──later calls─> variant.check(args, kwargs) ──> variant.run(args, kwargs)

Two failures are errors instead: what cannot be replayed under `fullgraph=True`, and a failure of the
compiler itself.  A variant whose guards fail is kept; a new one is traced beside it.  A function that cannot be
replayed faithfully is *left to eager*: it runs as if it were not compiled, says so once, and
`explain()` keeps the reason and the line.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import time
import types
import warnings
from collections import namedtuple
from collections.abc import Callable
from typing import Any

from .. import config
from ..errors import CompileError, UnsupportedError, user_frame
from ..ir import dispatch
from ..ir.graph import Graph
from .allocator import release_memory
from .autocasting import state as autocast_state
from .capture import Capture, running
from .checker import Checker
from .grad_mode import state as grad_state
from .guards import Watcher
from .trace import Tracer
from .traced import Leaving
from .variant import MAXIMUM_VALUE_MISSES, Variant, make_variant

CacheInfo = namedtuple("CacheInfo", "hits misses variants left")

MAXIMUM_VARIANTS = 16
_LARGE = 1 << 26  # bytes of values in a trace
CHANGING = ("lr", "params")  # entries of a parameter group that are read at every call

REGISTRY: list[CompiledFunction] | None = (
    None  # the CLI puts a list here to see every compiled function
)


class CompiledFunction:
    """A function (or a module's forward) under the compiler; made by `compile`."""

    def __init__(
        self,
        function: Callable,
        name: str = "",
        fullgraph: bool = False,
        shown: Callable | None = None,
    ):
        functools.update_wrapper(self, function)
        self._function = function
        self._shown = shown or function  # whose parameters and line are told
        self.__name__ = name or getattr(function, "__name__", type(function).__name__)
        self.fullgraph = fullgraph
        self._lock = threading.RLock()
        self._reset()
        if REGISTRY is not None:
            REGISTRY.append(self)

    def _reset(self) -> None:
        self.variants: list[Variant] = []
        self.left: Leaving | None = None
        self.hits = 0
        self.misses = 0
        self.history: list[str] = []
        self._settled = False  # one call may fill caches before a change counts as a side effect

    # ---- calling

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for variant in self.variants:
            if variant.check(args, kwargs):
                if dispatch._stack.top is not None or config.flags.compile == "0":
                    break
                if variant.value_guard is not None and not variant.values_hold(args, kwargs):
                    continue
                self.hits += 1
                return variant.run(args, kwargs)
        return self._slow(args, kwargs)

    def _slow(self, args: tuple, kwargs: dict) -> Any:
        if (
            config.flags.compile == "0"
            or self.left is not None
            or dispatch._stack.top is not None
            or getattr(running, "active", False)
        ):
            return self._function(*args, **kwargs)
        with self._lock:
            self.misses += 1
            if len(self.variants) >= MAXIMUM_VARIANTS:
                self._leave(
                    Leaving(
                        f"{MAXIMUM_VARIANTS} variants were compiled and none fits; last: {self._why(args, kwargs)}",
                        self._definition(),
                    )
                )
                return self._function(*args, **kwargs)
            missed = sum(variant.value_misses for variant in self.variants)
            if missed > MAXIMUM_VALUE_MISSES:
                guard = next(v for v in self.variants if v.value_misses).trace.value_guards[0]
                self._leave(
                    Leaving(
                        "a value read in Python changes from call to call", guard.line, guard.op
                    )
                )
                return self._function(*args, **kwargs)
            return self._trace(args, kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    # ---- tracing

    def _trace(self, args: tuple, kwargs: dict) -> Any:
        """Run the function under a tracer; compile what it did, or leave it to eager."""
        reason = self._why(args, kwargs) if self.variants else "first call"
        start = time.perf_counter()
        capture = Capture(
            _identifier(self.__name__),
            self._function,
            self._shown,
            self._definition(),
            args,
            kwargs,
        )
        tracer = capture.tracer
        checker = Checker()
        checker.structure(args, "args")
        checker.structure(kwargs, "kwargs")
        try:
            capture.run()
            result = capture.result
            if capture.changed and not self._settled:
                self._settled = True
                self.history.append(f"to be traced again: {capture.changed}")
                return result
            if tracer.left is not None:
                self._leave(tracer.left, tracer)
                return result
            traced = time.perf_counter()
            if not self.fullgraph:
                tracer.forget_backups()
            if tracer.nbytes() > _LARGE:
                release_memory()  # what the eager run used; the arena is planned anew
            self._guards(checker, tracer, capture.watcher)
            generation = len(self.variants)
            try:
                variant = make_variant(self.__name__, generation, capture, checker, reason)
            except UnsupportedError as error:
                why = str(error).partition("\n")[0]
                self._leave(Leaving(why, error.line or self._definition(), error.op), tracer)
                return result
            except MemoryError:
                raise
            except Exception as error:
                raise self._defect(error) from error
            variant.seconds = {"trace": traced - start, "compile": time.perf_counter() - traced}
            self.variants.insert(0, variant)
            self.history.append(f"variant {generation}: {reason}")
            if config.flags.debug >= 1:
                _tell(self, variant)
            return result
        finally:
            tracer.forget_backups()
            tracer.close()

    def _guards(self, checker: Checker, tracer: Tracer, watcher: Watcher) -> None:
        checker.require(f"grad.enabled is {grad_state.enabled}", "grad mode")
        checker.require(f"autocast.now is {checker.name(autocast_state.now, 'd')}", "autocast")
        for holder, name, picture, value in watcher.reads.values():
            checker.reading(holder, name, picture, value)
        checker.modules(list(watcher.modules.values()))
        checker.groups(watcher.groups, CHANGING)
        for tensor, before in tracer._grad_inputs.values():
            t = checker.name(tensor, "p")
            if before is None:
                checker.require(f"{t}._grad is None", "no gradient yet")
            else:
                checker.require(
                    f"{t}._grad is {checker.name(before, 'g')}", "the same gradient tensor"
                )

    def _leave(self, left: Leaving, tracer: Tracer | None = None) -> None:
        """Leave the function to eager, visibly; under `fullgraph` undo the run and raise CompileError."""
        if self.fullgraph:
            if tracer is not None:
                tracer.undo()
            raise CompileError(
                f"{self.__name__} cannot be one graph: {left.op + ': ' if left.op else ''}{left.reason}\n"
                f"  at {left.line}\n"
                "  hint: without fullgraph=True it is left to eager"
            )
        self.left = left
        self.history.append(f"left to eager: {left}")
        warnings.warn(
            f"graphtorch.compile: {self.__name__} is left to eager:"
            f" {left.op + ': ' if left.op else ''}{left.reason} (at {left.line})",
            stacklevel=_depth_of_user() + 1,
        )

    def _defect(self, error: Exception) -> CompileError:
        """The error for a failure of the compiler itself, which eager execution must not hide."""
        first = str(error).partition("\n")[0]
        return CompileError(
            f"the compiler failed on {self.__name__}: {type(error).__name__}: {first}\n"
            f"  at {self._definition()}\n"
            "  hint: this is a defect of graphtorch, not of the program; GRAPHTORCH_COMPILE=0 runs it eagerly"
        )

    def _why(self, args: tuple, kwargs: dict) -> str:
        for variant in self.variants:
            reason = variant.explain_miss(args, kwargs)
            if reason:
                return reason
        return "no variant fits"

    def _definition(self) -> str:
        code = getattr(inspect.unwrap(self._shown), "__code__", None)
        code = code or getattr(getattr(self._shown, "__func__", None), "__code__", None)
        if code is None:
            return "<unknown>"
        return f"{code.co_filename.rsplit('/', 1)[-1]}:{code.co_firstlineno}"

    # ---- looking inside

    @property
    def graphs(self) -> list[Graph]:
        """The traced graph of every variant, newest first."""
        return [variant.trace.graph for variant in self.variants]

    def cache_info(self) -> CacheInfo:
        """Hits, misses, number of variants, and the reason the function was left to eager (or None)."""
        return CacheInfo(
            self.hits, self.misses, len(self.variants), str(self.left) if self.left else None
        )

    def explain(self) -> str:
        """Text: every variant with its guards, kernels, host calls and memory; what was left to eager."""
        from .explain import explain

        return explain(self)

    def reset(self) -> None:
        """Forget all variants."""
        self._reset()

    def __repr__(self) -> str:
        return f"<compiled function {self.__name__}: {len(self.variants)} variants>"

    def __reduce__(self) -> tuple:
        return (CompiledFunction, (self._function, self.__name__, self.fullgraph))

    def __deepcopy__(self, memo: dict) -> CompiledFunction:
        import copy

        return CompiledFunction(copy.deepcopy(self._function, memo), self.__name__, self.fullgraph)


def compile(
    model: Any = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: Any = None,
    mode: str | None = None,
    options: dict | None = None,
    disable: bool = False,
) -> Any:
    """Compile a function or a module; also a decorator.

    A function comes back as a callable that traces itself at the first call.  A module comes back as
    itself, with its forward compiled: its type, `state_dict` and parameters do not change.
    fullgraph: raise CompileError instead of leaving the function to eager.
    dynamic, backend, mode, options: accepted as PyTorch's; there is one backend and one mode.
    disable: return `model` unchanged.

    >>> import graphtorch as torch
    >>> @torch.compile
    ... def f(x):
    ...     return (x * 2).sum()
    >>> f(torch.ones(3))
    tensor(6.)
    """
    if model is None:
        return functools.partial(
            compile,
            fullgraph=fullgraph,
            dynamic=dynamic,
            backend=backend,
            mode=mode,
            options=options,
            disable=disable,
        )
    if disable:
        return model
    if isinstance(model, CompiledFunction):
        return model
    if hasattr(model, "_parameters") and hasattr(model, "_modules"):
        if not isinstance(model.__dict__.get("forward"), CompiledFunction):
            model.__dict__["forward"] = CompiledFunction(
                model.forward, type(model).__name__, fullgraph
            )
        return model
    if not callable(model):
        raise TypeError(f"compile() takes a function or a module, not {type(model).__name__}")
    return CompiledFunction(model, fullgraph=fullgraph)


def _depth_of_user() -> int:
    """How many of the package's frames lie below the caller's."""
    frame = sys._getframe(1)
    user, depth = user_frame(frame), 0
    while frame is not user and frame.f_back is not None:
        frame, depth = frame.f_back, depth + 1
    return depth


def compile_calls(module: Any) -> CompiledFunction:
    """Compile a module's calls, hooks included, in place (GRAPHTORCH_COMPILE=all)."""
    compiled = CompiledFunction(module._call_impl, type(module).__name__, shown=module.forward)
    module.__dict__["_compiled_call_impl"] = (
        compiled  # no change of the module that a guard may see
    )
    return compiled


def _identifier(name: str) -> str:
    cleaned = "".join(c if c.isalnum() or c == "_" else "_" for c in name).strip("_")
    return cleaned or "graph"


def _tell(function: CompiledFunction, variant: Variant) -> None:
    print(
        f"graphtorch: {function.__name__} variant {variant.generation} ({variant.reason}): traced"
        f" {len(variant.trace.graph)} nodes in {variant.seconds['trace'] * 1e3:.0f} ms, compiled in"
        f" {variant.seconds['compile'] * 1e3:.0f} ms",
        file=sys.stderr,
    )


__all__ = ["REGISTRY", "CacheInfo", "CompiledFunction", "compile"]
