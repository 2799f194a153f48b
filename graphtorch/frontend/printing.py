"""`repr(tensor)` and `str(tensor)`, character for character as PyTorch prints.

    tensor([[1.0000, 2.5000],
            [3.0000, 4.0000]], requires_grad=True)

Numbers share one width and one notation: integers-as-floats ("1."), fixed with `precision` digits,
or scientific when the range asks for it.  Large tensors show `edgeitems` at both ends of each dim.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ir.types import bool_, complex64, float32, int64
from . import promotion
from .functional.wrapping import concrete
from .tensor import Tensor


class _Options:
    precision = 4
    threshold: float = 1000
    edgeitems: float = 3
    linewidth = 80
    sci_mode: bool | None = None


options = _Options()
_PROFILES = {
    "default": (4, 1000, 3, 80),
    "short": (2, 1000, 2, 80),
    "full": (4, math.inf, 3, 80),
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Choose digits, when to summarise, how many edge items to show, line width, notation."""
    if profile is not None:
        values = _PROFILES[profile]
        options.precision, options.threshold, options.edgeitems, options.linewidth = values
    for name, value in (
        ("precision", precision), ("threshold", threshold), ("edgeitems", edgeitems), ("linewidth", linewidth),
    ):  # fmt: skip
        if value is not None:
            setattr(options, name, value)
    options.sci_mode = sci_mode


class _Notation:
    """How the numbers of one tensor are written: width and style from all that are shown."""

    def __init__(self, values: np.ndarray):
        self.floating = values.dtype.kind == "f"
        self.whole = True
        self.scientific = False
        self.width = 1
        if not self.floating:
            for value in values.reshape(-1):
                self.width = max(self.width, len(str(value)))
            return
        flat = values.astype(np.float64).reshape(-1)
        finite = np.abs(flat[np.isfinite(flat) & (flat != 0)])
        if finite.size:
            smallest, largest = float(finite.min()), float(finite.max())
            self.whole = bool((np.ceil(finite) == finite).all())
            if self.whole:
                self.scientific = largest / smallest > 1000.0 or largest > 1.0e8
            else:
                self.scientific = (
                    largest / smallest > 1000.0 or largest > 1.0e8 or smallest < 1.0e-4
                )
            shown = flat[np.isfinite(flat) & (flat != 0)]
            if self.whole and not self.scientific:
                texts = [f"{v:.0f}" for v in shown]
                self.width = max(self.width, max(len(t) for t in texts) + 1)
            elif self.scientific:
                self.width = max(self.width, max(len(self._science(v)) for v in shown))
            else:
                self.width = max(self.width, max(len(self._fixed(v)) for v in shown))
            if self.whole and self.scientific:
                self.width = max(len(self._science(v)) for v in shown)
        if options.sci_mode is not None:
            self.scientific = options.sci_mode

    def _science(self, value: float) -> str:
        return f"{{:.{options.precision}e}}".format(value)

    def _fixed(self, value: float) -> str:
        return f"{{:.{options.precision}f}}".format(value)

    def __call__(self, value: Any) -> str:
        if self.floating:
            value = float(value)
            if self.scientific:
                text = f"{{:{self.width}.{options.precision}e}}".format(value)
            elif self.whole:
                text = f"{value:.0f}"
                if math.isfinite(value):
                    text += "."
            else:
                text = f"{{:{self.width}.{options.precision}f}}".format(value)
        else:
            text = str(value)
        return (self.width - len(text)) * " " + text


def _scalar(value: Any, notation: _Notation, imaginary: _Notation | None) -> str:
    if imaginary is None:
        return notation(value)
    real, imag = notation(value.real), imaginary(value.imag).lstrip()
    if imag[0] in "+-":
        return real + imag + "j"
    return f"{real}+{imag}j"


