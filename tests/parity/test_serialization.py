"""Checkpoints go from PyTorch to graphtorch and back."""

import io
from collections import OrderedDict

import numpy as np
import pytest

import graphtorch

torch = pytest.importorskip("torch")


def sample():
    x = torch.arange(12.0).reshape(3, 4)
    return {
        "whole": x,
        "view": x[1:, ::2],
        "transposed": x.t(),
        "parameter": torch.nn.Parameter(torch.ones(2), requires_grad=False),
        "trained": torch.ones(3, requires_grad=True),
        "state": torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)).state_dict(),
        "plain": [
            1,
            2.5,
            "text",
            None,
            True,
            (1, (2,)),
            {3},
            frozenset({4}),
            b"bytes",
            2**70,
            -(2**40),
            1 + 2j,
        ],
        "dtype": torch.float16,
        "size": torch.Size([1, 2]),
        "device": torch.device("cpu"),
        "empty": torch.empty(0, 3),
        "scalar": torch.tensor(3),
        "numpy": [np.float64(2.5), np.int32(4), np.arange(6.0).reshape(2, 3)],
        **{str(d): torch.ones(3).to(d) for d in DTYPES},
    }


DTYPES = [
    torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8,
    torch.bool, torch.complex64, torch.complex128,
]  # fmt: skip


def same(a, e):
    """Compare a value of ours with PyTorch's."""
    if isinstance(e, torch.Tensor):
        assert isinstance(a, graphtorch.Tensor) and str(a.dtype) == str(e.dtype)
        assert (
            tuple(a.shape) == tuple(e.shape)
            and a.stride() == e.stride()
            and a.requires_grad == e.requires_grad
        )
        assert a.detach().tolist() == e.detach().tolist()
        assert isinstance(a, graphtorch.nn.Parameter) == isinstance(e, torch.nn.Parameter)
    elif isinstance(e, dict):
        assert list(a) == list(e)
        for key in e:
            same(a[key], e[key])
    elif isinstance(e, list | tuple):
        assert len(a) == len(e)
        for x, y in zip(a, e, strict=True):
            same(x, y)
    elif isinstance(e, np.ndarray):
        np.testing.assert_array_equal(a, e)
    else:
        assert str(a) == str(e)


@pytest.mark.parametrize("zipped", [True, False])
def test_reads_torchs_files(zipped):
    file, value = io.BytesIO(), sample()
    torch.save(value, file, _use_new_zipfile_serialization=zipped)
    file.seek(0)
    loaded = graphtorch.load(file)
    same(loaded, value)
    assert loaded["state"]._metadata == value["state"]._metadata
    loaded["whole"][1, 2] = 77
    assert loaded["view"][0, 1].item() == 77 and loaded["transposed"][2, 1].item() == 77


@pytest.mark.parametrize("weights_only", [True, False])
def test_torch_reads_ours(weights_only):
    file, value = io.BytesIO(), sample()
    if weights_only:  # PyTorch's own reader of plain data takes fewer kinds
        value["plain"] = [v for v in value["plain"] if not isinstance(v, frozenset | complex)]
        del value["numpy"]
    torch.save(value, file)
    file.seek(0)
    loaded = graphtorch.load(file)
    again = io.BytesIO()
    graphtorch.save(loaded, again)
    again.seek(0)
    back = torch.load(again, weights_only=weights_only)
    same(loaded, back)
    assert (
        type(back["state"]) is OrderedDict and back["state"]._metadata == value["state"]._metadata
    )
    back["whole"][1, 2] = 77
    assert back["view"][0, 1].item() == 77


def test_paths_and_mmap(tmp_path):
    path = tmp_path / "model.pt"
    graphtorch.save({"w": graphtorch.arange(100.0)}, path)
    np.testing.assert_array_equal(
        torch.load(path, mmap=True)["w"].numpy(), np.arange(100.0, dtype=np.float32)
    )
    torch.save({"w": torch.arange(100.0)}, path)
    assert graphtorch.load(path, mmap=True)["w"].tolist() == list(range(100))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.pt"]


def test_module_and_optimiser_state_travel():
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(
        torch.nn.Linear(4, 5), torch.nn.BatchNorm1d(5), torch.nn.Linear(5, 2)
    )
    file = io.BytesIO()
    torch.save(theirs.state_dict(), file)
    file.seek(0)
    ours = graphtorch.nn.Sequential(
        graphtorch.nn.Linear(4, 5), graphtorch.nn.BatchNorm1d(5), graphtorch.nn.Linear(5, 2)
    )
    assert str(ours.load_state_dict(graphtorch.load(file))) == "<All keys matched successfully>"
    x = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    expected = theirs(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(
        ours(graphtorch.from_numpy(x)).detach().numpy(), expected, rtol=1e-5, atol=1e-6
    )
    back = io.BytesIO()
    graphtorch.save(ours.state_dict(), back)
    back.seek(0)
    theirs.load_state_dict(torch.load(back))


def test_map_location():
    file = io.BytesIO()
    torch.save({"x": torch.ones(2)}, file)
    for location in (
        "cpu",
        graphtorch.device("cpu"),
        {"cuda:0": "cpu"},
        lambda storage, tag: storage,
    ):
        file.seek(0)
        assert graphtorch.load(file, map_location=location)["x"].tolist() == [1.0, 1.0]
