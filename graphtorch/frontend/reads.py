"""What a code object reads, found in its bytecode: chains of names from globals, cells and arguments."""

from __future__ import annotations

import dis
import types


class Reads:
    """What one code object reads: chains of names from globals, cells and arguments."""

    __slots__ = ("chains", "writes_global")

    def __init__(self, code: types.CodeType):
        self.chains: list[tuple[str, str, tuple[str, ...]]] = []
        self.writes_global: str | None = None
        arguments = set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
        root: tuple[str, str] | None = None
        attributes: list[str] = []
        seen: set[tuple[str, str, tuple[str, ...]]] = set()

        def close() -> None:
            nonlocal root, attributes
            if root is not None:
                chain = (*root, tuple(attributes))
                if chain not in seen and (root[0] != "local" or attributes):
                    seen.add(chain)
                    self.chains.append(chain)
            root, attributes = None, []

        for instruction in dis.get_instructions(code):
            name, value = instruction.opname, instruction.argval
            if name == "LOAD_GLOBAL" or name == "LOAD_NAME":
                close()
                root = ("global", value)
            elif name in ("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"):
                close()
                root = ("cell", value)
            elif name.startswith("LOAD_FAST") and isinstance(value, str) and value in arguments:
                close()
                root = ("local", value)
            elif name in ("LOAD_ATTR", "LOAD_METHOD") and root is not None:
                attributes.append(value)
            else:
                close()
                if name == "STORE_GLOBAL":
                    self.writes_global = value
        close()
