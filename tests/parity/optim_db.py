"""PyTorch's own database of optimiser inputs, run through both libraries.

Every configuration of every optimiser, alone and with each of the flags foreach, fused, differentiable
and capturable it knows: parameters after every step to 1e-6, state after the last one, state dict out and
into a fresh optimiser and on, closures, schedules on top; and the inputs that must raise.

    python -m tests.parity.optim_db              # writes docs/optim_db.md
    python -m tests.parity.optim_db Adam LBFGS   # prints these entries
"""

from __future__ import annotations

import sys
import warnings
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphtorch
from tests.parity.mirror import Different, Result, by_name, compare, ours, table

torch = pytest.importorskip("torch")

STEPS = 5
SHAPES = ((5, 4), (4, 1), (1, 5))  # of two dimensions, for Muon's sake
PAGE = Path(__file__).parents[2] / "docs" / "optim_db.md"
TEXT = """PyTorch 2.13's `optim_db` under graphtorch, in float32 and float64: parameters after each of several steps to 1e-6 (LBFGS in float32 to 5e-5), alone and
with foreach, fused, differentiable and capturable, state dicts, closures, schedules, and inputs that must raise.  `capturable` is compared with
PyTorch's results without it: there it needs a GPU.  Written by `python -m tests.parity.optim_db`."""


def entries() -> list[Any]:
    """The database."""
    from torch.testing._internal.common_optimizers import optim_db

    return optim_db


def run_entry(info: Any, one_in: int = 1) -> Result:
    """Run all configurations of one optimiser."""
    result = Result(info.name, one_in)
    for dtype in ("float32", "float64"):
        for desc, kwargs, extra in configurations(info):
            name = f"{dtype} {desc}"
            result.check(name, partial(steps_agree, info, kwargs, extra, dtype))
            result.check(f"{name} closure", partial(closures_agree, info, kwargs, extra, dtype))
        for i, schedule in enumerate(info.scheduler_inputs):
            result.check(f"{dtype} schedule {i}", partial(schedules_agree, info, schedule, dtype))
    kind = torch.float32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        errors = info.optim_error_inputs_func(device="cpu", dtype=kind)
    for case in errors:
        given = case.optimizer_error_input
        result.check(f"error {given.desc}", partial(refuses, info, case))
    return result


