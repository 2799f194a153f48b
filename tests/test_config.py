"""Flags: defaults, environment, overriding."""

from __future__ import annotations

import pytest

from graphtorch import config
from graphtorch.config import Flags, from_environment


def test_defaults(monkeypatch):
    for name in Flags.__slots__:
        monkeypatch.delenv(f"GRAPHTORCH_{name.upper()}", raising=False)
    found = from_environment()
    assert found == Flags()
    assert (found.debug, found.compile, found.num_threads, found.cache) == (0, "1", 0, True)


def test_environment(monkeypatch):
    monkeypatch.setenv("GRAPHTORCH_DEBUG", "3")
    monkeypatch.setenv("GRAPHTORCH_COMPILE", "interpret")
    monkeypatch.setenv("GRAPHTORCH_CACHE", "0")
    monkeypatch.setenv("GRAPHTORCH_CACHE_DIR", "/tmp/somewhere")
    monkeypatch.setenv("GRAPHTORCH_NUM_THREADS", " 4 ")
    found = from_environment()
    assert (found.debug, found.compile, found.cache) == (3, "interpret", False)
    assert (found.cache_dir, found.num_threads) == ("/tmp/somewhere", 4)


@pytest.mark.parametrize(
    "variable, value, message",
    [
        ("GRAPHTORCH_DEBUG", "6", "GRAPHTORCH_DEBUG is 6; it takes 0 to 5"),
        ("GRAPHTORCH_DEBUG", "much", "GRAPHTORCH_DEBUG is 'much'; it takes a whole number"),
        ("GRAPHTORCH_COMPILE", "yes", "it takes 1, 0, interpret"),
        ("GRAPHTORCH_TARGET", "mmx", "it takes host, avx512, avx2, sse, neon"),
        ("GRAPHTORCH_NUM_THREADS", "-1", "0 or more"),
    ],
)
def test_bad_values_name_their_variable(monkeypatch, variable, value, message):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=message):
        from_environment()


def test_override_nests_and_restores():
    before = config.flags
    with config.override(debug=1):
        with config.override(debug=2, cache=False) as inner:
            assert config.flags is inner and (inner.debug, inner.cache) == (2, False)
        assert config.flags.debug == 1
        with pytest.raises(ValueError, match="0 to 5"):
            with config.override(debug=9):
                pass
    assert config.flags is before
    with pytest.raises(TypeError):
        with config.override(no_such_flag=1):
            pass
