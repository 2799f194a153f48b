"""GRAPHTORCH_COMPILE=all: every outermost call of a module is compiled, visibly left where it cannot be."""

import copy
import pickle
import warnings

import numpy as np
import pytest

import graphtorch as torch
from graphtorch import config, nn


@pytest.fixture(autouse=True)
def all_modules():
    with config.override(compile="all"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def compiled(module):
    return module._compiled_call_impl


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.Tanh())

    def forward(self, x):
        return x + self.inner(x)


class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = Block(), Block()

    def forward(self, x):
        print("called")
        return self.second(self.first(x))


def test_the_outermost_call_is_compiled_and_nothing_below_it():
    torch.manual_seed(0)
    block, x = Block(), torch.randn(2, 4)
    with config.override(compile="0"):
        expected = block(x)
    for _ in range(3):
        np.testing.assert_allclose(block(x).detach(), expected.detach(), rtol=1e-5)
    assert compiled(block).cache_info()[:2] == (2, 1)
    assert compiled(block.inner) is None


def test_below_a_module_left_to_eager_its_parts_are_compiled(capsys):
    torch.manual_seed(0)
    model, x = Noisy(), torch.randn(2, 4)
    for _ in range(4):
        y = model(x)
    y.sum().backward()
    assert "print" in compiled(model).cache_info().left
    line = Noisy.forward.__code__.co_firstlineno + 1
    assert f"test_compile_all.py:{line}: print" in compiled(model).explain()
    assert compiled(model.first).cache_info().hits == 2
    assert model.first.inner[0].weight.grad is not None
    assert capsys.readouterr().out == "called\n" * 4


def test_training_gives_the_eager_losses():
    def losses(mode):
        with config.override(compile=mode):
            torch.manual_seed(1)
            model = nn.Sequential(Block(), nn.Dropout(0.2), nn.Linear(4, 3))
            optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
            found = []
            for i in range(5):
                torch.manual_seed(i)
                loss = nn.functional.cross_entropy(model(torch.randn(6, 4)), torch.arange(6) % 3)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                found.append(loss.item())
            return found

    np.testing.assert_allclose(losses("all"), losses("0"), rtol=1e-5)


def test_hooks_run_and_are_part_of_what_is_compiled():
    block, x = Block(), torch.randn(2, 4)
    plain = [block(x) for _ in range(2)][-1]
    handle = block.register_forward_hook(lambda module, args, output: output * 2)
    for _ in range(2):
        np.testing.assert_allclose(block(x).detach(), 2 * plain.detach(), rtol=1e-5)
    handle.remove()
    np.testing.assert_allclose(block(x).detach(), plain.detach(), rtol=1e-5)


def test_copies_and_pickles_carry_no_compiled_code():
    block, x = Block(), torch.randn(2, 4)
    expected = [block(x) for _ in range(2)][-1].detach()
    assert compiled(copy.deepcopy(block)) is None
    loaded = pickle.loads(pickle.dumps(block))
    assert compiled(loaded) is None
    np.testing.assert_allclose(loaded(x).detach(), expected, rtol=1e-5)


class Answer:
    def __init__(self, value):
        self.value = value


def test_an_object_made_by_the_forward_is_never_handed_out_again():
    class Wraps(nn.Module):
        def forward(self, x):
            return Answer(x * 2)

    model = Wraps()
    for i in range(3):
        assert model(torch.full((2,), float(i))).value.tolist() == [2.0 * i] * 2
    assert "Answer" in compiled(model).cache_info().left