def _vector(
    x: np.ndarray, indent: int, summarise: bool, notation: _Notation, imaginary: _Notation | None
) -> str:
    width = notation.width + 2
    if imaginary is not None:
        width += imaginary.width + 1
    per_line = max(1, math.floor((options.linewidth - indent) / width))

    def show(value: Any) -> str:
        return _scalar(value, notation, imaginary)

    edge = int(options.edgeitems)
    if summarise and not edge:
        data = ["..."]
    elif summarise and len(x) > 2 * edge:
        data = [show(v) for v in x[:edge]] + [" ..."] + [show(v) for v in x[-edge:]]
    else:
        data = [show(v) for v in x]
    lines = [", ".join(data[i : i + per_line]) for i in range(0, len(data), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _nested(
    x: np.ndarray, indent: int, summarise: bool, notation: _Notation, imaginary: _Notation | None
) -> str:
    if x.ndim == 0:
        return _scalar(x[()], notation, imaginary)
    if x.ndim == 1:
        return _vector(x, indent, summarise, notation, imaginary)
    edge = int(options.edgeitems)
    if summarise and len(x) > 2 * edge:
        parts = [_nested(p, indent + 1, summarise, notation, imaginary) for p in x[:edge]]
        parts.append("...")
        parts += [
            _nested(p, indent + 1, summarise, notation, imaginary) for p in x[len(x) - edge :]
        ]
    else:
        parts = [_nested(p, indent + 1, summarise, notation, imaginary) for p in x]
    between = "," + "\n" * (x.ndim - 1) + " " * (indent + 1)
    return "[" + between.join(parts) + "]"


def _edges(x: np.ndarray) -> np.ndarray:
    """Only the elements a summary shows."""
    edge = int(options.edgeitems)
    if x.ndim == 0:
        return x
    if len(x) > 2 * edge:
        parts = [*x[:edge], *x[len(x) - edge :]] if edge else []
        if x.ndim == 1:
            return np.asarray(parts, x.dtype)
        return np.stack([_edges(p) for p in parts]) if parts else x[:0]
    return x if x.ndim == 1 else np.stack([_edges(p) for p in x]) if len(x) else x


def _body(array: np.ndarray, indent: int) -> str:
    if array.size == 0:
        return "[]"
    summarise = array.size > options.threshold
    if array.dtype.kind == "V" or array.dtype == np.float16:
        array = array.astype(np.float32)
    shown = _edges(array) if summarise else array
    if array.dtype.kind == "c":
        return _nested(array, indent, summarise, _Notation(shown.real), _Notation(shown.imag))
    return _nested(array, indent, summarise, _Notation(shown), None)


def tensor_text(self: Tensor, *, tensor_contents: Any = None) -> str:
    """What `repr` returns."""
    if self._level is not None:
        return self._level.text(self)
    prefix = "tensor("
    if self._device is not None and self._device.type == "meta":
        usual = self.dtype is promotion.get_default_dtype()
        kind = "" if usual else f", dtype={self.dtype!r}"
        tracked = ", requires_grad=True" if self.requires_grad else ""
        return f"tensor(..., device='meta', size={tuple(self._array.shape)}{kind}{tracked})"
    array = concrete(self)
    suffixes = []
    if self._device is not None:
        suffixes.append(f"device='{self._device}'")
    dtype = self.dtype
    usual = dtype in (promotion.get_default_dtype(), int64, bool_) or (
        dtype is complex64 and promotion.get_default_dtype() is float32
    )
    if array.size == 0:
        if array.ndim != 1:
            suffixes.append(f"size={tuple(array.shape)}")
        if dtype is not promotion.get_default_dtype():
            suffixes.append(f"dtype={dtype!r}")
    elif not usual:
        suffixes.append(f"dtype={dtype!r}")
    body = _body(array, len(prefix))
    node = self.grad_fn
    if node is not None:
        suffixes.append(f"grad_fn=<{node.name()}>")
    elif self.requires_grad:
        suffixes.append("requires_grad=True")
    return _with_suffixes(prefix + body, suffixes, len(prefix))


def _with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    last_line = len(text) - text.rfind("\n") + 1
    parts = [text]
    for suffix in suffixes:
        if last_line + len(suffix) + 2 > options.linewidth:
            parts.append(",\n" + " " * indent + suffix)
            last_line = indent + len(suffix)
        else:
            parts.append(", " + suffix)
            last_line += len(suffix) + 2
    return "".join(parts) + ")"
