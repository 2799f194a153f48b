"""The table of torch's names: which are here, with which signature, and why the others are not.

    python -m tests.parity.api                      the counts, and what is missing without a reason
    python -m tests.parity.api --write docs/api.md  the table

The names are those that third-party code uses (`api_names.tsv`).  A name is compared by its
signature (`signatures.py`); what an op computes is the business of the other parity tests.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
from dataclasses import dataclass
from typing import Any

from . import signatures

_NAMES = os.path.join(os.path.dirname(__file__), "api_names.tsv")
_ABSENT = object()
COMMAND = "python -m tests.parity.api --write docs/api.md"


@dataclass(frozen=True)
class Row:
    """One name: `status` is same, differs, here (nothing to compare), missing or unexplained."""

    name: str
    sources: int
    status: str
    note: str = ""


def names() -> list[tuple[str, int]]:
    """The names and their numbers of sources, the most used first."""
    with open(_NAMES) as file:
        lines = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
    return [(name, int(sources)) for name, sources in lines]


def find(package: str, name: str) -> Any:
    """What `name` ("torch.x.y") is in a package; `_ABSENT` if it is nowhere."""
    found = importlib.import_module(package)
    path = name.split(".")[1:]
    for i, part in enumerate(path):
        try:
            found = getattr(found, part)
            continue
        except AttributeError:
            pass
        try:
            found = importlib.import_module(".".join([package, *path[: i + 1]]))
        except ImportError:
            return _ABSENT
    return found


def row(name: str, sources: int) -> Row:
    """Compare one name."""
    ours = find("graphtorch", name)
    if ours is _ABSENT:
        from graphtorch import absent

        known = absent.reason(name)
        if known is None:
            return Row(name, sources, "unexplained")
        return Row(name, sources, "missing", known.text())
    theirs = find("torch", name)
    if theirs is _ABSENT or isinstance(theirs, property) or not callable(theirs):
        return Row(name, sources, "here")
    accepted = signatures.of_torch(name, theirs)
    try:
        mine = inspect.signature(ours)
    except (TypeError, ValueError):
        return Row(name, sources, "here")
    if not accepted:
        return Row(name, sources, "here")
    notes: list[str] = []
    for theirs_ in accepted:
        notes += [n for n in signatures.differences(theirs_, mine) if n not in notes]
    return Row(name, sources, "differs" if notes else "same", "; ".join(notes))


def table() -> list[Row]:
    """Every name, compared."""
    return [row(*entry) for entry in names()]


def _counts(rows: list[Row]) -> list[str]:
    def line(title: str, chosen: list[Row]) -> str:
        here = sum(r.status not in ("missing", "unexplained") for r in chosen)
        told = sum(r.status == "missing" for r in chosen)
        return f"{title}: {here} of {len(chosen)} here, {told} missing with a reason, {len(chosen) - here - told} without"

    five = [r for r in rows if r.sources >= 5]
    return [
        line("the first 1,000 names by number of sources", rows[:1000]),
        line("names with five or more sources", five),
        line("all names of this table", rows),
    ]


def text(rows: list[Row]) -> str:
    """The table as Markdown."""
    lines = [
        "# PyTorch's names",
        "",
        f"Written by `{COMMAND}`; a test checks that it is current.",
        "",
        "Names that two or more of 131 third-party packages and repositories use, by the number that do.",
        "*same*: takes every call that PyTorch's signature takes, with the same defaults; *differs*: in what the",
        "last column says; *here*: nothing to compare signatures with (a constant, a property, a class with a C++",
        "constructor); *missing*: raises an error that is an `AttributeError` and a `NotImplementedError`, with this reason.",
        "",
        *[f"- {line}" for line in _counts(rows)],
        "",
        "| name | sources | status | where it differs, or why it is missing |",
        "|---|---|---|---|",
    ]
    for r in rows:
        note = r.note.replace("|", "\\|")
        lines.append(f"| `{r.name}` | {r.sources} | {r.status} | {note} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the counts, or write the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.parity.api", description=__doc__)
    parser.add_argument("--write", metavar="FILE", help="write the table to this file")
    parser.add_argument("--differs", action="store_true", help="list what differs")
    options = parser.parse_args()
    rows = table()
    if options.write:
        with open(options.write, "w") as file:
            file.write(text(rows))
    print("\n".join(_counts(rows)))
    for r in rows:
        if r.status == "unexplained" or (options.differs and r.status == "differs"):
            print(f"{r.sources:4} {r.name}: {r.note or 'missing without a reason'}")


if __name__ == "__main__":
    main()
