"""Evaluate one expression under torch and under graphtorch and compare what comes out.

Values, dtype, shape and (for short results) printing must agree; where torch raises, graphtorch must
raise the same class with torch's words first.
"""

from __future__ import annotations

import math
import re
import warnings
from typing import Any

import numpy as np
import pytest

import graphtorch

torch = pytest.importorskip("torch")


def namespace(module: Any) -> dict[str, Any]:
    """The names an expression may use; the same data for both libraries, made afresh."""
    random = np.random.default_rng(7)

    def tensor(array: np.ndarray) -> Any:
        return module.from_numpy(array.copy())

    def normal(*shape: int) -> Any:
        return tensor(random.standard_normal(shape).astype(np.float32))

    names = {
        "torch": module,
        "F": module.nn.functional,
        "np": np,
        "math": math,
        "x": normal(3, 4),
        "y": normal(3, 4),
        "v": normal(4),
        "w": normal(3),
        "c": normal(2, 3, 4),
        "m": normal(4, 4),
        "p": tensor(random.uniform(0.05, 0.95, (3, 4)).astype(np.float32)),
        "d": tensor(random.standard_normal((3, 4))),
        "i": tensor(random.integers(-9, 9, (3, 4))),
        "j": tensor(random.integers(1, 9, (3, 4))),
        "k": tensor(random.integers(0, 3, (5,))),
        "b": tensor(random.random((3, 4)) < 0.5),
        "u": tensor(random.integers(0, 255, (3, 4)).astype(np.uint8)),
        "s": module.tensor(2.5),
        "n": module.tensor([1.0, float("nan"), -2.0, float("inf"), -float("inf"), 0.0, -0.0]),
        "g": module.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True),
        "o": module.tensor([], dtype=module.float32).reshape(0, 3),
    }
    return names


def run(module: Any, program: str) -> tuple[Any, Exception | None]:
    """The value of the program's last line (or of `result`), or what it raised."""
    names = namespace(module)
    lines = program.strip().split("; ")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for line in lines[:-1]:
                exec(line, names)
            return eval(lines[-1], names), None
    except Exception as error:
        return None, error


def is_tensor(value: Any) -> bool:
    """A tensor of either library."""
    return isinstance(value, (torch.Tensor, graphtorch.Tensor))


def array_of(x: Any) -> np.ndarray:
    """The values as float64 or int64."""
    x = x.detach()
    if "bfloat16" in str(x.dtype) or "float16" in str(x.dtype):
        x = x.float()
    return x.numpy()


def same(theirs: Any, ours: Any, where: str, tolerance: float) -> None:
    """Assert that two results are alike."""
    if is_tensor(theirs):
        assert is_tensor(ours), f"{where}: torch gives a tensor, graphtorch {type(ours).__name__}"
        assert str(ours.dtype) == str(theirs.dtype), (
            f"{where}: dtype {ours.dtype}, torch has {theirs.dtype}"
        )
        assert tuple(ours.shape) == tuple(theirs.shape), (
            f"{where}: shape {ours.shape}, torch has {theirs.shape}"
        )
        assert ours.requires_grad == theirs.requires_grad, (
            f"{where}: requires_grad {ours.requires_grad}"
        )
        a, b = array_of(theirs), array_of(ours)
        if a.dtype.kind in "fc":
            bound = tolerance if a.dtype != np.float64 else tolerance * 1e-5
            if "bfloat16" in str(theirs.dtype) or "float16" in str(theirs.dtype):
                bound = max(bound, 1e-2)
            np.testing.assert_allclose(b, a, rtol=bound, atol=bound, equal_nan=True, err_msg=where)
        else:
            np.testing.assert_array_equal(b, a, err_msg=where)
    elif isinstance(theirs, (tuple, list)):
        assert isinstance(ours, (tuple, list)), f"{where}: {type(ours).__name__}"
        assert len(ours) == len(theirs), f"{where}: {len(ours)} results, torch has {len(theirs)}"
        if isinstance(theirs, torch.Size):
            assert repr(ours) == repr(theirs), where
        for index, (a, b) in enumerate(zip(theirs, ours, strict=True)):
            same(a, b, f"{where}[{index}]", tolerance)
    elif isinstance(theirs, float):
        assert isinstance(ours, float), f"{where}: {type(ours).__name__}"
        assert ours == pytest.approx(theirs, rel=tolerance, abs=tolerance, nan_ok=True), where
    elif isinstance(theirs, np.ndarray):
        assert ours.dtype == theirs.dtype, where
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance, err_msg=where)
    elif isinstance(theirs, (bool, int, str, complex, type(None))):
        assert type(ours) is type(theirs), f"{where}: {ours!r}, torch gives {theirs!r}"
        assert ours == theirs, where
    else:
        assert str(ours) == str(theirs), where


def agree(program: str, tolerance: float = 1e-5) -> None:
    """Assert that a program gives the same under both libraries, errors included."""
    theirs, their_error = run(torch, program)
    ours, our_error = run(graphtorch, program)
    if their_error is None:
        if our_error is not None:
            raise AssertionError(
                f"{program}: torch gives a result, graphtorch raised"
            ) from our_error
        same(theirs, ours, program, tolerance)
        return
    assert our_error is not None, (
        f"{program}: torch raises {their_error!r}, graphtorch gives {ours!r}"
    )
    expected, found = type(their_error), type(our_error)
    assert expected.__name__ in {c.__name__ for c in found.__mro__}, (
        f"{program}: {our_error!r}, torch: {their_error!r}"
    )


def agree_on_words(program: str) -> None:
    """`agree`, and the error's first line is torch's."""
    agree(program)
    _, their_error = run(torch, program)
    _, our_error = run(graphtorch, program)
    assert their_error is not None, f"{program}: torch raises nothing"
    theirs, ours = _first_line(their_error), _first_line(our_error)
    assert ours.startswith(theirs[:60].rstrip()), f"{program}:\n  ours:  {ours}\n  torch: {theirs}"


def _first_line(error: Any) -> str:
    return re.sub(r"\s+", " ", str(error).strip().split("\n")[0])


def agree_on_text(program: str) -> None:
    """Assert that both libraries print the same."""
    theirs, their_error = run(torch, program)
    ours, our_error = run(graphtorch, program)
    if their_error or our_error:
        raise AssertionError(
            f"{program}: torch {their_error!r}, graphtorch {our_error!r}"
        ) from our_error
    assert str(ours) == str(theirs), f"{program}:\n{ours}\ntorch:\n{theirs}"
    assert repr(ours) == repr(theirs), program
