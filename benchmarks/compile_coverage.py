"""How much of programs that others wrote runs inside compiled graphs; writes docs/compile-coverage.md.

    python benchmarks/compile_coverage.py CONFORMANCE                      # every case and every weight
    python benchmarks/compile_coverage.py CONFORMANCE einops_layers flows  # these, the others as they stand
    python benchmarks/compile_coverage.py CONFORMANCE --torch PYTHON       # and under PyTorch, for its speed

CONFORMANCE is a folder with `run.py`, `cases/` and `weights/`: each case builds models of a third-party
package and compares their outputs with stored ones.  A case runs in three processes of its own:
eager, with every module compiled (GRAPHTORCH_COMPILE=all) into an empty cache, and again into that cache.
Results are kept beside the page (compile-coverage.json), so that some cases can be measured anew.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import runpy
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
SLOWER = 1.05  # a compiled forward that takes this much longer than the eager one is listed


# ---- in the measured process


class CountedEager:
    """The base interpreter, with a count and a clock."""

    def __init__(self, base):
        self.base = base
        self.calls = 0
        self.seconds = 0.0

    def process(self, op, inputs, attrs):
        if op.numpy is None:  # its decomposition comes by here, op by op
            return self.base.process(op, inputs, attrs)
        start = time.perf_counter()
        try:
            return self.base.process(op, inputs, attrs)
        finally:
            self.calls += 1
            self.seconds += time.perf_counter() - start


class CountedPrograms:
    """Counts and times the calls of compiled variants, and their backwards."""

    def __init__(self):
        self.calls = self.nodes = 0
        self.seconds = 0.0

    def wrap(self, function, nodes):
        def run(*args):
            start = time.perf_counter()
            try:
                return function(*args)
            finally:
                self.calls += 1
                self.nodes += nodes
                self.seconds += time.perf_counter() - start

        return run

    def make_variant(self, make):
        def made(*args):
            variant = make(*args)
            variant.run = self.wrap(variant.run, len(variant.trace.graph))
            if variant.partition is not None:
                nodes = len(variant.partition.backward)
                variant.run_backward = self.wrap(variant.run_backward, nodes)
            return variant

        return made


def measure(result_file: str, arguments: list[str]) -> None:
    """Run `run.py` in this process and write what its programs did."""
    import graphtorch  # noqa: F401
    from graphtorch.frontend import compile as compiling
    from graphtorch.ir import dispatch

    eager, programs = CountedEager(dispatch._base), CountedPrograms()
    dispatch.set_base(eager)
    compiling.REGISTRY = []
    compiling.make_variant = programs.make_variant(compiling.make_variant)
    capturing = [0.0]
    trace = compiling.CompiledFunction._trace

    def timed_trace(self, args, kwargs):
        start = time.perf_counter()
        try:
            return trace(self, args, kwargs)
        finally:
            capturing[0] += time.perf_counter() - start

    compiling.CompiledFunction._trace = timed_trace
    sys.argv = arguments
    sys.path.insert(0, os.path.dirname(arguments[0]))
    try:
        runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit:
        pass
    functions = compiling.REGISTRY
    left = Counter((f.left.op, f.left.line, f.left.reason, f.__name__) for f in functions if f.left)
    record = {
        "eager_ops": eager.calls,
        "eager_seconds": eager.seconds,
        "compiled_calls": programs.calls,
        "compiled_ops": programs.nodes,
        "compiled_seconds": programs.seconds,
        "capture_seconds": capturing[0],
        "functions": sum(bool(f.variants) or f.left is not None for f in functions),
        "variants": sum(len(f.variants) for f in functions),
        "left": sum(f.left is not None for f in functions),
        "fallbacks": [[*key, count] for key, count in left.most_common()],
    }
    Path(result_file).write_text(json.dumps(record))


# ---- the measuring process


def run_case(root: Path, case: Path, python: str, mode: str, cache: str, options) -> dict:
    """One process; its record, with the outcome that `run.py` printed."""
    environment = {**os.environ, "GRAPHTORCH_COMPILE": "0" if mode == "eager" else "all"}
    environment["GRAPHTORCH_CACHE_DIR"] = cache
    places = [
        options.torch_path if mode == "torch" else str(CHECKOUT),
        environment.get("PYTHONPATH"),
    ]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, places))
    with tempfile.TemporaryDirectory() as folder:
        result = os.path.join(folder, "result.json")
        command = [python]
        if mode != "torch":
            command += [os.path.abspath(__file__), "--measure", result]
        command += [str(root / "run.py"), str(case), "--check", "--threads", str(options.threads)]
        if mode != "torch":
            command += ["--alias", "graphtorch"]
        start = time.perf_counter()
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, cwd=root, env=environment,
                timeout=options.timeout,
            )  # fmt: skip
            text = done.stdout + done.stderr
        except subprocess.TimeoutExpired:
            return {"outcome": f"over {options.timeout} s"}
        record = json.loads(Path(result).read_text()) if os.path.exists(result) else {}
    record["seconds"] = time.perf_counter() - start
    found = re.search(r"^CHECK \S+ (PASS|FAIL) (\d+/\d+)", text, re.M)
    last = text.strip().splitlines()[-1][:200] if text.strip() else "nothing printed"
    record["outcome"] = f"{found[1]} {found[2]}" if found else f"no result: {last}"
    forwards = [float(x) for x in re.findall(r"^  forward ([\d.]+) ms", text, re.M)]
    record["forwards"], record["milliseconds"] = len(forwards), sum(forwards)
    return record


def measure_case(root: Path, case: Path, options) -> dict:
    with tempfile.TemporaryDirectory() as cache:
        found = {
            mode: run_case(root, case, options.python, mode, cache, options)
            for mode in ("eager", "cold", "warm")
        }
    if options.torch:
        found["torch"] = run_case(root, case, options.torch, "torch", "", options)
    return found


def share(part: float, rest: float) -> str:
    return f"{100 * part / (part + rest):.0f} %" if part + rest else "–"


def row(name: str, found: dict) -> str:
    eager, cold, warm = found["eager"], found["cold"], found["warm"]
    if "compiled_ops" not in warm:
        return f"| {name} | {eager['outcome']} | {warm['outcome']} |" + " – |" * 9
    cells = [
        name,
        eager["outcome"],
        warm["outcome"],
        share(warm["compiled_ops"], warm["eager_ops"]),
        share(warm["compiled_seconds"], warm["eager_seconds"]),
        f"{warm['functions'] - warm['left']} / {warm['left']}",
        f"{cold['capture_seconds']:.1f} s" if "capture_seconds" in cold else "–",
        f"{warm['capture_seconds']:.1f} s",
        *(
            f"{r['milliseconds']:.4g} ms" if r and r.get("milliseconds") else "–"
            for r in (eager, warm, found.get("torch"))
        ),
        f"{ratio(found):.2f}" if ratio(found) else "–",
    ]
    return "| " + " | ".join(cells) + " |"


def ratio(found: dict) -> float | None:
    """Eager time over compiled time of the forwards, where both ran the same ones."""
    eager, warm = found["eager"], found["warm"]
    if not warm.get("milliseconds") or eager.get("forwards") != warm["forwards"]:
        return None
    return eager["milliseconds"] / warm["milliseconds"]


def page(results: dict, command: str) -> str:
    lines = [
        "# What is compiled of programs that others wrote",
        "",
        f"Written by `{command}`: every module's outermost call compiled (`GRAPHTORCH_COMPILE=all`). Outputs that agree with"
        " PyTorch's stored ones; the share of op executions and of their time inside compiled graphs (tracing runs not"
        " counted); modules compiled / left to eager; seconds spent tracing and compiling with an empty and with a filled"
        " cache of machine code; the sum of the forward times that a case prints, eager, compiled and (where measured)"
        " PyTorch eager; eager over compiled. Times are of a shared machine: read the ratios.",
        "",
        "| case | eager | compiled | ops | time | modules | cold | warm | eager | compiled | PyTorch | ratio |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
        *(row(name, found) for name, found in sorted(results.items())),
        "",
        "## Slower compiled than eager",
        "",
    ]
    slower = {n: r for n, f in results.items() if (r := ratio(f)) and r < 1 / SLOWER}
    lines += [f"- {name}: {1 / r:.2f} times as long" for name, r in sorted(slower.items())]
    lines += [] if slower else ["None by more than 5 %."]
    lines += ["", "## Left to eager", ""]
    for name, found in sorted(results.items()):
        fallbacks = found["warm"].get("fallbacks")
        if fallbacks:
            lines += [f"### {name}", ""]
            lines += [
                f"- `{function}`{f' x{count}' if count > 1 else ''}: {line}: {f'`{op}`: ' if op else ''}{reason}"
                for op, line, reason, function, count in fallbacks
            ]
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("conformance", type=Path)
    parser.add_argument("cases", nargs="*", help="names of cases (default: all)")
    parser.add_argument("--out", type=Path, default=Path("docs/compile-coverage.md"))
    parser.add_argument("--python", default=sys.executable, help="the one with the cases' packages")
    parser.add_argument("--torch", help="a Python with PyTorch, to measure it too")
    parser.add_argument("--torch-path", default="", help="where it finds the cases' packages")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--timeout", type=int, default=900, help="seconds a process may take")
    options = parser.parse_args()
    root = options.conformance.resolve()
    kept = options.out.with_suffix(".json")
    results = json.loads(kept.read_text()) if kept.exists() else {}
    files = sorted([*root.glob("cases/*.py"), *root.glob("weights/*.py")])
    for case in files:
        if options.cases and case.stem not in options.cases:
            continue
        results[case.stem] = measure_case(root, case, options)
        print(row(case.stem, results[case.stem]), flush=True)
        options.out.parent.mkdir(exist_ok=True)
        kept.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
        options.out.write_text(page(results, "python benchmarks/compile_coverage.py CONFORMANCE"))


if __name__ == "__main__":
    main()
