"""Tensors without data, and laying out a model before its weights are there."""

import copy
import io

import pytest

import graphtorch as torch


def test_ops_infer_shapes_and_read_nothing():
    x = torch.zeros(3, 4, device="meta")
    y = (x @ x.T + 1).sum(0).to(torch.int64)
    assert y.is_meta and y.shape == (3,) and y.dtype is torch.int64
    assert repr(x) == "tensor(..., device='meta', size=(3, 4))"
    assert x[0].shape == (4,) and x.reshape(2, 6).is_meta and torch.cat([x, x]).shape == (6, 4)
    assert x.add_(1) is x and x.normal_() is x and x.copy_(torch.ones(3, 4)) is x
    for read in (x.tolist, x.cpu, lambda: torch.ones(3, 4).copy_(x), lambda: bool(x.sum())):
        with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):
            read()


def test_random_numbers_are_not_drawn():
    torch.manual_seed(0)
    expected = torch.randn(2)
    torch.manual_seed(0)
    with torch.device("meta"):
        assert torch.randn(5).is_meta and torch.nn.Linear(3, 4).weight.is_meta
    assert torch.equal(torch.randn(2), expected)


def test_a_model_gets_its_weights_later():
    with torch.device("meta"):
        model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    assert model(torch.zeros(2, 3, device="meta")).shape == (2, 4)
    assert copy.deepcopy(model)[0].weight.is_meta
    real = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    model.load_state_dict(real.state_dict(), assign=True)
    x = torch.randn(2, 3)
    assert torch.equal(model(x), real(x)) and isinstance(model[0].weight, torch.nn.Parameter)
    with torch.device("meta"):
        empty = torch.nn.Linear(3, 4)
    assert not empty.to_empty(device="cpu").weight.is_meta


def test_files():
    file = io.BytesIO()
    torch.save({"a": torch.zeros(2, 3, device="meta")}, file)
    assert len(file.getvalue()) < 2000
    file.seek(0)
    assert torch.load(file)["a"].is_meta
    file = io.BytesIO()
    torch.save(torch.ones(2), file)
    file.seek(0)
    assert torch.load(file, map_location="meta").is_meta
