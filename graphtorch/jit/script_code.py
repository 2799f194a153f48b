"""An interpreter of TorchScript's serialised code.

The text is parsed with `ast` and walked; it is never compiled or executed as Python.  It can do what
the walk below does: bind local names, read and set attributes of script objects, call methods and
functions of the archive, and call the operators of `script_ops`.
"""

from __future__ import annotations

import ast
import operator
from collections import namedtuple
from typing import Any

from ..errors import UnsupportedError, message
from ..frontend.tensor import Tensor
from . import script_ops

_BINARY: dict[type, Any] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow, ast.MatMult: operator.matmul,
    ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor,
}  # fmt: skip
_COMPARE: dict[type, Any] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
_UNARY: dict[type, Any] = {
    ast.USub: operator.neg,
    ast.Not: operator.not_,
    ast.Invert: operator.invert,
}
_CASTS: dict[str, Any] = {"int": int, "float": float, "bool": bool, "str": str, "list": list, "range": range, "rangelist": lambda n: list(range(n)), "print": print}  # fmt: skip


class _Return(Exception):
    def __init__(self, value: Any):
        self.value = value


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class ScriptObject:
    """An instance of a class of the archive that is not a module."""

    def __init__(self, script_class: ScriptClass):
        self.__dict__["_script_class"] = script_class

    def __getattr__(self, name: str) -> Any:
        return bound(self, self._script_class, name)


class ScriptClass:
    """A class of the archive: its methods, and its constant attributes."""

    def __init__(self, unit: Unit, name: str, tree: ast.ClassDef):
        self.unit, self.name, self.tree = unit, name, tree
        self.methods = {f.name: f for f in tree.body if isinstance(f, ast.FunctionDef)}
        self.base = tree.bases[0].id if tree.bases and isinstance(tree.bases[0], ast.Name) else ""
        self.fields: list[str] = []
        self.lists: dict[str, list[str]] = {}
        self.constants: dict[str, Any] = {}
        for item in tree.body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                self.fields.append(item.target.id)
                if item.value is not None:
                    self.constants[item.target.id] = unit.value(item.value, {})
            elif isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name):
                self.lists[item.targets[0].id] = unit.value(item.value, {})

    @property
    def is_module(self) -> bool:
        """Whether its instances are modules."""
        return self.base == "Module"

    def make(self, *args: Any) -> Any:
        """A named tuple of the values, or a new object."""
        if self.base == "NamedTuple":
            return namedtuple(self.tree.name, self.fields)(*args)
        made = ScriptObject(self)
        made.__dict__.update(self.constants)
        if args:
            self.unit.call(self.methods["__init__"], (made, *args), {})
        return made


class Function:
    """A function of the archive, or a method bound to its object."""

    def __init__(self, unit: Unit, tree: ast.FunctionDef, owner: Any = None):
        self.unit, self.tree, self.owner = unit, tree, owner
        self.__name__ = tree.name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = args if self.owner is None else (self.owner, *args)
        return self.unit.call(self.tree, given, kwargs)


def bound(owner: Any, script_class: ScriptClass, name: str) -> Any:
    """A method of a script object; AttributeError if there is none."""
    tree = script_class.methods.get(name)
    if tree is None:
        raise AttributeError(f"'{script_class.tree.name}' object has no attribute '{name}'")
    return Function(script_class.unit, tree, owner)


