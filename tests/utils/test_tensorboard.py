"""Event files hold what was written."""

import struct

import pytest

import graphtorch as torch
from graphtorch.utils.tensorboard import SummaryWriter, writer


def events(folder, module):
    """All events of a folder's files, read without a package that knows the format."""
    found = []
    for path in sorted(folder.rglob("*tfevents*")):
        data = path.read_bytes()
        while data:
            (size,) = struct.unpack("<Q", data[:8])
            event = module.Event()
            event.ParseFromString(data[12 : 12 + size])
            found.append(event)
            data = data[16 + size :]
    return found


def test_scalars_histograms_and_images(tmp_path):
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    with SummaryWriter(tmp_path / "run") as w:
        for step in range(3):
            w.add_scalar("loss", torch.tensor(0.5, requires_grad=True) * step, step)
        w.add_scalars("both", {"a": torch.tensor(1.0), "b": 2.0}, 1)
        w.add_histogram("weights", torch.randn(100), 0)
        w.add_text("note", "hello", 0)
        w.add_hparams({"lr": 0.1}, {"accuracy": torch.tensor(0.9)})
        assert w.get_logdir() == str(tmp_path / "run")
        with pytest.raises(torch.UnsupportedError, match="add_graph"):
            w.add_graph(torch.nn.Linear(1, 1))
    values = [v for e in events(tmp_path, event_pb2) for v in e.summary.value]
    assert [v.simple_value for v in values if v.tag == "loss"] == [0.0, 0.5, 1.0]
    assert sorted(v.simple_value for v in values if v.tag.startswith("both")) == [1.0, 2.0]
    assert [v.histo.num for v in values if v.tag == "weights"] == [100]


def test_without_a_package_it_says_so(monkeypatch):
    monkeypatch.setattr(writer, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install tensorboardX"):
        SummaryWriter("nowhere")


def test_tensors_become_arrays():
    given = {"a": [torch.ones(2, requires_grad=True)], "b": "text", "c": torch.ones(1).bfloat16()}
    found = writer.as_arrays(given)
    assert found["a"][0].tolist() == [1.0, 1.0] and found["b"] == "text"
    assert str(found["c"].dtype) == "float32"