def configurations(info: Any) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(description, options for both, options for graphtorch alone)."""
    found = []
    for case in info.optim_inputs_func(
        device="cuda"
    ):  # those with capturable are made for GPUs only
        kwargs = dict(case.kwargs)
        extra = {"capturable": True} if kwargs.pop("capturable", False) else {}
        betas = kwargs.get("betas")
        if betas and any(isinstance(beta, torch.Tensor) and beta.ndim for beta in betas):
            kwargs["betas"] = tuple(beta.reshape(()) for beta in betas)
        found.append((case.desc, kwargs, extra))
        if extra:
            continue
        for flag in info.supported_impls:
            found.append((f"{case.desc} & {flag}", {**kwargs, flag: True}, {}))
    return found


def _parameters(library: Any, dtype: str, shapes: Any = SHAPES) -> list[Any]:
    random = np.random.default_rng(5)
    return [
        library.nn.Parameter(library.from_numpy(random.standard_normal(shape).astype(dtype)))
        for shape in shapes
    ]


def _gradients(step: int, dtype: str) -> list[np.ndarray]:
    random = np.random.default_rng(50 + step)
    return [random.standard_normal(shape).astype(dtype) for shape in SHAPES]


def _loss(library: Any, parameters: list[Any]) -> Any:
    a, b, c = parameters
    target = library.linspace(-1, 1, 5, dtype=a.dtype).reshape(5, 1)
    return ((a @ b - target) ** 2).mean() + ((c @ a) ** 2).mean() * 0.1 + (c**2).sum() * 0.01


def _trained(
    library: Any, info: Any, cls: Any, kwargs: Any, dtype: str
) -> tuple[list[Any], Any, Any]:
    """Parameters after each step of a run that stops once to save and load its state."""
    if kwargs.get("differentiable"):
        return _differentiated(library, cls, kwargs, dtype), None, None
    parameters = _parameters(library, dtype)
    optimizer = cls(parameters, **deepcopy(kwargs))
    history = []
    for step in range(STEPS):
        if info.step_requires_closure:

            def closure(optimizer: Any = optimizer) -> Any:
                optimizer.zero_grad()
                loss = _loss(library, parameters)
                loss.backward()
                return loss

            optimizer.step(closure)
        else:
            for p, g in zip(parameters, _gradients(step, dtype), strict=True):
                p.grad = library.from_numpy(g)
                if info.only_supports_sparse_grads:
                    p.grad = p.grad.to_sparse()
            optimizer.step()
        history.append([p.detach().clone() for p in parameters])
        if step == STEPS // 2:
            state = deepcopy(optimizer.state_dict())
            optimizer = cls(parameters, **deepcopy(kwargs))
            optimizer.load_state_dict(state)
    return history, optimizer.state_dict(), repr(optimizer)


def _differentiated(library: Any, cls: Any, kwargs: Any, dtype: str) -> list[Any]:
    """Gradients of a loss of the parameters after two steps, by where they started and by the gradients."""
    sources = _parameters(library, dtype)
    parameters = [p.clone() for p in sources]
    optimizer = cls(parameters, **deepcopy(kwargs))
    scale = library.ones((), dtype=sources[0].dtype).requires_grad_()
    for step in range(2):
        for p, g in zip(parameters, _gradients(step, dtype), strict=True):
            p.grad = library.from_numpy(g) * scale
        optimizer.step()
    loss = sum((p * p).sum() for p in parameters)
    gradients = library.autograd.grad(loss, [*sources, scale], allow_unused=True)
    return [[p.detach() for p in parameters], list(gradients)]


def _both(run: Any, info: Any, kwargs: Any, extra: Any, *rest: Any) -> tuple[Any, Any]:
    """What both libraries make of it; where torch raises, graphtorch must raise the same class."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        their_error = None
        try:
            theirs = run(torch, info, info.optim_cls, kwargs, *rest)
        except Exception as error:
            their_error = error
        if kwargs.get("differentiable") and "modified by an inplace" in str(their_error):
            return None, None  # torch's own update overwrites what its tape saved
        try:
            mine = run(graphtorch, info, by_name(info.optim_cls), {**ours(kwargs), **extra}, *rest)
        except Exception as error:
            if their_error is not None and type(error).__name__ == type(their_error).__name__:
                return None, None
            if their_error is not None:
                raise Different(f"{error!r} instead of {their_error!r}") from error
            raise
        if their_error is not None:
            raise Different(f"nothing raised instead of {their_error!r}")
        return theirs, mine


def steps_agree(info: Any, kwargs: Any, extra: Any, dtype: str) -> None:
    """Raise unless parameters after each step, state and repr agree."""
    theirs, mine = _both(_trained, info, kwargs, extra, dtype)
    if theirs is None:
        return
    (theirs, their_state, their_repr), (mine, my_state, my_repr) = theirs, mine
    if their_state is not None:
        if not info.step_requires_closure or dtype == "float64":  # LBFGS ends in rounding noise
            compare(their_state["state"], my_state["state"], "state", 1e-5)
        if not extra:
            compare(their_state["param_groups"], my_state["param_groups"], "param_groups")
            if their_repr != my_repr:
                raise Different(f"repr {my_repr} instead of {their_repr}")
    for step, (a, b) in enumerate(zip(theirs, mine, strict=True)):
        # gradients through steps, and LBFGS's twenty float32 iterations a step, are less sharp
        loose = kwargs.get("differentiable") or (info.step_requires_closure and dtype == "float32")
        compare(a, b, f"step {step}", 5e-5 if loose else 1e-6)


def _with_closure(library: Any, info: Any, cls: Any, kwargs: Any, dtype: str) -> Any:
    parameters = _parameters(library, dtype)
    half = len(parameters) // 2
    groups = [{"params": parameters[:half]}, {"params": parameters[half:], "lr": 0.02}]
    if not info.supports_param_groups:
        groups = parameters
    optimizer = cls(groups, **deepcopy(kwargs))

    def closure() -> Any:
        optimizer.zero_grad()
        loss = _loss(library, parameters)
        loss.backward()
        if info.only_supports_sparse_grads:
            for p in parameters:
                p.grad = p.grad.to_sparse()
        return loss

    losses = [optimizer.step(closure).detach() for _ in range(3)]
    return losses, [p.detach() for p in parameters]


