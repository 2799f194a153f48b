"""Run programs that others wrote, with `torch` resolved to graphtorch, and write how many results agree.

    python tests/parity/conformance.py FOLDER [--python PYTHON] [--case NAME ...] [--jobs 1] [--write docs/conformance.md]

FOLDER (or $GRAPHTORCH_CONFORMANCE) holds `run.py`, which runs one case and ends with the line
`CHECK <case> PASS|FAIL <agreeing>/<all> outputs`, and the cases in folders of their own.  PYTHON (or
$GRAPHTORCH_CONFORMANCE_PYTHON) is an interpreter with graphtorch and the cases' packages, and without PyTorch.

Each case runs twice in processes of its own: eagerly, and with every module compiled (GRAPHTORCH_COMPILE=all).
The table keeps the rows of cases that were not run.  Exits with 1 if a case that was run does not pass.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

MODES = {"eager": [], "compiled": ["--compile"]}
_CHECK = re.compile(r"^CHECK (\S+) (PASS|FAIL) (\d+)/(\d+) outputs", re.M)
_HEADER = """# Third-party programs

Packages and pretrained models that others wrote, unmodified, with `torch` resolved to graphtorch; how many of
their results agree with PyTorch's (rtol 1e-3, atol 1e-4).  Written by `make conformance`, which runs every case eagerly and with every
module compiled (`GRAPHTORCH_COMPILE=all`).

| case | eager | compiled | what does not agree |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Outcome:
    """What one run of a case gave."""

    agreeing: int
    total: int
    seconds: float
    remarks: tuple[str, ...] = ()

    def text(self) -> str:
        """`12/12`, or `-` for a run that came to no end."""
        return f"{self.agreeing}/{self.total}" if self.total else "-"


def run(python: str, folder: Path, case: Path, mode: str, limit: float) -> Outcome:
    """Run one case in a process of its own."""
    command = [python, str(folder / "run.py"), "--alias", "graphtorch", "--check", *MODES[mode], str(case)]  # fmt: skip
    start = time.monotonic()
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=limit, check=False
        )
        printed = done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        return Outcome(0, 0, limit, (f"no end within {limit:.0f} s ({mode})",))
    seconds = time.monotonic() - start
    found = _CHECK.search(printed)
    if found is None:
        last = printed.strip().splitlines()[-1:] or ["printed nothing"]
        return Outcome(0, 0, seconds, (f"{mode}: {last[0][:100]}",))
    remarks = [
        line.strip()[:100]
        for line in printed.splitlines()
        if line.startswith(("  DIFF", "  SHAPE", "  FAIL"))
    ]
    return Outcome(int(found[3]), int(found[4]), seconds, tuple(remarks))


def row(name: str, outcomes: dict[str, Outcome]) -> str:
    """One line of the table."""
    remarks = list(dict.fromkeys(r for o in outcomes.values() for r in o.remarks))
    shown = "; ".join(remarks[:6]) + (f"; {len(remarks) - 6} more" if len(remarks) > 6 else "")
    shown = shown.replace("|", "\\|")
    return f"| {name} | {outcomes['eager'].text()} | {outcomes['compiled'].text()} | {shown} |"


def known_rows(path: Path) -> dict[str, str]:
    """The lines of a table written before, by case."""
    if not path.exists():
        return {}
    lines = [line for line in path.read_text().splitlines() if line.startswith("| ")]
    return {line.split("|")[1].strip(): line for line in lines[1:]}


def write(path: Path, rows: dict[str, str]) -> None:
    """Write the table, sorted by folder and name."""
    path.write_text(_HEADER + "\n".join(rows[name] for name in sorted(rows)) + "\n")


def main() -> int:
    """See the module docstring."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", default=os.environ.get("GRAPHTORCH_CONFORMANCE"))
    parser.add_argument("--python", default=os.environ.get("GRAPHTORCH_CONFORMANCE_PYTHON", sys.executable))  # fmt: skip
    parser.add_argument("--case", nargs="*", help="names of cases; all without it")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--limit", type=float, default=1800, help="seconds for one run")
    parser.add_argument("--write", type=Path, default=Path("docs/conformance.md"))
    args = parser.parse_args()
    if not args.folder:
        print("conformance: no folder given (argument or GRAPHTORCH_CONFORMANCE); nothing was run")
        return 0
    folder = Path(args.folder).resolve()
    cases = [p for p in sorted(folder.glob("*/*.py")) if not args.case or p.stem in args.case]
    if not cases:
        print(f"conformance: no such cases in {folder}")
        return 1

    def both(case: Path) -> tuple[Path, dict[str, Outcome]]:
        return case, {mode: run(args.python, folder, case, mode, args.limit) for mode in MODES}

    rows = known_rows(args.write)
    passed = True
    with ThreadPoolExecutor(args.jobs) as pool:
        for case, outcomes in pool.map(both, cases):
            name = f"{case.parent.name}/{case.stem}"
            rows[name] = row(name, outcomes)
            write(args.write, rows)
            times = ", ".join(f"{m} {o.text()} in {o.seconds:.0f} s" for m, o in outcomes.items())
            print(f"{name}: {times}", flush=True)
            passed &= all(o.total and o.agreeing == o.total for o in outcomes.values())
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
