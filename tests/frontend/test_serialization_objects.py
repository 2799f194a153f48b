"""Whole objects in checkpoints, devices, pickle modules, and files that lie."""

import collections
import io
import os
import pickle
import types

import pytest

import graphtorch as torch


def saved(value, **options):
    file = io.BytesIO()
    torch.save(value, file, **options)
    file.seek(0)
    return file


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)
        self.tied = self.layer.weight

    def forward(self, x):
        return self.layer(x)


Point = collections.namedtuple("Point", "x y")


def test_a_module_comes_back_whole(tmp_path):
    net = Net()
    net.register_forward_hook(_hook)
    path = tmp_path / "net.pt"
    torch.save(net, path)
    for mmap in (False, True):
        loaded = torch.load(path, weights_only=False, mmap=mmap)
        x = torch.ones(1, 2)
        assert torch.equal(loaded(x), net(x)) and loaded.tied is loaded.layer.weight
        loaded.layer.weight.data.fill_(0.0)  # a mapped file stays as it is
    assert torch.load(path, weights_only=False).layer.weight.abs().sum() > 0
    with pytest.raises(pickle.UnpicklingError, match=r"GLOBAL .*Net was not an allowed global"):
        torch.load(path)
    allowed = [Net, torch.nn.Linear, _hook, set, dict]
    with torch.serialization.safe_globals(allowed):
        assert torch.equal(torch.load(path)(x), net(x))


def _hook(module, args, output):
    return output * 2


def test_what_a_compiled_module_leaves_behind():
    net = Net()
    net.compile()
    loaded = torch.load(saved(net), weights_only=False)
    assert loaded._compiled_call_impl is None
    assert torch.equal(loaded(torch.ones(1, 2)), net(torch.ones(1, 2)))


class InPython(types.SimpleNamespace):
    Pickler, Unpickler = pickle._Pickler, pickle._Unpickler


@pytest.mark.parametrize(
    "module",
    [pickle, InPython(), types.SimpleNamespace(Pickler=pickle.Pickler, Unpickler=pickle.Unpickler)],
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_pickle_modules(module, protocol):
    x = torch.arange(4.0)
    value = {"net": Net(), "views": (x[:2], x[1:]), "point": Point(1, [x]), "size": x.shape}
    file = saved(value, pickle_module=module, pickle_protocol=protocol)
    loaded = torch.load(file, pickle_module=module)  # with a pickle module, weights_only is False
    assert loaded["point"].x == 1 and isinstance(loaded["point"], Point)
    assert loaded["net"].tied is loaded["net"].layer.weight and loaded["size"] == torch.Size([4])
    loaded["views"][0][1] = 9.0
    assert loaded["views"][1][0].item() == 9.0 and loaded["point"].y[0][1].item() == 9.0
    file.seek(0)
    with pytest.raises(RuntimeError, match="explicit pickle_module"):
        torch.load(file, pickle_module=module, weights_only=True)


def test_map_location():
    file = saved([torch.ones(2), torch.zeros(2)])
    seen = []

    def keep(storage, tag):
        seen.append((storage.nbytes(), tag))
        return storage

    def ask(storage, tag):
        seen.append(tag)

    for where in (None, "cpu", torch.device("cpu"), {"cpu": "cpu"}, keep, ask):
        file.seek(0)
        assert torch.load(file, map_location=where)[0].tolist() == [1.0, 1.0]
    assert seen == [(8, "cpu"), (8, "cpu"), "cpu", "cpu"]
    file.seek(0)
    with pytest.raises(
        RuntimeError, match="Attempting to deserialize object on a CUDA device|CUDA"
    ):
        torch.load(file, map_location="cuda")


def test_storages_are_shared_as_they_were():
    x = torch.arange(10.0)
    a, b, c = torch.load(saved([x[:3], x[6:], x[2:7]]))
    assert a.untyped_storage() == b.untyped_storage() and b.storage_offset() == 6
    c[0] = 50.0
    assert a[2].item() == 50.0
    whole = a.untyped_storage()
    assert whole.nbytes() == 40 and torch.empty(0).set_(whole, 5, (2,), (2,)).tolist() == [5.0, 7.0]
    with pytest.raises(RuntimeError, match="view the same data as different types"):
        torch.save([x, x.view(torch.int32)], io.BytesIO())


def test_a_state_that_sets_more_than_it_should_is_refused():
    state = collections.OrderedDict()
    state.note = torch.ones(1)
    assert torch.load(saved(state)).note.tolist() == [1.0]
    tagged = torch.ones(2)
    tagged.note = "mine"
    assert torch.load(saved(tagged)).note == "mine"


def evil(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    return {"x": [1, Evil()]}


def test_only_a_trusted_file_runs_code(tmp_path):
    file = io.BytesIO(saved({}).getvalue())
    plain = pickle.dumps(evil(tmp_path), 2)
    import zipfile

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", plain)
        archive.writestr("archive/version", "3\n")
    file.seek(0)
    assert torch.serialization.get_unsafe_globals_in_checkpoint(file) == ["posix.mkdir"]
    file.seek(0)
    with pytest.raises(pickle.UnpicklingError, match="whose module posix is blocked"):
        torch.load(file)
    with torch.serialization.safe_globals([os.mkdir]):
        file.seek(0)
        with pytest.raises(pickle.UnpicklingError, match="whose module posix is blocked"):
            torch.load(file)
    assert not (tmp_path / "made").exists()
    file.seek(0)
    torch.load(file, weights_only=False)
    assert (tmp_path / "made").exists()


def test_environment_switches(monkeypatch):
    file = saved(Net())
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    assert isinstance(torch.load(file), Net)
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(RuntimeError, match="Only one of"):
        torch.load(file)
    monkeypatch.delenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    file.seek(0)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(file, weights_only=False)


def test_deeply_nested_values():
    value = []
    for _ in range(400):
        value = [value]
    depth, back = 0, torch.load(saved(value))
    while back:
        depth, back = depth + 1, back[0]
    assert depth == 400


def test_broken_files_of_objects():
    whole = saved({"net": Net()}).getvalue()
    for cut in (1, 100, len(whole) // 2, len(whole) - 30):
        with pytest.raises((RuntimeError, pickle.UnpicklingError, EOFError)):
            torch.load(io.BytesIO(whole[:cut]), weights_only=False)
    old = saved({"x": torch.arange(100.0)}, _use_new_zipfile_serialization=False).getvalue()
    assert torch.load(io.BytesIO(old))["x"][99].item() == 99.0
    with pytest.raises(RuntimeError, match="unexpected EOF"):
        torch.load(io.BytesIO(old[:-10]))
