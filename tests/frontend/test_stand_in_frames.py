"""The frames of functions that ask before they run: a debugger may look at their variables."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
import graphtorch as torch
{install}

seen = {{}}


def watch(frame, event, argument):
    if event == "call" and "graphtorch" in frame.f_code.co_filename:
        seen[frame.f_code.co_name] = dict(frame.f_locals)


sys.setprofile(watch)
with torch.autocast("cpu", enabled={autocast}):
    torch.masked_select(torch.arange(3.0), torch.arange(3) > 0)
    torch.sqrt(torch.ones(2))
    torch.log_softmax(torch.ones(2), 0)
    torch.linalg.inv(torch.eye(2))
    torch.allclose(torch.ones(2), torch.ones(2))
sys.setprofile(None)
print(len(seen) > 5, sorted(seen["with_out"])[0])
"""


@pytest.mark.parametrize(
    ("install", "autocast"),
    [
        ("import graphtorch.overrides", False),
        ("import graphtorch.amp", True),
        ("import graphtorch.amp, graphtorch.overrides", True),
    ],
)
def test_variables_of_every_frame_can_be_read(install, autocast):
    program = PROGRAM.format(install=install, autocast=autocast)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert done.stdout.split() == ["True", "args"]
