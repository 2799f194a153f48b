"""`torch.cuda.random`: a GPU draws from the one default generator, so its state is the GPU's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..frontend import random as _random
from ..frontend.tensor import Tensor

default_generators: tuple[Any, ...] = ()


def _check(device: Any) -> None:
    from . import _gpu

    _gpu(device)


def get_rng_state(device: Any = "cuda") -> Tensor:
    """State of the generator; raises AssertionError where there is no GPU."""
    _check(device)
    return _random.get_rng_state()


def set_rng_state(new_state: Tensor, device: Any = "cuda") -> None:
    """Set the generator's state; nothing to set where there is no GPU."""
    from . import is_available

    if is_available():
        _random.set_rng_state(new_state)


def get_rng_state_all() -> list[Tensor]:
    """The state for each GPU."""
    from . import device_count

    return [_random.get_rng_state() for _ in range(device_count())]


def set_rng_state_all(new_states: Iterable[Tensor]) -> None:
    """Set the state, given once for each GPU."""
    for number, state in enumerate(new_states):
        set_rng_state(state, number)


def manual_seed(seed: int) -> None:
    """Accepted: random numbers on a GPU come from the default generator."""


def manual_seed_all(seed: int) -> None:
    """Accepted, see `manual_seed`."""


def seed() -> None:
    """Accepted, see `manual_seed`."""


def seed_all() -> None:
    """Accepted, see `manual_seed`."""


def initial_seed() -> int:
    """Seed of the default generator; raises AssertionError where there is no GPU."""
    _check(None)
    return _random.initial_seed()
