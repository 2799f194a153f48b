"""Whole modules go from PyTorch to graphtorch and back, pickled under PyTorch's names."""

import functools
import importlib
import io
import operator
import pickle
import sys
import types

import numpy as np
import pytest

import graphtorch

torch = pytest.importorskip("torch")

# what makes the module, and the shapes of its inputs
MODULES = {
    "Linear(3, 2)": [(4, 3)],
    "Bilinear(3, 4, 2)": [(5, 3), (5, 4)],
    "Conv1d(2, 3, 3, padding=1, padding_mode='circular')": [(1, 2, 6)],
    "Conv2d(2, 4, 3, padding='same', groups=2)": [(1, 2, 5, 5)],
    "ConvTranspose2d(2, 3, 3, stride=2)": [(1, 2, 4, 4)],
    "BatchNorm2d(3)": [(2, 3, 4, 4)],
    "InstanceNorm1d(3, affine=True)": [(2, 3, 5)],
    "LayerNorm((3, 4))": [(2, 3, 4)],
    "GroupNorm(2, 4)": [(2, 4, 3)],
    "RMSNorm(4)": [(2, 4)],
    "LocalResponseNorm(2)": [(1, 4, 3)],
    "Dropout(0.3)": [(2, 3)],
    "PReLU(3)": [(2, 3)],
    "Softplus(2.0)": [(3,)],
    "GELU('tanh')": [(3,)],
    "Softmax(-1)": [(2, 3)],
    "Hardtanh(-0.5, 0.5)": [(6,)],
    "MaxPool2d(2)": [(1, 1, 4, 4)],
    "AvgPool1d(2)": [(1, 1, 4)],
    "AdaptiveAvgPool2d((1, 2))": [(1, 2, 4, 4)],
    "ReflectionPad2d(1)": [(1, 1, 3, 3)],
    "Upsample(scale_factor=2)": [(1, 1, 3, 3)],
    "PixelShuffle(2)": [(1, 4, 2, 2)],
    "Unfold(2)": [(1, 1, 3, 3)],
    "Flatten()": [(2, 3, 4)],
    "RNN(3, 4)": [(5, 2, 3)],
    "LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True)": [(2, 5, 3)],
    "LSTM(3, 4, proj_size=2)": [(5, 2, 3)],
    "GRU(3, 4, bias=False)": [(5, 2, 3)],
    "LSTMCell(3, 4)": [(2, 3)],
    "MultiheadAttention(4, 2)": [(3, 2, 4)] * 3,
    "TransformerEncoderLayer(4, 2, 8, activation='gelu')": [(3, 2, 4)],
    "TransformerDecoderLayer(4, 2, 8)": [(3, 2, 4), (5, 2, 4)],
    "Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 1)))": [(2, 3)],
    "ModuleDict({'a': nn.Linear(3, 4), 'b': nn.ModuleList([nn.Tanh()])})": None,
    "ParameterList([nn.Parameter(torch.ones(2))])": None,
    "CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0]))": None,
    "TripletMarginLoss(margin=2.0)": [(2, 3)] * 3,
    "CosineSimilarity()": [(2, 3)] * 2,
    "EmbeddingBag(4, 3)": None,
}


def made(room, source):
    return eval(f"nn.{source}", {"nn": room.nn, "torch": room})


def outputs(room, module, shapes):
    draws = np.random.RandomState(0)
    inputs = [room.from_numpy(draws.randn(*shape).astype(np.float32)) for shape in shapes]
    with room.no_grad():
        result = module(*inputs)
    tensors = []

    def collect(value):
        if isinstance(value, room.Tensor):
            tensors.append(value.numpy())
        elif isinstance(value, tuple | list):
            for item in value:
                collect(item)

    collect(result)
    return tensors


def moved(module, source, target, zipped=True):
    file = io.BytesIO()
    source.save(module, file, _use_new_zipfile_serialization=zipped)
    file.seek(0)
    return target.load(file, weights_only=False)