def closures_agree(info: Any, kwargs: Any, extra: Any, dtype: str) -> None:
    """Raise unless losses and parameters of a few steps with a closure and two groups agree."""
    if kwargs.get("differentiable"):
        return
    theirs, mine = _both(_with_closure, info, kwargs, extra, dtype)
    if theirs is not None:
        compare(theirs, mine, "closure", 1e-5 if dtype == "float32" else 1e-6)


def schedules_agree(info: Any, makers: Any, dtype: str) -> None:
    """Raise unless the learning rates of the database's schedules agree over 25 steps."""

    def rates(library: Any, info: Any, cls: Any, kwargs: Any) -> Any:
        optimizer = cls(_parameters(library, dtype), **kwargs)
        schedules = [_made(library, maker, optimizer) for maker in makers]
        seen = []
        for step in range(25):
            for schedule in schedules:
                if type(schedule).__name__ == "ReduceLROnPlateau":
                    schedule.step(1.0 + (step % 3))
                else:
                    schedule.step()
            seen.append([group["lr"] for group in optimizer.param_groups])
        return seen

    theirs, mine = _both(rates, info, {}, {})
    compare(theirs, mine, "rates")


def _made(library: Any, maker: Any, optimizer: Any) -> Any:
    """The schedule a lambda of the database makes, with the classes of this library."""
    if library is torch:
        return maker(optimizer)
    names = maker.__globals__
    mine = {
        name: getattr(graphtorch.optim.lr_scheduler, name)
        for name in maker.__code__.co_names
        if name in names
    }
    return type(maker)(maker.__code__, {**names, **mine}, maker.__name__, maker.__defaults__)(
        optimizer
    )


def refuses(info: Any, case: Any) -> None:
    """Raise unless both libraries raise (or warn) as the database says."""
    from torch.testing._internal.common_optimizers import OptimizerErrorEnum

    given = case.optimizer_error_input
    for library in (torch, graphtorch):
        convert = ours if library is graphtorch else (lambda value: value)
        cls = info.optim_cls if library is torch else by_name(info.optim_cls)
        params = given.params
        if params is None:
            parameters: Any = _parameters(library, "float32")
        else:
            parameters = _shared(params, convert)
        kwargs = convert(given.kwargs)

        def attempt(cls: Any = cls, parameters: Any = parameters, kwargs: Any = kwargs) -> None:
            optimizer = cls(parameters, **kwargs)
            if case.error_on == OptimizerErrorEnum.STEP_ERROR:
                optimizer.step()

        if issubclass(case.error_type, Warning):
            with pytest.warns(case.error_type, match=case.error_regex):
                attempt()
            continue
        with pytest.raises(Exception, match=case.error_regex) as caught:
            attempt()
            raise AssertionError("nothing was raised")
        if case.error_type.__name__ not in {c.__name__ for c in caught.type.__mro__}:
            raise Different(f"{library.__name__} raises {caught.type.__name__}")


def _shared(params: Any, convert: Any, memo: dict[int, Any] | None = None) -> Any:
    """Converted parameters, one and the same tensor staying one, gradients included."""
    memo = {} if memo is None else memo
    if isinstance(params, torch.Tensor):
        if id(params) not in memo:
            made = convert(params)
            if params.grad is not None and made is not params:
                made.grad = convert(params.grad)
            memo[id(params)] = made
        return memo[id(params)]
    if isinstance(params, dict):
        return {key: _shared(value, convert, memo) for key, value in params.items()}
    if isinstance(params, (list, tuple)):
        return type(params)(_shared(value, convert, memo) for value in params)
    return params


def main(names: list[str]) -> None:
    """Run the named entries and print, or all and write the page."""
    torch.set_num_threads(1)
    results = []
    for info in entries():
        if names and info.name not in names:
            continue
        result = run_entry(info)
        results.append(result)
        if result.failures or not result.checks:
            print(f"{result.name}: {result.failures.total()} of {result.checks}", flush=True)
            for why, count in result.failures.most_common(12 if names else 6):
                print(f"    {count} x {why}", flush=True)
    print(f"{sum(result.passed for result in results)} of {len(results)} entries pass")
    if not names:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(table(results, "PyTorch's optimiser database", TEXT))


if __name__ == "__main__":
    main(sys.argv[1:])
