"""From PyTorch's values to graphtorch's, and comparison of what both made of them.

What the runners of PyTorch's own test databases (`module_db.py`, `optim_db.py`) share.  A difference
is reported as an exception whose text says where it is and how large.
"""

from __future__ import annotations

import functools
import io
import pickle
from collections import Counter
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import fields, is_dataclass
from typing import Any
from zlib import crc32

import numpy as np
import pytest

import graphtorch

torch = pytest.importorskip("torch")

TOLERANCE = {"float32": 1e-4, "float64": 1e-8, "complex64": 1e-4, "complex128": 1e-8}


class Different(AssertionError):
    """Two results that should be alike are not."""


def ours(value: Any) -> Any:
    """A value made for torch as one for graphtorch: tensors copied, classes and functions by name."""
    if isinstance(value, torch.nn.utils.rnn.PackedSequence):
        return graphtorch.nn.utils.rnn.PackedSequence(*map(ours, value))
    if isinstance(value, torch.nn.Module):
        return _module(value)
    if isinstance(value, torch.nn.Parameter):
        return graphtorch.nn.Parameter(_tensor(value), requires_grad=value.requires_grad)
    if isinstance(value, torch.Tensor):
        return _tensor(value).requires_grad_(value.requires_grad)
    if is_dataclass(value) and not isinstance(value, type):
        return by_name(type(value))(**{f.name: ours(getattr(value, f.name)) for f in fields(value)})
    if isinstance(value, torch.dtype):
        return getattr(graphtorch, str(value).removeprefix("torch."))
    if isinstance(value, torch.device):
        return graphtorch.device(str(value))
    if isinstance(value, functools.partial):
        return functools.partial(ours(value.func), *ours(value.args), **ours(value.keywords))
    if isinstance(value, dict):
        return type(value)((key, ours(item)) for key, item in value.items())
    if isinstance(value, torch.Size):
        return graphtorch.Size(value)
    if isinstance(value, (tuple, list)):
        if hasattr(value, "_fields"):
            return type(value)(*map(ours, value))
        return type(value)(map(ours, value))
    if (getattr(value, "__module__", None) or "").startswith("torch") and callable(value):
        return by_name(value)
    return value


def by_name(value: Any) -> Any:
    """graphtorch's class or function of the name that torch's has, at the same place."""
    path = value.__module__.split(".")[1:]
    if path[:1] == ["_C"]:  # functions written in C++ say so; their public place is the package
        path = ["nn", "functional"] if path == ["_C", "_nn"] else []
    found: Any = graphtorch
    for part in [*path, *value.__qualname__.split(".")]:
        found = getattr(found, part)
    return found


def apart(value: Any) -> Any:
    """A copy for torch itself, its tensors leaves."""
    if isinstance(value, torch.nn.utils.rnn.PackedSequence):
        return torch.nn.utils.rnn.PackedSequence(*map(apart, value))
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, dict):
        return {key: apart(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)) and type(value) in (tuple, list):
        return type(value)(map(apart, value))
    return deepcopy(value)


def _module(value: Any) -> Any:
    """graphtorch's module of the same class and attributes, by a pickle whose names are translated."""
    file = io.BytesIO()
    _Pickler(file).dump(value)
    file.seek(0)
    return _Unpickler(file).load()


class _Pickler(pickle.Pickler):
    def reducer_override(self, x: Any) -> Any:
        if isinstance(x, torch.Tensor):
            return _rebuilt, (x.detach().numpy(), isinstance(x, torch.nn.Parameter))
        if callable(x) and getattr(x, "__module__", None) in ("torch._C._nn", "torch"):
            return _functional, (x.__name__,)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "torch":
            place = graphtorch
            for part in module.split(".")[1:]:
                place = getattr(place, part)
            return getattr(place, name)
        return super().find_class(module, name)


def _functional(name: str) -> Any:
    return getattr(graphtorch.nn.functional, name)


def _rebuilt(array: np.ndarray, is_parameter: bool) -> Any:
    tensor = graphtorch.from_numpy(array.copy())
    return graphtorch.nn.Parameter(tensor) if is_parameter else tensor


def _tensor(x: Any) -> Any:
    x = x.detach()
    if x.is_sparse:
        x = x.coalesce()
        parts = _tensor(x.indices()), _tensor(x.values())
        return graphtorch.sparse_coo_tensor(*parts, tuple(x.shape))
    if x.dtype in (torch.bfloat16, torch.float16):
        return graphtorch.from_numpy(x.float().numpy().copy()).to(ours(x.dtype))
    return graphtorch.from_numpy(np.array(x.resolve_conj().numpy(), copy=True, order="K"))


