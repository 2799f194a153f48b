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
