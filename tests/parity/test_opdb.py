"""A fixed sample of PyTorch's op_db, chosen by a hash of the entry's name; `make conformance` runs all.

`opdb/passing.txt` says which entries pass.  An entry of the sample that is in it must pass; one that
passes without being in it is reported too, so that the list stays true
(`python -m tests.parity.opdb NAME --update` writes it).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="torch's tables of operators need expecttest")

EXPECTED = set((Path(__file__).parent / "opdb" / "passing.txt").read_text().split())
SHARE = 16  # one entry in so many
SAMPLES = 24  # of each dtype


def chosen(name: str) -> bool:
    """Whether an entry belongs to the sample."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % SHARE == 0


@pytest.fixture(scope="module")
def reports():
    from tests.parity.opdb.run import database, run

    entries = database()
    names = [name for name in entries if chosen(name)]
    return {r.name: r for r in run(entries, names, seconds=60, limit=SAMPLES)}


def test_what_passed_still_passes(reports):
    lost = {n: r.reason for n, r in reports.items() if n in EXPECTED and r.status != "pass"}
    assert not lost, lost


def test_the_list_names_entries_that_exist(reports):
    from tests.parity.opdb.run import database

    assert EXPECTED <= set(database())
    assert len(reports) >= 30


def test_most_of_the_sample_passes(reports):
    passed = [r for r in reports.values() if r.status == "pass"]
    assert len(passed) >= 0.8 * len(reports), f"{len(passed)} of {len(reports)}"


def test_the_runner_sees_differences():
    import torch

    import graphtorch
    from tests.parity.opdb.check import same_class
    from tests.parity.opdb.compare import difference

    assert difference(torch.ones(2), graphtorch.ones(2)) == ""
    assert "values differ" in difference(torch.ones(2), graphtorch.ones(2) * 1.001)
    assert "dtype" in difference(torch.ones(2), graphtorch.ones(2).double())
    assert "shape" in difference(torch.ones(2), graphtorch.ones(1, 2))
    assert "results" in difference((torch.ones(1),), ())
    assert difference(torch.tensor(float("nan")), graphtorch.tensor(1.0))
    assert same_class(RuntimeError, RuntimeError())
    assert not same_class(RuntimeError, ValueError())
    assert not same_class(RuntimeError, graphtorch.UnsupportedError())


def test_a_wrong_function_fails(monkeypatch):
    import graphtorch
    from tests.parity.opdb.check import check
    from tests.parity.opdb.run import database

    entry = database()["heaviside"]
    assert check(entry, 4).status == "pass"
    right = graphtorch.heaviside
    monkeypatch.setattr(graphtorch, "heaviside", lambda x, v, **k: right(x + 1, v, **k))
    assert "forward" in check(entry, 4).failures


def test_a_crash_costs_one_entry(monkeypatch):
    import os

    import graphtorch
    from tests.parity.opdb.run import database, run

    monkeypatch.setattr(graphtorch, "heaviside", lambda *a, **k: os._exit(1))
    entries = database()
    found = {r.name: r for r in run(entries, ["heaviside", "ldexp"], seconds=30, limit=2)}
    assert found["heaviside"].reason == "forward: the process died"
    assert found["ldexp"].status == "pass"
