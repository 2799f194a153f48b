"""The checks that constructors of optimisers share, with PyTorch's messages."""

from __future__ import annotations

from typing import Any

from ..errors import UnsupportedError
from ..frontend.tensor import Tensor

_NAMES = {
    "lr": "learning rate",
    "momentum": "momentum value",
    "weight_decay": "weight_decay value",
    "eps": "epsilon value",
    "alpha": "alpha value",
    "rho": "rho value",
    "lr_decay": "lr_decay value",
    "initial_accumulator_value": "initial_accumulator_value value",
    "momentum_decay": "momentum_decay value",
}


def check_options(
    *, differentiable: bool = False, betas: tuple | None = None, **options: Any
) -> None:
    """Raise ValueError for a negative option or betas outside [0, 1)."""
    if differentiable:
        raise UnsupportedError(
            "differentiable=True is not supported; write the update with tensor operations to differentiate it"
        )
    for key, value in options.items():
        if isinstance(value, Tensor):
            if value.numel() != 1:
                raise ValueError(f"Tensor {key} must be 1-element")
            value = value.item()
        if not value >= 0.0:
            raise ValueError(f"Invalid {_NAMES[key]}: {options[key]}")
    for i, beta in enumerate(betas or ()):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
