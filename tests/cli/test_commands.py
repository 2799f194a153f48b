"""`python -m graphtorch` on small scripts, as a user types it."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]

SCRIPT = """
import graphtorch as torch

@torch.compile
def double(x):
    return torch.tanh(x * 2).sum()

@torch.compile
def noisy(x):
    print("from the script")
    return x

x = torch.ones(4, requires_grad=True)
double(x).backward()
double(x).backward()
noisy(x)
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(SCRIPT)
    return path


def run(*arguments, **environment):
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "graphtorch", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=120,
    )
    return found.returncode, found.stdout, found.stderr


def test_dump_prints_the_trace_with_the_users_lines_and_keeps_the_scripts_output_apart(script):
    status, out, err = run("dump", f"{script}:double")
    assert status == 0
    assert "tanh: f32[4] = ops.tanh(mul)  # program.py:6" in out
    assert "from the script" in err and "from the script" not in out


@pytest.mark.parametrize(
    "stage, expected",
    [
        ("joint", "ops."),
        ("after:fuse", "ops.fusion"),
        ("kernels", "tanh"),
        ("llvm", "define"),
        ("asm", ".globl"),
        ("memory", "arena"),
        ("guards", "def check(args, kwargs):"),
        ("run", "execute("),
    ],
)
def test_every_stage(script, stage, expected):
    status, out, err = run("dump", f"{script}:double", "--stage", stage)
    assert status == 0, err
    assert expected in out


def test_graphs_as_data_and_pictures_and_a_difference(script):
    status, out, _ = run("dump", f"{script}:double", "--format", "json")
    assert status == 0
    assert json.loads(out)["name"] == "double"
    assert run("dump", f"{script}:double", "--format", "dot")[1].startswith("digraph")
    assert "<svg" in run("dump", f"{script}:double", "--format", "svg")[1]
    assert "--- trace" in run("dump", f"{script}:double", "--diff", "trace", "after:fuse")[1]


def test_explain_lists_guards_kernels_and_what_was_left_to_eager(script):
    status, out, err = run("explain", script)
    assert status == 0, err
    assert "double: 1 variants" in out and "guards (" in out and "time per kernel" in out
    assert "left to eager: program.py:10: print: " in out


def test_bad_input_is_one_line(script, tmp_path):
    status, _, err = run("dump", script, "--stage", "nonsense")
    assert status == 2 and "no stage 'nonsense'" in err
    status, _, err = run("dump", tmp_path / "missing.py")
    assert status == 2 and "no such file" in err
    status, _, err = run("dump", f"{script}:nobody")
    assert status == 2 and "double, noisy" in err


def test_report_writes_pages(script, tmp_path):
    status, out, err = run("report", script, "--out", tmp_path / "pages")
    assert status == 0, err
    pages = sorted(p.name for p in (tmp_path / "pages").iterdir())
    assert pages == ["double_0.html", "index.html"]
    assert "<svg" in (tmp_path / "pages" / "double_0.html").read_text()
    assert "left to eager" in (tmp_path / "pages" / "index.html").read_text()


def test_run_gives_a_script_graphtorch_for_torch(tmp_path):
    program = tmp_path / "plain.py"
    program.write_text(
        "import sys\nimport torch\nimport torch.nn.functional as F\nfrom torch import nn\n"
        "from torch.utils.data import DataLoader\n"
        "print(torch.__file__, F.relu(torch.tensor([-1.0, 2.0])), isinstance(nn.Linear(1, 1), torch.nn.Module), sys.argv[1:])\n"
        "sys.exit(3)\n"
    )
    status, out, err = run("run", program, "--flag", "x")
    assert status == 3, err
    assert "graphtorch" in out and "tensor([0., 2.]) True ['--flag', 'x']" in out


def test_interpret_mode_has_graphs_but_no_machine_code(script):
    status, out, _ = run("dump", f"{script}:double", GRAPHTORCH_COMPILE="interpret")
    assert status == 0 and "ops.tanh" in out
    status, _, err = run(
        "dump", f"{script}:double", "--stage", "llvm", GRAPHTORCH_COMPILE="interpret"
    )
    assert status == 2 and "GRAPHTORCH_COMPILE=1" in err
