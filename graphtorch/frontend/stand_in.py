"""Another code in the place of a public function's: the function object, and who imported it, stay.

    original = stand_in(torch.relu, lambda original: lambda args, kwargs: original(*args, **kwargs))

From then on every call of `torch.relu` runs what the second argument made, with the arguments as a
tuple and a dict.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any


def stand_in(
    function: types.FunctionType, make: Callable[[Callable], Callable[[tuple, dict], Any]]
) -> Callable:
    """Replace what `function` runs by `make(original)`; returns the original."""
    signature = inspect.signature(function)
    original = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__,
        function.__closure__,
    )  # fmt: skip
    original.__kwdefaults__ = function.__kwdefaults__
    original.__qualname__, original.__module__ = function.__qualname__, function.__module__
    free = function.__code__.co_freevars
    template, run = _trampoline(len(free)), make(original)
    function.__code__ = template.replace(
        co_consts=tuple([run if c == "run" else c for c in template.co_consts]),
        co_freevars=free,
        co_name=function.__code__.co_name,
    )
    function.__defaults__ = None
    function.__kwdefaults__ = None
    function.__signature__ = signature  # type: ignore[attr-defined]
    return original


@functools.cache
def _trampoline(free: int) -> types.CodeType:
    """The code that stands in, with as many free variables as the code whose place it takes.

    They must be real ones: a frame's `f_locals` reads the cells that the code's first instruction
    fetches from the closure.  The constant "run" is replaced for every function.
    """
    names = [f"free{i}" for i in range(free)]
    lines = [
        "def outer():",
        *(f"    {name} = None" for name in names),
        "    def trampoline(*args, **kwargs):",
        "        run = 'run'",
        *(f"        if 0: {name}" for name in names),
        "        return run(args, kwargs)",
        "    return trampoline",
    ]
    scope: dict[str, Any] = {}
    exec(compile("\n".join(lines), __file__, "exec"), scope)
    code: types.CodeType = scope["outer"]().__code__
    return code
