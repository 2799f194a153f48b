"""Run one entry of op_db under both libraries."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

import graphtorch

from .compare import difference
from .convert import Converter, NoCounterpart, tensors_in
from .resolve import counterpart, function_of, method_of

DTYPES = (torch.float32, torch.float64, torch.int64, torch.bool)
STAGES = ("forward", "gradient", "method", "inplace", "out", "errors")

# what these give is whatever the memory held
UNINITIALISED = {
    "empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted",
    "resize_", "resize_as_",
}  # fmt: skip
# results that are not unique: their values are compared after the sample's own output function
NOT_UNIQUE = {
    "svd", "linalg.svd", "linalg.eig", "linalg.eigh", "svd_lowrank", "pca_lowrank", "linalg.lstsq",
    "geqrf",
}  # fmt: skip


# the place of `dim` among the arguments of functions that may give any of several indices for ties
TIES = {
    "topk": 1, "kthvalue": 1, "sort": 0, "argsort": 0, "median": 0, "nanmedian": 0, "mode": 0,
}  # fmt: skip


@dataclass
class Report:
    """What running an entry gave."""

    name: str
    samples: int = 0
    failures: dict[str, str] = field(default_factory=dict)  # stage -> first failure
    failed: int = 0
    seconds: float = 0.0
    capped: bool = False  # not every sample was run
    note: str = ""  # why it was not run at all

    @property
    def status(self) -> str:
        return "fail" if self.failures else "n/a" if self.note else "pass"

    def add(self, stage: str, why: str) -> None:
        self.failed += 1
        self.failures.setdefault(stage, why)

    @property
    def reason(self) -> str:
        if self.note:
            return self.note
        return next((f"{s}: {self.failures[s]}" for s in STAGES if s in self.failures), "")


def name_of(entry: Any) -> str:
    """`name` or `name.variant`."""
    return f"{entry.name}.{entry.variant_test_name}" if entry.variant_test_name else entry.name


def dtypes_of(entry: Any) -> list[torch.dtype]:
    """The dtypes to run: the four common ones, or what the entry has instead."""
    supported = entry.supported_dtypes("cpu")
    return [d for d in DTYPES if d in supported] or sorted(
        (d for d in supported if d not in (torch.float16, torch.bfloat16, torch.complex32)), key=str
    )[:2]


def seed_all() -> None:
    """The same random numbers for both libraries."""
    random.seed(0)
    np.random.seed(0)
    torch.default_generator.manual_seed(0)
    graphtorch.manual_seed(0)


def _said(error: BaseException) -> str:
    text = (str(error).strip().split("\n") or [""])[0]
    return f"{type(error).__name__}: {text[:150]}"


def _described(sample: Any) -> str:
    def one(value: Any) -> str:
        if isinstance(value, torch.Tensor):
            return f"{str(value.dtype)[6:]}{list(value.shape)}"
        if isinstance(value, (list, tuple)):
            return "(" + ", ".join(map(one, value)) + ")"
        return repr(value)[:40]

    parts = [
        one(sample.input),
        *map(one, sample.args),
        *(f"{k}={one(v)}" for k, v in sample.kwargs.items()),
    ]
    return ", ".join(parts)[:160]


def _attempt(function: Callable, *args: Any, **kwargs: Any) -> tuple[Any, Exception | None]:
    torch.default_generator.manual_seed(0)
    graphtorch.manual_seed(0)
    try:
        return function(*args, **kwargs), None
    except Exception as error:
        return None, error


def same_class(theirs: type, ours: Exception) -> bool:
    """Whether `ours` would be caught where torch's error is caught."""
    if isinstance(ours, NoCounterpart):
        return False
    if isinstance(ours, NotImplementedError) and theirs is not NotImplementedError:
        return False
    names = {c.__name__ for c in type(ours).__mro__}
    return theirs.__name__ in names or (
        theirs.__name__ in ("_LinAlgError", "LinAlgError") and "LinAlgError" in names
    )


def _outcome(theirs: Any, their_error: Any, ours: Any, our_error: Any, values: bool) -> str:
    if their_error is not None:
        if our_error is None:
            return f"no error, torch raises {_said(their_error)}"
        return (
            ""
            if same_class(type(their_error), our_error)
            else f"{_said(our_error)} for {_said(their_error)}"
        )
    if our_error is not None:
        return str(our_error) if isinstance(our_error, NoCounterpart) else _said(our_error)
    return difference(theirs, ours, values=values)


