"""safetensors files: round trips, the real library, and broken headers."""

import json
import struct

import pytest

import graphtorch as torch
from graphtorch.utils import safetensors

TENSORS = {
    "a": torch.arange(6.0).reshape(2, 3),
    "b": torch.tensor([True, False]),
    "c": torch.ones(3, dtype=torch.bfloat16),
    "d": torch.tensor(5),
    "e": torch.empty(0, 2),
    "ä": torch.arange(6.0).reshape(2, 3).t(),
}


def same(found):
    assert set(found) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert found[name].dtype == tensor.dtype and found[name].tolist() == tensor.tolist()


def test_round_trips(tmp_path):
    path = tmp_path / "x.safetensors"
    safetensors.save_file(TENSORS, path, {"note": "text"})
    same(safetensors.load_file(path))
    same(safetensors.load(path.read_bytes()))
    same(safetensors.load(safetensors.save(TENSORS)))
    with safetensors.safe_open(path) as file:
        assert set(file.keys()) == set(TENSORS) and file.metadata() == {"note": "text"}
        with pytest.raises(safetensors.SafetensorError, match="does not contain tensor z"):
            file.get_tensor("z")
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]


def test_the_real_library_agrees(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "x.safetensors"
    plain = {k: v for k, v in TENSORS.items() if v.dtype != torch.bfloat16}
    safetensors.save_file(plain, path)
    found = numpy.load_file(path)
    assert {k: v.tolist() for k, v in found.items()} == {k: v.tolist() for k, v in plain.items()}
    numpy.save_file({k: v.contiguous().numpy() for k, v in plain.items()}, path)
    assert {k: v.tolist() for k, v in safetensors.load_file(path).items()} == {
        k: v.tolist() for k, v in plain.items()
    }


def test_models_with_shared_weights(tmp_path):
    path = tmp_path / "model.safetensors"
    model = torch.nn.Module()
    model.a, model.b = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    model.b.weight = model.a.weight
    safetensors.save_model(model, path)
    assert len(safetensors.load_file(path)) == 3
    with torch.no_grad():
        expected = model.a.weight.tolist()
        model.a.weight.zero_()
    assert safetensors.load_model(model, path) == (set(), [])
    assert model.b.weight.tolist() == expected


def file_with(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"x": {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}}


BROKEN = {
    "short": b"abc",
    "long header": struct.pack("<Q", 1 << 60) + b"{}",
    "no json": file_with(b"{nonsense"),
    "a list": file_with([]),
    "dtype": file_with(entry("F99"), b"1234"),
    "negative": file_with(entry(shape=(-1,)), b"1234"),
    "beyond the end": file_with(entry(shape=(2,), offsets=(0, 8)), b"1234"),
    "wrong size": file_with(entry(shape=(2,)), b"1234"),
    "backwards": file_with(entry(offsets=(4, 0)), b"1234"),
    "text": file_with({"x": "y"}),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files(name, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(BROKEN[name])
    for read in (lambda: safetensors.load_file(path), lambda: safetensors.load(BROKEN[name])):
        with pytest.raises(safetensors.SafetensorError):
            read()


def test_overlaps_and_gaps_are_refused(tmp_path):
    path = tmp_path / "x"
    for offsets in ((0, 4), (8, 12)):
        header = entry() | {"y": entry(offsets=offsets)["x"]}
        path.write_bytes(file_with(header, b"0123456789ab"))
        with pytest.raises(safetensors.SafetensorError, match="overlap|bytes of data"):
            safetensors.load_file(path)
