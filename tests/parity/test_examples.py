"""The examples print PyTorch's losses: same program, same seed, eager and compiled, 50 steps."""

import importlib.util
import pathlib
import sys

import numpy as np
import pytest
import torch

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
STEPS = 50


def load(name, under_torch, monkeypatch):
    """Import an example afresh, for one framework."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setattr(sys, "argv", [name, *(["--torch"] if under_torch else [])])
    spec = importlib.util.spec_from_file_location(f"{name}_{under_torch}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def digits_losses(example, model, compiled):
    epochs = -(-STEPS // 22)
    return example.train(getattr(example, model), compiled, epochs, quiet=True)[0]


def gpt_losses(example, _, compiled):
    codes, characters = example.shakespeare()
    codes = example.torch.from_numpy(codes)
    return example.train(codes, len(characters), compiled, STEPS, quiet=True)[1]


def linear_losses(example, _, compiled):
    return example.main(compiled, STEPS)[0]


CASES = {
    "linear_regression": ("linear_regression", linear_losses, None),
    "mlp": ("digits", digits_losses, "MLP"),
    "cnn": ("digits", digits_losses, "CNN"),
    "char_gpt": ("char_gpt", gpt_losses, None),
}


@pytest.mark.parametrize("case", CASES)
def test_losses_agree_to_four_digits(case, monkeypatch):
    name, losses, model = CASES[case]
    torch.set_num_threads(1)
    expected = np.array(losses(load(name, True, monkeypatch), model, False)[:STEPS])
    ours = load(name, False, monkeypatch)
    for compiled in (False, True):
        found = np.array(losses(ours, model, compiled)[:STEPS])
        np.testing.assert_allclose(found, expected, rtol=5e-5, err_msg=f"compiled={compiled}")