class Unit:
    """All code of one archive."""

    def __init__(self, sources: dict[str, str], constants: tuple[Any, ...] = ()):
        self.sources = sources  # "__torch__.a.b" -> text of its file
        self.constants = constants
        self.files: dict[str, dict[str, ast.AST]] = {}
        self.known: dict[str, Any] = {}

    def find(self, name: str) -> Any:
        """The class or function of a qualified name; RuntimeError if the archive has none."""
        known = self.known.get(name)
        if known is None:
            module, _, last = name.rpartition(".")
            tree = self._file(module).get(last)
            if isinstance(tree, ast.ClassDef):
                known = ScriptClass(self, name, tree)
            elif isinstance(tree, ast.FunctionDef):
                known = Function(self, tree)
            else:
                raise RuntimeError(f"the archive has no code for {name}")
            self.known[name] = known
        return known

    def _file(self, module: str) -> dict[str, ast.AST]:
        trees = self.files.get(module)
        if trees is None:
            try:
                body = ast.parse(self.sources.get(module, "")).body
            except (SyntaxError, ValueError, RecursionError) as error:
                raise RuntimeError(
                    f"the archive's code {module} cannot be read: {error}"
                ) from error
            trees = {t.name: t for t in body if isinstance(t, (ast.ClassDef, ast.FunctionDef))}
            self.files[module] = trees
        return trees

    # ---- calls

    def call(self, tree: ast.FunctionDef, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a function of the archive."""
        names = [a.arg for a in tree.args.args]
        if len(args) > len(names):
            raise TypeError(f"{tree.name}() takes {len(names)} arguments, got {len(args)}")
        scope = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name not in names or name in scope:
                raise TypeError(f"{tree.name}() got an unexpected argument '{name}'")
            scope[name] = value
        defaults = tree.args.defaults
        for name, default in zip(names[len(names) - len(defaults) :], defaults, strict=True):
            if name not in scope:
                scope[name] = self.value(default, {})
        missing = [n for n in names if n not in scope]
        if missing:
            raise TypeError(f"{tree.name}() is missing the argument '{missing[0]}'")
        try:
            self.run(tree.body, scope)
        except _Return as found:
            return found.value
        return None

    def run(self, body: list[ast.stmt], scope: dict[str, Any]) -> None:
        """Carry out statements."""
        for statement in body:
            match statement:
                case ast.Assign(targets=targets, value=value):
                    found = self.value(value, scope)
                    for target in targets:
                        self.bind(target, found, scope)
                case ast.AnnAssign(target=target, value=value):
                    if value is not None:
                        self.bind(target, self.value(value, scope), scope)
                case ast.AugAssign(target=target, op=op, value=value):
                    before = self.value(_loaded(target), scope)
                    self.bind(target, _BINARY[type(op)](before, self.value(value, scope)), scope)
                case ast.Expr(value=value):
                    self.value(value, scope)
                case ast.Return(value=value):
                    raise _Return(None if value is None else self.value(value, scope))
                case ast.If(test=test, body=then, orelse=otherwise):
                    self.run(then if self.value(test, scope) else otherwise, scope)
                case ast.For(target=target, iter=items, body=inner):
                    for item in self.value(items, scope):
                        self.bind(target, item, scope)
                        try:
                            self.run(inner, scope)
                        except _Break:
                            break
                        except _Continue:
                            continue
                case ast.While(test=test, body=inner):
                    while self.value(test, scope):
                        try:
                            self.run(inner, scope)
                        except _Break:
                            break
                        except _Continue:
                            continue
                case ast.With(items=items, body=inner):
                    self._with([self.value(i.context_expr, scope) for i in items], inner, scope)
                case ast.Pass():
                    pass
                case ast.Break():
                    raise _Break
                case ast.Continue():
                    raise _Continue
                case ast.Assert(test=test, msg=text):
                    if not self.value(test, scope):
                        raise AssertionError(self.value(text, scope) if text else "")
                case _:
                    raise _unknown(statement)

    def _with(self, contexts: list[Any], body: list[ast.stmt], scope: dict[str, Any]) -> None:
        if not contexts:
            self.run(body, scope)
            return
        context = _script(contexts[0])
        self.method(context, "__enter__")()
        try:
            self._with(contexts[1:], body, scope)
        finally:
            self.method(context, "__exit__")(None, None, None)

    def bind(self, target: ast.expr, value: Any, scope: dict[str, Any]) -> None:
        """Assign."""
        match target:
            case ast.Name(id=name):
                scope[name] = value
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for part, item in zip(parts, value, strict=True):
                    self.bind(part, item, scope)
            case ast.Attribute(value=owner, attr=name):
                _set(_script(self.value(owner, scope)), name, value)
            case ast.Subscript(value=owner, slice=index):
                held = self.value(owner, scope)
                if not isinstance(held, (list, dict, Tensor)):
                    raise _unknown(target)
                held[self.value(index, scope)] = value  # type: ignore[index]
            case _:
                raise _unknown(target)

    # ---- values

    def value(self, tree: ast.expr, scope: dict[str, Any]) -> Any:
        """What an expression gives."""
        match tree:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return self._name(name, scope)
            case ast.Call():
                return self._call(tree, scope)
            case ast.Attribute():
                return self._attribute(tree, scope)
            case ast.Tuple(elts=parts):
                return tuple([self.value(p, scope) for p in parts])
            case ast.List(elts=parts):
                return [self.value(p, scope) for p in parts]
            case ast.Dict(keys=keys, values=values):
                return {
                    self.value(k, scope): self.value(v, scope)  # type: ignore[arg-type]
                    for k, v in zip(keys, values, strict=True)
                }
            case ast.Subscript(value=held, slice=index):
                return self.value(held, scope)[self.value(index, scope)]
            case ast.UnaryOp(op=op, operand=operand):
                return _UNARY[type(op)](self.value(operand, scope))
            case ast.BinOp(left=left, op=op, right=right):
                return _BINARY[type(op)](self.value(left, scope), self.value(right, scope))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return _COMPARE[type(op)](self.value(left, scope), self.value(right, scope))
            case ast.BoolOp(op=op, values=values):
                found: Any = isinstance(op, ast.And)
                for part in values:
                    found = self.value(part, scope)
                    if bool(found) is not isinstance(op, ast.And):
                        break
                return found
            case ast.IfExp(test=test, body=then, orelse=otherwise):
                return self.value(then if self.value(test, scope) else otherwise, scope)
        raise _unknown(tree)

    def _name(self, name: str, scope: dict[str, Any]) -> Any:
        if name in scope:
            return scope[name]
        if name in ("inf", "infj"):
            return float("inf")
        if name in ("nan", "nanj"):
            return float("nan")
        raise RuntimeError(f"name '{name}' is not defined in the archive's code")

    def _attribute(self, tree: ast.Attribute, scope: dict[str, Any]) -> Any:
        path = _path(tree)
        if path is not None and path[0] not in scope:
            if path[0] == "CONSTANTS":
                return self.constants[int(path[1][1:])]
            if path[0] == "__torch__":
                return self.find(".".join(path))
            raise _unknown(tree)
        owner = self.value(tree.value, scope)
        if isinstance(owner, tuple) and hasattr(owner, "_fields") and tree.attr in owner._fields:
            return getattr(owner, tree.attr)
        return _get(_script(owner), tree.attr)

    def _call(self, tree: ast.Call, scope: dict[str, Any]) -> Any:
        function = tree.func
        if isinstance(function, ast.Name) and function.id not in scope:
            return self._builtin(function.id, tree, scope)
        path = _path(function)
        args = tuple([self.value(a, scope) for a in tree.args])
        kwargs = {k.arg: self.value(k.value, scope) for k in tree.keywords if k.arg is not None}
        if path is not None and path[0] not in scope:
            if path[0] == "torch" and len(path) == 2:
                return script_ops.called("torch", path[1])(*args, **kwargs)
            if path[0] == "ops" and len(path) == 3:
                return script_ops.called(path[1] if path[1] == "prim" else "torch", path[2])(
                    *args, **kwargs
                )
            if path[0] == "__torch__":
                if path[-1] == "__new__":
                    return args[0].make()
                found = self.find(".".join(path))
                return (
                    found.make(*args) if isinstance(found, ScriptClass) else found(*args, **kwargs)
                )
            raise _unknown(tree)
        if isinstance(function, ast.Attribute):
            return self.method(_script(self.value(function.value, scope)), function.attr)(
                *args, **kwargs
            )
        called = self.value(function, scope)
        if isinstance(called, ScriptClass):
            return called.make(*args)
        if not isinstance(called, Function):
            raise _unknown(tree)
        return called(*args, **kwargs)

    def method(self, owner: Any, name: str) -> Any:
        """A method of a script object or module."""
        return bound(owner, owner._script_class, name)

    def _builtin(self, name: str, tree: ast.Call, scope: dict[str, Any]) -> Any:
        if name in ("annotate", "unchecked_cast"):
            return self.value(tree.args[1], scope)
        if name == "uninitialized":
            return None
        if name in ("getattr", "setattr"):
            owner, key, *rest = [self.value(a, scope) for a in tree.args]
            if name == "getattr":
                return _get(_script(owner), key)
            return _set(_script(owner), key, rest[0])
        if name == "isinstance":
            return _is_instance(self.value(tree.args[0], scope), tree.args[1])
        if name not in _CASTS:
            raise _unknown(tree)
        return _CASTS[name](*[self.value(a, scope) for a in tree.args])


def _is_instance(value: Any, kind: ast.expr) -> bool:
    """`isinstance(x, Tensor)` with the types that code names."""
    text = ast.unparse(kind)
    kinds = {
        "Tensor": Tensor,
        "int": int,
        "float": float,
        "bool": bool,
        "str": str,
        "NoneType": type(None),
    }
    if text in kinds:
        return isinstance(value, kinds[text]) and not (text == "int" and isinstance(value, bool))
    if text.startswith("List["):
        return isinstance(value, list)
    if text.startswith("Tuple["):
        return isinstance(value, tuple)
    if text.startswith("Dict["):
        return isinstance(value, dict)
    raise UnsupportedError(message(f"TorchScript: isinstance of {text}"))


def _path(tree: ast.expr) -> list[str] | None:
    """The parts of a dotted name."""
    parts: list[str] = []
    while isinstance(tree, ast.Attribute):
        parts.append(tree.attr)
        tree = tree.value
    if not isinstance(tree, ast.Name):
        return None
    return [tree.id, *reversed(parts)]


def _loaded(target: ast.expr) -> ast.expr:
    return target


def _script(value: Any) -> Any:
    """`value` if code may look at its attributes."""
    from .archive import LoadedModule

    if not isinstance(value, (ScriptObject, LoadedModule)):
        raise RuntimeError(f"the archive's code reads an attribute of a {type(value).__name__}")
    return value


def _get(owner: Any, name: str) -> Any:
    if name in owner.__dict__ and not name.startswith("_script"):
        return owner.__dict__[name]
    for table in ("_parameters", "_buffers", "_modules"):
        members = owner.__dict__.get(table)
        if members is not None and name in members:
            return members[name]
    constants = owner._script_class.constants
    if name in constants:
        return constants[name]
    return bound(owner, owner._script_class, name)


def _set(owner: Any, name: str, value: Any) -> None:
    if isinstance(owner, ScriptObject):
        owner.__dict__[name] = value
    else:
        owner._assign(name, value)


def _unknown(tree: ast.AST) -> UnsupportedError:
    return UnsupportedError(
        message(f"TorchScript code is not understood: {ast.unparse(tree)[:200]}")
    )
