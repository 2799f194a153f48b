"""PyTorch's own database of module inputs, run through both libraries.

Every input of every entry in float32 and float64, in training and evaluation mode where they differ:
same repr, state dict keys and initial values for one seed, outputs, gradients of inputs and parameters,
buffers afterwards; and the inputs that must raise.

    python -m tests.parity.module_db                 # writes docs/module_db.md
    python -m tests.parity.module_db Linear Conv2d   # prints these entries
"""

from __future__ import annotations

import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphtorch
from tests.parity.mirror import Different, Result, apart, by_name, compare, leaves, ours, table

torch = pytest.importorskip("torch")

DTYPES = ("float32", "float64")
PAGE = Path(__file__).parents[2] / "docs" / "module_db.md"
TEXT = """PyTorch 2.13's `module_db` under graphtorch, in float32 and float64: repr, state dict and initial values, outputs,
gradients of inputs and parameters, buffers, and inputs that must raise.  Written by `python -m tests.parity.module_db`."""

SEED = 11
ROUNDING = {"CTCLoss": {torch.float32: 1e-3}}  # PyTorch adds logarithms in float32, we in float64


def entries() -> list[Any]:
    """The database."""
    from torch.testing._internal.common_modules import module_db

    return module_db


def run_entry(info: Any, one_in: int = 1) -> Result:
    """Run all inputs of one entry."""
    result = Result(info.name, one_in)
    for dtype in DTYPES:
        for training in (True, False) if info.train_and_eval_differ else (True,):
            _run_inputs(result, info, dtype, training)
        if info.module_error_inputs_func is not None:
            _run_errors(result, info, dtype)
    return result


def _run_inputs(result: Result, info: Any, dtype: str, training: bool) -> None:
    torch.manual_seed(SEED)
    np.random.seed(SEED)
    kind = getattr(torch, dtype)
    if kind not in info.supported_dtypes("cpu"):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inputs = info.module_inputs_func(
            info, device="cpu", dtype=kind, requires_grad=True, training=training
        )
        for i, case in enumerate(inputs):
            mode = "" if training else " eval"
            name = f"{dtype}{mode} {case.desc or i}"
            result.check(name, partial(agree, info.module_cls, case, kind, training))


def _run_errors(result: Result, info: Any, dtype: str) -> None:
    kind = getattr(torch, dtype)
    for training in (True, False) if info.train_and_eval_differ else (True,):
        inputs = info.module_error_inputs_func(
            info, device="cpu", dtype=kind, requires_grad=False, training=training
        )
        for i, case in enumerate(inputs):
            name = f"{dtype} error {case.module_error_input.desc or i}"
            result.check(name, partial(refuses, info.module_cls, case, kind))


def _made(library: Any, cls: Any, args: Any, kwargs: Any, dtype: Any, training: bool) -> Any:
    library.manual_seed(SEED)
    module = cls(*args, **kwargs)
    return module.to(dtype=dtype).train(training)


def _ran(library: Any, module: Any, args: Any, kwargs: Any) -> tuple[Any, list[Any]]:
    """Outputs, then the gradients of inputs and parameters for a fixed random cotangent."""
    library.manual_seed(SEED + 1)
    output = module(*args, **kwargs)
    wanted = [x for x in leaves(args) + leaves(kwargs) if x.requires_grad and x.is_leaf]
    wanted += [p for p in module.parameters() if p.requires_grad]
    random = np.random.default_rng(3)
    results, cotangents = [], []
    for y in leaves(output):
        g = random.standard_normal(tuple(y.shape))
        if y.requires_grad:
            results.append(y)
            cotangents.append(library.from_numpy(np.asarray(g)).to(y.dtype))
    if not results or not wanted:
        return output, []
    return output, list(library.autograd.grad(results, wanted, cotangents, allow_unused=True))


def agree(cls: Any, case: Any, dtype: Any, training: bool) -> None:
    """Raise unless a module made and called with these inputs is the same in both libraries."""
    build, call = case.constructor_input, case.forward_input
    my_build = ours((list(build.args), build.kwargs))
    my_call = None if call is None else ours((list(call.args), call.kwargs))
    theirs = _made(torch, cls, *apart((list(build.args), build.kwargs)), dtype, training)
    mine = _made(graphtorch, by_name(cls), *my_build, ours(dtype), training)
    if call is None:
        return
    is_lazy = isinstance(theirs, torch.nn.modules.lazy.LazyModuleMixin)
    if not is_lazy:
        _same_state(theirs, mine, "initial state")
        mine.load_state_dict(ours(theirs.state_dict()))
    if repr(mine) != repr(theirs):
        raise Different(f"repr {mine!r} instead of {theirs!r}")
    tolerance = ROUNDING.get(cls.__name__, {}).get(dtype)
    their_output, their_gradients = _ran(torch, theirs, *apart((list(call.args), call.kwargs)))
    my_output, my_gradients = _ran(graphtorch, mine, *my_call)
    compare(_plain(their_output), _plain(my_output), "output", tolerance)
    compare(their_gradients, my_gradients, "gradient", tolerance)
    for a, b in zip(leaves(their_output), leaves(my_output), strict=True):
        if a.requires_grad != b.requires_grad:
            raise Different(f"output: requires_grad {b.requires_grad}")
    _same_state(theirs, mine, "state afterwards")


def _plain(output: Any) -> Any:
    """Packed sequences as tuples."""
    return tuple(output) if hasattr(output, "batch_sizes") else output


def _same_state(theirs: Any, mine: Any, where: str) -> None:
    compare(dict(theirs.state_dict()), dict(mine.state_dict()), where)


def refuses(cls: Any, case: Any, dtype: Any) -> None:
    """Raise unless both libraries raise the error the database names."""
    from torch.testing._internal.common_modules import ModuleErrorEnum

    given = case.module_error_input
    build, call = given.constructor_input, given.forward_input
    for library, kind in ((torch, cls), (graphtorch, by_name(cls))):
        convert = ours if library is graphtorch else (lambda value: value)
        expected = case.error_type
        name = expected.__name__
        with pytest.raises(Exception, match=case.error_regex) as caught:
            module = kind(*convert(list(build.args)), **convert(build.kwargs))
            if case.error_on == ModuleErrorEnum.CONSTRUCTION_ERROR:
                raise AssertionError("nothing was raised while constructing")
            module(*convert(list(call.args)), **convert(call.kwargs))
            raise AssertionError("nothing was raised by the call")
        if name not in {c.__name__ for c in caught.type.__mro__}:
            raise Different(f"{library.__name__} raises {caught.type.__name__} instead of {name}")


def main(names: list[str]) -> None:
    """Run the named entries and print, or all and write the page."""
    torch.set_num_threads(1)
    results = []
    for info in entries():
        if names and info.name.removeprefix("nn.") not in names and info.name not in names:
            continue
        result = run_entry(info)
        results.append(result)
        if result.failures or not result.checks:
            print(f"{result.name}: {result.failures.total()} of {result.checks}", flush=True)
            for why, count in result.failures.most_common(8 if names else 3):
                print(f"    {count} x {why}", flush=True)
    print(f"{sum(result.passed for result in results)} of {len(results)} entries pass")
    if not names:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(table(results, "PyTorch's module database", TEXT))


if __name__ == "__main__":
    main(sys.argv[1:])
