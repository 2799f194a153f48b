"""Checkpoints: round trips, and files that are broken or hostile."""

import collections
import io
import os
import pickle
import pickletools
import struct
import zipfile

import pytest

import graphtorch as torch
from graphtorch.frontend import unpickle
from graphtorch.frontend.checkpoint_values import resolve


def round_trip(value):
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file)


def archive_with(pickled, storages=()):
    """A checkpoint with a given pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
        for i, data in enumerate(storages):
            archive.writestr(f"archive/data/{i}", data)
    file.seek(0)
    return file


def test_round_trip_keeps_types_sharing_and_strides():
    x = torch.arange(12.0).reshape(3, 4)
    value = {
        "a": x,
        "b": x[1],
        "c": x.t(),
        "d": [x[:, ::2], 3, "s", None, (1, {2})],
        5: torch.tensor(True),
    }
    back = round_trip(value)
    assert list(back) == ["a", "b", "c", "d", 5]
    assert back["c"].stride() == (1, 4) and back["d"][1:] == [3, "s", None, (1, {2})]
    back["a"][1, 0] = 50.0
    assert (
        back["b"][0].item() == 50.0
        and back["c"][0, 1].item() == 50.0
        and back["d"][0][1, 0].item() == 50.0
    )
    assert back[5].dtype == torch.bool


def test_a_view_does_not_drag_its_base_along():
    file = io.BytesIO()
    torch.save(torch.zeros(1_000_000)[:10], file)
    assert len(file.getvalue()) < 5000


def test_negative_strides_and_expanded_tensors():
    x = torch.arange(4.0)
    back = round_trip([x.flip(0), x[:1].expand(3)])
    assert back[0].tolist() == [3.0, 2.0, 1.0, 0.0] and back[1].tolist() == [0.0, 0.0, 0.0]


def test_parameters_and_gradient_flags():
    back = round_trip([torch.nn.Parameter(torch.ones(2)), torch.ones(1, requires_grad=True)])
    assert (
        isinstance(back[0], torch.nn.Parameter) and back[0].requires_grad and back[1].requires_grad
    )


def test_what_cannot_be_pickled_is_refused_and_leaves_no_file(tmp_path):
    with pytest.raises((pickle.PicklingError, AttributeError), match="Can't pickle|local object"):
        torch.save({"x": lambda: 1}, tmp_path / "x.pt")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RuntimeError, match="Parent directory .* does not exist"):
        torch.save({}, tmp_path / "nowhere" / "x.pt")


class Evil:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_hostile_pickles_are_named_not_run(protocol, tmp_path):
    target = tmp_path / "made"
    bomb = pickle.dumps({"x": Evil(os.mkdir, (str(target),))}, protocol)
    for file in (archive_with(bomb), io.BytesIO(bomb)):
        with pytest.raises(
            pickle.UnpicklingError,
            match=r"Weights only load failed[\s\S]*(GLOBAL posix.mkdir whose module posix is blocked|operand)",
        ):
            torch.load(file)
    assert not target.exists()


HOSTILE = {
    "eval": b"cbuiltins\neval\n(S'1'\ntR.",
    "getattr": b"cbuiltins\ngetattr\n(cbuiltins\nset\nX\x01\x00\x00\x00xtR.",
    "import": b"cimportlib\nimport_module\n(X\x02\x00\x00\x00ostR.",
    "dotted name": b"\x80\x04\x8c\x0bcollections\x8c\x15OrderedDict.__class__\x93.",
    "instance": b"(ios\nsystem\n.",
    "obj": b"(cos\nsystem\no.",
    "extension": b"\x82\x01.",
    "call of data": b"\x80\x02X\x01\x00\x00\x00x)R.",
    "state of a class": b"\x80\x02ccollections\nOrderedDict\n}b.",
    "state of a list": b"\x80\x02]}b.",
    "other codec": b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00zipt R.",
    "no mark": b"\x80\x02K\x01t.",
    "stack": b"\x80\x02\x86.",
    "memo": b"\x80\x02h\x05.",
    "huge string": b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "cut": b"\x80\x02X\x10\x00\x00\x00ab",
    "nothing": b"\x80\x02",
    "protocol": b"\x80\x09.",
    "persistent": b"\x80\x02K\x01Q.",
    "set item of a list": b"\x80\x02]K\x00K\x01s.",
    "storage": b"\x80\x02(X\x07\x00\x00\x00storageK\x01K\x02K\x03K\x04tQ.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_but_data_gets_through(name):
    with pytest.raises(pickle.UnpicklingError):
        torch.load(archive_with(HOSTILE[name]))


def tensor_pickle(size, stride, offset=0, count=4):
    """A checkpoint's pickle of one float tensor over a storage of `count` elements."""

    class Storage:
        pass

    class Writer(pickle._Pickler):
        def persistent_id(self, value):
            if isinstance(value, Storage):
                return ("storage", Name("torch", "FloatStorage"), "0", "cpu", count)
            return None

        def save(self, value, save_persistent_id=True):
            if isinstance(value, Name):
                self.write(f"c{value.module}\n{value.name}\n".encode())
            else:
                super().save(value, save_persistent_id)

        def reducer_override(self, value):
            if value is marker:
                arguments = (Storage(), offset, size, stride, False, collections.OrderedDict())
                return Name("torch._utils", "_rebuild_tensor_v2"), arguments
            return NotImplemented

    class Name:
        def __init__(self, module, name):
            self.module, self.name = module, name

        def __call__(self):
            raise AssertionError

    class Marker:
        pass

    marker = Marker()
    file = io.BytesIO()
    Writer(file, 2).dump(marker)
    return file.getvalue()


