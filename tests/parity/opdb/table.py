"""docs/op_db.md: which entries pass, and why the others do not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from .check import Report

_ROOMS = ("nn.functional", "linalg", "fft", "special", "signal", "masked", "sparse")


# why an entry does not pass, where its first failure does not say it
REASONS = {
    "as_strided_scatter": "PyTorch's gradient of the input is nonzero exactly where the input was overwritten; ours is the finite difference's",
    "as_strided.partial_views": "a leaf that requires grad and is part of a larger buffer cannot be made from the sample's memory",
    "istft": "PyTorch gives a complex window of a complex signal no gradient",
    "sparse.mm.reduce": "tensors are dense",
    "sparse.sampled_addmm": "tensors are dense",
    "to_sparse": "tensors are dense",
    "torch._scaled_mm": "8-bit floats are held, nothing computes with them",
    "torch._scaled_mm_v2": "8-bit floats are held, nothing computes with them",
    "chalf": "there are no complex numbers of two float16",
}  # fmt: skip


def category(name: str) -> str:
    """The part of torch that an entry belongs to."""
    return next((room for room in _ROOMS if name.startswith(room + ".")), "core")


def counts(reports: list[Report]) -> str:
    """One line per category."""
    lines = []
    for room in ("core", *_ROOMS):
        found = Counter(r.status for r in reports if category(r.name) == room)
        if found:
            lines.append(_line(room, found))
    return "\n".join([*lines, _line("all", Counter(r.status for r in reports))])


def _line(name: str, found: Counter) -> str:
    total = sum(found.values())
    return f"{name}: {found['pass']} of {total} pass ({100 * found['pass'] / total:.1f} %), {found['fail']} fail, {found['n/a']} not applicable"


def write(path: Path, reports: list[Report]) -> None:
    """Write the table."""
    lines = [
        "# op_db: PyTorch's own operator samples against graphtorch",
        "",
        "Every entry of `torch.testing._internal.common_methods_invocations.op_db` (PyTorch 2.13), every sample input:",
        "forward values, dtype and shape, gradients, method, in-place and `out=` variants, and the entry's `error_inputs`.",
        "Written by `python -m tests.parity.opdb --all --write docs/op_db.md`.",
        "",
        *(f"- {line}" for line in counts(reports).split("\n")),
        "",
        "| entry | status | calls | first reason |",
        "|---|---|---|---|",
    ]
    for r in reports:
        reason = REASONS.get(r.name, "") if r.status == "fail" else ""
        reason = (reason or r.reason).replace("|", "\\|").replace("\n", " ")
        lines.append(f"| `{r.name}` | {r.status} | {r.samples} | {reason[:220]} |")
    path.write_text("\n".join(lines) + "\n")