def entry_ties(name: str, sample: Any, theirs: Any, ours: Any) -> bool:
    """Whether two results differ only in which of several equal elements their indices name."""
    if name not in TIES or theirs is None or ours is None:
        return False
    pair = (theirs[1], ours[1]) if isinstance(theirs, tuple) else (theirs, ours)
    if difference(pair[0], pair[1], values=False):
        return False
    if isinstance(theirs, tuple) and difference(theirs[0], ours[0]):
        return False
    place, x = TIES[name], sample.input
    dim = sample.kwargs.get("dim", sample.args[place] if len(sample.args) > place else -1)
    if not isinstance(dim, int) or not x.ndim:
        return False
    found = []
    for index in (pair[0], torch.from_numpy(np.asarray(pair[1]._array))):
        index = index if index.ndim == x.ndim else index.unsqueeze(dim)
        found.append(x.detach().gather(dim, index))
    return torch.equal(found[0].nan_to_num(), found[1].nan_to_num())


class Entry:
    """One entry being checked."""

    def __init__(self, entry: Any, limit: int):
        self.entry, self.limit = entry, limit
        self.report = Report(name_of(entry))
        self.torch_ran = False
        self.made: dict[Any, list[Any]] = {}
        self.values = entry.name not in UNINITIALISED
        self.processed = entry.name in NOT_UNIQUE

    def samples(self, dtype: torch.dtype, requires_grad: bool = False) -> list[Any]:
        """The entry's samples, at most `limit` of them."""
        found = self.made.get((dtype, requires_grad))
        if found is None:
            seed_all()
            found = list(self.entry.sample_inputs("cpu", dtype, requires_grad=requires_grad))
            self.report.capped |= len(found) > self.limit
            found = self.made[dtype, requires_grad] = found[:: max(1, -(-len(found) // self.limit))]
        return found

    def calls(self, function: Callable, ours: Callable, stage: str, sample: Any) -> None:
        """One call of both, on arguments of their own."""
        self.report.samples += 1
        theirs = _own(sample)
        try:
            convert = Converter()
            x, args, kwargs = (
                convert(v) for v in (sample.input, tuple(sample.args), sample.kwargs)
            )
        except NoCounterpart as error:
            self.report.add(stage, f"no counterpart: {error} ({_described(sample)})")
            return
        expected, their_error = _attempt(function, theirs[0], *theirs[1], **theirs[2])
        self.torch_ran |= their_error is None
        found, our_error = _attempt(ours, x, *args, **kwargs)
        why = _outcome(expected, their_error, found, our_error, self.values and not self.processed)
        if not why and self.processed and their_error is None:
            process = sample.output_process_fn_grad
            found, our_error = _attempt(counterpart(process), found)
            why = _outcome(process(expected), None, found, our_error, self.values)
        if why and entry_ties(self.entry.name, sample, expected, found):
            why = ""
        if why:
            self.report.add(stage, f"{why} ({_described(sample)})")

    def forward(self) -> None:
        entry = self.entry
        ours = function_of(entry)
        for dtype in dtypes_of(entry):
            for sample in self.samples(dtype):
                self.calls(entry.op, ours, "forward", sample)

    def methods(self) -> None:
        entry = self.entry
        for stage, variant, suffix in (
            ("method", entry.method_variant, ""),
            ("inplace", entry.inplace_variant, "_"),
        ):
            if variant is None:
                continue
            try:
                ours = method_of(entry, suffix)
            except NoCounterpart as error:
                self.report.add(stage, str(error))
                continue
            for dtype in dtypes_of(entry):
                for sample in self.samples(dtype):
                    if not isinstance(sample.input, torch.Tensor) or (
                        suffix and sample.broadcasts_input
                    ):
                        continue
                    self.calls(variant, ours, stage, sample)

    def out(self) -> None:
        entry = self.entry
        if not entry.supports_out:
            return
        ours = function_of(entry)
        for dtype in dtypes_of(entry):
            for sample in self.samples(dtype):
                if "out" in sample.kwargs:
                    continue
                expected, error = _attempt(
                    entry.op, *(lambda s: (s[0], *s[1]))(_own(sample)), **_own(sample)[2]
                )
                if error is not None:
                    continue
                self.out_of(ours, sample, expected)

    def out_of(self, ours: Callable, sample: Any, expected: Any) -> None:
        """`out=` a tensor of the result's type: it must be filled and returned."""
        self.report.samples += 1
        convert = Converter()
        try:
            x, args, kwargs = (
                convert(v) for v in (sample.input, tuple(sample.args), sample.kwargs)
            )
            if isinstance(expected, torch.Tensor):
                target = convert(torch.zeros_like(expected, requires_grad=False))
            elif isinstance(expected, (tuple, list)) and all(
                isinstance(e, torch.Tensor) for e in expected
            ):
                target = tuple(convert(torch.zeros_like(e, requires_grad=False)) for e in expected)
            else:
                return
        except NoCounterpart as error:
            self.report.add("out", f"no counterpart: {error}")
            return
        own = _own(sample)
        if isinstance(expected, torch.Tensor):
            theirs: Any = torch.zeros_like(expected, requires_grad=False)
        else:
            theirs = tuple(torch.zeros_like(e, requires_grad=False) for e in expected)
        if _attempt(self.entry.op, own[0], *own[1], out=theirs, **own[2])[1] is not None:
            return  # PyTorch takes no out= for this sample
        found, our_error = _attempt(ours, x, *args, out=target, **kwargs)
        why = _outcome(expected, None, target, our_error, self.values and not self.processed)
        pairs = zip(tensors_in(found), tensors_in(target), strict=False)
        if not why and any(a is not b for a, b in pairs):
            why = "the result is not the tensor given as out="
        if why and entry_ties(self.entry.name, sample, expected, target):
            why = ""
        if why:
            self.report.add("out", f"{why} ({_described(sample)})")

    def gradient(self) -> None:
        entry = self.entry
        supported = entry.supported_backward_dtypes("cpu")
        if not entry.supports_autograd:
            return
        ours = function_of(entry)
        dtypes = [d for d in (torch.float64, torch.float32) if d in supported][:1]
        if not dtypes:
            dtypes = [d for d in dtypes_of(entry) if d in supported]
        for dtype in dtypes:
            for sample in self.samples(dtype, requires_grad=True):
                why = self.gradients_of(ours, sample)
                self.report.samples += 1
                if why:
                    self.report.add("gradient", f"{why} ({_described(sample)})")

    def gradients_of(self, ours: Callable, sample: Any) -> str:
        """What differs between the two libraries' gradients of one sample."""
        entry, process = self.entry, sample.output_process_fn_grad
        convert = Converter()
        try:
            converted = tuple(convert(v) for v in (sample.input, tuple(sample.args), sample.kwargs))
        except NoCounterpart as error:
            return f"no counterpart: {error}"
        theirs = (sample.input, sample.args, sample.kwargs)
        leaves = [x for x in tensors_in(theirs) if x.requires_grad]
        our_leaves = [convert(x) for x in leaves]

        def call(function: Callable, arguments: Any, process: Callable) -> Any:
            x, args, kwargs = arguments
            return process(entry.gradcheck_wrapper(function, x, *args, **kwargs))

        expected, error = _attempt(call, entry.op, theirs, process)
        outputs = [y for y in tensors_in(expected) if y.requires_grad]
        if error is not None or not leaves or not outputs:
            return ""
        rule = torch.Generator().manual_seed(1)
        given = [
            torch.view_as_complex(torch.rand((*y.shape, 2), generator=rule, dtype=y.real.dtype))
            if y.is_complex()
            else torch.rand(y.shape, generator=rule, dtype=torch.float64).to(y.dtype)
            for y in outputs
        ]
        wanted, error = _attempt(torch.autograd.grad, outputs, leaves, given, allow_unused=True)
        if error is not None:
            return ""
        found, our_error = _attempt(self.ours_wrapped, ours, converted, process)
        if our_error is not None:
            return _said(our_error)
        our_outputs = tensors_in(found)
        which = [i for i, y in enumerate(tensors_in(expected)) if y.requires_grad]
        if len(our_outputs) <= max(which):
            return f"{len(our_outputs)} outputs"
        our_outputs = [our_outputs[i] for i in which]
        missing = [i for i, y in enumerate(our_outputs) if not y.requires_grad]
        if missing:
            return f"output {missing[0]} does not require grad"
        got, our_error = _attempt(
            graphtorch.autograd.grad, our_outputs, our_leaves, [Converter()(g) for g in given], allow_unused=True
        )  # fmt: skip
        if our_error is not None:
            return _said(our_error)
        for i, (a, b) in enumerate(zip(wanted, got, strict=True)):
            a = torch.zeros_like(leaves[i]) if a is None else a
            b = graphtorch.zeros_like(our_leaves[i]) if b is None else b
            why = difference(a.to_dense() if a.layout is not torch.strided else a, b, f"input {i}")
            if why:
                return why
        return ""

    def ours_wrapped(self, ours: Callable, arguments: Any, process: Callable) -> Any:
        """graphtorch's function inside the entry's own input and output functions."""
        x, args, kwargs = arguments
        wrapper = counterpart(self.entry.gradcheck_wrapper)
        return counterpart(process)(wrapper(ours, x, *args, **kwargs))

    def errors(self) -> None:
        entry = self.entry
        if entry.error_inputs_func is None:
            return
        ours = function_of(entry)
        seed_all()
        for case in entry.error_inputs("cpu"):
            sample = case.sample_input
            self.report.samples += 1
            try:
                convert = Converter()
                x, args, kwargs = (
                    convert(v) for v in (sample.input, tuple(sample.args), sample.kwargs)
                )
            except NoCounterpart as error:
                if "64 dims" in str(error) or "on meta" in str(error):
                    continue  # cannot be made, so nothing can go wrong with it
                self.report.add("errors", f"no counterpart: {error} ({_described(sample)})")
                continue
            found, error = _attempt(ours, x, *args, **kwargs)
            if error is None:
                x, args, kwargs = _own(sample)
                if _attempt(entry.op, x, *args, **kwargs)[1] is None:
                    continue  # PyTorch's table says so, PyTorch itself raises nothing
            expected = case.error_type if isinstance(case.error_type, tuple) else (case.error_type,)
            if error is None:
                why = f"no error, torch raises {expected[0].__name__}: {case.error_regex[:80]}"
            elif any(same_class(e, error) for e in expected):
                continue
            else:
                why = (
                    f"{_said(error)}, torch raises {expected[0].__name__}: {case.error_regex[:80]}"
                )
            self.report.add("errors", f"{why} ({_described(sample)})")


def _own(sample: Any) -> tuple[Any, tuple, dict]:
    """The sample's arguments with tensors of their own, so that a call that writes spoils nothing."""
    from .convert import own_memory

    known: dict[int, Any] = {}

    def copy(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            if id(value) not in known:
                known[id(value)] = (value, own_memory(value).requires_grad_(value.requires_grad))
            return known[id(value)][1]
        if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
            return type(value)(map(copy, value))
        if isinstance(value, torch.Generator):
            return torch.Generator().manual_seed(value.initial_seed())
        return value

    return (
        copy(sample.input),
        tuple(map(copy, sample.args)),
        {k: copy(v) for k, v in sample.kwargs.items()},
    )


def check(entry: Any, limit: int = 100_000, stages: tuple[str, ...] = STAGES) -> Report:
    """Run one entry; at most `limit` samples (spread evenly) of each dtype and stage."""
    checking = Entry(entry, limit)
    report = checking.report
    start = time.perf_counter()
    steps = {
        "forward": checking.forward, "gradient": checking.gradient, "method": checking.methods,
        "out": checking.out, "errors": checking.errors,
    }  # fmt: skip
    if not dtypes_of(entry):
        report.note = "torch itself has no CPU dtype for it"
        return report
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for stage, step in steps.items():
            if stage not in stages:
                continue
            try:
                step()
            except NoCounterpart as error:
                report.add(stage, str(error))
            if stage == "forward" and report.failures.get(stage, "").startswith("no torch."):
                break
            if stage == "forward" and report.samples and not checking.torch_ran:
                report.failures.clear()
                report.note = "PyTorch itself runs none of its samples on a CPU"
                break
    if not report.samples and not report.failures:
        report.note = "it has no samples for these dtypes"
    report.seconds = time.perf_counter() - start
    return report
