"""These tests compare with PyTorch itself; where it is not installed they skip, and say so.

`make parity` (and CI) installs it and sets GRAPHTORCH_REQUIRE_TORCH=1: then nothing may skip for it.
"""

import importlib.util
import os

import pytest

if importlib.util.find_spec("torch") is None:
    if os.environ.get("GRAPHTORCH_REQUIRE_TORCH") == "1":
        pytest.exit("GRAPHTORCH_REQUIRE_TORCH=1, but PyTorch is not installed", returncode=3)
    collect_ignore_glob = ["test_*.py"]


def pytest_report_header(config):
    if importlib.util.find_spec("torch") is None:
        return "parity tests SKIPPED: PyTorch is not installed (make parity installs it)"
    import torch

    torch.set_num_threads(1)
    return f"parity with PyTorch {torch.__version__}"