@pytest.mark.parametrize("source", MODULES)
def test_a_module_travels(source):
    shapes = MODULES[source]
    for here, there in ((torch, graphtorch), (graphtorch, torch)):
        module = made(here, source).eval()
        loaded = moved(module, here, there)
        assert type(loaded) is type(made(there, source)) and not loaded.training
        assert repr(loaded) == repr(module)
        state, expected = loaded.state_dict(), module.state_dict()
        assert list(state) == list(expected)
        for name in expected:
            np.testing.assert_array_equal(state[name].numpy(), expected[name].numpy())
        if shapes is not None:
            got = outputs(there, loaded, shapes)
            for a, e in zip(got, outputs(here, module, shapes), strict=True):
                np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-6)
        back = moved(loaded, there, here)  # and home again
        assert repr(back) == repr(module) and list(back.state_dict()) == list(expected)


def test_legacy_files_of_modules():
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)).eval()
    loaded = moved(module, torch, graphtorch, zipped=False)
    again = moved(loaded, graphtorch, torch, zipped=False)
    x = torch.randn(3, 2)
    torch.testing.assert_close(again(x), module(x))


@pytest.fixture
def model_file(monkeypatch):
    """A user's module file; under either framework it is imported under the same name."""

    def install(room):
        file = types.ModuleType("users_models")
        source = (
            "class Net(nn.Module):\n"
            "    def __init__(self):\n"
            "        super().__init__()\n"
            "        self.body = nn.Linear(3, 3)\n"
            "        self.head = self.body\n"
            "        self.register_buffer('scale', torch.full((1,), 2.0), persistent=False)\n"
            "        self.act = torch.nn.functional.gelu\n"
            "        self.shape = torch.Size([1, 3])\n"
            "        self.dtype = torch.float32\n"
            "        self.layout = torch.strided\n"
            "        self.fold = torch.tanh\n"
            "    def forward(self, x):\n"
            "        return self.fold(self.act(self.head(self.body(x))) * self.scale)\n"
        )
        exec(
            source,
            dict(file.__dict__, torch=room, nn=room.nn, __name__="users_models"),
            file.__dict__,
        )
        monkeypatch.setitem(sys.modules, "users_models", file)
        return file

    return install


@pytest.mark.parametrize("names", [("torch", "graphtorch"), ("graphtorch", "torch")])
def test_a_users_class_travels(model_file, names):
    here, there = map(importlib.import_module, names)
    module = model_file(here).Net()
    x = np.random.RandomState(0).randn(2, 3).astype(np.float32)
    expected = module(here.from_numpy(x)).detach().numpy()
    file = io.BytesIO()
    here.save({"model": module, "epoch": 3}, file)
    model_file(there)
    file.seek(0)
    loaded = there.load(file, weights_only=False)["model"]
    np.testing.assert_allclose(loaded(there.from_numpy(x)).detach().numpy(), expected, 1e-5, 1e-6)
    assert loaded.body.weight is loaded.head.weight and isinstance(
        loaded.body.weight, there.nn.Parameter
    )
    assert loaded.dtype is there.float32 and loaded.layout is there.strided
    assert type(loaded.shape) is there.Size and loaded.fold is there.tanh
    file.seek(0)
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        there.load(file)
    file.seek(0)
    asked = graphtorch.serialization.get_unsafe_globals_in_checkpoint(file)
    file.seek(0)
    if names[0] == "torch":
        assert asked == sorted(torch.serialization.get_unsafe_globals_in_checkpoint(file))
    assert "users_models.Net" in asked


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_an_optimiser_travels(kind):
    for here, there in ((torch, graphtorch), (graphtorch, torch)):
        weight = here.nn.Parameter(here.ones(3))
        optimiser = getattr(here.optim, kind)([weight], lr=0.1)
        (weight * here.arange(3.0)).sum().backward()
        optimiser.step()
        loaded_weight, loaded = moved((weight, optimiser), here, there)
        assert loaded.param_groups[0]["params"][0] is loaded_weight
        for w, o, room in ((weight, optimiser, here), (loaded_weight, loaded, there)):
            w.grad = room.ones(3)
            o.step()
        np.testing.assert_allclose(
            loaded_weight.detach().numpy(), weight.detach().numpy(), rtol=1e-6
        )