def leaves(value: Any) -> list[Any]:
    """All tensors of a tree of tuples, lists and dicts."""
    if isinstance(value, (torch.Tensor, graphtorch.Tensor)):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return [leaf for item in value for leaf in leaves(item)]
    return []


def compare(theirs: Any, mine: Any, where: str, tolerance: float | None = None) -> None:
    """Raise Different unless two results have the same structure, dtypes, shapes and values."""
    if isinstance(theirs, torch.Tensor):
        if not isinstance(mine, graphtorch.Tensor):
            raise Different(f"{where}: {type(mine).__name__} instead of a tensor")
        if str(mine.dtype) != str(theirs.dtype):
            raise Different(f"{where}: {mine.dtype} instead of {theirs.dtype}")
        if tuple(mine.shape) != tuple(theirs.shape):
            raise Different(f"{where}: shape {tuple(mine.shape)} instead of {tuple(theirs.shape)}")
        _close(theirs, mine, where, tolerance)
    elif isinstance(theirs, dict):
        if list(theirs) != list(mine):
            raise Different(f"{where}: keys {list(mine)} instead of {list(theirs)}")
        for key in theirs:
            compare(theirs[key], mine[key], f"{where}[{key!r}]", tolerance)
    elif isinstance(theirs, (tuple, list)):
        if not isinstance(mine, (tuple, list)) or len(mine) != len(theirs):
            raise Different(f"{where}: {type(mine).__name__} instead of {len(theirs)} results")
        for i, (a, b) in enumerate(zip(theirs, mine, strict=True)):
            compare(a, b, f"{where}[{i}]", tolerance)
    elif isinstance(theirs, float) and not isinstance(mine, graphtorch.Tensor):
        if not np.isclose(theirs, mine, rtol=1e-6, atol=1e-12, equal_nan=True):
            raise Different(f"{where}: {mine} instead of {theirs}")
    elif isinstance(theirs, (bool, int, str, type(None))) and theirs != mine:
        raise Different(f"{where}: {mine!r} instead of {theirs!r}")


def _close(theirs: Any, mine: Any, where: str, tolerance: float | None) -> None:
    a, b = (x.detach() for x in (theirs, mine))
    if str(theirs.dtype) in ("torch.bfloat16", "torch.float16"):
        a, b = a.float(), b.float()
        tolerance = tolerance or 1e-2
    x, y = a.resolve_conj().numpy(), b.numpy()
    if x.dtype.kind not in "fc":
        if not np.array_equal(x, y):
            raise Different(f"{where}: values differ")
        return
    bound = tolerance if tolerance is not None else TOLERANCE[x.dtype.name]
    if not np.allclose(y, x, rtol=bound, atol=bound, equal_nan=True):
        with np.errstate(invalid="ignore"):
            raise Different(f"{where}: values differ by {np.nanmax(np.abs(x - y)):.2g}")


def reason(error: BaseException) -> str:
    """An error as one short line of a table."""
    text = " ".join(str(error).split())
    kind = "" if isinstance(error, Different) else f"{type(error).__name__}: "
    return (kind + text)[:150].replace("|", "\\|")


class Result:
    """What became of one database entry: checks made, and the failed ones' reasons.

    one_in: make only a part of the checks, chosen by a hash of their names.
    """

    def __init__(self, name: str, one_in: int = 1):
        self.name, self.one_in = name, one_in
        self.checks, self.failures = 0, Counter()

    def check(self, what: str, run: Callable[[], None]) -> None:
        """Count one check, if it is made; an exception is a failure of it."""
        if crc32(f"{self.name} {what}".encode()) % self.one_in:
            return
        self.checks += 1
        try:
            run()
        except Exception as error:
            self.failures[f"{what}: {reason(error)}"] += 1

    @property
    def passed(self) -> bool:
        """Whether there were checks and all passed."""
        return self.checks > 0 and not self.failures


def table(results: Iterable[Result], title: str, text: str) -> str:
    """A Markdown page: one row an entry."""
    results = list(results)
    good = sum(result.passed for result in results)
    lines = [f"# {title}", "", text, ""]
    lines += [f"{good} of {len(results)} entries pass completely.", ""]
    lines += ["| entry | checks | failed | why |", "|---|---|---|---|"]
    for result in results:
        why = "; ".join(key for key, _ in result.failures.most_common(3))
        lines.append(f"| {result.name} | {result.checks} | {result.failures.total()} | {why} |")
    return "\n".join(lines) + "\n"
