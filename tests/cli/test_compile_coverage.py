"""benchmarks/compile_coverage.py on a conformance folder of two small cases."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

RUN = """
import argparse, importlib, time
parser = argparse.ArgumentParser()
parser.add_argument("case"), parser.add_argument("--alias")
parser.add_argument("--check", action="store_true"), parser.add_argument("--threads")
a = parser.parse_args()
import graphtorch
graphtorch.install_as_torch()
def timeit(f):
    f(), f()
    t = time.perf_counter()
    r = f()
    print(f"  forward {(time.perf_counter() - t) * 1e3:.3f} ms")
    return r
exec(compile(open(a.case).read(), a.case, "exec"), {"timeit": timeit})
print("CHECK", "case", "PASS", "1/1 outputs")
"""

QUIET = """
import torch
model, x = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Tanh()), torch.randn(4, 8)
with torch.no_grad():
    timeit(lambda: model(x))
"""

NOISY = """
import torch
class Model(torch.nn.Module):
    def forward(self, x):
        print("called")
        return x + 1
model = Model()
timeit(lambda: model(torch.ones(3)))
"""


def test_the_page_has_shares_fallbacks_and_times(tmp_path):
    (tmp_path / "run.py").write_text(RUN)
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "quiet.py").write_text(QUIET)
    (tmp_path / "cases" / "noisy.py").write_text(NOISY)
    out = tmp_path / "page.md"
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "compile_coverage.py"), str(tmp_path), "--out", str(out)],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = out.read_text()
    quiet, noisy = (
        next(x for x in text.splitlines() if x.startswith(f"| {n} ")) for n in ("quiet", "noisy")
    )
    assert "| quiet | PASS 1/1 | PASS 1/1 | " in quiet and "| 1 / 0 |" in quiet
    assert "| 0 % | 0 % | 0 / 1 |" in noisy
    assert "- `Model`: noisy.py:5: `print`: print() writes at every call" in text
    record = json.loads(out.with_suffix(".json").read_text())["quiet"]["warm"]
    assert record["compiled_calls"] == 2 and record["variants"] == 1
    assert record["compiled_ops"] >= 4 and record["eager_ops"] <= 4  # the parameters and the input