@pytest.mark.parametrize("names", [("torch", "graphtorch"), ("graphtorch", "torch")])
def test_values_of_every_kind_travel(names):
    here, there = map(importlib.import_module, names)
    x = here.arange(6.0)
    tagged = here.ones(2)
    tagged.note = "mine"
    value = {
        "tagged": tagged,
        "kept": here.nn.Parameter(here.ones(1)),
        "typed": here.arange(3).storage(),
        "bytes": here.arange(3).untyped_storage(),
        "u16": here.tensor([1, 65535], dtype=here.int64).to(here.uint16),
        "float8": here.tensor([0.5, -2.0]).to(here.float8_e4m3fn),
        "views": [x[::2], x[1::2], x.view(2, 3).t()],
        "conj": here.tensor([1 + 2j, 3 - 1j]).conj(),
        "partial": functools.partial(operator.add, 2),
        "format": here.contiguous_format if names[0] == "graphtorch" else None,
    }
    value["kept"].note = 5
    loaded = moved(value, here, there)
    assert loaded["tagged"].note == "mine" and loaded["kept"].note == 5
    assert loaded["typed"].tolist() == [0, 1, 2] and loaded["bytes"].nbytes() == 24
    assert str(loaded["u16"].dtype) == "torch.uint16" and loaded["u16"].tolist() == [1, 65535]
    assert loaded["float8"].to(there.float32).tolist() == [0.5, -2.0]
    assert loaded["conj"].tolist() == value["conj"].tolist() == [1 - 2j, 3 + 1j]
    even, odd, turned = loaded["views"]
    assert even.tolist() == [0, 2, 4] and turned.tolist() == [[0, 3], [1, 4], [2, 5]]
    turned[0, 1] = 30.0
    assert odd.tolist() == [1, 30, 5]
    assert even.untyped_storage().data_ptr() == odd.untyped_storage().data_ptr()
    assert loaded["partial"](3) == 5
    if names[0] == "graphtorch":
        assert loaded["format"] is there.contiguous_format


def test_plain_pickles_of_tensors_can_be_read():
    """What `pickle.dumps` writes of torch's tensors, read where torch is graphtorch."""
    import graphtorch._utils
    import graphtorch.storage

    pickled = pickle.dumps([torch.arange(3.0), torch.ones(2, dtype=torch.int64)], 2)
    names = {"torch._utils": graphtorch._utils, "torch.storage": graphtorch.storage}

    class Reader(pickle.Unpickler):
        def find_class(self, module, name):
            room = names.get(module)
            return super().find_class(module, name) if room is None else getattr(room, name)

    first, second = Reader(io.BytesIO(pickled)).load()
    assert first.tolist() == [0.0, 1.0, 2.0] and second.dtype is graphtorch.int64


def test_quantised_tensors_are_refused():
    with pytest.warns(UserWarning, match="quantize_per_tensor"):
        value = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8)
    file = io.BytesIO()
    torch.save({"q": value}, file)
    for weights_only in (True, False):
        file.seek(0)
        with pytest.raises(graphtorch.UnsupportedError, match="quantized"):
            graphtorch.load(file, weights_only=weights_only)


def test_modules_without_counterpart_are_named():
    module = torch.nn.Sequential(torch.nn.Linear(1, 1))
    module.quant = torch.ao.quantization.QuantStub()
    file = io.BytesIO()
    torch.save(torch.ao.quantization.FakeQuantize(), file)
    file.seek(0)
    with pytest.raises(
        graphtorch.UnsupportedError, match=r"torch\.ao\.quantization.*does not exist here"
    ):
        graphtorch.load(file, weights_only=False)


ROOMS = {"nn": 130, "optim": 13, "optim.lr_scheduler": 15, "optim.swa_utils": 2, "utils.data": 10}


@pytest.mark.parametrize("room", ROOMS)
def test_every_class_is_written_under_a_name_that_torch_has(room):
    from graphtorch.frontend.checkpoint_names import find, torch_name

    ours, theirs = (
        importlib.import_module(f"{package}.{room}") for package in ("graphtorch", "torch")
    )
    seen = 0
    for name, kind in vars(theirs).items():
        here = getattr(ours, name, None)
        if not isinstance(kind, type) or not isinstance(here, type) or name.startswith("_"):
            continue
        if not here.__module__.startswith("graphtorch") or here.__name__ != name:
            continue
        assert torch_name(here) == (kind.__module__, kind.__qualname__), name
        assert find(kind.__module__, name) is here
        seen += 1
    assert seen >= ROOMS[room]
