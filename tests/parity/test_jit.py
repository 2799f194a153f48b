"""`torch.jit`: archives that PyTorch wrote run here; script and trace behave, and save their graphs."""

import io
import zipfile
from typing import Optional

import pytest

import graphtorch
from graphtorch.errors import UnsupportedError
from tests.parity.programs import compare, data, plain

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")


def archive(module):
    """A PyTorch module, scripted and saved by PyTorch."""
    file = io.BytesIO()
    torch.jit.save(module, file)
    file.seek(0)
    return file


class Block(torch.nn.Module):
    """Control flow, attributes, lists, dicts, optional arguments, buffers that change."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv1d(2, 4, 3, stride=2, padding=1)
        self.norm = torch.nn.BatchNorm1d(4)
        self.layers = torch.nn.Sequential(
            torch.nn.ReLU(), torch.nn.Linear(8, 8), torch.nn.Dropout(0.5)
        )
        self.embed = torch.nn.Embedding(5, 8)
        self.cell = torch.nn.GRUCell(8, 8)
        self.register_buffer("seen", torch.zeros(1))
        self.scale = 2.0
        self.sizes = [1, 2, 3]

    def forward(self, x, index, state: Optional[torch.Tensor] = None):  # noqa: UP045
        y = self.layers(self.norm(self.conv(x)))
        if state is None:
            state = torch.zeros(x.size(0), 8, dtype=torch.float32)
        total = 0
        for i, size in enumerate(self.sizes):
            if size % 2 == 1:
                total += size * i
        outputs = []
        for step in range(y.size(1)):
            state = self.cell(y[:, step], state)
            outputs.append(state)
        self.seen += float(len(outputs))
        joined = torch.stack(outputs, dim=1) * self.scale + total
        z = self.embed(index).mean(dim=0, keepdim=True)
        found = {"joined": joined[:, 1:, ::2], "z": torch.softmax(z, -1)}
        count = 0
        while count < 2:
            count += 1
        return found, [joined.sum(dim=[1, 2]).view(-1, 1), y.transpose(1, 2)], count


class Recurrent(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(3, 4, bidirectional=True, batch_first=True)
        self.attention = torch.nn.LayerNorm(8)
        self.conv = torch.nn.ConvTranspose1d(8, 2, 2, stride=2)

    def forward(self, x):
        y, (h, c) = self.lstm(x)
        return self.conv(self.attention(y).transpose(1, 2)).flatten(1), h, c.max(dim=0)[0]


@pytest.mark.parametrize("frozen", [False, True])
def test_an_archive_of_pytorch_runs(frozen):
    torch.manual_seed(0)
    theirs = torch.jit.script(Block().eval())
    if frozen:
        theirs = torch.jit.freeze(theirs)
    ours = graphtorch.jit.load(archive(theirs))
    assert isinstance(ours, graphtorch.jit.ScriptModule)
    x, index = data(torch, 3, 2, 16), torch.tensor([1, 2, 4])
    for _ in range(2):
        compare(
            plain(theirs(x, index)),
            plain(ours(data(graphtorch, 3, 2, 16), graphtorch.tensor([1, 2, 4]))),
        )
    if not frozen:
        assert list(ours.state_dict()) == list(theirs.state_dict())
        compare(plain(dict(theirs.state_dict())), plain(dict(ours.state_dict())))
        ours.train()
        assert ours.training and ours.norm.training
    assert not graphtorch.jit.load(archive(theirs)).training


def test_a_traced_archive_of_pytorch_runs_and_is_saved_again():
    torch.manual_seed(0)
    theirs = torch.jit.trace(Recurrent().eval(), data(torch, 2, 3, 3))
    ours = graphtorch.jit.load(archive(theirs))
    x = data(graphtorch, 2, 3, 3, seed=1)
    reference = plain(theirs(data(torch, 2, 3, 3, seed=1)))
    compare(reference, plain(ours(x)))
    file = io.BytesIO()
    graphtorch.jit.save(ours, file)
    file.seek(0)
    compare(reference, plain(graphtorch.jit.load(file)(x)))


def test_an_archive_compiles():
    layers = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh())
    ours = graphtorch.jit.load(archive(torch.jit.script(layers)))
    compiled = graphtorch.compile(lambda x: ours(x))
    for _ in range(2):
        compare(plain(layers(data(torch, 2, 3))), plain(compiled(data(graphtorch, 2, 3))))
    assert compiled.cache_info().hits == 1


def test_a_function_archive_and_extra_files():
    def scaled(x: torch.Tensor, n: int = 2) -> torch.Tensor:
        return x * n if n > 1 else -x

    file = io.BytesIO()
    torch.jit.save(torch.jit.script(scaled), file, _extra_files={"note": b"hello"})
    file.seek(0)
    extra = {"note": ""}
    ours = graphtorch.jit.load(file, _extra_files=extra)
    assert ours(graphtorch.ones(2), 2).tolist() == [2, 2]
    assert ours(graphtorch.ones(2), 1).tolist() == [-1, -1]
    assert extra["note"] == b"hello"


def changed(file, name, text):
    """The archive with one code file replaced."""
    made = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(made, "w") as new:
        for entry in old.namelist():
            body = old.read(entry)
            new.writestr(entry, text(body.decode()).encode() if entry.endswith(name) else body)
    made.seek(0)
    return made


class Small(torch.nn.Module):
    def forward(self, x):
        return x + 1


@pytest.mark.parametrize(
    "evil",
    [
        "__import__('os').system('true')", "open('/etc/passwd')", "eval('1')", "torch.save(x, 'f')",
        "x.__class__", "self.__class__", "self.__dict__", "getattr(x, '_array')", "torch.nn.Module",
        "graphtorch", "(lambda: 1)()", "[y for y in x]", "ops.prim.system('true')", "self._script_class",
        "torch.jit.load('f')", "torch._array", "print.__self__",
    ],
)  # fmt: skip
def test_code_reaches_nothing_but_tensors(evil):
    file = archive(torch.jit.script(Small()))
    bad = changed(
        file, "test_jit.py", lambda code: code.replace("return torch.add(x, 1)", f"return {evil}")
    )
    module = graphtorch.jit.load(bad)
    with pytest.raises((RuntimeError, AttributeError, KeyError)):
        module(graphtorch.ones(2))


def test_a_broken_archive_is_an_error():
    file = changed(archive(torch.jit.script(Small())), "test_jit.py", lambda code: "class (")
    with pytest.raises(RuntimeError, match="cannot be read"):
        graphtorch.jit.load(file)
    with pytest.raises(ValueError, match="does not exist"):
        graphtorch.jit.load("no such file.pt")


# ---- our own


class Net(graphtorch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = graphtorch.nn.Linear(3, 4)
        self.norm = graphtorch.nn.BatchNorm1d(4)
        self.note = "kept"

    def forward(self, x):
        return {"y": self.norm(self.linear(x)).relu(), "n": 3}

    @graphtorch.jit.export
    def twice(self, x):
        return self.linear(x) * 2

    @graphtorch.jit.ignore
    def ignored(self):
        return 1

    @graphtorch.jit.unused
    def unused(self):
        return 2


@pytest.mark.parametrize("how", ["script", "trace"])
def test_modules(how, tmp_path):
    model = Net().eval()
    x = data(graphtorch, 5, 3)
    made = graphtorch.jit.script(model) if how == "script" else graphtorch.jit.trace(model, x)
    assert isinstance(made, graphtorch.jit.ScriptModule) and isinstance(made, Net)
    assert made.note == "kept" and made.original_name == "Net" and made.ignored() == 1
    assert made.linear.weight is model.linear.weight
    assert graphtorch.equal(made.twice(x), model.twice(x))
    assert list(made.state_dict()) == list(model.state_dict())
    expected = model(x)["y"]
    assert graphtorch.equal(made(x)["y"], expected)
    made.save(tmp_path / "m.pt")
    again = graphtorch.jit.load(tmp_path / "m.pt")
    found = again(x)
    assert found["n"] == 3 and graphtorch.allclose(found["y"], expected)
    assert list(dict(again.named_parameters())) == list(dict(model.named_parameters()))
    assert "matmul" in again.code or "linear" in again.code
    again(x)["y"].sum().backward()
    assert again.linear.weight.grad is not None
    with pytest.raises(RuntimeError, match="captured for"):
        again(graphtorch.ones(2, 3))
    assert graphtorch.jit.freeze(made) is made
    made.train()
    with pytest.raises(RuntimeError, match="eval mode"):
        graphtorch.jit.freeze(made)


def test_a_buffer_that_changes_is_saved_as_an_update(tmp_path):
    model = Net()
    made = graphtorch.jit.trace(model, data(graphtorch, 5, 3))
    before = made.norm.running_mean.clone()
    made.save(tmp_path / "m.pt")
    assert graphtorch.equal(made.norm.running_mean, before)
    again, x = graphtorch.jit.load(tmp_path / "m.pt"), data(graphtorch, 5, 3, seed=1)
    assert graphtorch.allclose(again(x)["y"], model(x)["y"], atol=1e-5)
    assert graphtorch.allclose(again.norm.running_mean, model.norm.running_mean, atol=1e-6)


@graphtorch.jit.script
def branching(x: graphtorch.Tensor, n: int = 2):
    return x * n if bool(x.sum() > 0) else -x


def test_functions(tmp_path):
    assert isinstance(branching, graphtorch.jit.ScriptFunction)
    assert branching(graphtorch.ones(2)).tolist() == [2, 2]
    assert branching(-graphtorch.ones(2)).tolist() == [1, 1] and "x.sum()" in branching.code
    traced = graphtorch.jit.trace(
        lambda x, y: (x @ y, x.sum()), (data(graphtorch, 2, 3), data(graphtorch, 3, 2))
    )
    traced.save(tmp_path / "f.pt")
    again = graphtorch.jit.load(tmp_path / "f.pt")
    a, b = data(graphtorch, 2, 3, seed=5), data(graphtorch, 3, 2, seed=6)
    for ours, theirs in zip(again(a, b), traced(a, b), strict=True):
        assert graphtorch.allclose(ours, theirs)
    with pytest.raises(UnsupportedError, match="call the module once"):
        graphtorch.jit.script(Net()).save(tmp_path / "n.pt")
    with pytest.raises(AttributeError, match="torch.jit.script"):
        graphtorch.jit.save(Net(), tmp_path / "n.pt")
    with pytest.raises(RuntimeError, match="not written by torch.jit.save"):
        graphtorch.save({"a": 1}, tmp_path / "d.pt")
        graphtorch.jit.load(tmp_path / "d.pt")


def test_probes():
    jit = graphtorch.jit
    assert not jit.is_scripting() and not jit.is_tracing()
    assert jit.annotate(list, [1]) == [1] and jit.isinstance([1], list)
    assert jit.fork(lambda x: x + 1, 1).wait() == 2
