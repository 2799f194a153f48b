"""What PyTorch lets a name be called with, and whether graphtorch's name of it takes the same.

PyTorch's Python functions are read with `inspect`; those written in C++ have their overloads in the
type stubs that the wheel ships (`torch/_C/*.pyi`), each with argument names, order and defaults.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
from functools import lru_cache
from typing import Any

_EMPTY = inspect.Parameter.empty
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_OPEN = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _stub(path: str) -> ast.Module:
    import torch

    with open(os.path.join(os.path.dirname(torch.__file__), path)) as file:
        return ast.parse(file.read())


def _collect(body: list[ast.stmt]) -> dict[str, list[inspect.Signature]]:
    found: dict[str, list[inspect.Signature]] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef):
            found.setdefault(node.name, []).append(_signature(node))
    return found


class _Default:
    """A default value as the stub writes it."""

    def __init__(self, text: str):
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _signature(node: ast.FunctionDef) -> inspect.Signature:
    arguments, found = node.args, []
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    for position, (argument, default) in enumerate(zip(plain, defaults)):
        only = position < len(arguments.posonlyargs) or argument.arg.startswith("__")
        kind = _POSITIONAL[0] if only else _POSITIONAL[1]
        found.append(_parameter(argument, kind, default))
    if arguments.vararg:
        found.append(inspect.Parameter(arguments.vararg.arg, _OPEN[0]))
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
        found.append(_parameter(argument, inspect.Parameter.KEYWORD_ONLY, default))
    return inspect.Signature(found)


def _parameter(argument: ast.arg, kind: Any, default: ast.expr | None) -> inspect.Parameter:
    value = _EMPTY if default is None else _Default(ast.unparse(default))
    note = ast.unparse(argument.annotation) if argument.annotation else _EMPTY
    return inspect.Parameter(argument.arg, kind, default=value, annotation=note)


@lru_cache(1)
def _functions() -> dict[str, list[inspect.Signature]]:
    found = {}
    for path in ("_C/_nn.pyi", "_C/_VariableFunctions.pyi"):
        found.update(_collect(_stub(path).body))
    return found


@lru_cache(1)
def _functional() -> dict[str, list[inspect.Signature]]:
    return _collect(_stub("nn/functional.pyi").body)


@lru_cache(1)
def _methods() -> dict[str, list[inspect.Signature]]:
    for node in _stub("_C/__init__.pyi").body:
        if isinstance(node, ast.ClassDef) and node.name == "TensorBase":
            return _collect(node.body)
    raise LookupError("the wheel's stubs have no TensorBase")


# where the stubs (or Python signatures that only pass arguments on) do not say what PyTorch takes
_NOT_SO = frozenset(
    "torch.tensor torch.Tensor.new_tensor torch.Tensor.requires_grad_ torch.linspace torch.logspace torch.Tensor.new"
    " torch.set_num_threads torch.Tensor.apply_ torch.set_default_device torch.Tensor.is_pinned torch.Tensor.pin_memory"
    " torch.dtype torch.autograd.Function torch.autograd.function.Function torch.enable_grad torch.Tensor.record_stream"
    " torch.cuda.stream torch.utils.hooks.RemovableHandle torch.return_types.cummax torch.return_types.cummin".split()
)


def of_torch(name: str, thing: Any) -> list[inspect.Signature]:
    """The ways PyTorch's `thing` may be called; none where nothing says."""
    last = name.rpartition(".")[2]
    if name in _NOT_SO:
        return []
    try:
        found = inspect.signature(thing)
        if all(p.kind in _OPEN for p in found.parameters.values()):
            return []  # it passes everything on
        return [found]
    except (TypeError, ValueError):
        pass
    if name.startswith("torch.Tensor."):
        overloads = _methods().get(last, [])
    elif name.startswith("torch.nn.functional."):
        overloads = _functional().get(last, [])
    elif name.count(".") > 1:
        return []
    else:
        overloads = _functions().get(last, [])
        if any(next(iter(s.parameters), "") == "input" for s in overloads):
            # the deprecated orders of arguments have one called self
            overloads = [s for s in overloads if "self" not in s.parameters]
    return [s for s in overloads if not _of_named_dims(s)]


def _of_named_dims(signature: inspect.Signature) -> bool:
    """Whether this overload is the one for dims with names, a prototype that PyTorch dropped."""
    return "names" in signature.parameters or any(
        re.search(r"\bstr\b", str(p.annotation))
        and p.name in ("dim", "dims", "dim0", "start_dim", "end_dim")
        for p in signature.parameters.values()
    )


def _text(value: Any) -> str:
    """A default as text, the same for torch's and graphtorch's."""
    text = re.sub(r"\bgraphtorch\b", "torch", repr(value))
    text = re.sub(r" at 0x[0-9a-f]+|from '[^']*'", "", text)
    text = re.sub(r"<(?:class|function|enum) '?([\w.]+)'?.*>", r"\1", text)
    return {"-float('inf')": "-inf", "inf": "inf", "()": "()"}.get(text, text)


def _same_default(theirs: Any, ours: Any) -> bool:
    a, b = _text(theirs), _text(ours)
    if a == b or a == "...":
        return True
    try:
        return float(a) == float(b)
    except ValueError:
        pass
    # what None stands for in the stubs: "the default of the C++ function"
    return {a, b} in ({"None", "False"}, {"None", "torch.strided"}, {"None", "strided"}, {"None", "torch.int64"}) or a.rpartition(".")[2] == b.rpartition(".")[2]  # fmt: skip


def differences(theirs: inspect.Signature, ours: inspect.Signature) -> list[str]:
    """In what `ours` does not take what `theirs` takes; empty where it does."""
    found = []
    mine = ours.parameters
    open_keywords = any(p.kind is _OPEN[1] for p in mine.values())
    open_positions = any(p.kind is _OPEN[0] for p in mine.values())
    order = [n for n, p in mine.items() if p.kind in _POSITIONAL]
    position = 0
    for name, parameter in theirs.parameters.items():
        if parameter.kind is _OPEN[0]:
            if not open_positions:
                found.append(f"takes no *{name}")
            position = len(order)
            continue
        if parameter.kind is _OPEN[1]:
            continue
        place, position = position, position + (parameter.kind in _POSITIONAL)
        known = mine.get(name)
        if parameter.kind is _POSITIONAL[0]:
            if place >= len(order) and not open_positions:
                found.append(f"takes no argument {place + 1}")
            continue
        if known is None or known.kind is _POSITIONAL[0] or known.kind in _OPEN:
            if name == "self" and place == 0:
                continue
            if not open_keywords:
                found.append(f"no argument `{name}`")
            continue
        if parameter.kind in _POSITIONAL and not open_positions:
            if known.kind not in _POSITIONAL:
                if place < len(order):
                    continue  # in its place another overload's argument takes it
                found.append(f"`{name}` by keyword only")
            elif order.index(name) != place:
                found.append(f"`{name}` is argument {order.index(name) + 1}, not {place + 1}")
        if parameter.default is not _EMPTY:
            if known.default is _EMPTY:
                found.append(f"`{name}` has no default ({_text(parameter.default)})")
            elif not _same_default(parameter.default, known.default):
                found.append(f"`{name}={_text(known.default)}` for {_text(parameter.default)}")
    for name, parameter in mine.items():
        if (
            parameter.default is _EMPTY
            and parameter.kind not in _OPEN
            and name not in theirs.parameters
            and (name, order[:1]) != (name, [name])
        ):
            found.append(f"needs `{name}`")
    return found
