"""The table of names is current, and missing names behave as missing."""

import importlib
import inspect
from pathlib import Path

import pytest

import graphtorch
from graphtorch import absent
from tests.parity import api, signatures


@pytest.fixture(scope="module")
def rows():
    return api.table()


def test_table_is_current(rows):
    written = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    assert written == api.text(rows), f"docs/api.md is not current: run `{api.COMMAND}`"


def test_every_missing_name_has_a_reason(rows):
    assert [r.name for r in rows if r.status == "unexplained"] == []


def test_most_names_are_here(rows):
    here = [r.status not in ("missing", "unexplained") for r in rows]
    assert sum(here[:1000]) >= 950
    assert sum(h for h, r in zip(here, rows, strict=True) if r.sources >= 5) >= 685


ROOMS = (
    "", "nn", "nn.functional", "nn.init", "nn.utils", "optim", "optim.lr_scheduler", "linalg", "fft", "special",
    "autograd", "func", "cuda", "distributed", "distributions", "backends", "utils", "utils.data", "amp", "jit",
    "onnx", "hub", "profiler", "accelerator", "xpu", "mps", "multiprocessing", "testing", "compiler", "overrides",
)  # fmt: skip


@pytest.mark.parametrize("room", ROOMS)
def test_missing_names_of_rooms(room):
    module = importlib.import_module(".".join(["graphtorch", *filter(None, [room])]))
    assert not hasattr(module, "no_such_name")
    with pytest.raises(AttributeError) as caught:
        _ = module.no_such_name
    assert isinstance(caught.value, NotImplementedError)
    assert "no_such_name" in str(caught.value)
    with pytest.raises(AttributeError) as caught:
        _ = module.__no_such_name__
    assert not isinstance(caught.value, NotImplementedError)


def test_messages_name_what_works():
    with pytest.raises(absent.MissingNameError, match=r"nearest name is torch\.zeros"):
        _ = graphtorch.zeross
    with pytest.raises(absent.MissingNameError, match="tensors are dense"):
        _ = graphtorch.ones(2).values
    assert getattr(graphtorch.ones(2), "to_mkldnn", None) is None
    with pytest.raises(absent.MissingNameError, match="no C\\+\\+ library"):
        _ = graphtorch.utils.cpp_extension


def test_signature_differences_are_seen():
    def theirs(a, b=1, *, c=None):
        pass

    def same(a, b=1, *, c=None, more=0):
        pass

    def other(a, c=None, b=2):
        pass

    found = signatures.differences(inspect.signature(theirs), inspect.signature(other))
    assert found == ["`b` is argument 3, not 2", "`b=2` for 1"]
    assert signatures.differences(inspect.signature(theirs), inspect.signature(same)) == []
