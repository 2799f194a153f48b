"""What a code object reads and assigns, found in its bytecode: chains of names from globals, cells and arguments."""

from __future__ import annotations

import dis
import types


class Reads:
    """What one code object reads, and whose attributes it assigns: chains from globals, cells, arguments."""

    __slots__ = ("cells", "chains", "stores", "writes_global")

    def __init__(self, code: types.CodeType):
        self.chains: list[tuple[str, str, tuple[str, ...]]] = []
        self.stores: list[tuple[str, str, tuple[str, ...]]] = []  # the last name is assigned
        self.cells: list[str] = []  # free variables assigned (`nonlocal`)
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
                if name in ("STORE_ATTR", "DELETE_ATTR") and root is not None:
                    self.stores.append((*root, (*attributes, value)))
                close()
                if name == "STORE_DEREF" and value in code.co_freevars:
                    self.cells.append(value)
                if name == "STORE_GLOBAL":
                    self.writes_global = value
        close()