def test_tensors_must_lie_inside_their_storage():
    data = struct.pack("4f", 1, 2, 3, 4)
    assert torch.load(archive_with(tensor_pickle((2, 2), (2, 1)), [data])).tolist() == [
        [1.0, 2.0],
        [3.0, 4.0],
    ]
    for size, stride, offset in (
        ((5,), (1,), 0),
        ((2,), (4,), 0),
        ((1,), (1,), 4),
        ((2, 2), (1,), 0),
    ):
        with pytest.raises(pickle.UnpicklingError, match="reaches outside|impossible"):
            torch.load(archive_with(tensor_pickle(size, stride, offset), [data]))
    for size, stride in (((-1,), (1,)), ((2,), (-1,)), ((2,), ("x",))):
        with pytest.raises(pickle.UnpicklingError, match="impossible"):
            torch.load(archive_with(tensor_pickle(size, stride), [data]))
    with pytest.raises(RuntimeError, match="has 8 bytes in the file"):
        torch.load(archive_with(tensor_pickle((2,), (1,)), [data[:8]]))
    with pytest.raises(RuntimeError, match="failed locating file data/0"):
        torch.load(archive_with(tensor_pickle((2,), (1,))))


def test_broken_files():
    file = io.BytesIO()
    torch.save({"x": torch.arange(1000.0)}, file)
    whole = file.getvalue()
    for data, error in (
        (whole[:2000], RuntimeError),
        (b"", EOFError),
        (b"not a checkpoint", pickle.UnpicklingError),
    ):
        with pytest.raises(error):
            torch.load(io.BytesIO(data))
    for position in range(0, len(whole), 97):
        broken = bytearray(whole)
        broken[position] ^= 0xFF
        try:
            torch.load(io.BytesIO(bytes(broken)))
        except (RuntimeError, pickle.UnpicklingError, EOFError, torch.UnsupportedError):
            pass


class Allowed:
    def __init__(self):
        self.x = 1

    def __eq__(self, other):
        return self.x == other.x

    __hash__ = None


def test_safe_globals():
    value = Allowed()
    value.x = torch.ones(2)
    with torch.serialization.safe_globals([Allowed]):
        file = io.BytesIO()
        torch.save([value], file)
        file.seek(0)
        assert torch.load(file)[0].x.tolist() == [1.0, 1.0]
        assert torch.serialization.get_safe_globals() == [Allowed]
    file.seek(0)
    with pytest.raises(pickle.UnpicklingError, match="Allowed was not an allowed global"):
        torch.load(file)


def test_the_reader_knows_what_pickle_writes_for_data():
    value = [
        1,
        -1,
        300,
        70000,
        -(2**40),
        2**90,
        1.5,
        "ä",
        "x" * 300,
        b"b" * 300,
        None,
        True,
        {"a": (1, 2, 3, 4)},
        [],
        (),
    ]
    value += [
        {1, 2},
        frozenset({3}),
        bytearray(b"abc"),
        collections.OrderedDict(a=1),
        value[0:3] * 2,
        1 + 2j,
    ]
    for protocol in range(6):
        data = pickle.dumps(value, protocol)
        known = all(
            op.code.encode("latin1") in unpickle._OPCODES
            for op, _, _ in pickletools.genops(data)
            if op.code != "."
        )
        if protocol >= 2:
            assert known
            assert unpickle.loads(data, resolve) == value
