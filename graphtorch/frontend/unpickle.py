"""A pickle reader that runs no code: a small stack machine for data, and nothing else.

Python's unpickler calls whatever the file names.  This one knows the opcodes that plain data needs
(numbers, strings, containers) and resolves a global only through the table it is given:

    Unpickler(file, resolve, persistent).load()
        resolve(module, name)   a `Constructor`, a type marker or a value; raises for anything else
        persistent(id)          what a persistent id stands for (storages, in checkpoints)

Only a `Constructor` can be called, and it is our own function.  Everything else raises
`pickle.UnpicklingError` and names what was asked for.  Opcodes: Python's `pickletools`.
"""

from __future__ import annotations

import io
import struct
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any, BinaryIO

_MAXIMUM_LENGTH = 1 << 31  # of one string or number


class Constructor:
    """A global that a pickle may call: our function that builds the value, or a class the user allowed.

    type: the class of what it builds, where the pickle may name it; build: sets the state that a BUILD
    opcode gives to an instance of an allowed class.
    """

    __slots__ = ("build", "function", "name", "type")

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        type: type | None = None,
        build: Callable[[Any, Any], Any] | None = None,
    ):
        self.name, self.function, self.type, self.build = name, function, type, build


class _Mark:
    """The stack's marker."""


_MARK = _Mark()
_BUILDABLE: dict[type, Callable[[Any, Any], Any]] = {}


def buildable(cls: type, build: Callable[[Any, Any], Any]) -> None:
    """Allow BUILD on instances of exactly `cls`; `build(instance, state)` returns the instance."""
    _BUILDABLE[cls] = build


def _build_ordered_dict(instance: OrderedDict, state: Any) -> OrderedDict:
    if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
        raise UnpicklingError("BUILD of an OrderedDict wants a dict of attributes")
    instance.__dict__.update(state)  # `_metadata` of state dicts
    return instance


buildable(OrderedDict, _build_ordered_dict)


