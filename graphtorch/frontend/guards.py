"""Guards: what a trace baked in, written as one Python function that checks it again.

While the traced function runs, a `Watcher` listens to the interpreter (`sys.setprofile`) and notes,
for every user function entered,

    the globals and closure cells its code reads, and the attributes reached from them and from its
    arguments (`cfg.n_heads`, `self.scale`), found in its bytecode;
    every nn.Module it meets: flags, attributes, hooks, parameters, buffers, submodules;
    calls that a replay would lose (`print`, clocks, Python's random numbers): they leave to eager.

Each reading becomes a line of a generated function (printed by `explain()`):

    def check(args, kwargs):
        a0 = args[0]
        if type(a0) is not Tensor or a0._array.shape != (64, 784) or ...: return False
        if g0['SCALE'] != 2.0: return False
        return True

Modules are checked in full only if the module epoch moved since the last check.
"""

from __future__ import annotations

import builtins
import os
import sys
import sysconfig
import types
from contextvars import ContextVar
from typing import Any

from ..errors import PACKAGE
from .reads import Reads
from .snapshot import MAXIMUM, ModuleState, group_picture, snapshot
from .tensor import Tensor
from .trace import Tracer

_STDLIB = tuple(
    os.path.realpath(p) + os.sep
    for p in {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    if p
)
_IMPURE_MODULES = {"time", "random", "_random", "secrets", "numpy.random", "datetime", "logging"}
_LIBRARIES = tuple(
    f"{os.sep}{name}{os.sep}" for name in ("numpy", "ml_dtypes", "networkx", "llvmlite", "_pytest")
)
_MISSING = object()


def _is_framework(filename: str) -> bool:
    return filename.startswith(PACKAGE)


def _is_stdlib(filename: str) -> bool:
    return filename.startswith("<frozen") or (
        filename.startswith(_STDLIB) and "site-packages" not in filename
    )


class Watcher:
    """Listens while the traced function runs and collects guards."""

    def __init__(self, tracer: Tracer):
        self.tracer = tracer
        self.reads: dict[tuple[int, str], tuple[Any, str, Any, Any]] = {}
        self.outside: set[int] = set()  # ids of objects that were there before
        self.inside: set[int] = set()  # ids of objects made by the function itself
        self.stores: dict[
            tuple[int, str], tuple[Any, str, Any]
        ] = {}  # assigned, if the code gets there
        self.modules: dict[int, ModuleState] = {}
        self.groups: list[tuple[Any, Any]] = []
        self.kept: list[Any] = []
        self.functions: dict[types.CodeType, types.FunctionType] = {}
        self._codes: dict[types.CodeType, tuple[int, Reads | None]] = {}
        self._entered: set[tuple] = set()

    # ---- listening

    def __enter__(self) -> Watcher:
        self._previous = sys.getprofile()
        sys.setprofile(self._event)
        return self

    def __exit__(self, *error: Any) -> None:
        sys.setprofile(self._previous)

    def _event(self, frame: types.FrameType, event: str, argument: Any) -> None:
        if event == "call":
            code = frame.f_code
            known = self._codes.get(code)
            if known is None:
                known = self._codes[code] = self._classify(code)
            kind, reads = known
            if kind == 2:
                self._enter(frame, code, reads)
        elif event == "c_call":
            known = self._codes.get(frame.f_code)
            if known is not None and known[0] == 2:
                self._c_call(argument)

    def _classify(self, code: types.CodeType) -> tuple[int, Reads | None]:
        filename = code.co_filename
        if _is_framework(filename):
            return 0, None
        if _is_stdlib(filename):
            name = os.path.basename(filename)
            if name == "random.py" or "logging" in filename:
                self.tracer.leave(
                    f"{code.co_name}() of Python's {filename.split(os.sep)[-1]} cannot be replayed",
                    code.co_name,
                )
            return 1, None
        if any(part in filename for part in _LIBRARIES):
            return 1, None
        return 2, Reads(code)

    def _c_call(self, function: Any) -> None:
        if function is print:
            self.tracer.leave("print() writes at every call; a replay would not", "print")
        elif function is builtins.input or function is builtins.open:
            self.tracer.leave(f"{function.__name__}() cannot be replayed", function.__name__)
        elif isinstance(owner := getattr(function, "__self__", None), ContextVar):
            self.tracer.leave(
                f"ContextVar.{function.__name__}() depends on who calls; a replay would not ask",
                function.__name__,
            )
        else:
            module = getattr(function, "__module__", None) or getattr(owner, "__name__", None)
            if module in _IMPURE_MODULES or type(owner).__module__ in (
                "_random",
                "random",
                "numpy.random.mtrand",
            ):
                self.tracer.leave(
                    f"{function.__name__}() gives another value at every call", function.__name__
                )

    # ---- readings

    def _enter(self, frame: types.FrameType, code: types.CodeType, reads: Reads) -> None:
        local = frame.f_locals
        first = local.get(code.co_varnames[0]) if code.co_argcount else None
        key = (code, id(first), tuple([id(local.get(n)) for n in code.co_freevars]))
        if key in self._entered:
            return
        self._entered.add(key)
        self.kept.append(first)
        if code.co_name == "__init__" and id(first) not in self.outside:
            self.inside.add(id(first))
        if reads.writes_global is not None:
            self.tracer.leave(
                f"{code.co_name}() writes the global {reads.writes_global!r}", code.co_name
            )
        for name in reads.cells:
            cell = self._cell(frame, name)
            if cell is not None:
                self.stores.setdefault((id(cell), name), (cell, name, _current(cell, name)))
        for kind, name, attributes in reads.stores:
            holder = frame.f_globals.get(name) if kind == "global" else local.get(name)
            self._watch_store(holder, attributes, kind != "local")
        for kind, name, attributes in reads.chains:
            if kind == "global":
                holder = frame.f_globals
                value = holder.get(name, _MISSING)
                if value is _MISSING:
                    continue  # a builtin
            else:
                value = local.get(name, _MISSING)
                holder = None
                if value is _MISSING:
                    continue
                if kind == "cell":
                    holder = self._cell(frame, name)
            self._read(holder, name, value, attributes)

    def _watch_store(self, holder: Any, attributes: tuple[str, ...], outside: bool) -> None:
        """Note an attribute that the code assigns, if its object was there before the trace."""
        *path, name = attributes
        for step in path:
            outside = outside or id(holder) in self.outside
            holder = getattr(holder, "__dict__", {}).get(step)
        if not (outside or id(holder) in self.outside):
            return
        if holder is None or isinstance(holder, Tensor) or _is_module(holder):
            return  # modules have a picture of their own
        key = (id(holder), name)
        if key not in self.stores:
            self.stores[key] = (holder, name, _current(holder, name))

    def _cell(self, frame: types.FrameType, name: str) -> Any:
        """The cell behind a free variable, if its function was made before the trace.

        A function made inside the trace closes over things that are guarded where they come from.
        """
        function = self.functions.get(frame.f_code)
        if function is None or name not in frame.f_code.co_freevars:
            return None
        return function.__closure__[frame.f_code.co_freevars.index(name)]

    def saw_function(self, function: Any) -> None:
        """Remember a function's closure, so that its cells can be guarded when it runs."""
        function = getattr(function, "__func__", function)
        function = getattr(function, "__wrapped__", function)
        if isinstance(function, types.FunctionType) and function.__closure__:
            self.functions.setdefault(function.__code__, function)

    def _read(self, holder: Any, name: str, value: Any, attributes: tuple[str, ...]) -> None:
        if holder is not None and not _skippable(value):
            self._note(holder, name, value)
        for attribute in attributes:
            if isinstance(value, Tensor) or isinstance(value, type) or value is None:
                return
            if isinstance(value, types.ModuleType):
                if (
                    _is_framework(getattr(value, "__file__", None) or "")
                    or value.__name__.split(".")[0] in sys.stdlib_module_names
                ):
                    return
                found = value.__dict__.get(attribute, _MISSING)
            else:
                fields = getattr(value, "__dict__", None)
                if fields is None:
                    return
                found = fields.get(attribute, _MISSING)
                if found is _MISSING and _is_module(value):
                    for group in ("_parameters", "_buffers", "_modules"):
                        found = fields.get(group, {}).get(attribute, found)
                if found is _MISSING:
                    found = _class_attribute(type(value), attribute)
            if found is _MISSING:
                return
            if id(value) in self.inside:
                pass  # made from things that are guarded where they come from
            elif (
                not _skippable(found) and not _is_module(value) and not _is_framework_object(value)
            ):
                self._note(value, attribute, found)
            elif _is_module(value):
                self.saw_module(value)
                if isinstance(found, dict) and not _is_module(found):
                    self._note(value, attribute, found)
            value = found

    def _note(self, holder: Any, name: str, value: Any) -> None:
        key = (id(holder), name)
        if key in self.reads:
            return
        try:
            picture = snapshot(value)
        except OverflowError:
            self.tracer.leave(f"{name!r} holds more than {MAXIMUM} values, too many to guard", name)
            return
        self.reads[key] = (holder, name, picture, value)
        self._look_into(value)
        if isinstance(value, Tensor):
            self.tracer.name_input(value, name)

    def _look_into(self, value: Any, depth: int = 0) -> None:
        self.outside.add(id(value))
        if _is_module(value):
            self.saw_module(value)
        elif isinstance(value, (types.FunctionType, types.MethodType)):
            self.saw_function(value)
        elif isinstance(value, (list, tuple)) and depth < 4 and len(value) < 1000:
            for v in value:
                self._look_into(v, depth + 1)
        elif isinstance(value, dict) and depth < 4 and len(value) < 1000:
            for v in value.values():
                self._look_into(v, depth + 1)

    def saw_module(self, module: Any) -> None:
        """Guard a module and all modules below it."""
        if id(module) in self.modules:
            return
        for path, part in module.named_modules():
            if id(part) not in self.modules:
                self.modules[id(part)] = ModuleState(part)
                for group in ("_parameters", "_buffers"):
                    for name, tensor in part.__dict__[group].items():
                        if tensor is not None:
                            self.tracer.name_input(tensor, f"{path}.{name}" if path else name)

    def saw_group(self, group: dict, changing: tuple[str, ...]) -> None:
        """Guard an optimiser's parameter group, without the entries read at every call."""
        self.groups.append((group, group_picture(group, changing)))

    # ---- the result

    def changed(self) -> str | None:
        """Name something guarded that the traced run itself changed: a side effect."""
        for holder, name, picture, _ in self.reads.values():
            if snapshot(_current(holder, name)) != picture:
                return f"{name!r} is changed by the function itself"
        for holder, name, before in self.stores.values():
            if _current(holder, name) is not before:
                return f"{name!r} of a {type(holder).__name__} is changed by the function itself"
        for state in self.modules.values():
            if not state.holds():
                return f"an attribute of module {type(state.module).__name__} is changed by the function itself"
        return None


def _current(holder: Any, name: str) -> Any:
    if isinstance(holder, types.CellType):
        try:
            return holder.cell_contents
        except ValueError:
            return _MISSING
    if isinstance(holder, dict):
        return holder.get(name, _MISSING)
    fields = getattr(holder, "__dict__", None)
    if fields is not None and name in fields:
        return fields[name]
    return _class_attribute(type(holder), name)


def _class_attribute(cls: type, name: str) -> Any:
    for base in cls.__mro__:
        if name in base.__dict__:
            found = base.__dict__[name]
            if isinstance(
                found, (property, types.FunctionType, classmethod, staticmethod)
            ) or hasattr(type(found), "__get__"):
                return _MISSING
            return found
    return _MISSING


def _is_module(value: Any) -> bool:
    fields = getattr(value, "__dict__", None)
    return isinstance(fields, dict) and "_parameters" in fields and "_modules" in fields


def _is_framework_object(value: Any) -> bool:
    return type(value).__module__.split(".")[0] == "graphtorch"


def _skippable(value: Any) -> bool:
    """Things a program does not change: the framework itself and the standard library."""
    if isinstance(value, types.ModuleType):
        return True
    if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
        module = getattr(value, "__module__", None) or ""
        return (
            module.split(".")[0] in ("graphtorch", "builtins")
            or module.split(".")[0] in sys.stdlib_module_names
        )
    return False
