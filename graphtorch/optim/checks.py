"""The checks that constructors of optimisers share, with PyTorch's messages."""

from __future__ import annotations

from typing import Any

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


def one_element(**options: Any) -> None:
    """Raise ValueError for an option given as a tensor of several elements."""
    for key, value in options.items():
        if isinstance(value, Tensor) and value.numel() != 1:
            raise ValueError(f"Tensor {key} must be 1-element")


def checked_betas(betas: tuple, foreach: bool | None, capturable: bool) -> tuple[float, float]:
    """Betas as floats; raises ValueError where only one is a tensor, and for foreach without capturable."""
    tensors = [isinstance(beta, Tensor) for beta in betas]
    if any(tensors) and not all(tensors):
        raise ValueError("betas must be either both floats or both Tensors")
    if all(tensors) and foreach and not capturable:
        raise ValueError(
            "betas[0] as a Tensor is not supported for capturable=False and foreach=True"
        )
    one_element(**{f"betas[{i}]": beta for i, beta in enumerate(betas)})
    first, second = (beta.item() if isinstance(beta, Tensor) else beta for beta in betas)
    return first, second


def check_fused(fused: bool | None, foreach: bool | None, differentiable: bool) -> None:
    """Raise RuntimeError where flags that exclude each other are both set."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def check_options(*, betas: tuple | None = None, **options: Any) -> None:
    """Raise ValueError for a negative option or betas outside [0, 1)."""
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
