"""The frames of functions that ask: a debugger may look at their variables."""

import subprocess
import sys

PROGRAM = """
import sys
import graphtorch as torch
import graphtorch.overrides  # from now on public functions ask

seen = {}


def watch(frame, event, argument):
    if event == "call" and "graphtorch" in frame.f_code.co_filename:
        seen[frame.f_code.co_name] = dict(frame.f_locals)


sys.setprofile(watch)
torch.masked_select(torch.arange(3.0), torch.arange(3) > 0)
torch.sqrt(torch.ones(2))
torch.allclose(torch.ones(2), torch.ones(2))
sys.setprofile(None)
print(sorted(seen["with_out"]), len(seen) > 5)
"""


def test_variables_of_every_frame_can_be_read():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("]")[0].startswith("['args'") and "True" in done.stdout
