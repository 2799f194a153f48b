"""Running a user's script: as `__main__`, with its own folder first on the path, optionally as torch."""

from __future__ import annotations

import contextlib
import os
import runpy
import sys
from collections.abc import Iterator
from typing import Any

from ..frontend import compile as compiling


@contextlib.contextmanager
def _as_program(file: str, arguments: list[str]) -> Iterator[None]:
    before = sys.argv, sys.path[:]
    sys.argv = [file, *arguments]
    sys.path.insert(0, os.path.dirname(os.path.abspath(file)))
    try:
        yield
    finally:
        sys.argv, sys.path[:] = before


def run_script(file: str, arguments: list[str]) -> int:
    """Run `file` as a program; returns its exit status."""
    if not os.path.exists(file):
        raise FileNotFoundError(f"no such file: {file}")
    with _as_program(file, arguments):
        try:
            runpy.run_path(file, run_name="__main__")
        except SystemExit as stop:
            if stop.code is None:
                return 0
            if isinstance(stop.code, int):
                return stop.code
            print(stop.code, file=sys.stderr)
            return 1
    return 0


def compiled_functions(file: str, arguments: list[str], only: str | None) -> list[Any]:
    """Run a script with its output on standard error; return the compiled functions it called."""
    compiling.REGISTRY = registry = []
    try:
        with contextlib.redirect_stdout(sys.stderr):
            status = run_script(file, arguments)
    finally:
        compiling.REGISTRY = None
    if status:
        raise ValueError(f"{file} ended with status {status}")
    found = [f for f in registry if f.variants or f.left]
    if only is not None:
        found = [f for f in found if only in (f.__name__, getattr(f, "__qualname__", ""))]
    if not found:
        what = f"no compiled function {only!r}" if only else "no compiled function"
        known = ", ".join(sorted({f.__name__ for f in registry})) or "none"
        raise ValueError(f"{file} called {what} (compiled functions it made: {known})")
    return found
