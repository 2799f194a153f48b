"""Running a function once under the tracer and the watcher: everything a variant is made of.

Knows no guards and no programs: `compile.py` makes the former of what is found here, `variant.py` the latter.
"""

from __future__ import annotations

import gc
import inspect
import threading
from collections.abc import Callable
from typing import Any

from ..errors import UnsupportedError
from ..ir import dispatch
from . import pytree
from .guards import Watcher
from .pullback import Pullback, trace_pullback
from .returned import Outputs
from .tensor import Tensor
from .trace import Tracer

running = threading.local()  # .active: whether a function is being captured on this thread


class Capture:
    """One traced call of a function.

    shown: the function whose parameters name the inputs; definition: `file.py:12` of it.
    """

    def __init__(
        self,
        name: str,
        function: Callable,
        shown: Callable,
        definition: str,
        args: tuple,
        kwargs: dict,
    ):
        self.function = function
        self.shown = shown
        self.definition = definition
        self.args = args
        self.kwargs = kwargs
        self.tracer = Tracer(name)
        self.watcher = self.tracer.watcher = Watcher(self.tracer)
        self.result: Any = None
        self.pullback: Pullback | None = None
        self.changed: str | None = None  # what the function itself changed of what it relies on

    def run(self) -> None:
        """Run the function while the tracer writes down what it does; raises what the function raises."""
        tracer, watcher, args, kwargs = self.tracer, self.watcher, self.args, self.kwargs
        given = pytree.flatten((args, kwargs))
        for expression, leaf in _argument_names(self.shown, args, kwargs):
            if isinstance(leaf, Tensor):
                tracer.arguments.add(id(leaf))
                tracer.name_input(leaf, expression)
            else:
                watcher._look_into(leaf)
        owner = getattr(self.function, "__self__", None)
        if owner is not None:
            watcher._look_into(owner)
        watcher.saw_function(self.function)
        running.active = True
        collecting = gc.isenabled()
        gc.disable()  # a collection would run callbacks and finalizers as if the program had called them
        try:
            with dispatch.pushed(tracer), watcher:
                self.result = self.function(*args, **kwargs)
                if tracer.custom_functions and tracer.left is None:
                    self._pull_back()
        except BaseException:
            tracer.undo()
            raise
        finally:
            running.active = False
            if collecting:
                gc.enable()
        changed = watcher.changed() if tracer.left is None else None
        if changed is None and not _same(given, pytree.flatten((args, kwargs))):
            changed = "a container given as an argument is changed by the function itself"
        self.changed = changed
        if changed:
            why = f"{changed}: a side effect that a replay would lose"
            tracer.leave(why, "", self.definition)

    def _pull_back(self) -> None:
        """Trace the backward of a result that needs one written in Python."""
        try:
            plan, _ = sort_outputs(self)
            if plan.differentiable:
                self.pullback = trace_pullback(self.tracer, plan)
        except UnsupportedError as error:
            why = str(error).partition("\n")[0]
            self.tracer.leave(why, error.op, error.line or self.definition)


def sort_outputs(capture: Capture) -> tuple[Outputs, pytree.Spec]:
    """What the traced call leaves behind, and the structure of its result."""
    leaves, spec = pytree.flatten(capture.result)
    given = pytree.flatten((capture.args, capture.kwargs))[0]
    return Outputs(capture.tracer, leaves, capture.tracer.final_grads(), given), spec


def _same(before: tuple[list[Any], pytree.Spec], after: tuple[list[Any], pytree.Spec]) -> bool:
    """Whether two flattened trees have the same structure and the very same leaves."""
    return (
        before[1] == after[1]
        and len(before[0]) == len(after[0])
        and all(a is b for a, b in zip(before[0], after[0], strict=True))
    )


def _argument_names(function: Callable, args: tuple, kwargs: dict) -> list[tuple[str, Any]]:
    """Name every leaf of the arguments after its parameter."""
    named: list[tuple[str, Any]] = []
    try:
        bound = inspect.signature(function).bind(*args, **kwargs).arguments
    except (TypeError, ValueError):
        bound = {f"arg{i}": a for i, a in enumerate(args)} | kwargs
    for name, value in bound.items():
        for path, leaf in pytree.paths(value, name):
            named.append((path, leaf))
    return named
