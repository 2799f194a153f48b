"""Markdown table of medians from the JSON files that `python -m bench --json` writes.

python benchmarks/table.py one_thread.json two_threads.json ...
"""

import json
import statistics
import sys

PEERS = ["torch", "torch_compile", "jax", "graphtorch", "graphtorch_compile"]
TITLES = ["torch", "torch.compile", "jax.jit", "graphtorch eager", "graphtorch.compile"]


def spelled(seconds):
    """A time in the unit that suits it."""
    if seconds is None:
        return "–"
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * scale >= 1 or unit == "us":
            return f"{seconds * scale:.3g} {unit}"


def rows(path):
    """One row per workload: medians of the batches, and the best peer's time over ours."""
    with open(path) as file:
        data = json.load(file)
    for name, workload in data["workloads"].items():
        times = {}
        for peer in PEERS:
            batches = (workload["peers"].get(peer) or {}).get("times")
            times[peer] = statistics.median(batches) if batches else None
        others = [times[p] for p in PEERS[:3] if times[p] is not None]
        ours = times["graphtorch_compile"]
        ratio = f"{min(others) / ours:.2f}" if others and ours else "–"
        yield [name, data["meta"]["threads"], *(spelled(times[p]) for p in PEERS), ratio]


def main():
    print("| workload | threads | " + " | ".join(TITLES) + " | best peer / ours |")
    print("|---|---|" + "---|" * (len(TITLES) + 1))
    for path in sys.argv[1:]:
        for row in rows(path):
            print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()
