"""`python -m tests.parity.opdb NAME... | --all`, see the package's docstring."""

from __future__ import annotations

import argparse
import fnmatch
import sys
from pathlib import Path

from .run import database, run
from .table import category, counts, write

_EXPECTED = Path(__file__).with_name("passing.txt")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.parity.opdb", description="op_db of torch against graphtorch"
    )
    parser.add_argument(
        "names",
        nargs="*",
        help="entries (name or name.variant, * as in a shell); a name without variant means all of them",
    )
    parser.add_argument("--all", action="store_true", help="every entry")
    parser.add_argument(
        "--category", help="only entries of this category, say core or nn.functional"
    )
    parser.add_argument("--write", type=Path, help="write the table to this file")
    parser.add_argument(
        "--update", action="store_true", help=f"write the names that pass to {_EXPECTED.name}"
    )
    parser.add_argument(
        "--check", action="store_true", help=f"fail if an entry of {_EXPECTED.name} does not pass"
    )
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=120, help="time limit of one entry")
    parser.add_argument(
        "--limit", type=int, default=100_000, help="most samples of one dtype (spread evenly)"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="only failures and the count")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="the first failure of every stage"
    )
    asked = parser.parse_args()
    entries = database()
    names = [
        n for n, e in entries.items()
        if (asked.all or (asked.category and not asked.names) or any(fnmatch.fnmatchcase(n, p) or e.name == p for p in asked.names))
        and (asked.category is None or category(n) == asked.category)
    ]  # fmt: skip
    for pattern in asked.names:
        if not any(
            fnmatch.fnmatchcase(n, pattern) or e.name == pattern for n, e in entries.items()
        ):
            parser.error(f"op_db has no entry {pattern!r}")
    reports = []
    for report in run(
        entries, names, workers=asked.workers, seconds=asked.seconds, limit=asked.limit
    ):
        reports.append(report)
        if report.status == "fail" or not asked.quiet:
            print(
                f"{report.status:4} {report.name}  ({report.samples} calls, {report.failed} failed, {report.seconds:.1f} s)",
                flush=True,
            )
            for stage, why in (
                report.failures.items() if asked.verbose else list(report.failures.items())[:1]
            ):
                print(f"       {stage}: {why}", flush=True)
    reports.sort(key=lambda r: names.index(r.name))
    print(counts(reports))
    if asked.write:
        write(asked.write, reports)
    passing = {r.name for r in reports if r.status == "pass"}
    if asked.update:
        kept = set(_EXPECTED.read_text().split()) - set(names) if _EXPECTED.exists() else set()
        _EXPECTED.write_text("\n".join(sorted(passing | kept)) + "\n")
    if asked.check:
        lost = sorted(set(_EXPECTED.read_text().split()) & set(names) - passing)
        print("no longer passing:", *lost) if lost else print("all expected entries pass")
        return 1 if lost else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