class Unpickler:
    """Reads one pickle; see the module docstring."""

    def __init__(
        self,
        file: BinaryIO,
        resolve: Callable[[str, str], Any],
        persistent: Callable[[Any], Any] | None = None,
        encoding: str = "utf-8",
    ):
        self._read = file.read
        self._line = file.readline
        self._resolve = resolve
        self._persistent = persistent
        self._encoding = encoding
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def load(self) -> Any:
        """Return the pickled value; raises UnpicklingError for a corrupt or unsafe pickle."""
        table = _OPCODES
        try:
            while True:
                code = self._read(1)
                if code == b".":
                    return self._stack.pop()
                handler = table.get(code)
                if handler is None:
                    if not code:
                        raise UnpicklingError("the pickle is cut short")
                    raise UnpicklingError(f"Unsupported operand {code[0]}")
                handler(self)
        except UnpicklingError:
            raise
        except RecursionError:
            raise
        except (
            IndexError,
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            struct.error,
            OverflowError,
        ) as error:
            raise UnpicklingError(f"corrupt pickle: {type(error).__name__}: {error}") from error

    # ---- reading pieces

    def _exactly(self, size: int) -> bytes:
        if size > _MAXIMUM_LENGTH:
            raise UnpicklingError(f"the pickle asks for {size} bytes in one piece")
        data = self._read(size)
        if len(data) != size:
            raise UnpicklingError("the pickle is cut short")
        return data

    def _number(self, layout: str) -> Any:
        return struct.unpack(layout, self._exactly(struct.calcsize(layout)))[0]

    def _marked(self) -> list[Any]:
        """Pop everything above the last mark."""
        stack = self._stack
        for i in range(len(stack) - 1, -1, -1):
            if stack[i] is _MARK:
                items = stack[i + 1 :]
                del stack[i:]
                return items
        raise UnpicklingError("corrupt pickle: no mark")

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _text_line(self) -> str:
        line = self._line()
        if not line.endswith(b"\n"):
            raise UnpicklingError("the pickle is cut short")
        return line[:-1].decode("utf-8")

    # ---- what changes the stack in more than a push

    def _set_items(self, target: Any, items: list[Any]) -> None:
        if type(target) not in (dict, OrderedDict, Counter, defaultdict):
            raise UnpicklingError(f"Can only set items of a dict, but got {type(target).__name__}")
        for i in range(0, len(items), 2):
            target[items[i]] = items[i + 1]

    def _append(self, target: Any, items: list[Any]) -> None:
        if type(target) is not list:
            raise UnpicklingError(f"Can only append to lists, but got {type(target)}")
        target.extend(items)

    def _add(self, target: Any, items: list[Any]) -> None:
        if type(target) is not set:
            raise UnpicklingError(f"Can only add to sets, but got {type(target)}")
        target.update(items)

    def _global(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise UnpicklingError("corrupt pickle: a global's name is no string")
        self._push(self._resolve(module, name))

    def _constructor(self, constructor: Any, args: Any) -> Constructor:
        if not isinstance(constructor, Constructor):
            from .safe_globals import constructor_of

            constructor = constructor_of(constructor) or constructor
        if not isinstance(constructor, Constructor):
            raise UnpicklingError(
                f"Trying to call reduce for unrecognized function {constructor!r}"
            )
        if not isinstance(args, tuple):
            raise UnpicklingError(f"corrupt pickle: arguments of {constructor.name} are no tuple")
        return constructor

    def _reduce(self) -> None:
        args = self._stack.pop()
        constructor = self._constructor(self._stack.pop(), args)
        self._push(constructor.function(*args))

    def _new(self, options: Any = None) -> None:
        args = self._stack.pop()
        constructor = self._constructor(self._stack.pop(), args)
        if constructor.build is not None and constructor.type is not None:
            self._push(constructor.type.__new__(constructor.type, *args, **(options or {})))
        elif options:
            raise UnpicklingError(f"corrupt pickle: {constructor.name} takes no keywords")
        else:
            self._push(constructor.function(*args))

    def _build(self) -> None:
        state = self._stack.pop()
        instance = self._stack.pop()
        build = _BUILDABLE.get(type(instance)) or builder_of(instance)
        if build is None:
            raise UnpicklingError(
                "Can only build Tensor, Parameter, OrderedDict or types allowlisted via `add_safe_globals`,"
                f" but got {type(instance)}"
            )
        self._push(build(instance, state))

    def _memoize(self, key: int) -> None:
        self._memo[key] = self._stack[-1]

    def _persistent_id(self, value: Any) -> None:
        if self._persistent is None:
            raise UnpicklingError("the pickle refers to data outside of it")
        self._push(self._persistent(value))

    def _protocol(self) -> None:
        version = self._exactly(1)[0]
        if version > 5:
            raise UnpicklingError(f"unsupported pickle protocol: {version}")

    def _string(self, data: bytes) -> str | bytes:
        """A Python 2 string."""
        return data if self._encoding == "bytes" else data.decode(self._encoding)

    def _pair(self, function: Callable[[Any, list[Any]], None]) -> None:
        value = self._stack.pop()
        function(self._stack[-1], [value])

    def _many(self, function: Callable[[Any, list[Any]], None]) -> None:
        items = self._marked()
        function(self._stack[-1], items)

    def _set_item(self) -> None:
        value = self._stack.pop()
        key = self._stack.pop()
        self._set_items(self._stack[-1], [key, value])

    def _tuple(self, size: int) -> None:
        items = tuple(self._stack[-size:])
        if len(items) != size:
            raise UnpicklingError("corrupt pickle: stack too short")
        self._stack[-size:] = [items]

    def _stack_global(self) -> None:
        name = self._stack.pop()
        self._global(self._stack.pop(), name)

    def _mapping(self) -> None:
        items = self._marked()
        self._push({items[i]: items[i + 1] for i in range(0, len(items), 2)})


def builder_of(instance: Any) -> Any:
    """How BUILD sets the state of an instance of a class that the user allowed; None if it is not."""
    from .safe_globals import builder_of as allowed_builder_of

    return allowed_builder_of(instance)


def _long(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


# fmt: off
_OPCODES: dict[bytes, Callable[[Unpickler], Any]] = {
    b"\x80": Unpickler._protocol,
    b"\x95": lambda u: u._exactly(8),                                            # FRAME
    b"(":    lambda u: u._push(_MARK),
    b"0":    lambda u: u._stack.pop(),
    b"1":    lambda u: u._marked(),
    b"2":    lambda u: u._push(u._stack[-1]),
    b"N":    lambda u: u._push(None),
    b"\x88": lambda u: u._push(True),
    b"\x89": lambda u: u._push(False),
    b"J":    lambda u: u._push(u._number("<i")),
    b"K":    lambda u: u._push(u._exactly(1)[0]),
    b"M":    lambda u: u._push(u._number("<H")),
    b"I":    lambda u: u._push({"00": False, "01": True}.get(t) if (t := u._text_line()) in ("00", "01") else int(t)),
    b"L":    lambda u: u._push(int(u._text_line().rstrip("L"))),
    b"\x8a": lambda u: u._push(_long(u._exactly(u._exactly(1)[0]))),
    b"\x8b": lambda u: u._push(_long(u._exactly(u._number("<I")))),
    b"G":    lambda u: u._push(u._number(">d")),
    b"F":    lambda u: u._push(float(u._text_line())),
    b"X":    lambda u: u._push(u._exactly(u._number("<I")).decode("utf-8", "surrogatepass")),
    b"\x8c": lambda u: u._push(u._exactly(u._exactly(1)[0]).decode("utf-8", "surrogatepass")),
    b"\x8d": lambda u: u._push(u._exactly(u._number("<Q")).decode("utf-8", "surrogatepass")),
    b"C":    lambda u: u._push(u._exactly(u._exactly(1)[0])),
    b"B":    lambda u: u._push(u._exactly(u._number("<I"))),
    b"\x8e": lambda u: u._push(u._exactly(u._number("<Q"))),
    b"\x96": lambda u: u._push(bytearray(u._exactly(u._number("<Q")))),
    b"U":    lambda u: u._push(u._string(u._exactly(u._exactly(1)[0]))),
    b"T":    lambda u: u._push(u._string(u._exactly(u._number("<i")))),
    b")":    lambda u: u._push(()),
    b"]":    lambda u: u._push([]),
    b"}":    lambda u: u._push({}),
    b"\x8f": lambda u: u._push(set()),
    b"t":    lambda u: u._push(tuple(u._marked())),
    b"l":    lambda u: u._push(list(u._marked())),
    b"d":    Unpickler._mapping,
    b"\x91": lambda u: u._push(frozenset(u._marked())),
    b"\x85": lambda u: u._tuple(1),
    b"\x86": lambda u: u._tuple(2),
    b"\x87": lambda u: u._tuple(3),
    b"a":    lambda u: u._pair(u._append),
    b"e":    lambda u: u._many(u._append),
    b"\x90": lambda u: u._many(u._add),
    b"s":    Unpickler._set_item,
    b"u":    lambda u: u._many(u._set_items),
    b"h":    lambda u: u._push(u._memo[u._exactly(1)[0]]),
    b"j":    lambda u: u._push(u._memo[u._number("<I")]),
    b"q":    lambda u: u._memoize(u._exactly(1)[0]),
    b"r":    lambda u: u._memoize(u._number("<I")),
    b"\x94": lambda u: u._memoize(len(u._memo)),
    b"c":    lambda u: u._global(u._text_line(), u._text_line()),
    b"\x93": Unpickler._stack_global,
    b"R":    Unpickler._reduce,
    b"\x81": Unpickler._new,                                                     # NEWOBJ
    b"\x92": lambda u: u._new(u._stack.pop()),                                   # NEWOBJ_EX
    b"b":    Unpickler._build,
    b"Q":    lambda u: u._persistent_id(u._stack.pop()),
}
# fmt: on


def loads(
    data: bytes, resolve: Callable[[str, str], Any], persistent: Callable[[Any], Any] | None = None
) -> Any:
    """Read a pickle from bytes."""
    return Unpickler(io.BytesIO(data), resolve, persistent).load()
