"""Anomaly detection: a NaN in the backward pass becomes an error that names its forward line."""

from __future__ import annotations

from typing import Any

from ..frontend import watching as _watching


class set_detect_anomaly:
    """Switch anomaly detection on or off, at once and for a `with` block.

    While on, every recorded operation keeps the stack it was called from; an operation whose backward
    returns NaN raises RuntimeError("Function 'LogBackward0' returned nan values ..."), after a warning
    with that stack.  check_nan=False keeps the stacks only.

    >>> import graphtorch as torch
    >>> with torch.autograd.set_detect_anomaly(True):
    ...     y = torch.ones(2, requires_grad=True).log()
    """

    def __init__(self, mode: bool, check_nan: bool = True):
        state = _watching.state
        self.previous = state.anomaly, state.check_nan
        state.anomaly, state.check_nan = bool(mode), bool(check_nan)
        _watching.refresh()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        _watching.state.anomaly, _watching.state.check_nan = self.previous
        _watching.refresh()


class detect_anomaly(set_detect_anomaly):
    """`set_detect_anomaly(True)` for a `with` block."""

    def __init__(self, check_nan: bool = True):
        import warnings

        self.check_nan = check_nan
        self.previous = _watching.state.anomaly, _watching.state.check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be"
            " enabled for debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        super().__init__(True, self.check_nan)

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on."""
    return _watching.state.anomaly


def is_anomaly_check_nan_enabled() -> bool:
    """Whether NaN raises while anomaly detection is on."""
    return _watching.state.check_nan
