"""A fixed part, by hash, of the checks in PyTorch's module and optimiser databases; `python -m tests.parity.module_db` runs all."""

import re

import pytest

from tests.parity import module_db, optim_db
from tests.parity.mirror import reason

torch = pytest.importorskip("torch")

MODULES = {info.name: info for info in module_db.entries()}
OPTIMISERS = {info.name: info for info in optim_db.entries()}
LONG = {"nn.LinearCrossEntropyLoss", "nn.Transformer"}  # of very many, or slow, checks


def failures_in(page):
    """{entry: failed checks} of a written page."""
    rows = re.findall(r"^\| ([\w.]+) \| \d+ \| (\d+) \|", page.read_text(), re.M)
    return {name: int(failed) for name, failed in rows}


def check_part(database, info, one_in):
    result = database.run_entry(info, one_in)
    if failures_in(database.PAGE)[info.name] == 0:
        assert not result.failures, dict(result.failures)
    return result.checks


@pytest.mark.parametrize("part", range(6))
def test_a_part_of_every_module(part):
    checks = [
        check_part(module_db, info, 150 if info.name in LONG else 12)
        for info in list(MODULES.values())[part::6]
    ]
    assert sum(checks) > 10


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_part_of_every_optimiser(name):
    assert check_part(optim_db, OPTIMISERS[name], 12) > 0


@pytest.mark.parametrize("database, names", [(module_db, MODULES), (optim_db, OPTIMISERS)])
def test_pages_list_every_entry_and_nearly_all_pass(database, names):
    found = failures_in(database.PAGE)
    assert set(found) == set(names)
    assert sum(failed == 0 for failed in found.values()) >= 0.9 * len(names)


def test_a_reason_is_one_line():
    assert reason(ValueError("a\n  b | c")) == "ValueError: a b \\| c"
