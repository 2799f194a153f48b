"""The object cache: whole entries or none, owner only, bounded."""

from __future__ import annotations

import json
import os
import stat
import threading

import pytest

from graphtorch import config
from graphtorch.codegen import cache
from graphtorch.codegen.cache import ObjectCache, digest, object_cache


@pytest.fixture
def store(tmp_path):
    return ObjectCache(tmp_path / "a" / "b", 1 << 20)


def test_reads_back_what_was_written(store):
    assert store.get("k") is None
    store.put("k", "kernel", b"\x00\xff code")
    assert store.get("k") == ("kernel", b"\x00\xff code")
    assert (store.hits, store.misses) == (1, 1)


def test_folder_and_entries_are_for_the_owner_alone(store):
    store.put("k", "", b"x")
    assert stat.S_IMODE(os.stat(store.folder).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(store._path("k")).st_mode) == 0o600


def test_open_folder_is_closed_and_foreign_folder_is_not_used(tmp_path, monkeypatch):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    ObjectCache(folder, 1 << 20).put("k", "", b"x")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    me = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: me + 1)
    foreign = ObjectCache(folder, 1 << 20)
    assert foreign.get("k") is None
    foreign.put("new", "", b"y")
    assert not (folder / "new.gto").exists()


@pytest.mark.parametrize("position", [0, 5, 25, 60, -1])
def test_any_changed_byte_makes_the_entry_absent(store, position):
    store.put("k", "kernel", b"payload" * 20)
    path = store._path("k")
    content = bytearray(path.read_bytes())
    content[position] ^= 0x40
    path.write_bytes(content)
    assert store.get("k") is None
    assert not path.exists()


@pytest.mark.parametrize(
    "content", [b"", b"graphtorch-object 1\n", b"graphtorch-object 1\n[]\n", b"\x80pickle"]
)
def test_truncated_or_foreign_file_is_removed(store, content):
    store.put("k", "", b"x")
    store._path("k").write_bytes(content)
    assert store.get("k") is None
    assert not store._path("k").exists()


def test_the_header_is_json(store):
    store.put("k", "exp_sum", b"abc")
    header = json.loads(store._path("k").read_bytes().split(b"\n")[1])
    assert header["name"] == "exp_sum" and header["bytes"] == 3


def test_least_recently_used_go_first(tmp_path):
    store = ObjectCache(tmp_path / "c", 3000)
    for number, key in enumerate("abc"):
        store.put(key, "", bytes(800))
        os.utime(store._path(key), ns=(number * 10**9, number * 10**9))
    assert store.get("a") == ("", bytes(800))  # now the youngest
    store.put("d", "", bytes(800))
    store.evict()
    left = {p.stem for p in store.folder.iterdir()}
    assert "b" not in left and {"a", "d"} <= left
    assert sum(p.stat().st_size for p in store.folder.iterdir()) <= 3000


def test_a_folder_that_cannot_be_made_is_an_empty_cache(tmp_path):
    (tmp_path / "file").write_text("")
    store = ObjectCache(tmp_path / "file" / "below", 1 << 20)
    store.put("k", "", b"x")
    assert store.get("k") is None


def test_many_writers_of_one_key(store):
    payloads = [bytes([i]) * 10000 for i in range(8)]

    def work(payload):
        for _ in range(20):
            store.put("k", "", payload)
            assert store.get("k")[1] in payloads

    threads = [threading.Thread(target=work, args=(p,)) for p in payloads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("k")[1] in payloads
    assert [p.name for p in store.folder.iterdir()] == ["k.gto"]


def test_digest_separates_its_parts(monkeypatch):
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("ab", "c") == digest("ab", "c")
    before = digest("x")
    monkeypatch.setattr(cache, "_versions", lambda: "another llvmlite")
    assert digest("x") != before


def test_flags_choose_the_folder(tmp_path, monkeypatch):
    with config.override(cache_dir=str(tmp_path), cache_mb=1):
        store = object_cache()
        assert store.folder == tmp_path and store.limit == 1 << 20
    with config.override(cache=False):
        assert object_cache() is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    with config.override(cache_dir=""):
        assert cache.default_folder() == tmp_path / "xdg" / "graphtorch"
