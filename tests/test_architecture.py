"""Imports go one way, and heavy libraries stay in their rooms.

Read with `ast`, so imports inside functions count too; those under TYPE_CHECKING do not.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "graphtorch"
FILES = sorted(PACKAGE.rglob("*.py"))

# what each room may import, besides itself; every other room is outside: it may import anything,
# and none of these may import it
INSIDE = {
    "errors": set(),
    "config": {"errors"},
    "ir": {"errors", "config"},
    "codegen": {"errors", "config", "ir"},
}
# within ir, from the bottom up
IR_ORDER = ("core", "ops", "passes", "transforms")

HEAVY = {
    "networkx": ("ir", "codegen/memory"),
    "llvmlite": ("codegen/llvm",),
    "cupy": ("codegen/cuda", "cuda"),
    "torch": (),
}


def module_of(path):
    """The dotted name of a file, and the package its relative imports start from."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[-1] == "__init__":
        return ".".join(parts[:-1]), list(parts[:-1])
    return ".".join(parts), list(parts[:-1])


def is_type_checking(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(path):
    """(module imported, is it at the top level) for every import in the file."""
    _, package = module_of(path)

    def visit(node, top):
        for child in ast.iter_child_nodes(node):
            if is_type_checking(child):
                continue
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield alias.name, top
            elif isinstance(child, ast.ImportFrom):
                base = package[: len(package) - child.level + 1] if child.level else []
                name = ".".join([*base, child.module] if child.module else base)
                yield name, top
                for alias in child.names:  # `from . import graph` imports a module
                    yield f"{name}.{alias.name}", top
            else:
                inner = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
                yield from visit(child, top and not inner)

    yield from visit(ast.parse(path.read_text()), True)


def room(module):
    """`ir` for `graphtorch.ir.passes.cse`; None outside the package."""
    parts = module.split(".")
    return parts[1] if parts[0] == "graphtorch" and len(parts) > 1 else None


def ir_part(module):
    parts = module.split(".")
    if parts[:2] != ["graphtorch", "ir"]:
        return None
    return parts[2] if len(parts) > 2 and parts[2] in IR_ORDER else "core"


def name_of(path):
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_go_down(path):
    here, _ = module_of(path)
    if room(here) not in INSIDE:
        return
    allowed = INSIDE[room(here)] | {room(here)}
    for module, _ in imports(path):
        there = room(module)
        if (
            there is None
            or not (PACKAGE / there).exists()
            and not (PACKAGE / f"{there}.py").exists()
        ):
            continue
        assert there in allowed, f"{here} imports {module}"


@pytest.mark.parametrize("path", [p for p in FILES if PACKAGE / "ir" in p.parents], ids=name_of)
def test_ir_is_built_from_the_bottom_up(path):
    here, _ = module_of(path)
    for module, top in imports(path):
        part = ir_part(module)
        if part is not None and top:  # the core may call up from inside a function
            assert IR_ORDER.index(part) <= IR_ORDER.index(ir_part(here)), f"{here} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_heavy_libraries_stay_in_their_rooms(path):
    for module, _ in imports(path):
        library = module.split(".")[0]
        if library in HEAVY:
            assert name_of(path).startswith(HEAVY[library]), f"{name_of(path)} imports {module}"


def test_importing_graphtorch_imports_nothing_heavy():
    code = (
        "import sys, graphtorch; "
        "print([m for m in ('networkx', 'llvmlite', 'cupy', 'torch') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_no_library_is_called_utils():
    vague = {"utils.py", "helpers.py", "misc.py", "common.py"}
    pytorchs = {"_dynamo/utils.py", "distributions/utils.py"}  # programs import them by name
    assert not {name_of(p) for p in FILES if p.name in vague} - pytorchs
